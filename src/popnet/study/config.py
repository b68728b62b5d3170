"""The config: one typed model of every key, from which its files and documents are generated.

``python -m popnet.study.generate`` writes ``config/config.yaml``, the schema for editors and the
table in ``config/README.md``. Checks that need more than the config are in `popnet.checks.config`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, Field, model_validator

from popnet.errors import InputError, Problem
from popnet.study.documents import read_sheet
from popnet.study.validation import Natural, Section, Share, Text, Unique, rule, validated

# Old key: new key, both dotted.
RENAMED: dict[str, str] = {}

LearningRate = Annotated[float, Field(gt=0, le=1)]
Factor = Annotated[float, Field(ge=0)]
Widths = Annotated[list[Natural], Field(min_length=1)]
Methods = Annotated[Unique[list[str]], Field(min_length=1)]
Rates = Annotated[Unique[list[LearningRate]], Field(min_length=1)]
Factors = Annotated[Unique[list[Factor]], Field(min_length=1)]
Modelled = Literal["shared", "sivae", "components"]
Plain = Literal["correlation", "spearman", "cs-core", "clr", "mrnet", "aracne"]
Estimator = Literal[Modelled, Plain]
Estimators = Annotated[Unique[list[Estimator]], Field(min_length=1)]
Naturals = Annotated[Unique[list[Natural]], Field(min_length=1)]


class Bins(Section):
    """Equal numbers of cells, of equal depth, for every network."""

    size: Annotated[int, Field(ge=10)] = Field(
        default=1000,
        description="Cells per bin. Cells of a sample that do not fill a bin are left out",
    )
    depth: Literal["match", "none"] | None = Field(
        default=None,
        description="Sequencing depth: match or none; null is the preset's. `match` thins the "
        "counts of each cell type to the same distribution of total counts in all samples, before "
        "genes are selected; tests are then not adjusted for depth. `null` is `match` with preset "
        "`robust` and `none` with `paper`",
    )


class Genes(Section):
    """Which genes a network is made of."""

    cohort: Annotated[int, Field(ge=0)] = Field(
        default=3000, description="Number of most variable genes over all samples"
    )
    sample: Annotated[int, Field(ge=0)] = Field(
        default=1000,
        description="Number of most variable genes of each sample, added to those of the cohort",
    )
    keep: list[Text] = Field(
        default=["MT-*"],
        description="Genes to keep whatever their variance. `*` and `?` stand for any letters",
    )
    regress: Unique[list[Literal["batch", "cell_cycle"]]] = Field(
        default=[],
        description="What to regress out within a sample: batch, cell_cycle. `batch` needs a batch "
        "in the sheet; `cell_cycle` are S and G2M scores",
    )


class FeatureInput(Section):
    """What the feature-wise encoder sees of a gene."""

    method: Literal["cells", "downsample", "pca"] = Field(
        default="cells",
        description="`cells` (all of the bin), `downsample` (random cells) or `pca` (component "
        "scores)",
    )
    size: Natural | None = Field(
        default=None,
        description="Number of cells (`downsample`) or components (`pca`); `null` with `cells`",
    )

    @model_validator(mode="after")
    def _size_belongs_to_method(self) -> FeatureInput:
        if (self.method == "cells") != (self.size is None):
            must = "null" if self.method == "cells" else "a number"
            message = f"With method {self.method!r} the size must be {must}"
            raise rule(message, "Give a size with downsample and pca only", "size", self.size)
        return self


class Sivae(Section):
    """The model of gene embeddings and its training; a key that is `null` follows the plan."""

    plan: Literal["fast", "paper"] | None = Field(
        default=None,
        description="Training plan: fast or paper; null is that of the preset. It is `fast` with "
        "preset `robust` and `paper` with preset `paper`",
    )
    latent: Natural = Field(default=32, description="Dimensions of the embeddings")
    hidden: Widths | None = Field(
        default=None,
        description="Widths of the encoders' hidden layers, which the decoders mirror; null is "
        "[1024, 512, 128], or [256, 128, 64] with the plan `fast` and bins of up to 500 cells",
    )
    gamma: Factor = Field(default=0.05, description="Weight of the interpretability term")
    kl: Factor | None = Field(
        default=None,
        description="Weight of the KL terms against the reconstruction, a sum over genes. "
        "1 is the paper's objective and switches most dimensions off; `null` follows the plan",
    )
    minibatch: Natural = Field(default=128, description="Cells per step")
    heldout: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.1,
        description="Share of a bin's cells never trained on, to measure the error on unseen "
        "cells. The authors: 0",
    )
    steps: Annotated[list[Natural], Field(min_length=3, max_length=3)] | None = Field(
        default=None,
        description="Minibatch steps: [cell-wise, feature-wise, joint]. The 500, 300 and 1,000 of "
        "the plan `fast` grow where a bin has more than 1,000 training cells, and shrink in "
        "proportion where it has fewer than 900",
    )
    learning_rate: LearningRate | None = Field(
        default=None,
        description="Learning rate of Adam, at the start (schedule `decay`) or at the peak "
        "(`one-cycle`)",
    )
    schedule: Literal["decay", "one-cycle"] | None = Field(
        default=None,
        description="Schedule of the learning rate: decay or one-cycle. `decay` is times 0.9 every "
        "1,000 steps, `one-cycle` up and down again in every stage",
    )
    l2: Annotated[list[Factor], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="Penalty on the weights: [cell-wise, feature-wise]"
    )
    genes_per_step: Natural | Literal["all"] | None = Field(
        default=None,
        description='A whole number of random genes per step, or "all". Fewer genes are faster; '
        "their sums are rescaled to all genes. The model of the cohort always has all",
    )
    feature_input: FeatureInput | None = Field(
        default=None,
        description="What the feature-wise encoder sees of a gene. `{method: cells}` (all of the "
        "bin), `{method: downsample, size: 500}` (random cells) or `{method: pca, size: 384}` "
        "(component scores)",
    )
    precision: Literal["auto", "float32", "bf16"] | None = Field(
        default=None,
        description="Precision of the matrix products: auto, float32 or bf16. `bf16` is an error "
        "where the hardware lacks bfloat16, `auto` uses it where it is there",
    )


class Training(Section):
    """How the training jobs run."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto",
        description="Device: auto, cpu or cuda. `auto` is a GPU where there is one; `cuda` is an "
        "error where there is none",
    )
    bins_per_job: Natural | Literal["auto"] = Field(
        default="auto",
        description="Most bins that one job trains. `auto` is 200 where training is given a GPU "
        "(`device: cuda`, or a profile that sets `gres` or `gpu` for `train_sivae`), otherwise 5",
    )
    seeds: Natural = Field(
        default=1,
        description="Number of models of each bin, trained from different seeds. Their networks "
        "are averaged",
    )
    stack: Natural | None = Field(
        default=None,
        description="Models of a job that train at the same time; null is what fits in memory. On "
        "a GPU its free memory decides; on a CPU it is 1. A job's stacks have about the same size",
    )
    max_failed_bins: Share = Field(
        default=0.1,
        description="Share of bins that may fail before the study stops. A model that diverges is "
        "tried once more with another seed; a bin of which none trains is listed in "
        "`excluded.tsv`",
    )


class Tuning(Section):
    """What `snakemake tune` compares by the loss on held-out cells, each value with every other."""

    bins: Natural = Field(
        default=4, description="Bins of each cell type that the loss is averaged over"
    )
    learning_rates: Rates = Field(default=[1e-4, 1e-3, 1e-2], description="Learning rates of Adam")
    l2: Factors = Field(
        default=[1e-3, 1e-2], description="Penalties on the weights, each of all networks"
    )
    latents: Naturals = Field(default=[16, 32, 64], description="Numbers of latent dimensions")
    hidden: Annotated[Unique[list[Widths]], Field(min_length=1)] | None = Field(
        default=None,
        description="Lists of widths, such as [[1024, 512, 128], [256, 64]]; null is sivae.hidden",
    )


class Networks(Section):
    """Which networks every bin gets, and what an edge is."""

    estimators: Estimators | None = Field(
        default=None,
        description="Networks of every bin; null is the preset's. Headline is the first that is "
        "measurable (preset `paper`: the first). `shared` "
        "(one siVAE for the cohort, whose loadings all samples share), `sivae` (one per bin), "
        "`correlation`, `components` (shared principal components), `spearman`, `cs-core` "
        "(correlation behind the counts, corrected for depth), `clr`, `mrnet` and `aracne` (from "
        "mutual information). Preset `robust`: `[shared, sivae, correlation]`; `paper`: `[sivae]`. "
        "`[shared, correlation]` is the quick look",
    )
    edges: Literal["model", "inner", "cosine", "distance"] | None = Field(
        default=None,
        description="What weighs an edge of a siVAE per bin: model, inner, cosine or distance. "
        "`model` is the covariance that the model explains, `inner` the inner product of the "
        "loadings, `cosine` that of loadings of length 1, `distance` their closeness. `null` is "
        "`model` with preset `robust` and `distance` with `paper`. Networks by `shared` and "
        "`components` are always by `model`",
    )
    closest: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.01, description="Share of gene pairs, the strongest ones, that are edges"
    )
    central_genes: Annotated[int, Field(ge=2)] | Literal["all"] = Field(
        default=100,
        description='A whole number of most central genes of each bin, or "all". The union of them '
        "are the genes of the graph",
    )
    min_detection: Share = Field(
        default=0.05,
        description="Share of a bin's cells that must express a gene. With fewer it has no "
        "centrality and no edges there: a gene of one cell is reconstructed perfectly and is no "
        "hub. Preset `paper`: none",
    )
    neighbours: Natural = Field(
        default=20, description="Nearest genes that are listed for each gene"
    )


class Statistics(Section):
    """How hypotheses are tested."""

    permutations: Natural = Field(default=10000, description="Permutations of a permutation test")
    fdr: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.05, description="False discovery rate that is called significant"
    )
    min_icc: Share = Field(
        default=0.4,
        description="Least reliability of a gene that is believed. It is the intraclass "
        "correlation over bins. A measure whose median gene reaches it is called measurable",
    )
    test_unmeasurable: bool = Field(
        default=False,
        description="Whether to test what cannot be measured. With preset `robust`, measures by "
        "which bins of one sample are no more alike than bins of two are not tested "
        "(`networks/measures.tsv`)",
    )
    adjust: Unique[list[Literal["depth", "cells"]]] = Field(
        default=["depth", "cells"],
        description="What tests are adjusted for beside covariates and batches. Log sequencing "
        "depth (not where `bins.depth` makes it equal) and log number of cells, with preset "
        "`robust`; the last one is left out where samples are few",
    )


class Timing(Section):
    """Sizes at which training siVAE and interpreting a VAE are timed."""

    cells: Annotated[int, Field(ge=100)] = Field(default=1000, description="Simulated cells")
    latents: Naturals = Field(
        default=[20, 128, 512], description="Latent dimensions, at the smallest number of genes"
    )
    genes: Annotated[Unique[list[Annotated[int, Field(ge=30)]]], Field(min_length=1)] = Field(
        default=[1000, 4000, 16000, 64000],
        description="Numbers of genes, at the smallest number of dimensions",
    )


class Comparisons(Section):
    """What `snakemake comparisons` compares siVAE with, see docs/comparisons.md."""

    cells: Annotated[int, Field(ge=100)] = Field(
        default=3000, description="Cells drawn at random from the bins of all cell types"
    )
    genes: Annotated[int, Field(ge=30)] = Field(
        default=1000, description="Number of genes, the most variable ones of these cells"
    )
    embeddings: Methods | None = Field(
        default=None, description="Methods of dimension reduction, by name; null is all of them"
    )
    interpretations: Methods | None = Field(
        default=None,
        description="Interpretations of the latent dimensions, by name; null is all of them",
    )
    networks: Methods | None = Field(
        default=None, description="Methods of network inference, by name; null is all of them"
    )
    sample_networks: Methods | None = Field(
        default=["correlation", "cs-core", "clr", "mrnet", "aracne"],
        description="Methods of network inference compared with siVAE in every sample; null is all "
        "of them",
    )
    folds: Annotated[int, Field(ge=2)] = Field(
        default=5, description="Parts of the cells, each of which is held out once"
    )
    latents: Naturals = Field(
        default=[2, 5, 10, 20], description="Numbers of dimensions of the cell embeddings"
    )
    gammas: Factors = Field(
        default=[0, 0.05, 0.5, 5, 100], description="Weights of the interpretability term"
    )
    epochs: Natural = Field(
        default=100, description="Passes over the cells of scVI, LDVAE and scETM"
    )
    images: Literal["digits", "mnist"] | None = Field(
        default="digits",
        description="Images that siVAE is tried on: digits, mnist or null. `digits` come with "
        "scikit-learn, `mnist` needs openml.org, `null` is none",
    )
    markers: str | None = Field(
        default=None,
        description="Table of marker genes (columns gene and cell_type); null finds them by a test",
    )
    timing: Timing = Field(default_factory=Timing)


class Meta(Section):
    """What `snakemake meta` combines: finished studies of other donors, see docs/meta.md."""

    name: Text = Field(default="all", description="Results go to results/meta/<name>/")
    studies: Unique[list[Text]] = Field(
        default=[], description="Folders of their results, such as [results/a, results/b]"
    )


class Report(Section):
    """What the page of the study shows."""

    donors: Literal["show", "hide"] = Field(
        default="show",
        description="Whether the page names samples and donors: show or hide. `hide` leaves out "
        "their identifiers and the values of single ones, for a page that is passed on",
    )


class Config(Section):
    """Settings of an analysis; every key has a default, the value in config/config.yaml."""

    cohort: Text = Field(
        default="config/cohorts/demo.yaml",
        description="The cohort sheet, relative to the folder that the workflow runs in",
    )
    preset: Literal["robust", "paper"] = Field(
        default="robust",
        description="robust or paper: what a careful reviewer would ask, or what the paper did. "
        "`robust` tests one value per donor or sample, `paper` tests every bin as if it were "
        "independent",
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = Field(
        default=1, description="Every random number follows from this whole number"
    )
    bins: Bins = Field(default_factory=Bins)
    genes: Genes = Field(default_factory=Genes)
    sivae: Sivae = Field(default_factory=Sivae)
    training: Training = Field(default_factory=Training)
    tuning: Tuning = Field(default_factory=Tuning)
    networks: Networks = Field(default_factory=Networks)
    statistics: Statistics = Field(default_factory=Statistics)
    comparisons: Comparisons = Field(default_factory=Comparisons)
    meta: Meta = Field(default_factory=Meta)
    report: Report = Field(default_factory=Report)


def config_problems(config: Mapping[str, Any], file: str) -> list[Problem]:
    """Return what is wrong with the keys and values of a config."""
    remedy = (
        "Write the number without quotes; nested values of --config arrive as text, so put them in "
        "a file and give it with --configfile. "
    )
    return validated(Config, dict(config), file, RENAMED, remedy)[1]


def fill_defaults(config: dict[str, Any], model: type[BaseModel] = Config) -> None:
    """Give a config the defaults of the keys that it lacks; values that it has stay as they are."""
    for key, field in model.model_fields.items():
        section = section_of(field.annotation)
        nested = section is not None and field.default_factory is not None
        value = config.setdefault(key, {} if nested else field.get_default())
        if section and isinstance(value, dict):
            fill_defaults(value, section)


def merged_config(files: Iterable[str]) -> dict[str, Any]:
    """Return the settings of several files, of which later ones win, with all defaults.

    Raises
    ------
    InputError
        For a file that is not YAML.
    """
    config: dict[str, Any] = {}
    for file in files:
        if problems := read_sheet(file)[1]:
            raise InputError(problems)
        # Texts of numbers such as 1e-3 are numbers in settings.
        _update(config, yaml.safe_load(Path(file).read_text(encoding="utf-8-sig")) or {})
    fill_defaults(config)
    return config


def _update(config: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(config.get(key), dict):
            _update(config[key], value)
        else:
            config[key] = value


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a key holds, or may hold; None for a plain value."""
    mapping = get_origin(annotation) is dict
    for part in () if mapping else get_args(annotation) or (annotation,):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None
