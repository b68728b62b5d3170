"""What the presets `robust` and `paper` mean: every choice by preset is looked up here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal


@dataclass(frozen=True)
class Preset:
    """The choices of a preset.

    Parameters
    ----------
    unit : {"donor", "bin"}
        What counts as one observation.
    plan : {"fast", "paper"}
        The training plan, where the config names none.
    kernels : tuple of str
        Names of the graph kernels that compare samples; `wl_degree` by GraKeL where `grakel`.
    main_kernel : str
        The kernel whose map is drawn and reported.
    effects : mapping of phenotype type to str
        What figures call the statistic of a test.
    burden_effects : mapping of phenotype type to str
        The same for tests of variants per gene.
    depth : {"match", "none"}
        Whether counts are thinned to the same depth in all samples, where the config does not say
        it.
    grakel : bool
    relative : bool
        Centrality is relative to the gene's variance in the bin, and genes that too few cells
        express have none.
    estimators : tuple of str
        Networks of every bin, where the config names none, the first choice first.
    definition : str
        What an edge of a siVAE per bin is, where the config does not say it.
    warm : bool
        A bin's siVAE starts from that of the cohort.
    edges : str
        The table of edges whose rows are the observations.
    pairs : str
        The file with what is tested of pairs of genes: the weights of the candidate pairs in every
        sample, or the table of edges.
    maps, analyses, controls, between, variants : tuple of str
        Analyses of every phenotype that the findings list: of the map, of a cell type's networks,
        of its expression and composition, of several cell types, of genotypes.
    wiring : bool
        Genotypes are tested against the wiring of the complexes, too.
    strict_genotypes : bool
        Read depths, the mask and absent records count; else every record is taken as it is.
    """

    unit: Literal["donor", "bin"]
    plan: Literal["fast", "paper"]
    kernels: tuple[str, ...]
    main_kernel: str
    effects: Mapping[str, str]
    burden_effects: Mapping[str, str]
    depth: Literal["match", "none"]
    grakel: bool
    relative: bool
    estimators: tuple[str, ...]
    definition: str
    warm: bool
    edges: str
    pairs: str
    maps: tuple[str, ...]
    analyses: tuple[str, ...]
    controls: tuple[str, ...]
    between: tuple[str, ...]
    variants: tuple[str, ...]
    wiring: bool
    strict_genotypes: bool


# The largest bins that have narrower networks and cross-fitted errors.
FEW_CELLS = 500

# The analyses of the overall test of a categorical phenotype, in the order of its table, and
# whether q is over all their measures; and those that findings count.
OVER_LEVELS = {
    "programmes": False,
    "modules": False,
    "gene_sets": False,
    "centrality": False,
    "graph_centrality": True,
    "edges": False,
    "expression": False,
    "detection": False,
    "composition": False,
}
OF_LEVELS = (*OVER_LEVELS, "model_edges")
# What findings call them begins with this.
OVERALL = "overall_"
# Analyses of graphs, which values of genes alone do not have.
OF_GRAPHS = ("graph_centrality", "edges", "model_edges", "components", "connectivity", "consensus")
ANALYSES = ("centrality", "graph_centrality", "gene_sets", "edges", "connectivity", "consensus")

PRESETS: dict[str, Preset] = {
    "robust": Preset(
        unit="donor",
        plan="fast",
        kernels=("wl_degree", "wl_gene", "edge_jaccard", "centrality"),
        main_kernel="edge_jaccard",
        effects={
            "continuous": "partial rank correlation",
            "binary": "adjusted rank-biserial correlation",
        },
        burden_effects={
            "continuous": "partial rank correlation",
            "binary": "adjusted rank-biserial correlation",
        },
        depth="match",
        grakel=False,
        relative=True,
        estimators=("shared", "sivae", "correlation"),
        definition="model",
        warm=True,
        edges="edges.parquet",
        pairs="pairs.h5ad",
        maps=("axes", "map"),
        analyses=(
            *("programmes", "modules", *ANALYSES, "genes_in_groups"),
            *("model_edges", "components"),
        ),
        controls=("expression", "detection", "composition"),
        between=("shared", "differing"),
        variants=("single", "burden", "heteroplasmy"),
        wiring=True,
        strict_genotypes=True,
    ),
    "paper": Preset(
        unit="bin",
        plan="paper",
        kernels=("wl_degree", "wl_gene", "edge_jaccard"),
        main_kernel="wl_degree",
        effects={"continuous": "Spearman ρ", "binary": "rank-biserial correlation"},
        burden_effects={"continuous": "Pearson r", "binary": "rank-biserial correlation"},
        depth="none",
        grakel=True,
        relative=False,
        estimators=("sivae",),
        definition="distance",
        warm=False,
        edges="bin_edges.parquet",
        pairs="bin_edges.parquet",
        maps=("axes",),
        analyses=ANALYSES,
        controls=(),
        between=(),
        variants=("single", "burden"),
        wiring=False,
        strict_genotypes=False,
    ),
}


def answer(question: ModuleType, preset: str) -> Callable[..., Any]:
    """Return the function of a question's module that answers it under a preset.

    Modules of `popnet.associations` have one function per preset, of its name.
    """
    function: Callable[..., Any] = getattr(question, preset)
    return function


def unit(preset: str) -> Literal["donor", "bin"]:
    """Return what counts as one observation."""
    return PRESETS[preset].unit


def training_plan(config: Mapping[str, Any]) -> str:
    """Return the training plan of a config: its own, or the preset's."""
    return config["sivae"]["plan"] or PRESETS[config["preset"]].plan


def sivae(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section `sivae` of a config, with the widths that it leaves open.

    The plan `fast` has narrower networks for bins of few cells (docs/networks.md, "Few cells: steps
    and widths").
    """
    few = training_plan(config) == "fast" and config["bins"]["size"] <= FEW_CELLS
    widths = [256, 128, 64] if few else [1024, 512, 128]
    return config["sivae"] | {"hidden": config["sivae"]["hidden"] or widths}


def main_kernel(preset: str, known: Iterable[str] | None = None) -> str:
    """Return the kernel whose map is drawn and reported.

    Parameters
    ----------
    preset : str
    known : iterable of str, optional
        Those that a network has: without edges it is compared by its centralities alone.
    """
    main = PRESETS[preset].main_kernel
    return main if known is None or main in set(known) else "centrality"


def effect_name(preset: str, phenotype_type: str) -> str:
    """Return what figures call the statistic of a phenotype's tests."""
    return PRESETS[preset].effects[phenotype_type]


def burden_effect_name(preset: str, phenotype_type: str) -> str:
    """Return what figures call the statistic of the tests of variants per gene."""
    return PRESETS[preset].burden_effects[phenotype_type]


def estimators(config: Mapping[str, Any]) -> list[str]:
    """Return the names of a study's networks; the first measurable one is the headline."""
    chosen = config["networks"]["estimators"]
    return list(PRESETS[config["preset"]].estimators if chosen is None else chosen)


def shares_model(config: Mapping[str, Any]) -> bool:
    """Return whether a study trains one siVAE for the cohort."""
    wanted = estimators(config)
    warm = PRESETS[config["preset"]].warm and "sivae" in wanted
    return warm or not {"shared", "components"}.isdisjoint(wanted)


def cross_fits(config: Mapping[str, Any]) -> bool:
    """Return whether the errors of bins' own models are those of cells that these did not see.

    In a small bin a model learns its cells by heart.
    """
    return PRESETS[config["preset"]].warm and config["bins"]["size"] <= FEW_CELLS


def needs_counts(config: Mapping[str, Any]) -> bool:
    """Return whether a network is estimated from the counts of cells."""
    return "cs-core" in estimators(config)


def matches_depth(config: Mapping[str, Any]) -> bool:
    """Return whether counts are thinned to the same depth: the config's choice, or the preset's."""
    return (config["bins"]["depth"] or PRESETS[config["preset"]].depth) == "match"


def adjusted(config: Mapping[str, Any]) -> list[str]:
    """Return what tests are adjusted for beside covariates: not depth, where it is made equal.

    Where depth is associated with the phenotype, the covariate would take true effects away.
    """
    made_equal = ("depth",) if matches_depth(config) else ()
    return [one for one in config["statistics"]["adjust"] if one not in made_equal]


def edge_definition(config: Mapping[str, Any]) -> str:
    """Return what an edge of a siVAE per bin is: the config's choice, or the preset's."""
    return str(config["networks"]["edges"] or PRESETS[config["preset"]].definition)


def pairs(preset: str) -> str:
    """Return the name of the file with what is tested of pairs of genes."""
    return PRESETS[preset].pairs


def edges(preset: str) -> str:
    """Return the name of the table of edges whose rows are the observations."""
    return PRESETS[preset].edges
