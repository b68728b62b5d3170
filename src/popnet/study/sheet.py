"""The cohort sheet as it is written: one typed model of every key.

The schema for editors and the tables in ``config/README.md`` are generated from it
(`popnet.study.generate`). What a sheet means is in `popnet.study.cohort`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from popnet.errors import nearest
from popnet.study.phenotypes import MISSING, as_text, label_of
from popnet.study.validation import Part, Section, Text, rule

# Old key: new key; `[]` stands for an entry of a list.
RENAMED = {"samples.absent": "samples.without_cells"}


def _id(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _label(value: Any) -> Any:
    return as_text(value) if isinstance(value, str | int | float) else value


def _positions(value: Any) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d*)(?:-([1-9]\d*))?", str(value))
    if isinstance(value, bool) or not found:
        remedy = "Write a position or first-last, from 1"
        raise rule("This is neither a position nor a range of positions", remedy)
    first, last = int(found[1]), int(found[2] or found[1])
    if last < first:
        raise rule("The range is backwards", "Write the first position before the last")
    return first, last


# An id may be a whole number, the label of a phenotype any number, true or false.
Id = Annotated[
    str,
    Field(min_length=1),
    BeforeValidator(_id),
    WithJsonSchema({"type": ["string", "integer"], "minLength": 1}),
]
Label = Annotated[
    str,
    BeforeValidator(_label),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
Value = Annotated[
    str | int | float | bool, WithJsonSchema({"type": ["string", "number", "boolean"]})
]
OptionalValue = Annotated[
    str | int | float | bool | None,
    WithJsonSchema({"type": ["string", "number", "boolean", "null"]}),
]
Positions = Annotated[
    tuple[int, int],
    BeforeValidator(_positions),
    WithJsonSchema(
        {"type": ["string", "integer"], "pattern": "^[1-9][0-9]*(-[1-9][0-9]*)?$", "minimum": 1}
    ),
]


class Annotations(Section):
    """A table of cell metadata, as for 10x files; its columns count as `obs`, and win there."""

    table: Text = Field(description="CSV or TSV with one row per cell")
    barcode: Text = Field(description="Its column of barcodes (names of the cells)")
    sample: Text | None = Field(
        default=None, description="Its column of sample ids, where samples share barcodes"
    )


class Cells(Section):
    """Where the cells are and what their columns mean."""

    path: Text | None = Field(
        default=None,
        description="An h5ad, a 10x `.h5` or a folder with a matrix (10x, STARsolo, kb, "
        "alevin-fry) of all samples; with `{sample}`, one for each; see docs/formats.md",
    )
    counts: Annotated[str, Field(pattern=r"^(X|raw\.X|layers/.+)$")] = Field(
        default="X", description="Where the raw counts are: `X`, `raw.X` or `layers/<name>`"
    )
    gene_symbols: Text | None = Field(
        default=None, description="The `var` column of gene symbols, where genes are Ensembl ids"
    )
    gene_prefix: Text | None = Field(
        default=None,
        description="What names of genes begin with and is taken away, such as `GRCh38_` of "
        "`GRCh38_MT-ND1`",
    )
    sample: Text | None = Field(
        default=None,
        description="The `obs` column of sample ids; not needed where each sample has its own file",
    )
    cell_type: Text | None = Field(
        default=None,
        description="The `obs` column of cell types; left out, all cells are one type, `all`",
    )
    batch: Text | None = Field(
        default=None,
        description="The `obs` column of the batch (pool, library, chip), if there is one",
    )
    keep: dict[str, Annotated[list[Value], Field(min_length=1)]] = Field(
        default={}, description="Filters, `column: [values]`; a cell must pass them all"
    )
    annotations: Annotations | None = None


MissingCodes = Annotated[
    tuple[Label, ...],
    Field(
        strict=False,
        description="What else stands for a missing value, in the table, in `obs` and in "
        '`cells.annotations`, such as `["-9", unknown]`; empty, `NA`, `N/A`, `#N/A`, `NaN`, '
        "`None`, `null` and `<NA>` always do",
    ),
]


class SampleEntry(Section):
    """A sample of a list."""

    id: Id = Field(description="Identifier of the sample, as in the cells")
    donor: Id | None = Field(
        default=None, description="The person or cell line it comes from; the id where left out"
    )
    phenotypes: dict[str, OptionalValue] = Field(
        default={}, description="Its phenotypes, `name: value`"
    )
    covariates: dict[str, OptionalValue] = Field(
        default={}, description="Its covariates, `name: value`"
    )
    vcf: Text | None = Field(
        default=None, description="Its VCF, where it is not that of `variants.path`"
    )
    path: Text | None = Field(
        default=None, description="Its cells, where they are not in `cells.path`"
    )
    batch: Id | None = Field(
        default=None, description="Its batch, where the cells have no batch column"
    )


class SampleTable(Section):
    """A table of samples, and the names of its columns."""

    table: Text = Field(description="CSV or TSV with one row per sample")
    id: Text = Field(description="Its column of sample ids")
    donor: Text | None = Field(default=None, description="Its column of donors")
    vcf: Text | None = Field(
        default=None, description="Its column of VCF paths, relative to the sheet"
    )
    path: Text | None = Field(
        default=None, description="Its column of paths of the cells, relative to the sheet"
    )
    batch: Text | None = Field(default=None, description="Its column of batches")
    exclude: dict[str, Text] = Field(default={}, description="Samples to leave out, `id: reason`")
    missing: MissingCodes = ()
    without_cells: Literal["error", "exclude"] = Field(
        default="error",
        description="Rows without cells: `error` stops the study, `exclude` leaves them out",
    )


class SamplesOfCells(Section):
    """All samples that the cells have."""

    cells: Literal["all"] = Field(description="`all`: every id in `cells.sample` is a sample")
    donor: Text | None = Field(default=None, description="The `obs` column of donors")
    exclude: dict[str, Text] = Field(default={}, description="Samples to leave out, `id: reason`")
    missing: MissingCodes = ()


def _form_of_samples(value: Any) -> str:
    if isinstance(value, list):
        return "list"
    return "SamplesOfCells" if isinstance(value, dict) and "cells" in value else "SampleTable"


Samples = Annotated[
    Annotated[list[Part[SampleEntry]], Field(min_length=1), Tag("list")]
    | Annotated[SampleTable, Tag("SampleTable")]
    | Annotated[SamplesOfCells, Tag("SamplesOfCells")],
    Discriminator(_form_of_samples),
]


# Keys of one type of phenotype alone.
KEYS_OF_TYPE = {
    **dict.fromkeys(("case", "control"), "binary"),
    "order": "ordinal",
    **dict.fromkeys(("contrasts", "levels"), "categorical"),
}


def _no_survival(value: Any) -> Any:
    if value == "survival":
        message = "Time to an event, of which some have not happened, is not tested"
        remedy = (
            "Ask whether the event happened within a time that all samples were followed for "
            "(type: binary, missing: drop)"
        )
        raise rule(message, remedy)
    return value


class PhenotypeEntry(Section):
    """What networks are compared with."""

    type: Annotated[
        Literal["continuous", "binary", "ordinal", "categorical"], BeforeValidator(_no_survival)
    ] = Field(
        description="`continuous` (numbers), `binary` (case and control), `ordinal` (levels in an "
        "order, tested for a trend) or `categorical` (levels without one, tested by contrasts "
        "and, if they are three or more, all together)"
    )
    column: Text | None = Field(
        default=None,
        description="The column of the samples' table or of `obs`; left out, the phenotype's name",
    )
    case: Label | None = Field(
        default=None, description="The value of cases; not needed for 0/1 and true/false"
    )
    control: Label | None = Field(
        default=None, description="The value of controls; not needed for 0/1 and true/false"
    )
    order: Annotated[list[Label], Field(min_length=2)] | None = Field(
        default=None, description="The levels of an ordinal phenotype, the lowest first"
    )
    contrasts: (
        Annotated[
            dict[str, Annotated[list[Label], Field(min_length=2, max_length=2)]],
            Field(min_length=1),
        ]
        | None
    ) = Field(
        default=None,
        description="Of a categorical phenotype, `name: [case, control]`: two levels that are "
        "compared as a phenotype of their own, called `<phenotype>: <name>`",
    )
    levels: Annotated[list[Label], Field(min_length=2)] | None = Field(
        default=None,
        description="All levels of a categorical phenotype; left out, those of its contrasts",
    )
    missing: Literal["error", "drop"] = Field(
        default="error",
        description="`error`: every sample must have a value; `drop`: samples without one stay in "
        "the networks, but out of this phenotype's tests",
    )
    margin: Annotated[float, Field(gt=0, strict=False)] | None = Field(
        default=None,
        description="Equivalence: is the effect smaller than this many standard deviations of a "
        "gene between observations? Preset `robust` adds `equivalence_p` and `equivalence_q`",
    )
    description: str = Field(default="", description="What it is, for the report")

    @model_validator(mode="after")
    def _what_belongs_to_the_type(self) -> PhenotypeEntry:
        for key, of in KEYS_OF_TYPE.items():
            if self.type != of and (value := getattr(self, key)) is not None:
                message = f"{key} belongs to {of} phenotypes, and this one is {self.type}"
                raise rule(message, f"Set type: {of}, or take {key} away", key, value)
        if self.type == "ordinal" and self.order is None:
            message = "An ordinal phenotype has an order of its levels"
            raise rule(message, "Add order: [lowest, ..., highest]", "order")
        if self.type == "categorical" and self.contrasts is None:
            message = "A categorical phenotype is tested by contrasts"
            raise rule(message, "Add contrasts: {b_vs_a: [b, a]}", "contrasts")
        return self

    @model_validator(mode="after")
    def _two_labels_of_a_binary(self) -> PhenotypeEntry:
        labels = {"case": self.case, "control": self.control}
        given = [key for key, label in labels.items() if label is not None]
        if len(given) == 1:
            other = "control" if given == ["case"] else "case"
            message = f"{given[0]} is given but {other} is not"
            raise rule(message, f"Add {other}: the value of the {other}s", other)
        for key, label in labels.items():
            if label in MISSING:
                message = "This is read as a missing value"
                raise rule(message, "Give the level another name in the data", key, label)
        if given and self.case == self.control:
            remedy = "Give the value of the cases and that of the controls"
            raise rule("case and control are the same value", remedy, "case", self.case)
        return self

    @model_validator(mode="after")
    def _levels_are_different_and_known(self) -> PhenotypeEntry:
        for key in ("order", "levels"):
            names = getattr(self, key) or []
            for number, name in enumerate(names):
                if label_of(name, names[:number]) is not None:
                    raise rule("The level is given twice", "Give each level once", key, name)
                if name in MISSING:
                    message = "This is read as a missing value"
                    raise rule(message, "Give the level another name in the data", key, name)
        for name, pair in (self.contrasts or {}).items():
            if label_of(pair[0], pair[1:]) is not None:
                message = "A contrast compares two different levels"
                raise rule(message, "Give [case, control]", f"contrasts.{name}", pair[0])
            levels = self.levels or pair
            for level in pair:
                if label_of(level, levels) is None:
                    message = "levels has no such level"
                    remedy = nearest(level, levels) + "Correct it, or add it to levels"
                    raise rule(message, remedy, f"contrasts.{name}", level)
                if level in MISSING:
                    message = "This is read as a missing value"
                    remedy = "Give the level another name in the data"
                    raise rule(message, remedy, f"contrasts.{name}", level)
        return self


CovariateType = Annotated[
    Literal["categorical", "numeric"], Field(description="`categorical` or `numeric`")
]


class CovariateEntry(Section):
    """What else differs between samples."""

    type: CovariateType
    column: Text | None = Field(
        default=None,
        description="The column of the samples' table or of `obs`; left out, the covariate's name",
    )


Covariates = dict[
    str,
    Annotated[
        Annotated[CovariateType, Tag("type")] | Annotated[CovariateEntry, Tag("CovariateEntry")],
        Discriminator(lambda value: "type" if isinstance(value, str) else "CovariateEntry"),
    ],
]


def _interaction(value: Any) -> Any:
    # YAML reads `sex: condition` as a mapping.
    if isinstance(value, dict) and len(value) == 1:
        return ":".join(map(str, *value.items()))
    return value


Interaction = Annotated[
    str,
    BeforeValidator(_interaction),
    WithJsonSchema({"type": "string", "pattern": ".:."}),
]


class GeneSetEntry(Section):
    """One of prefix, gmt and genes."""

    prefix: Text | None = Field(default=None, description="All genes whose symbol begins so")
    gmt: Text | None = Field(default=None, description="A GMT file; all of its sets are tested")
    genes: Annotated[list[Text], Field(min_length=1)] | None = Field(
        default=None, description="The symbols themselves"
    )

    @model_validator(mode="after")
    def _one_form(self) -> GeneSetEntry:
        n_forms = sum(form is not None for form in (self.prefix, self.gmt, self.genes))
        if n_forms != 1:
            message = f"It has {'none' if n_forms == 0 else 'more than 1'} of prefix, gmt and genes"
            raise rule(message, "Give one of prefix, gmt and genes")
        return self


class OwnNetworkEntry(Section):
    """A table of networks by another tool, or of values of genes, tested as centralities are."""

    path: Text = Field(
        description="Parquet, or TSV with a header. Edges have the columns `sample`, `gene1`, "
        "`gene2`, `weight`; values of genes `sample`, `gene`, `value`. Optional: `cell_type`, `bin`"
    )
    directed: bool = Field(
        default=False,
        description="Edges go from `gene1` to `gene2`: the opposite edge is another edge",
    )


class ReplicateEntry(Section):
    """A second cohort that what is found here is tested in, see docs/replication.md."""

    cohort: Text = Field(description="The sheet of the second cohort")
    phenotypes: Annotated[list[Text], Field(min_length=1)] | None = Field(
        default=None, description="The phenotypes that both cohorts have; left out, all of them"
    )


class Variants(Section):
    """Genotypes of the samples."""

    path: Text | None = Field(
        default=None, description="One VCF for all samples, or with `{sample}` one for each"
    )
    contig: Id = Field(
        default="MT",
        description="The contig to test; `MT`, `M`, `chrM`, `chrMT`, `26`, `NC_012920.1` and any "
        "contig of 16,569 bp are the same",
    )
    samples: dict[str, Id] = Field(
        default={}, description="`id: name in the VCF`, where the two differ"
    )
    keep_filters: tuple[Text, ...] = Field(
        default=(),
        strict=False,
        description="FILTER values taken as `PASS`, such as `[fa]` for the chrMT file of the 1000 "
        "Genomes. Genotypes of other filtered records are missing, and so are those that "
        "`FORMAT/FT` filters",
    )
    absent: Literal["missing", "reference"] | None = Field(
        default=None,
        description="What a variant is in a sample whose VCF has no record of its position, where "
        "other files have one: `missing` (taken, with a warning, where the sheet does not say) or "
        "`reference`, which is right where the files leave out what was read as reference. A VCF "
        "of all samples needs neither. Preset `paper` takes `reference` and looks at neither "
        "`mask` nor `min_depth`",
    )
    # Runs of C, a repeat and the gap of the rCRS: what is called there is mostly error.
    mask: tuple[Positions, ...] = Field(
        default=("302-316", "513-525", "3107"),
        strict=False,
        validate_default=True,
        description="Positions of the mtDNA, one or first-last, whose variants are left out. The "
        "default are runs of C, a repeat and the gap of the rCRS",
    )
    min_depth: Annotated[int, Field(ge=0)] = Field(
        default=10,
        description="Fewest reads (`DP`, or else the sum of `AD`) of a genotype; with fewer it is "
        "missing. Files without both are taken as they are",
    )
    components: Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="Number of first principal components of the variants that the tests of "
        "variants are adjusted for, in place of haplogroups",
    )


class SimulationEntry(Section):
    """The workflow simulates the cells, VCFs and GMT file of this sheet from its table of samples.

    The columns are those of `config/cohorts/demo_samples.csv`.
    """

    seed: Annotated[int, Field(ge=0)] = Field(description="Seed of the simulation")


class Sheet(Section):
    """What the data of a study is. Paths are relative to the sheet."""

    name: Part[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]] = Field(
        description="Name of the study, results go to `results/<name>/`: letters, digits, `_`, "
        "`.` and `-`, a letter or digit first"
    )
    description: str = Field(
        default="", description="What the cohort is, in a sentence for the report"
    )
    config: Text | None = Field(
        default=None,
        description="A file of settings that this cohort needs, merged over `config.yaml`; "
        "`--configfile` and `--config` still win",
    )
    simulation: SimulationEntry | None = None
    cells: Part[Cells | None] = Field(
        default=None,
        description="Where the cells are and what their columns mean; left out, the study is made "
        "of `own_networks` alone",
    )
    cell_types: Annotated[list[Part[Id]], Field(min_length=1)] | None = Field(
        default=None, description="The cell types to analyse, each by itself; left out, all of them"
    )
    samples: Part[Samples] = Field(
        description="A list of samples, a table of them, or `{cells: all}`: all in the cells"
    )
    phenotypes: Part[Annotated[dict[str, PhenotypeEntry], Field(min_length=1)]] = Field(
        description="What networks are compared with, `name: {type, ...}`"
    )
    interactions: list[Part[Interaction]] = Field(
        default=[],
        description="`[sex:condition]`: does the effect of the one depend on the other? Each names "
        "two phenotypes, or a covariate and a phenotype, of two levels or numbers, and is a "
        "phenotype of its own. Of a categorical phenotype name a contrast, "
        '`"sex:tissue: tumour_vs_normal"`',
    )
    covariates: Covariates = Field(
        default={},
        description="What else differs between samples: `name: categorical`, `name: numeric` or "
        "`name: {type, column}`",
    )
    gene_sets: dict[str, GeneSetEntry] | None = Field(
        default=None,
        description='Sets of genes to test: `NAME: {prefix: "MT-"}`, `{genes: [...]}` or '
        "`{gmt: file}`. `MT` (prefix `MT-`) is always among them. A sheet without this key has ten "
        "sets of human genes that come with popnet (`resources/README.md`); `{}` stands for none",
    )
    variants: Variants | None = None
    own_networks: dict[str, OwnNetworkEntry] = Field(
        default={},
        description="Networks or values of genes by other tools, `name: {path}`, see "
        "docs/own-networks.md",
    )
    replicate: ReplicateEntry | None = None
