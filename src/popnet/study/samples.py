"""The samples of a sheet: from its list or its table, with their values, files and donors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from popnet.errors import Problem, nearest
from popnet.study.definitions import Covariate, Phenotype
from popnet.study.paths import is_absent, nearest_file, path_fault, resolve_path
from popnet.study.phenotypes import contrast_problem, is_missing, missing_remedy, parse_value
from popnet.study.problems import differing, name_problems, quoted, template_problems
from popnet.study.sheet import Cells, SampleEntry, SampleTable, Variants
from popnet.study.tables import read_sheet_table
from popnet.study.validation import is_broken

WILDCARD = set("{}<>")
Definitions = Mapping[str, Sequence[Phenotype | Covariate]]


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
class Notes:
    """The problems of a sheet, as they are found."""

    file: str
    simulated: bool
    problems: list[Problem]

    def add(
        self,
        field: str,
        value: Any,
        message: str,
        remedy: str,
        file: str | None = None,
        severity: Literal["error", "warning"] = "error",
    ) -> None:
        """Note a problem of the sheet, or of another `file`."""
        self.problems.append(Problem(file or self.file, field, value, message, remedy, severity))

    def path(self, text: str | None) -> str | None:
        """Return a path of the sheet as one from the current folder."""
        return resolve_path(self.file, text) if text else None

    def checked(
        self,
        field: str,
        path: str | None,
        made: bool = False,
        remedy: str | None = None,
        file: str | None = None,
    ) -> str | None:
        """Return `path`, having noted where it cannot be used or nothing is there.

        A file that the simulation makes (`made`) need not be there. `remedy` is for one that is
        not.
        """
        if path and WILDCARD.intersection(path):
            message = "Snakemake would read it as a wildcard: it holds one of { } < >"
            self.add(field, path, message, "Rename the file or its folder, or link it", file)
        elif path and not (made and self.simulated) and (fault := path_fault(path)):
            remedy = remedy or nearest_file(path) + "Paths are relative to the sheet"
            self.add(field, path, fault, remedy, file)
        return path


@dataclass(frozen=True)
class Written:
    """A sample as written; `number` is its place in the sheet's list, None in a table.

    `given` has the values of phenotypes and covariates as written, and then as parsed.
    """

    id: str
    file: str
    number: int | None
    donor: str | None
    vcf: str | None
    path: str | None
    batch: str | None
    given: dict[str, dict[str, Any]]

    def place(self, field: str, column: str | None = None) -> str:
        """Return where a field of the sample is, for a problem."""
        if self.number is None:
            return f"table column {column or field}, row {self.id}"
        return f"samples[{self.number}].{field}"


def listed(
    entries: Sequence[SampleEntry], defined: Mapping[str, Sequence[str]], notes: Notes
) -> list[Written]:
    """Return the samples of the sheet's list.

    `defined` has the names of all phenotypes and covariates of the sheet, sound or not.
    """
    samples = [
        Written(
            id=entry.id,
            file=notes.file,
            number=number,
            donor=entry.donor and entry.donor.strip(),
            vcf=entry.vcf,
            path=entry.path,
            batch=entry.batch and entry.batch.strip(),
            given={"phenotypes": dict(entry.phenotypes), "covariates": dict(entry.covariates)},
        )
        for number, entry in enumerate(entries)
        if not is_broken(entry)
    ]
    for sample in samples:
        for key in ("donor", "batch"):
            if (value := getattr(sample, key)) is not None and is_missing(value):
                message = "This is read as a missing value"
                notes.add(sample.place(key), value, message, f"Give the {key}, or take {key} away")
    for kind, names in defined.items():
        for sample in samples:
            for name in [name for name in sample.given[kind] if name not in names]:
                message = f"The sheet defines no such entry of {kind}"
                remedy = nearest(name, names) + f"Define {name} under {kind}, or take it away"
                value = sample.given[kind].pop(name)
                notes.add(sample.place(f"{kind}.{name}"), value, message, remedy)
    return samples


def tabulated(
    source: SampleTable, definitions: Definitions, notes: Notes
) -> tuple[list[Written] | None, list[str]]:
    """Return the samples of the sheet's table, or None if unknown, and its columns."""
    table = str(notes.checked("samples.table", notes.path(source.table)))
    if path_fault(table, folder=False):
        if not path_fault(table):
            remedy = "Name the CSV or TSV itself"
            notes.add("samples.table", source.table, "It is a folder, not a table", remedy)
        return None, []
    columns, rows, problems = read_sheet_table(table)
    notes.problems.extend(problems)
    if not columns:
        return None, []
    roles = {key: getattr(source, key) for key in ("id", "donor", "vcf", "path", "batch")}
    for key, column in roles.items():
        if column is not None and column not in columns:
            remedy = nearest(column, columns) + f"Its columns are {quoted(columns, 12)}"
            notes.add(f"samples.{key}", column, f"{table} has no such column", remedy)
    if source.id not in columns:
        return None, columns

    def filled(row: Mapping[str, str], key: str) -> str | None:
        text = row.get(roles[key] or "", "").strip()
        return None if is_missing(text, source.missing) else text

    for key in ("id", "donor", "batch"):
        texts = [row.get(roles[key] or "", "") for row in rows]
        if merged := differing(texts, str.strip):
            message = f"Blanks around these are left out, so that they are the same: {merged}"
            notes.add(f"samples.{key}", roles[key], message, "Nothing", table, "warning")
    samples = [
        Written(
            id=row[source.id].strip(),
            file=table,
            number=None,
            donor=filled(row, "donor"),
            vcf=filled(row, "vcf"),
            path=filled(row, "path"),
            batch=filled(row, "batch"),
            given={
                kind: {one.name: row[one.column] for one in definitions[kind] if one.column in row}
                for kind in definitions
            },
        )
        for row in rows
    ]
    for sample in samples if source.donor in columns else ():
        if sample.donor is None and sample.id not in source.exclude:
            remedy = "Fill it in, or take samples.donor out: each sample then is a donor"
            notes.add(sample.place("donor", source.donor), None, "No donor is given", remedy, table)
    return samples, columns


def resolved(
    written: list[Written],
    source: SampleTable | None,
    cells: Cells,
    definitions: Definitions,
    named: Iterable[str],
    variants: Variants | None,
    notes: Notes,
    has_cells: bool = True,
) -> tuple[Sample, ...]:
    """Return the samples that are not excluded, checked.

    Parameters
    ----------
    written : list of Written
    source : SampleTable or None
        The table of the samples; None for a list.
    cells, variants
        With paths relative to the current folder.
    definitions : mapping of kind to definitions
    named : iterable of str
        Dotted keys of the definitions that name a column.
    notes : Notes
        Gains what is wrong.
    has_cells : bool
        Whether samples need files of cells.
    """
    known = {sample.id for sample in written}
    lenient = source is not None and source.without_cells == "exclude"
    codes = source.missing if source else ()
    kept = _kept(written, source, notes)
    for sample in kept if source is None else ():
        _spread(sample.given["phenotypes"], definitions["phenotypes"])
    for kind, of_kind in definitions.items() if kept else ():
        for definition in of_kind:
            certain = source is not None or f"{kind}.{definition.written}" not in named
            _parse_values(kept, kind, definition, certain, lenient, codes, notes)
    samples = tuple(_sample(sample, cells, variants, notes) for sample in kept)
    if has_cells:
        _check_cells(kept, samples, cells, notes)
    _check_paths(kept, samples, cells, variants, lenient, notes)
    for id, name in variants.samples.items() if variants else ():
        if id not in known:
            remedy = nearest(id, known) + "Use the ids of the sheet as keys"
            notes.add(f"variants.samples.{id}", id, "No sample has this id", remedy)
        elif is_missing(name, codes):
            message = "This is read as a missing value, not as a name in the VCF"
            remedy = "Give the name, or take the sample out of variants.samples"
            notes.add(f"variants.samples.{id}", name, message, remedy)
    return samples


def _spread(given: dict[str, Any], definitions: Sequence[Phenotype | Covariate]) -> None:
    """Give every contrast of a categorical phenotype the value that the sheet has once."""
    contrasts = [one for one in definitions if isinstance(one, Phenotype) and one.source in given]
    given |= {one.name: given[one.source] for one in contrasts}
    for source in {one.source for one in contrasts}:
        del given[source]


def _kept(written: Sequence[Written], source: SampleTable | None, notes: Notes) -> list[Written]:
    """Return the samples that are not excluded, each id once."""
    excluded = source.exclude if source else {}
    known = [sample.id for sample in written]
    for id in excluded:
        if id not in known:
            message = "No sample of the table has this id"
            remedy = nearest(id, known) + "Correct the id or take it out of exclude"
            notes.add(f"samples.exclude.{id}", id, message, remedy, severity="warning")
    kept = [sample for sample in written if sample.id not in excluded]
    if kept:
        column = source.id if source else None
        places = [(sample.place("id", column), sample.id) for sample in kept]
        notes.problems.extend(name_problems(kept[0].file, places, "sample"))
    elif known or source:
        notes.add("samples", None, "No sample is left", "List the samples of the study")
    return list({sample.id: sample for sample in reversed(kept)}.values())[::-1]


def _parse_values(
    samples: Sequence[Written],
    kind: str,
    definition: Phenotype | Covariate,
    certain: bool,
    lenient: bool,
    codes: Sequence[str],
    notes: Notes,
) -> None:
    """Turn what the sheet gives into values; say what is wrong or certain to be missing.

    The sheet is the source where its table has the column, or where a sample of the list has a
    value and no column of the cells is named. Otherwise the cells may know the rest.
    """
    name = definition.name
    if all(name not in sample.given[kind] for sample in samples):
        return
    must = not lenient and getattr(definition, "missing", "error") == "error"
    broken = False
    for sample in samples:
        place = sample.place(f"{kind}.{definition.written}", definition.column)
        raw = sample.given[kind].pop(name, None)
        try:
            value = parse_value(definition, raw, codes)
        except ValueError as error:
            message, remedy = error.args
            notes.add(place, raw, message, remedy, sample.file)
            broken = True
            continue
        if value is not None or certain:
            sample.given[kind][name] = value
        if value is None and certain and must:
            remedy = missing_remedy(definition)
            notes.add(place, raw or None, f"{definition.written} is missing", remedy, sample.file)
    if isinstance(definition, Phenotype) and certain and not lenient and not broken:
        values = [sample.given[kind][name] for sample in samples]
        if problem := contrast_problem(definition, values):
            notes.add(f"phenotypes.{definition.written}", None, *problem)


def _sample(sample: Written, cells: Cells, variants: Variants | None, notes: Notes) -> Sample:
    paths = {}
    for key, place, template in (
        ("vcf", "variants.path", variants.path if variants else None),
        ("path", "cells.path", cells.path),
    ):
        paths[key] = notes.path(getattr(sample, key))
        if paths[key] is None and template:
            problems = template_problems(notes.file, [sample.id], place, template, key)
            notes.problems.extend(problems)
            paths[key] = template.replace("{sample}", sample.id)
    return Sample(
        id=sample.id,
        donor=sample.id if sample.donor is None else sample.donor,
        phenotypes=sample.given["phenotypes"],
        covariates=sample.given["covariates"],
        vcf=paths["vcf"],
        path=paths["path"],
        batch=sample.batch,
    )


def _check_cells(
    written: Sequence[Written], samples: Sequence[Sample], cells: Cells, notes: Notes
) -> None:
    """Find samples without a file of cells, and files of several that nothing tells apart."""
    without = [one for one, sample in zip(written, samples, strict=True) if not sample.path]
    if written and len(without) == len(written):
        remedy = "Add cells.path, or a path for every sample"
        notes.add("cells.path", None, "No file of cells is named", remedy)
        without = []
    for one in without:
        remedy = "Add its path, or cells.path for all samples"
        notes.add(one.place("path"), None, "The sample has no file of cells", remedy, one.file)
    for path, n_samples in Counter(sample.path for sample in samples).items():
        if path and n_samples > 1 and not cells.sample:
            message = f"{n_samples} samples share {path}, and no column says whose a cell is"
            remedy = "Name the obs column of sample ids in cells.sample"
            notes.add("cells.sample", None, message, remedy)


def _check_paths(
    written: Sequence[Written],
    samples: Sequence[Sample],
    cells: Cells,
    variants: Variants | None,
    lenient: bool,
    notes: Notes,
) -> None:
    """Find files of single samples that are not there; the sheet's own have been looked for."""
    for key, template, place in (
        ("path", cells.path, "cells.path"),
        ("vcf", variants.path if variants else None, "variants.path"),
    ):
        for one, sample in zip(written, samples, strict=True):
            path = getattr(sample, key)
            if path is None or (path == template and "{sample}" not in path):
                continue
            if lenient and not notes.simulated and is_absent(path):
                continue
            remedy = "Paths are relative to the sheet"
            if getattr(one, key) is not None:
                notes.checked(one.place(key), path, True, remedy, one.file)
            else:
                remedy += f"; give `{key}` per sample where the names differ"
                notes.checked(place, path, True, remedy)
