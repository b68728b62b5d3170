"""The cohort that a sheet describes, checked, with all that is wrong said at once.

No cell is read here: every parse of the Snakefile comes through this module, so it needs nothing
beyond the standard library, PyYAML and jsonschema.
"""

from __future__ import annotations

import copy
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from popnet.errors import InputError, Problem, nearest
from popnet.study.phenotypes import (
    MISSING,
    Covariate,
    Phenotype,
    contrast_problem,
    missing_remedy,
    parse_value,
)
from popnet.study.sheet import (
    as_text,
    is_absent,
    merged,
    name_problems,
    nearest_file,
    path_fault,
    quoted,
    read_sheet,
    read_sheet_table,
    resolve_path,
    schema_problems,
    template_problems,
)

RESERVED_COLUMNS = (
    *("sample", "donor", "batch", "n_cells"),
    *("bin", "cell", "cell_type", "gene", "mean_depth", "unit", "depth", "cells", "n_bins"),
    # Columns that are read as text wherever they are: as numbers they would be lost.
    *("sample1", "sample2", "gene1", "gene2", "gene_set", "measure"),
    *("contig", "ref", "alt", "reason"),
)


WILDCARD = set("{}<>")


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
class GeneSet:
    """Genes by prefix, by name, or all the sets of a GMT file; `implicit` if not in the sheet."""

    name: str
    prefix: str | None = None
    gmt: str | None = None
    genes: tuple[str, ...] = ()
    implicit: bool = False


@dataclass(frozen=True)
class Variants:
    """Genotypes: `path` may hold ``{sample}``; `samples` maps ids to names in the VCF.

    `keep_filters` are FILTER values taken as PASS, `absent` what a site without a record is
    (None: not said, and missing), `mask` first and last positions of the mtDNA to leave out,
    `min_depth` the fewest reads of a genotype, `components` how many principal components of the
    variants are covariates.
    """

    path: str | None = None
    contig: str = "MT"
    samples: Mapping[str, str] = field(default_factory=dict)
    keep_filters: tuple[str, ...] = ()
    absent: Literal["missing", "reference"] | None = None
    # Runs of C, a repeat and the rCRS's gap: what is called there is mostly error.
    mask: tuple[tuple[int, int], ...] = ((302, 316), (513, 525), (3107, 3107))
    min_depth: int = 10
    components: int = 0


@dataclass(frozen=True)
class Simulation:
    """What the workflow simulates: `files` are the cells, VCFs and GMTs of the sheet."""

    seed: int
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
    document, problems = read_sheet(file)
    if not problems and not isinstance(document, dict):
        message = "The sheet is not a mapping of keys to values"
        remedy = "Write `name: ...`, `cells: ...` and so on; see config/README.md"
        problems = [Problem(file, "(top level)", document, message, remedy)]
    if not isinstance(document, dict):
        raise InputError(problems)
    unread = [problem.field for problem in problems]
    written = copy.deepcopy(document)
    problems += schema_problems(document, "cohort", file)
    cohort = _Sheet(file, document, written, problems).cohort()
    # What could not be read is not missing as well.
    problems = merged(
        problem
        for number, problem in enumerate(problems)
        if number < len(unread) or problem.value is not None or not _within(problem.field, unread)
    )
    if any(problem.severity == "error" for problem in problems):
        raise InputError(problems)
    return replace(cohort, warnings=tuple(problems))


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
    problems = name_problems(cohort.file, [(where, sample.id) for sample in samples], "sample")
    problems += template_problems(
        cohort.file, [sample.id for sample in samples], "variants.path", template, "vcf"
    )
    if problems:
        raise InputError(merged(problems))
    return replace(cohort, samples=samples)


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
        source = document.get("samples")
        self.source = source if isinstance(source, dict) else {}
        self.absent = self.source.get("absent", "error")
        self.excluded = dict(self.source.get("exclude", {}))

    def cohort(self) -> Cohort:
        document = self.document
        self._checked("cohort", self.file)  # Snakemake takes the sheet itself as well.
        cells = self._cells()
        phenotypes = self._phenotypes()
        covariates = self._covariates(phenotypes)
        gene_sets = self._gene_sets()
        variants = self._variants()
        entries, columns = self._entries(phenotypes, covariates)
        samples = None
        if entries is not None:
            samples = self._samples(entries, cells, phenotypes, covariates, variants)
        elif self.source.get("cells") == "all":
            self._check_cells_of_all(cells)
        if variants is None and any(sample.vcf for sample in samples or ()):
            variants = Variants()
        table = self._path(self.source.get("table"))
        # A simulation makes the files of samples and gene sets; the user has the others.
        made = self._files_of_samples(cells, samples, variants)
        made += [gene_set.gmt for gene_set in gene_sets if gene_set.gmt]
        others = [cells.annotations.table if cells.annotations else None]
        simulation = None
        if self.simulated:
            settings = document.get("simulation") or {}
            simulation = Simulation(**{"seed": 0} | settings, files=tuple(dict.fromkeys(made)))
        return Cohort(
            name=str(document.get("name")),
            file=self.file,
            description=document.get("description", ""),
            config=self._checked("config", self._path(document.get("config"))),
            cells=cells,
            cell_types=self._cell_types(cells),
            samples=samples,
            donor=self.source.get("donor") if "cells" in self.source else None,
            excluded=self.excluded,
            absent=self.absent,
            table=table,
            table_columns=tuple(columns),
            phenotypes=phenotypes,
            covariates=covariates,
            gene_sets=gene_sets,
            variants=variants,
            simulation=simulation,
            files=tuple(dict.fromkeys(filter(None, [table, *made, *others]))),
        )

    def _add(
        self, field: str, value: Any, message: str, remedy: str, file: str | None = None, **severity
    ) -> None:
        self.problems.append(Problem(file or self.file, field, value, message, remedy, **severity))

    def _path(self, text: str | None) -> str | None:
        return resolve_path(self.file, text) if text else None

    def _checked(
        self,
        field: str,
        path: str | None,
        made: bool = False,
        remedy: str | None = None,
        file: str | None = None,
    ) -> str | None:
        """Return `path`, having said so where it cannot be used or nothing is there.

        A file that is `made` need not be there. `remedy` is for one that is not.
        """
        if path and WILDCARD.intersection(path):
            message = "Snakemake would read it as a wildcard: it holds one of { } < >"
            self._add(field, path, message, "Rename the file or its folder, or link it", file)
        elif path and not made and (fault := path_fault(path)):
            remedy = remedy or nearest_file(path) + "Paths are relative to the sheet"
            self._add(field, path, fault, remedy, file)
        return path

    def _cells(self) -> Cells:
        cells = self.document.get("cells") or {}
        path = self._path(cells.get("path"))
        if path and "{sample}" not in path:
            self._checked("cells.path", path, made=self.simulated)
        annotations = cells.get("annotations")
        if annotations:
            table = self._checked("cells.annotations.table", self._path(annotations["table"]))
            annotations = Annotations(**annotations | {"table": table})
        keep = {
            column: tuple(value for value in values if value is not None)
            for column, values in cells.get("keep", {}).items()
        }
        return Cells(**cells | {"path": path, "keep": keep, "annotations": annotations})

    def _cell_types(self, cells: Cells) -> tuple[str, ...] | None:
        names = self.document.get("cell_types")
        if names is None:
            return None if cells.cell_type else ("all",)
        entries = [
            (f"cell_types[{number}]", str(name))
            for number, name in enumerate(names)
            if name is not None
        ]
        self.problems += name_problems(self.file, entries, "cell type")
        if not cells.cell_type and [name for _, name in entries] != ["all"]:
            message = 'Without a column of cell types all cells are one type, "all"'
            remedy = "Name the obs column in cells.cell_type, or leave cell_types out"
            self._add("cells.cell_type", None, message, remedy)
        return tuple(name for _, name in entries)

    def _phenotypes(self) -> tuple[Phenotype, ...]:
        phenotypes = []
        for name, entry in self.document.get("phenotypes", {}).items():
            labels = {key: entry.get(key) for key in ("case", "control")}
            given = [key for key, label in labels.items() if label is not None]
            if entry["type"] == "continuous" and given:
                message = "A continuous phenotype has no cases and controls"
                remedy = "Set type: binary, or take case and control away"
                self._add(f"phenotypes.{name}.{given[0]}", labels[given[0]], message, remedy)
            elif len(given) == 1:
                other = "control" if given == ["case"] else "case"
                message = f"{given[0]} is given but {other} is not"
                remedy = f"Add {other}: the value of the {other}s"
                self._add(f"phenotypes.{name}.{other}", None, message, remedy)
            elif given and as_text(labels["case"]) == as_text(labels["control"]):
                message = "case and control are the same value"
                remedy = "Give the value of the cases and that of the controls"
                self._add(f"phenotypes.{name}.case", labels["case"], message, remedy)
            elif not given:
                labels = {"case": "1", "control": "0"}
            binary = entry["type"] == "binary"
            texts = {key: as_text(label) if binary else None for key, label in labels.items()}
            phenotypes.append(Phenotype(**{"name": name, "column": name} | entry | texts))
        self._check_names("phenotypes", "phenotype")
        return tuple(phenotypes)

    def _covariates(self, phenotypes: Sequence[Phenotype]) -> tuple[Covariate, ...]:
        covariates = []
        for name, entry in self.document.get("covariates", {}).items():
            entry = {"type": entry} if isinstance(entry, str) else entry
            covariates.append(Covariate(name, entry["type"], entry.get("column", name)))
        self._check_names("covariates", "covariate", files=False)
        for name in {covariate.name for covariate in covariates} & {p.name for p in phenotypes}:
            message = "The same name is a phenotype and a covariate"
            remedy = "Rename one of them and give its column, or take it out of the covariates"
            self._add(f"covariates.{name}", name, message, remedy)
        return tuple(covariates)

    def _check_names(self, kind: str, what: str, files: bool = True) -> None:
        entries = [(f"{kind}.{name}", name) for name in self.document.get(kind, {})]
        self.problems += name_problems(self.file, entries, what, files)
        for place, name in entries:
            if name in RESERVED_COLUMNS or re.fullmatch(r"component\d+", name):
                message = "This name belongs to a column of the results"
                self._add(place, name, message, f"Rename it and give `column: {name}`")
            elif name == "_index" or not {"", "."}.isdisjoint(name.split("/")):
                message = "An h5ad file cannot have a column of this name"
                self._add(place, name, message, f"Rename it and give `column: {name}`")

    def _gene_sets(self) -> tuple[GeneSet, ...]:
        sets = [
            GeneSet(
                name=name,
                prefix=entry.get("prefix"),
                gmt=self._checked(
                    f"gene_sets.{name}.gmt", self._path(entry.get("gmt")), made=self.simulated
                ),
                genes=tuple(gene for gene in entry.get("genes", ()) if gene is not None),
            )
            for name, entry in self.document.get("gene_sets", {}).items()
        ]
        if all(gene_set.name != "MT" for gene_set in sets):
            sets.insert(0, GeneSet("MT", prefix="MT-", implicit=True))
        return tuple(sets)

    def _variants(self) -> Variants | None:
        variants = self.document.get("variants")
        if variants is None:
            return None
        path = self._path(variants.get("path"))
        if path and "{sample}" not in path:
            self._checked("variants.path", path, made=self.simulated)
        samples = {id: str(name) for id, name in variants.get("samples", {}).items()}
        keep_filters = tuple(name for name in variants.get("keep_filters", ()) if name is not None)
        changed = {"path": path, "samples": samples, "keep_filters": keep_filters}
        if "mask" in variants:
            changed["mask"] = self._mask(variants["mask"])
        return Variants(**variants | changed)

    def _mask(self, written: list) -> tuple[tuple[int, int], ...]:
        ranges = []
        for number, item in enumerate(written):
            if item is None:
                continue
            first, _, last = str(item).partition("-")
            if int(last or first) < int(first):
                remedy = "Write the first position before the last"
                self._add(f"variants.mask[{number}]", item, "The range is backwards", remedy)
            ranges.append((int(first), int(last or first)))
        return tuple(ranges)

    def _entries(
        self, phenotypes: Sequence[Phenotype], covariates: Sequence[Covariate]
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
        if "table" not in self.source:
            return None, []
        table = str(self._checked("samples.table", self._path(self.source["table"])))
        if path_fault(table, folder=False):
            return None, []
        columns, values, problems = read_sheet_table(table)
        self.problems += problems
        roles = {key: self.source.get(key) for key in ("id", "donor", "vcf", "path", "batch")}
        for key, column in roles.items():
            if column is not None and column not in columns:
                remedy = nearest(column, columns) + f"Its columns are {quoted(columns, 12)}"
                self._add(f"samples.{key}", column, f"{table} has no such column", remedy)
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
        for entry in entries if roles["donor"] in columns else ():
            if "donor" not in entry.row and entry.id not in self.excluded:
                place = entry.place("donor", roles["donor"])
                remedy = "Fill it in, or take samples.donor out: each sample then is a donor"
                self._add(place, None, "No donor is given", remedy, table)
        return entries, columns

    def _check_given(self, entries: Sequence[_Entry]) -> None:
        """Find values of phenotypes and covariates that the sheet does not define."""
        for kind in ("phenotypes", "covariates"):
            defined = self.written.get(kind)
            defined = list(defined) if isinstance(defined, dict) else []
            for entry in entries:
                for name in [name for name in entry.given[kind] if name not in defined]:
                    message = f"The sheet defines no such entry of {kind}"
                    remedy = nearest(name, defined) + f"Define {name} under {kind}, or take it away"
                    value = entry.given[kind].pop(name)
                    self._add(entry.place(f"{kind}.{name}"), value, message, remedy)

    def _samples(
        self,
        entries: list[_Entry],
        cells: Cells,
        phenotypes: Sequence[Phenotype],
        covariates: Sequence[Covariate],
        variants: Variants | None,
    ) -> tuple[Sample, ...]:
        known = {entry.id for entry in entries}
        entries = self._kept(entries)
        if entries:
            for phenotype in phenotypes:
                self._check_values(entries, "phenotypes", phenotype)
            for covariate in covariates:
                self._check_values(entries, "covariates", covariate)
        samples = tuple(self._sample(entry, cells, variants) for entry in entries)
        self._check_paths(entries, samples, cells, variants)
        for id in variants.samples if variants else ():
            if id not in known:
                remedy = nearest(id, known) + "Use the ids of the sheet as keys"
                self._add(f"variants.samples.{id}", id, "No sample has this id", remedy)
        return samples

    def _kept(self, entries: Sequence[_Entry]) -> list[_Entry]:
        """Return the entries that are not excluded, each id once."""
        known = [entry.id for entry in entries]
        for id in self.excluded:
            if id not in known:
                message = "No sample of the table has this id"
                remedy = nearest(id, known) + "Correct the id or take it out of exclude"
                self._add(f"samples.exclude.{id}", id, message, remedy, severity="warning")
        entries = [entry for entry in entries if entry.id not in self.excluded]
        if entries:
            places = [(entry.place("id", self.source.get("id")), entry.id) for entry in entries]
            self.problems += name_problems(entries[0].file, places, "sample")
        elif known or self.source:
            self._add("samples", None, "No sample is left", "List the samples of the study")
        return list({entry.id: entry for entry in reversed(entries)}.values())[::-1]

    def _check_values(
        self, entries: Sequence[_Entry], kind: str, definition: Phenotype | Covariate
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
        must = self.absent == "error" and getattr(definition, "missing", "error") == "error"
        broken = False
        for entry in entries:
            place = entry.place(f"{kind}.{name}", definition.column)
            raw = entry.given[kind].pop(name, None)
            try:
                value = parse_value(definition, raw)
            except ValueError as error:
                message, remedy = error.args
                self._add(place, raw, message, remedy, entry.file)
                broken = True
                continue
            if value is not None or certain:
                entry.given[kind][name] = value
            if value is None and certain and must:
                message = f"{name} is missing"
                self._add(place, None, message, missing_remedy(definition), entry.file)
        if (
            isinstance(definition, Phenotype)
            and certain
            and self.absent == "error"
            and not broken
            and (problem := contrast_problem(definition, [e.given[kind][name] for e in entries]))
        ):
            self._add(f"phenotypes.{name}", None, *problem)

    def _sample(self, entry: _Entry, cells: Cells, variants: Variants | None) -> Sample:
        paths = {}
        for key, place, template in (
            ("vcf", "variants.path", variants.path if variants else None),
            ("path", "cells.path", cells.path),
        ):
            paths[key] = self._path(entry.row.get(key))
            if paths[key] is None and template:
                self.problems += template_problems(self.file, [entry.id], place, template, key)
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
    ) -> None:
        without = [entry for entry, sample in zip(entries, samples, strict=True) if not sample.path]
        if entries and len(without) == len(entries):
            remedy = "Add cells.path, or a path for every sample"
            self._add("cells.path", None, "No file of cells is named", remedy)
            without = []
        for entry in without:
            message = "The sample has no file of cells"
            remedy = "Add its path, or cells.path for all samples"
            self._add(entry.place("path"), None, message, remedy, entry.file)
        for path, count in Counter(sample.path for sample in samples).items():
            if path and count > 1 and not cells.sample:
                message = f"{count} samples share {path}, and no column says whose a cell is"
                remedy = "Name the obs column of sample ids in cells.sample"
                self._add("cells.sample", None, message, remedy)
        for key, template, place in (
            ("path", cells.path, "cells.path"),
            ("vcf", variants.path if variants else None, "variants.path"),
        ):
            for entry, sample in zip(entries, samples, strict=True):
                path = getattr(sample, key)
                if path is None or (path == template and "{sample}" not in path):
                    continue
                if self.absent == "exclude" and not self.simulated and is_absent(path):
                    continue
                remedy = "Paths are relative to the sheet"
                if key in entry.row:
                    field = entry.place(key)
                    self._checked(field, path, self.simulated, remedy, entry.file)
                else:
                    remedy += f"; give `{key}` per sample where the names differ"
                    self._checked(place, path, self.simulated, remedy)

    def _check_cells_of_all(self, cells: Cells) -> None:
        """Say what is in the way of taking all samples that the cells have."""
        for key in ("path", "sample"):
            if not getattr(cells, key):
                message = (
                    "`samples: {cells: all}` needs one file of cells and its column of samples"
                )
                self._add(f"cells.{key}", None, message, f"Add cells.{key}")
        if cells.path and "{sample}" in cells.path:
            message = "{sample} stands for ids that are only known once the cells are read"
            remedy = "List the samples, or name one file that holds all of them"
            self._add("cells.path", cells.path, message, remedy)

    def _files_of_samples(
        self, cells: Cells, samples: Sequence[Sample] | None, variants: Variants | None
    ) -> list[str]:
        if samples is None:
            paths = [cells.path, variants.path if variants else None]
            return [path for path in paths if path and "{sample}" not in path]
        paths = [path for sample in samples for path in (sample.path, sample.vcf)]
        only_existing = self.absent == "exclude" and not self.simulated
        return [path for path in paths if path and not (only_existing and is_absent(path))]


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


def _within(field: str, places: Iterable[str]) -> bool:
    """Return whether a field is one of the places, or part of one."""
    return any(field == place or field.startswith((f"{place}.", f"{place}[")) for place in places)
