"""The cohort sheet and the config: read, checked, and all that is wrong said at once.

No cell is read here: every parse of the Snakefile comes through this module, so it needs nothing
beyond the standard library, PyYAML and jsonschema.
"""

from __future__ import annotations

import copy
import csv
import io
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from popnet.errors import InputError, Problem, nearest
from popnet.names import safe_name

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
RESERVED_COLUMNS = (
    *("sample", "donor", "batch", "n_cells"),
    *("bin", "cell", "cell_type", "gene", "mean_depth", "unit"),
)
MISSING = {"", "NA", "NaN", "nan"}
EXAMPLES = 5


@dataclass(frozen=True)
class Annotations:
    """A table of cell metadata: its path and the columns of barcodes and of sample ids."""

    table: str
    barcode: str
    sample: str | None = None


@dataclass(frozen=True)
class Cells:
    """Where the cells are; `path` is None or a template where every sample has its own file.

    `sample`, `cell_type` and `batch` are obs columns; `keep` maps obs columns to the values that
    stay.
    """

    path: str | None = None
    counts: str = "X"
    gene_symbols: str | None = None
    sample: str | None = None
    cell_type: str | None = None
    batch: str | None = None
    keep: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    annotations: Annotations | None = None


@dataclass(frozen=True)
class Sample:
    """A sample and what the sheet says of it.

    Phenotypes and covariates that the cells give are not in it; a missing value is None.
    """

    id: str
    donor: str
    phenotypes: Mapping[str, float | str | None] = field(default_factory=dict)
    covariates: Mapping[str, float | str | None] = field(default_factory=dict)
    vcf: str | None = None
    path: str | None = None
    batch: str | None = None


@dataclass(frozen=True)
class Phenotype:
    """A phenotype; `case` and `control` are the values of a binary one, as text.

    Binary values 0/1 and true/false without `case` and `control` become "0" and "1".
    """

    name: str
    type: Literal["continuous", "binary"]
    column: str
    case: str | None = None
    control: str | None = None
    missing: Literal["error", "drop"] = "error"
    description: str = ""


@dataclass(frozen=True)
class Covariate:
    """A covariate and the column that it may come from."""

    name: str
    type: Literal["categorical", "numeric"]
    column: str


@dataclass(frozen=True)
class GeneSet:
    """Genes by prefix, by name, or all the sets of a GMT file; `implicit` if not in the sheet."""

    name: str
    prefix: str | None = None
    gmt: str | None = None
    genes: tuple[str, ...] = ()
    implicit: bool = False


@dataclass(frozen=True)
class Variants:
    """Genotypes: `path` may hold ``{sample}``; `samples` maps ids to names in the VCF."""

    path: str | None = None
    contig: str = "MT"
    samples: Mapping[str, str] = field(default_factory=dict)
    genes: str | None = None


@dataclass(frozen=True)
class Simulation:
    """What the workflow simulates: `files` are the cells, VCFs and GMTs of the sheet."""

    seed: int
    genes: int | None = None
    cells_per_sample: int | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cohort:
    """A cohort sheet.

    Parameters
    ----------
    name, file, description, config : str
        The study's name, the sheet, what it is, and its settings file (or None).
    cells : Cells
    cell_types : tuple of str or None
        None stands for all that the cells have.
    samples : tuple of Sample or None
        Without the excluded ones; None until the cells are read (`with_samples`).
    donor : str or None
        The obs column of donors, where the cells say which samples there are.
    excluded : mapping of id to reason
    absent : {"error", "exclude"}
        What to do with samples that have no cells.
    table : str or None
        The table of samples, and in `table_columns` what it has.
    phenotypes, covariates, gene_sets : tuple
    variants : Variants or None
    simulation : Simulation or None
    files : tuple of str
        The files that the sheet names.
    warnings : tuple of Problem
    """

    name: str
    file: str
    cells: Cells
    phenotypes: tuple[Phenotype, ...]
    samples: tuple[Sample, ...] | None = None
    cell_types: tuple[str, ...] | None = None
    covariates: tuple[Covariate, ...] = ()
    gene_sets: tuple[GeneSet, ...] = ()
    variants: Variants | None = None
    simulation: Simulation | None = None
    donor: str | None = None
    excluded: Mapping[str, str] = field(default_factory=dict)
    absent: Literal["error", "exclude"] = "error"
    table: str | None = None
    table_columns: tuple[str, ...] = ()
    description: str = ""
    config: str | None = None
    files: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()


def load_cohort(path: str | Path) -> Cohort:
    """Read a cohort sheet and the tables that it names.

    Paths in it are relative to the sheet; they are returned relative to the current folder where
    they lie inside it, absolute otherwise.

    Raises
    ------
    InputError
        With everything that is wrong with the sheet and its tables.
    """
    file = os.fspath(path)
    document, problems = _read_yaml(file)
    if not problems and not isinstance(document, dict):
        problems = [
            Problem(
                file,
                "(top level)",
                document,
                "The sheet is not a mapping of keys to values",
                "Write `name: ...`, `cells: ...` and so on; see config/README.md",
            )
        ]
    if not isinstance(document, dict):
        raise InputError(problems)
    written = copy.deepcopy(document)
    problems += _schema_problems(document, "cohort", file)
    cohort = _Sheet(file, document, written, problems).cohort()
    problems = merged(problems)
    if any(problem.severity == "error" for problem in problems):
        raise InputError(problems)
    return replace(cohort, warnings=tuple(problems))


def sheet_config(path: str | Path) -> str | None:
    """Return the file of settings that a sheet asks for; None where there is no such file.

    Whatever is wrong with the sheet is left to `load_cohort`.
    """
    document, _ = _read_yaml(os.fspath(path))
    config = document.get("config") if isinstance(document, dict) else None
    settings = _resolve(os.fspath(path), config) if isinstance(config, str) else ""
    return settings if Path(settings).is_file() else None


def check_config(config: dict, file: str) -> list[Problem]:
    """Return what is wrong with the config, which gains the defaults of keys that it lacks."""
    _fill_defaults(config, _schema("config"))
    return merged(_schema_problems(copy.deepcopy(config), "config", file))


def with_samples(
    cohort: Cohort, ids: Iterable[str], donors: Mapping[str, str] | None = None
) -> Cohort:
    """Return the cohort with the samples that its cells have, excluded ones aside.

    Raises
    ------
    InputError
        For ids that cannot be told apart or cannot be used.
    """
    donors = donors or {}
    template = cohort.variants.path if cohort.variants else None
    samples = tuple(
        Sample(
            id=id,
            donor=donors.get(id, id),
            vcf=template and template.replace("{sample}", id),
            path=cohort.cells.path,
        )
        for id in ids
        if id not in cohort.excluded
    )
    where = f"cells.sample ({cohort.cells.sample})"
    problems = _name_problems(cohort.file, [(where, sample.id) for sample in samples], "sample")
    problems += _template_problems(
        cohort.file, [sample.id for sample in samples], "variants.path", template, "vcf"
    )
    if problems:
        raise InputError(merged(problems))
    return replace(cohort, samples=samples)


def parse_value(definition: Phenotype | Covariate, raw: Any) -> float | str | None:
    """Return a phenotype's or covariate's value: a float, the label's text, or None if missing.

    Raises
    ------
    ValueError
        With the message and the remedy as its two arguments.
    """
    text = as_text(raw).strip()
    if raw is None or text in MISSING or (isinstance(raw, float) and math.isnan(raw)):
        return None
    if definition.type == "categorical":
        return text
    if not isinstance(definition, Phenotype) or definition.type == "continuous":
        if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text) is None:
            raise ValueError(
                f"{definition.name} is {definition.type}, but this is not a number",
                "Write a number (with a decimal point), or NA where it is missing",
            )
        return float(text)
    case, control = definition.case, definition.control
    if case == "1" and control == "0":
        text = {"true": "1", "false": "0"}.get(text.lower(), text)
    for label in (control, case):
        if label is not None and text == label:
            return label
    for label in (control, case):
        if label is not None and _number(text) is not None and _number(text) == _number(label):
            return label
    raise ValueError(
        f"{definition.name} is binary, but this is neither its case ({case!r}) "
        f"nor its control ({control!r})",
        nearest(text, [str(control), str(case)])
        + f"Correct the value, or phenotypes.{definition.name}.case and .control",
    )


def contrast_problem(
    definition: Phenotype, values: Iterable[float | str | None]
) -> tuple[str, str] | None:
    """Return message and remedy where a phenotype tells no samples apart, else None."""
    found = {value for value in values if value is not None}
    if len(found) > 1:
        return None
    name = definition.name
    if not found:
        return f"No sample has a value of {name}", f"Give {name}, or take it out of phenotypes"
    value = next(iter(found))
    if definition.type == "binary":
        other = "controls" if value == definition.case else "cases"
        return (
            f"{name} has one class: every sample is {value!r}, none is among the {other}",
            f"Add {other}, or correct phenotypes.{name}.case and .control",
        )
    return (
        f"{name} is constant: every sample has {value!r}",
        f"Take {name} out of phenotypes: nothing can be associated with it",
    )


def as_text(value: Any) -> str:
    """Return a scalar of a sheet as text: true and false as in YAML."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def merged(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems, with one fault of many samples as one problem with examples."""
    groups: dict[tuple, list[Problem]] = {}
    for problem in problems:
        general = _ENTRY.sub(
            lambda match: "[*]" if match[0].startswith("[") else "", problem.field, count=1
        )
        key = (problem.file, general, problem.message, problem.remedy, problem.severity)
        group = groups.setdefault(key, [])
        if problem not in group:
            group.append(problem)
    result = []
    for (file, general, message, remedy, severity), group in groups.items():
        if len(group) > 1:
            examples = "; ".join(map(_example, group[:EXAMPLES]))
            more = "; ..." if len(group) > EXAMPLES else ""
            message = f"{message} ({len(group)} times: {examples}{more})"
            result.append(Problem(file, general, None, message, remedy, severity))
        else:
            result += group
    return result


_ENTRY = re.compile(r"\[\d+\]|, (row|sample) .*", re.DOTALL)


def _example(problem: Problem) -> str:
    entry = _ENTRY.search(problem.field)
    place = problem.field[: entry.end()] if entry and entry[0].startswith("[") else ""
    place = entry[0].removeprefix(", ") if entry and not place else place
    value = "" if problem.value is None else repr(problem.value)
    return " = ".join(filter(None, [place, value]))


class _Sheet:
    """A sheet on its way to a Cohort; `problems` grows on the way.

    `document` lacks what breaks the schema (list entries are None there), `written` has it.
    """

    def __init__(self, file: str, document: dict, written: dict, problems: list[Problem]):
        self.file = file
        self.document = document
        self.written = written
        self.problems = problems
        self.simulated = "simulation" in written
        self.tables: dict[str, list[str]] = {}

    def cohort(self) -> Cohort:
        document = self.document
        cells = self._cells()
        phenotypes = self._phenotypes()
        covariates = self._covariates(phenotypes)
        gene_sets = self._gene_sets()
        variants = self._variants()
        source = document.get("samples")
        source = source if isinstance(source, dict) else {}
        excluded = dict(source.get("exclude", {}))
        absent = source.get("absent", "error")
        entries, columns = self._entries(source, phenotypes, covariates)
        samples = None
        if entries is not None:
            known = {entry.id for entry in entries}
            entries = self._kept(entries, excluded, source.get("id", ""))
            if entries:
                for phenotype in phenotypes:
                    self._check_values(entries, "phenotypes", phenotype, absent)
                for covariate in covariates:
                    self._check_values(entries, "covariates", covariate, absent)
            samples = tuple(self._sample(entry, cells, variants) for entry in entries)
            self._check_paths(entries, samples, cells, variants, absent)
            for id in variants.samples if variants else ():
                if id not in known:
                    self._add(
                        f"variants.samples.{id}",
                        id,
                        "No sample has this id",
                        nearest(id, known) + "Use the ids of the sheet as keys",
                    )
        elif source.get("cells") == "all":
            for key in ("path", "sample"):
                if not document.get("cells", {}).get(key):
                    self._add(
                        f"cells.{key}",
                        None,
                        "`samples: {cells: all}` needs one file of cells and its column of samples",
                        f"Add cells.{key}",
                    )
            if cells.path and "{sample}" in cells.path:
                self._add(
                    "cells.path",
                    cells.path,
                    "{sample} stands for ids that are only known once the cells are read",
                    "List the samples, or name one file that holds all of them",
                )
        if variants is None and any(sample.vcf for sample in samples or ()):
            variants = Variants()
        named = _named_files(cells, samples, gene_sets, variants)
        if absent == "exclude" and not self.simulated:
            named["samples"] = [path for path in named["samples"] if Path(path).exists()]
        table = self._path(source.get("table"))
        settings = document.get("simulation") or {}
        return Cohort(
            name=str(document.get("name")),
            file=self.file,
            description=document.get("description", ""),
            config=self._existing("config", self._path(document.get("config"))),
            cells=cells,
            cell_types=self._cell_types(cells),
            samples=samples,
            donor=source.get("donor") if "cells" in source else None,
            excluded=excluded,
            absent=absent,
            table=table,
            table_columns=tuple(columns),
            phenotypes=phenotypes,
            covariates=covariates,
            gene_sets=gene_sets,
            variants=variants,
            simulation=Simulation(
                seed=settings.get("seed", 0),
                genes=settings.get("genes"),
                cells_per_sample=settings.get("cells_per_sample"),
                files=tuple(dict.fromkeys(named["samples"] + named["sets"])),
            )
            if self.simulated
            else None,
            files=tuple(
                dict.fromkeys(
                    [*filter(None, [table]), *named["samples"], *named["sets"], *named["tables"]]
                )
            ),
        )

    def _add(
        self, field: str, value: Any, message: str, remedy: str, file: str | None = None, **severity
    ) -> None:
        self.problems.append(Problem(file or self.file, field, value, message, remedy, **severity))

    def _path(self, text: str | None) -> str | None:
        return _resolve(self.file, text) if text else None

    def _existing(self, field: str, path: str | None) -> str | None:
        """Return `path`, having said so where nothing is there."""
        if path is not None and not Path(path).exists():
            folder = Path(path).parent
            beside = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
            hint = nearest(Path(path).name, beside) if beside else ""
            self._add(
                field, path, "There is no such file", hint + "Paths are relative to the sheet"
            )
        return path

    def _cells(self) -> Cells:
        cells = self.document.get("cells") or {}
        annotations = cells.get("annotations")
        table = self._path(annotations["table"]) if annotations else None
        path = self._path(cells.get("path"))
        if path and "{sample}" not in path and not self.simulated:
            self._existing("cells.path", path)
        for column, values in cells.get("keep", {}).items():
            if None in values:
                cells["keep"][column] = [value for value in values if value is not None]
        if annotations:
            table = self._existing("cells.annotations.table", table)
            annotations = Annotations(str(table), annotations["barcode"], annotations.get("sample"))
        return Cells(
            path=path,
            counts=cells.get("counts", "X"),
            gene_symbols=cells.get("gene_symbols"),
            sample=cells.get("sample"),
            cell_type=cells.get("cell_type"),
            batch=cells.get("batch"),
            keep={column: tuple(values) for column, values in cells.get("keep", {}).items()},
            annotations=annotations,
        )

    def _cell_types(self, cells: Cells) -> tuple[str, ...] | None:
        names = self.document.get("cell_types")
        if names is None:
            return None if cells.cell_type else ("all",)
        entries = [
            (f"cell_types[{number}]", str(name))
            for number, name in enumerate(names)
            if name is not None
        ]
        self.problems += _name_problems(self.file, entries, "cell type")
        if not cells.cell_type and [name for _, name in entries] != ["all"]:
            self._add(
                "cells.cell_type",
                None,
                'Without a column of cell types all cells are one type, "all"',
                "Name the obs column in cells.cell_type, or leave cell_types out",
            )
        return tuple(name for _, name in entries)

    def _phenotypes(self) -> tuple[Phenotype, ...]:
        phenotypes = []
        for name, entry in self.document.get("phenotypes", {}).items():
            labels = {key: entry.get(key) for key in ("case", "control")}
            given = [key for key, label in labels.items() if label is not None]
            if entry["type"] == "continuous" and given:
                self._add(
                    f"phenotypes.{name}.{given[0]}",
                    labels[given[0]],
                    "A continuous phenotype has no cases and controls",
                    "Set type: binary, or take case and control away",
                )
            elif len(given) == 1:
                absent = "control" if given == ["case"] else "case"
                self._add(
                    f"phenotypes.{name}.{absent}",
                    None,
                    f"{given[0]} is given but {absent} is not",
                    f"Add {absent}: the value of the {absent}s",
                )
            elif given and as_text(labels["case"]) == as_text(labels["control"]):
                self._add(
                    f"phenotypes.{name}.case",
                    labels["case"],
                    "case and control are the same value",
                    "Give the value of the cases and that of the controls",
                )
            elif not given:
                labels = {"case": "1", "control": "0"}
            phenotypes.append(
                Phenotype(
                    name=name,
                    type=entry["type"],
                    column=entry.get("column", name),
                    **{
                        key: as_text(label) if entry["type"] == "binary" else None
                        for key, label in labels.items()
                    },
                    missing=entry.get("missing", "error"),
                    description=entry.get("description", ""),
                )
            )
        entries = [(f"phenotypes.{name}", name) for name in self.document.get("phenotypes", {})]
        self.problems += _name_problems(self.file, entries, "phenotype")
        self._check_reserved(entries)
        return tuple(phenotypes)

    def _covariates(self, phenotypes: Sequence[Phenotype]) -> tuple[Covariate, ...]:
        covariates = []
        for name, entry in self.document.get("covariates", {}).items():
            entry = {"type": entry} if isinstance(entry, str) else entry
            covariates.append(Covariate(name, entry["type"], entry.get("column", name)))
        entries = [(f"covariates.{name}", name) for name in self.document.get("covariates", {})]
        self.problems += _name_problems(self.file, entries, "covariate", files=False)
        self._check_reserved(entries)
        for name in {covariate.name for covariate in covariates} & {p.name for p in phenotypes}:
            self._add(
                f"covariates.{name}",
                name,
                "The same name is a phenotype and a covariate",
                "Rename one of them and give its column, or take it out of the covariates",
            )
        return tuple(covariates)

    def _check_reserved(self, entries: Sequence[tuple[str, str]]) -> None:
        for place, name in entries:
            if name in RESERVED_COLUMNS:
                self._add(
                    place,
                    name,
                    "This name belongs to a column of the results",
                    f"Rename it and give `column: {name}`",
                )

    def _gene_sets(self) -> tuple[GeneSet, ...]:
        sets = [
            GeneSet(
                name=name,
                prefix=entry.get("prefix"),
                gmt=self._path(entry.get("gmt")),
                genes=tuple(gene for gene in entry.get("genes", ()) if gene is not None),
            )
            for name, entry in self.document.get("gene_sets", {}).items()
        ]
        for gene_set in sets:
            if not self.simulated:
                self._existing(f"gene_sets.{gene_set.name}.gmt", gene_set.gmt)
        if all(gene_set.name != "MT" for gene_set in sets):
            sets.insert(0, GeneSet("MT", prefix="MT-", implicit=True))
        return tuple(sets)

    def _variants(self) -> Variants | None:
        variants = self.document.get("variants")
        if variants is None:
            return None
        path = self._path(variants.get("path"))
        if path and "{sample}" not in path and not self.simulated:
            self._existing("variants.path", path)
        return Variants(
            path=path,
            contig=variants.get("contig", "MT"),
            samples={id: str(name) for id, name in variants.get("samples", {}).items()},
            genes=self._existing("variants.genes", self._path(variants.get("genes"))),
        )

    def _entries(
        self, source: dict, phenotypes: Sequence[Phenotype], covariates: Sequence[Covariate]
    ) -> tuple[list[_Entry] | None, list[str]]:
        """Return every sample as written, or None if unknown, and the columns of its table."""
        rows = self.document.get("samples")
        if isinstance(rows, list):
            entries = [
                _Entry(
                    id=str(row["id"]),
                    file=self.file,
                    number=number,
                    row=row,
                    given={kind: dict(row.get(kind, {})) for kind in ("phenotypes", "covariates")},
                )
                for number, row in enumerate(rows)
                if row is not None
            ]
            self._check_given(entries)
            return entries, []
        if "table" not in source:
            return None, []
        table = str(self._existing("samples.table", self._path(source["table"])))
        if not Path(table).is_file():
            return None, []
        columns, values, problems = read_sheet_table(table)
        self.problems += problems
        roles = {key: source.get(key) for key in ("id", "donor", "vcf", "path", "batch")}
        for key, column in roles.items():
            if column is not None and column not in columns:
                self._add(
                    f"samples.{key}",
                    column,
                    f"{table} has no such column",
                    nearest(column, columns) + f"Its columns are {_some(columns, 12)}",
                )
        if roles["id"] not in columns:
            return None, columns
        definitions: dict[str, Sequence[Phenotype | Covariate]] = {
            "phenotypes": phenotypes,
            "covariates": covariates,
        }
        entries = [
            _Entry(
                id=row[roles["id"]],
                file=table,
                number=None,
                row={
                    key: row[column]
                    for key, column in roles.items()
                    if column in columns and row[column].strip() not in MISSING
                },
                given={
                    kind: {d.name: row[d.column] for d in definitions[kind] if d.column in columns}
                    for kind in definitions
                },
            )
            for row in values
        ]
        if roles["donor"] in columns:
            for entry in entries:
                if "donor" not in entry.row and entry.id not in source.get("exclude", {}):
                    self._add(
                        f"table column {roles['donor']}, row {entry.id}",
                        None,
                        "No donor is given",
                        "Fill it in, or take samples.donor out: each sample then is a donor",
                        file=table,
                    )
        return entries, columns

    def _kept(
        self, entries: Sequence[_Entry], excluded: Mapping[str, str], id_column: str
    ) -> list[_Entry]:
        """Return the entries that are not excluded, each id once."""
        known = [entry.id for entry in entries]
        for id in excluded:
            if id not in known:
                self._add(
                    f"samples.exclude.{id}",
                    id,
                    "No sample of the table has this id",
                    nearest(id, known) + "Correct the id or take it out of exclude",
                    severity="warning",
                )
        entries = [entry for entry in entries if entry.id not in excluded]
        if entries:
            self.problems += _name_problems(
                entries[0].file,
                [(entry.place("id", id_column), entry.id) for entry in entries],
                "sample",
            )
        elif known or isinstance(self.document.get("samples"), dict):
            self._add("samples", None, "No sample is left", "List the samples of the study")
        return list({entry.id: entry for entry in reversed(entries)}.values())[::-1]

    def _check_given(self, entries: Sequence[_Entry]) -> None:
        """Find values of phenotypes and covariates that the sheet does not define."""
        for kind in ("phenotypes", "covariates"):
            defined = self.written.get(kind)
            defined = list(defined) if isinstance(defined, dict) else []
            for entry in entries:
                for name in [name for name in entry.given[kind] if name not in defined]:
                    self._add(
                        f"samples[{entry.number}].{kind}.{name}",
                        entry.given[kind].pop(name),
                        f"The sheet defines no such entry of {kind}",
                        nearest(name, defined) + f"Define {name} under {kind}, or take it away",
                    )

    def _check_values(
        self, entries: Sequence[_Entry], kind: str, definition: Phenotype | Covariate, absent: str
    ) -> None:
        """Turn what the sheet gives into values; say what is wrong or certain to be missing.

        The sheet is the source where its table has the column, or where a sample of the list has
        a value and no column of the cells is named. Otherwise the cells may know the rest.
        """
        name = definition.name
        if all(name not in entry.given[kind] for entry in entries):
            return
        named = "column" in (self.document[kind][name] if kind in self.document else {})
        certain = entries[0].number is None or not named
        broken = False
        for entry in entries:
            place = entry.place(f"{kind}.{name}", definition.column)
            raw = entry.given[kind].pop(name, None)
            try:
                value = parse_value(definition, raw)
            except ValueError as error:
                message, remedy = error.args
                self._add(place, raw, message, remedy, file=entry.file)
                broken = True
                continue
            if value is not None or certain:
                entry.given[kind][name] = value
            must = absent == "error" and getattr(definition, "missing", "error") == "error"
            if value is None and certain and must:
                self._add(
                    place, None, f"{name} is missing", missing_remedy(definition), file=entry.file
                )
        if isinstance(definition, Phenotype) and certain and absent == "error" and not broken:
            problem = contrast_problem(definition, [e.given[kind][name] for e in entries])
            if problem:
                self._add(f"phenotypes.{name}", None, *problem)

    def _sample(self, entry: _Entry, cells: Cells, variants: Variants | None) -> Sample:
        paths = {}
        for key, place, template in (
            ("vcf", "variants.path", variants.path if variants else None),
            ("path", "cells.path", cells.path),
        ):
            paths[key] = self._path(entry.row.get(key))
            if paths[key] is None and template:
                self.problems += _template_problems(self.file, [entry.id], place, template, key)
                paths[key] = template.replace("{sample}", entry.id)
        return Sample(
            id=entry.id,
            donor=str(entry.row.get("donor", entry.id)),
            phenotypes=entry.given["phenotypes"],
            covariates=entry.given["covariates"],
            vcf=paths["vcf"],
            path=paths["path"],
            batch=str(entry.row["batch"]) if "batch" in entry.row else None,
        )

    def _check_paths(
        self,
        entries: Sequence[_Entry],
        samples: Sequence[Sample],
        cells: Cells,
        variants: Variants | None,
        absent: str,
    ) -> None:
        without = [entry for entry, sample in zip(entries, samples, strict=True) if not sample.path]
        if entries and len(without) == len(entries):
            self._add(
                "cells.path",
                None,
                "No file of cells is named",
                "Add cells.path, or a path for every sample",
            )
        else:
            for entry in without:
                self._add(
                    entry.place("path"),
                    None,
                    "The sample has no file of cells",
                    "Add its path, or cells.path for all samples",
                    file=entry.file,
                )
        if not cells.sample:
            for path, count in Counter(sample.path for sample in samples).items():
                if path and count > 1:
                    self._add(
                        "cells.sample",
                        None,
                        f"{count} samples share {path}, and no column says whose a cell is",
                        "Name the obs column of sample ids in cells.sample",
                    )
        if self.simulated or absent == "exclude":
            return
        shared = {cells.path, variants.path if variants else None}
        for key, template in (("path", "cells.path"), ("vcf", "variants.path")):
            for entry, sample in zip(entries, samples, strict=True):
                path = getattr(sample, key)
                if path is None or path in shared or Path(path).exists():
                    continue
                own = entry.row.get(key) is not None
                self._add(
                    entry.place(key) if own else template,
                    path,
                    "There is no such file",
                    "Paths are relative to the sheet"
                    + ("" if own else f"; give `{key}` per sample where the names differ"),
                    file=entry.file if own else self.file,
                )


@dataclass(frozen=True)
class _Entry:
    """A sample as written; `number` is its place in the sheet's list, None in a table."""

    id: str
    file: str
    number: int | None
    row: dict[str, Any]
    given: dict[str, dict[str, Any]]

    def place(self, field: str, column: str | None = None) -> str:
        if self.number is None:
            return f"table column {column or field}, row {self.id}"
        return f"samples[{self.number}].{field}"


def _named_files(
    cells: Cells,
    samples: Sequence[Sample] | None,
    gene_sets: Sequence[GeneSet],
    variants: Variants | None,
) -> dict[str, list[str]]:
    """Return the files that the sheet names: of samples, of gene sets, other tables."""
    templates = [cells.path, variants.path if variants else None]
    of_samples = [path for sample in samples or () for path in (sample.path, sample.vcf)]
    if samples is None:
        of_samples = [path for path in templates if path and "{sample}" not in path]
    tables = [cells.annotations and cells.annotations.table, variants and variants.genes]
    return {
        "samples": [path for path in of_samples if path],
        "sets": [gene_set.gmt for gene_set in gene_sets if gene_set.gmt],
        "tables": [path for path in tables if path],
    }


def missing_remedy(definition: Phenotype | Covariate) -> str:
    """Return what to do where a sample has no value."""
    if isinstance(definition, Phenotype):
        return (
            f"Fill it in, exclude the sample, or set phenotypes.{definition.name}.missing: drop "
            "to leave such samples out of this phenotype's tests"
        )
    return "Fill it in, exclude the sample, or take the covariate out of the sheet"


def _name_problems(
    file: str, entries: Sequence[tuple[str, str]], what: str, files: bool = True
) -> list[Problem]:
    """Return what is wrong with names, given with their places; `files` if files carry them."""
    problems = []
    seen: set[str] = set()
    for place, name in entries:
        if not name.strip():
            fault = (f"The name of a {what} is empty", "Give it a name")
        elif name != name.strip():
            fault = (f"The name of a {what} begins or ends with a space", "Take the space away")
        elif not name.isprintable():
            fault = (f"The name of a {what} holds an invisible character", "Type the name anew")
        elif name in seen:
            fault = (f"The {what} is given twice", "Keep one of them")
        else:
            seen.add(name)
            continue
        problems.append(Problem(file, place, name, *fault))
    if files:
        reported: set[frozenset[str]] = set()
        for form in (str.casefold, lambda name: safe_name(name).casefold()):
            groups: dict[str, list[tuple[str, str]]] = {}
            for place, name in dict((name, (place, name)) for place, name in entries).values():
                groups.setdefault(form(name), []).append((place, name))
            for group in groups.values():
                names = frozenset(name for _, name in group)
                if len(names) > 1 and names not in reported:
                    reported.add(names)
                    problems.append(
                        Problem(
                            file,
                            group[-1][0],
                            group[-1][1],
                            f"It cannot be told from the {what} {group[0][1]!r} where file names "
                            "ignore upper and lower case",
                            "Rename one of them",
                        )
                    )
    return problems


def _template_problems(
    file: str, ids: Iterable[str], field: str, template: str | None, key: str
) -> list[Problem]:
    """Return the ids that cannot stand for ``{sample}`` in a path."""
    return [
        Problem(
            file,
            field,
            id,
            "The id cannot be part of a path, as {sample} asks for",
            f"Give `{key}` per sample",
        )
        for id in ids
        if template and "{sample}" in template and ("/" in id or "\\" in id or id in (".", ".."))
    ]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _some(names: Iterable[str], n: int = EXAMPLES) -> str:
    names = list(names)
    return ", ".join(map(repr, names[:n])) + (", ..." if len(names) > n else "")


def _resolve(sheet: str, path: str) -> str:
    """Return a path of the sheet relative to the current folder where inside, else absolute."""
    folder = Path(sheet).absolute().parent
    absolute = os.path.normpath(folder / Path(path).expanduser())
    here = str(Path.cwd())
    return os.path.relpath(absolute, here) if absolute.startswith(here + os.sep) else absolute


def read_sheet_table(path: str) -> tuple[list[str], list[dict[str, str]], list[Problem]]:
    """Read a CSV or TSV that a user made; every value stays the text that it is.

    Commas, tabs and semicolons are told apart by the header; a byte-order mark and any line
    ending are fine.

    Returns
    -------
    columns : list of str
    rows : list of dict of column to text
    problems : list of Problem
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        delimiter = max("\t,;", key=text.split("\n", 1)[0].count)
        lines = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter, strict=True)
        rows = [row for row in lines if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        fault = f"The table cannot be read: {error}"
        return [], [], [Problem(path, "table", None, fault, "Save it as CSV in UTF-8")]
    if len(rows) < 2:
        fault = "The table has no rows"
        return [], [], [Problem(path, "table", None, fault, "Write a header and one row per entry")]
    columns = [column.strip() for column in rows[0]]
    problems = [
        Problem(path, f"table column {column}", column, "Two columns have this name", "Rename one")
        for column, count in Counter(columns).items()
        if count > 1
    ]
    problems += [
        Problem(
            path,
            f"table, row {number}",
            delimiter.join(row),
            f"The row does not have the {len(columns)} fields of the header",
            "Complete the row; quote values that hold the separator",
        )
        for number, row in enumerate(rows[1:], 2)
        if len(row) != len(columns)
    ]
    padded = (row + [""] * (len(columns) - len(row)) for row in rows[1:])
    return columns, [dict(zip(columns, row, strict=False)) for row in padded], problems


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML in which only null, true, false and plain decimal numbers are not text."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"0|-?[1-9][0-9]{0,17}", list("-0123456789")),
    (
        "float",
        r"-?((0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+|(0|[1-9][0-9]*)(?=[eE]))([eE][-+]?[0-9]+)?",
        list("-.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first
    )


def _read_yaml(file: str) -> tuple[Any, list[Problem]]:
    """Return the document of a sheet, as far as it can be read, and what is wrong with it."""
    problems: list[Problem] = []
    if not Path(file).is_file():
        folder = Path(file).parent
        sheets = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        remedy = nearest(Path(file).name, sheets) + "Correct the path, see `cohort` in the config"
        return None, [Problem(file, "cohort", file, "There is no such sheet", remedy)]
    try:
        text = Path(file).read_bytes().decode("utf-8-sig")
        node = yaml.compose(text, Loader=_Loader)
        document = _construct(node, "", file, problems)
    except UnicodeDecodeError as error:
        fault = f"The sheet is not UTF-8 text: {error}"
        return None, [Problem(file, "(text)", None, fault, "Save it as UTF-8")]
    except RecursionError:
        fault = "The sheet contains itself"
        return None, [Problem(file, "(text)", None, fault, "Take the alias (*) away")]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark else "(text)"
        fault = f"The sheet is not YAML: {getattr(error, 'problem', None) or error}"
        remedy = "Indent with spaces, and quote text that holds `: `, `#`, `{`, `[`, `*` or `&`"
        return None, [Problem(file, place, None, fault, remedy)]
    return document, problems


def _construct(node: yaml.Node | None, place: str, file: str, problems: list[Problem]) -> Any:
    """Return what a node stands for; keys are text as written."""
    if isinstance(node, yaml.MappingNode) and node.tag.endswith(",2002:map"):
        mapping: dict[str, Any] = {}
        for key, value in node.value:
            name = getattr(key, "value", None)
            line = f"line {key.start_mark.line + 1}"
            if not isinstance(name, str):
                fault = f"A key is not text ({line})"
                problems.append(Problem(file, place or line, None, fault, "Use text as keys"))
                continue
            inner = f"{place}.{name}" if place else name
            if name in mapping:
                fault = f"The key is given twice (again in {line})"
                problems.append(Problem(file, inner, None, fault, "Keep one of them"))
            mapping[name] = _construct(value, inner, file, problems)
        return mapping
    if isinstance(node, yaml.SequenceNode) and node.tag.endswith(",2002:seq"):
        return [
            _construct(item, f"{place}[{number}]", file, problems)
            for number, item in enumerate(node.value)
        ]
    if not isinstance(node, yaml.ScalarNode):
        kind = "" if node is None else node.tag
    else:
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        try:
            if kind == "str":
                return node.value
            if kind == "bool":
                return {"true": True, "false": False}[node.value.lower()]
            if kind == "null":
                return None
            if kind == "int":
                return int(node.value)
            if kind == "float":
                value = float(node.value)
                return value if math.isfinite(value) else node.value
        except (ValueError, KeyError):
            pass
    if node is not None:
        line = f"line {node.start_mark.line + 1}"
        fault = f"The tag {node.tag} is not allowed here ({line})"
        problems.append(Problem(file, place or line, None, fault, "Take the `!` tag away"))
    return None


@cache
def _schema(name: str) -> dict:
    return yaml.load(
        (SCHEMAS / f"{name}.schema.yaml").read_text(encoding="utf-8"),
        Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader),
    )


def _fill_defaults(document: dict, schema: dict) -> None:
    for key, part in schema["properties"].items():
        if "default" in part:
            document.setdefault(key, copy.deepcopy(part["default"]))
        if "properties" in part and isinstance(document.get(key), dict):
            _fill_defaults(document[key], part)


def _schema_problems(document: Any, name: str, file: str) -> list[Problem]:
    """Return where `document` breaks the schema; those parts are taken out of it."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    validator = extend(
        Draft202012Validator,
        type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
            "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
        ),
    )
    problems: list[Problem] = []
    broken: list[list] = []
    check = validator(_schema(name))
    for error in check.iter_errors(document):
        path = list(error.absolute_path)
        if error.validator == "additionalProperties":
            known = list(error.schema["properties"])
            for key in sorted(set(error.instance) - set(known), key=str):
                value = error.instance[key]
                problems.append(
                    Problem(
                        file,
                        _dotted([*path, key]),
                        None if isinstance(value, dict | list) else value,
                        "The key is unknown",
                        nearest(key, known) + f"Keys here are {', '.join(known)}",
                    )
                )
                broken.append([*path, key])
        elif error.validator == "required":
            missing = [key for key in error.validator_value if key not in error.instance]
            for key in missing:
                steps = [*error.absolute_schema_path][:-1]
                remedy = f"Add it: {_description(_schema(name), steps, key)}"
                problems.append(
                    Problem(file, _dotted([*path, key]), None, "The key is missing", remedy)
                )
            broken.append(path)
        else:
            value = error.instance
            meaning = _description(_schema(name), [*error.absolute_schema_path])
            problems.append(
                Problem(
                    file,
                    _dotted(path),
                    None if isinstance(value, dict) else value,
                    _fault(error),
                    _value_remedy(error, name) + meaning,
                )
            )
            broken.append(path)
    for _ in range(4):  # What lacks a required part is broken too, up to the top of the sheet.
        for path in broken:
            _take_out(document, path)
        broken = [list(error.absolute_path) for error in check.iter_errors(document)]
    return problems


def _take_out(document: Any, path: list) -> None:
    """Delete the value at `path`; in a list it becomes None: the others keep their place."""
    *parents, last = path or [None]
    try:
        for part in parents:
            document = document[part]
        if isinstance(document, list):
            document[last] = None
        elif last is not None:
            del document[last]
    except (KeyError, IndexError, TypeError):
        pass  # A part of it was taken out before.


def _dotted(path: Iterable[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "(top level)"


def _description(schema: dict, path: list, key: str | None = None) -> str:
    """Return the innermost description on the way to a place of the schema, or to its `key`."""
    part, text = schema, schema["description"]
    for step in [*path, *(["properties", key] if key is not None else [])]:
        # jsonschema leaves $ref out of its paths.
        if step not in part and "$ref" in part:
            part = schema["$defs"][part["$ref"].split("/")[-1]]
        part = part[step]
        if isinstance(part, dict) and isinstance(part.get("description"), str):
            text = part["description"]
    return text


_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping of keys to values",
    "null": "null",
}
_FAULTS = {
    "minimum": "The number is below {}",
    "exclusiveMinimum": "The number is not above {}",
    "maximum": "The number is above {}",
    "exclusiveMaximum": "The number is not below {}",
    "minItems": "The list has fewer than {} entries",
    "maxItems": "The list has more than {} entries",
    "minProperties": "There are fewer than {} entries",
    "maxProperties": "There are more than {} entries",
    "minLength": "The text is empty",
    "uniqueItems": "An entry is given twice",
    "pattern": "The text does not match {}",
}


def _fault(error: Any) -> str:
    if error.validator == "type":
        types = error.validator_value
        types = [types] if isinstance(types, str) else types
        return f"The value is not {' or '.join(_TYPES[kind] for kind in types)}"
    if error.validator == "enum":
        return f"The value is not one of {', '.join(map(str, error.validator_value))}"
    return _FAULTS.get(error.validator, error.message).format(error.validator_value)


def _value_remedy(error: Any, schema: str) -> str:
    value = error.instance
    if error.validator == "enum" and isinstance(value, str):
        return nearest(value, error.validator_value)
    if error.validator == "pattern":
        allowed = "letters, digits, `_`, `.` and `-`" if error.absolute_path[-1] == "name" else ""
        return f"Use {allowed}, a letter or digit first. " if allowed else ""
    if error.validator != "type":
        return ""
    if isinstance(value, int | float) and "string" in error.validator_value:
        return f'Quote it: "{as_text(value)}". '
    if isinstance(value, str) and _number(value) is not None and schema == "config":
        return (
            "Write the number without quotes; nested values of --config arrive as text, so put "
            "them in a file and give it with --configfile. "
        )
    return ""
