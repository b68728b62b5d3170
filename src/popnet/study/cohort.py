"""The cohort that a sheet describes, checked, with all that is wrong said at once.

No cell is read here: every parse of the Snakefile comes through this module, so it needs nothing
beyond the standard library, PyYAML and pydantic.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from popnet.errors import InputError, Problem, nearest
from popnet.study.definitions import (
    MT_PREFIX,
    Covariate,
    GeneSet,
    OwnNetwork,
    Phenotype,
    Replicate,
)
from popnet.study.documents import read_sheet
from popnet.study.gene_sets import bundled_gene_sets
from popnet.study.own import own_names, own_network
from popnet.study.paths import is_absent, path_fault, resolve_path
from popnet.study.phenotypes import is_missing, label_of
from popnet.study.problems import merged, name_problems, template_problems
from popnet.study.samples import Definitions, Notes, Sample, Written, listed, resolved, tabulated
from popnet.study.sheet import (
    RENAMED,
    Cells,
    CovariateEntry,
    PhenotypeEntry,
    SamplesOfCells,
    SampleTable,
    Sheet,
    Variants,
)
from popnet.study.validation import is_broken, validated

RESERVED_COLUMNS = (
    *("sample", "donor", "batch", "n_cells"),
    *("bin", "cell", "cell_type", "gene", "mean_depth", "unit", "depth", "cells", "n_bins"),
    # Columns that are read as text wherever they are: as numbers they would be lost.
    *("sample1", "sample2", "gene1", "gene2", "gene_set", "measure"),
    *("contig", "ref", "alt", "reason"),
)


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
        Without any key where the sheet has no cells.
    has_cells : bool
        False of a study of own networks alone.
    cell_types : tuple of str or None
        None stands for all that the cells have.
    samples : tuple of Sample or None
        Without the excluded ones; None until the cells are read (`with_samples`).
    donor : str or None
        The obs column of donors, where the cells say which samples there are.
    excluded : mapping of id to reason
    batch : str or None
        The column of batches of the table of samples.
    without_cells : {"error", "exclude"}
        What to do with samples that have no cells.
    missing : tuple of str
        What else stands for a missing value.
    table : str or None
        The table of samples, and in `table_columns` what it has.
    phenotypes, covariates, gene_sets : tuple
    variants : Variants or None
    own_networks : tuple of OwnNetwork
    simulation : Simulation or None
    replicate : Replicate or None
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
    own_networks: tuple[OwnNetwork, ...] = ()
    has_cells: bool = True
    simulation: Simulation | None = None
    replicate: Replicate | None = None
    donor: str | None = None
    batch: str | None = None
    excluded: Mapping[str, str] = field(default_factory=dict)
    without_cells: Literal["error", "exclude"] = "error"
    missing: tuple[str, ...] = ()
    table: str | None = None
    table_columns: tuple[str, ...] = ()
    description: str = ""
    config: str | None = None
    files: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def own_phenotypes(self) -> tuple[Phenotype, ...]:
        """The phenotypes that have values of their own: all but interactions."""
        return tuple(one for one in self.phenotypes if not one.factors)


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
    document, unread = read_sheet(file)
    if not unread and not isinstance(document, dict):
        message = "The sheet is not a mapping of keys to values"
        remedy = "Write `name: ...`, `cells: ...` and so on; see config/README.md"
        unread = [Problem(file, "(top level)", document, message, remedy)]
    if not isinstance(document, dict):
        raise InputError(unread)
    sheet, problems = validated(Sheet, document, file, RENAMED)
    notes = Notes(file, "simulation" in document, problems)
    cohort = _Resolver(sheet, document, notes).cohort()
    # What could not be read is not missing as well.
    places = [problem.field for problem in unread]
    problems = unread + [
        problem
        for problem in problems
        if problem.value is not None or not _within(problem.field, places)
    ]
    problems = merged(problems)
    if any(problem.severity == "error" for problem in problems):
        raise InputError(problems)
    return replace(cohort, warnings=tuple(problems))


def sheet_config(path: str | Path) -> str | None:
    """Return the file of settings that a sheet asks for; None where there is no such file.

    Whatever is wrong with the sheet is left to `load_cohort`.
    """
    document, _ = read_sheet(os.fspath(path))
    config = document.get("config") if isinstance(document, dict) else None
    settings = resolve_path(os.fspath(path), config) if isinstance(config, str) else ""
    return None if path_fault(settings, folder=False) else settings


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


def cells_part(cohort: Cohort) -> dict[str, Any]:
    """Return what decides which cells are read and how they are binned, as JSON can hold it."""
    samples = cohort.samples
    return {
        "cells": cohort.cells.model_dump(mode="json") if cohort.has_cells else None,
        "cell_types": cohort.cell_types and list(cohort.cell_types),
        "samples": samples
        and [{"id": one.id, "path": one.path, "batch": one.batch} for one in samples],
        "donor": cohort.donor,
        "excluded": dict(cohort.excluded),
        "without_cells": cohort.without_cells,
        "missing": list(cohort.missing),
    }


def phenotype_definition(phenotype: Phenotype) -> dict[str, Any]:
    """Return how a phenotype is defined, as JSON can hold it."""
    about = asdict(phenotype) | {"levels": list(phenotype.levels)}
    about["factors"] = [
        {key: list(one) if isinstance(one, tuple) else one for key, one in factor.items()}
        for factor in about["factors"]
    ]
    return about


def phenotype_part(cohort: Cohort, name: str) -> dict[str, Any]:
    """Return what decides the tests of a phenotype, as JSON can hold it.

    Its definition without the description, the covariates, and of each sample the donor and the
    values of these that the sheet gives. Batches are of the cells (`cells_part`).

    Raises
    ------
    KeyError
        No phenotype has this name.
    """
    definition = {one.name: one for one in cohort.phenotypes}[name]
    phenotype = phenotype_definition(definition)
    del phenotype["description"]
    return {
        "phenotype": phenotype,
        "covariates": [asdict(covariate) for covariate in cohort.covariates],
        "samples": cohort.samples
        and [
            {
                "id": one.id,
                "donor": one.donor,
                "covariates": dict(one.covariates),
                "phenotype": {
                    key: value for key, value in one.phenotypes.items() if key in definition.columns
                },
            }
            for one in cohort.samples
        ],
        "donor": cohort.donor,
        "missing": list(cohort.missing),
    }


def gene_sets_part(cohort: Cohort) -> list[dict[str, Any]]:
    """Return the gene sets, as JSON can hold them; what a GMT file holds is not part of it."""
    return [asdict(gene_set) | {"genes": list(gene_set.genes)} for gene_set in cohort.gene_sets]


def variants_part(cohort: Cohort) -> dict[str, Any]:
    """Return what decides how genotypes are read, as JSON can hold it: settings and VCFs."""
    return {
        "variants": cohort.variants and cohort.variants.model_dump(mode="json"),
        "vcfs": {sample.id: sample.vcf for sample in cohort.samples or () if sample.vcf},
    }


class _Resolver:
    """A sheet on its way to a Cohort; `notes` grow on the way.

    `sheet` lacks what breaks its model, `written` has it.
    """

    def __init__(self, sheet: Sheet, written: Mapping[str, Any], notes: Notes):
        self.sheet = sheet
        self.written = written
        self.notes = notes

    def cohort(self) -> Cohort:
        sheet, notes = self.sheet, self.notes
        notes.checked("cohort", notes.file)  # Snakemake takes the sheet itself as well.
        cells = self._cells()
        phenotypes = self._phenotypes()
        covariates = self._covariates(phenotypes)
        gene_sets = self._gene_sets()
        variants = self._variants()
        own_networks = self._own_networks()
        source = sheet.samples if isinstance(sheet.samples, SampleTable | SamplesOfCells) else None
        self._check_missing(source.missing if source else (), phenotypes)
        samples, columns = self._samples(cells, phenotypes, covariates, variants)
        phenotypes += self._interactions(phenotypes, covariates)
        if samples is None and isinstance(source, SamplesOfCells):
            self._check_cells_of_all(cells)
        if variants is None and any(sample.vcf for sample in samples or ()):
            variants = Variants()
        without_cells = source.without_cells if isinstance(source, SampleTable) else "error"
        table = notes.path(source.table) if isinstance(source, SampleTable) else None
        # A simulation makes the files of samples and gene sets; the user has the others.
        lenient = without_cells == "exclude" and not notes.simulated
        made = _files_of_samples(cells, samples, variants, lenient)
        made += [gene_set.gmt for gene_set in gene_sets if gene_set.gmt]
        others = [cells.annotations.table if cells.annotations else None]
        others += [network.path for network in own_networks]
        if str(sheet.name).lower() == "meta":
            message = "results/meta/ has the meta-analyses of several studies"
            notes.add("name", sheet.name, message, "Give the study another name")
        simulation = None
        if sheet.simulation:
            simulation = Simulation(sheet.simulation.seed, tuple(dict.fromkeys(made)))
        return Cohort(
            name=str(sheet.name),
            file=notes.file,
            description=sheet.description,
            config=notes.checked("config", notes.path(sheet.config)),
            cells=cells,
            cell_types=self._cell_types(cells),
            samples=samples,
            donor=source.donor if isinstance(source, SamplesOfCells) else None,
            batch=source.batch if isinstance(source, SampleTable) else None,
            excluded=source.exclude if source else {},
            without_cells=without_cells,
            missing=source.missing if source else (),
            table=table,
            table_columns=tuple(columns),
            phenotypes=phenotypes,
            covariates=covariates,
            gene_sets=gene_sets,
            variants=variants,
            own_networks=own_networks,
            has_cells="cells" in self.written,
            simulation=simulation,
            replicate=self._replicate(phenotypes),
            files=tuple(dict.fromkeys(filter(None, [table, *made, *others]))),
        )

    def _cells(self) -> Cells:
        notes = self.notes
        if self.sheet.cells is None or is_broken(self.sheet.cells):
            self._check_without_cells()
            return Cells()
        cells = self.sheet.cells
        path = notes.path(cells.path)
        if path and "{sample}" not in path:
            notes.checked("cells.path", path, made=True)
        annotations = cells.annotations
        if annotations:
            table = notes.checked("cells.annotations.table", notes.path(annotations.table))
            annotations = annotations.model_copy(update={"table": table})
        return cells.model_copy(update={"path": path, "annotations": annotations})

    def _check_without_cells(self) -> None:
        """Say what a sheet without cells lacks, or cannot have."""
        if "cells" in self.written:
            return  # They are there, but cannot be used.
        if "own_networks" not in self.written:
            message = "The key is missing"
            remedy = "Add it: where the cells are and what their columns mean; or own_networks"
            self.notes.add("cells", None, message, remedy)
        elif isinstance(self.sheet.samples, SamplesOfCells):
            message = "The sheet names no cells that could say which samples there are"
            self.notes.add("samples.cells", "all", message, "List the samples, or name a table")
        elif self.sheet.simulation:
            message = "Cells are simulated, and the sheet names none"
            self.notes.add("simulation", None, message, "Add cells, or take simulation away")

    def _own_networks(self) -> tuple[OwnNetwork, ...]:
        notes = self.notes
        entries = self.sheet.own_networks
        notes.problems.extend(own_names(notes.file, list(entries)))
        networks = []
        for name, entry in entries.items():
            field = f"own_networks.{name}"
            path = str(notes.checked(f"{field}.path", notes.path(entry.path)))
            if path_fault(path):
                continue
            network, problems = own_network(notes.file, name, path, entry)
            notes.problems.extend(problems)
            networks += [network] if network else []
        if not entries and "own_networks" in self.written and "cells" not in self.written:
            message = "The study has neither cells nor own networks"
            notes.add("own_networks", None, message, "Name a table, or add cells")
        return tuple(networks)

    def _replicate(self, phenotypes: Sequence[Phenotype]) -> Replicate | None:
        entry, notes = self.sheet.replicate, self.notes
        if entry is None:
            return None
        known = [*self.sheet.phenotypes, *(one.name for one in phenotypes if one.factors)]
        for number, name in enumerate(entry.phenotypes or ()):
            if name not in known:
                remedy = nearest(name, known) + "Name phenotypes or interactions of this sheet"
                place = f"replicate.phenotypes[{number}]"
                notes.add(place, name, "The sheet has no such phenotype", remedy)
        sheet = str(notes.checked("replicate.cohort", notes.path(entry.cohort)))
        names = None if entry.phenotypes is None else tuple(entry.phenotypes)
        return Replicate(sheet, names)

    def _cell_types(self, cells: Cells) -> tuple[str, ...] | None:
        if self.sheet.cell_types is None:
            known = "cells" in self.written and not cells.cell_type
            return ("all",) if known else None
        entries = [
            (f"cell_types[{number}]", name)
            for number, name in enumerate(self.sheet.cell_types)
            if not is_broken(name)
        ]
        self.notes.problems.extend(name_problems(self.notes.file, entries, "cell type"))
        names = tuple(name for _, name in entries)
        if "cells" in self.written and not cells.cell_type and names != ("all",):
            message = 'Without a column of cell types all cells are one type, "all"'
            remedy = "Name the obs column in cells.cell_type, or leave cell_types out"
            self.notes.add("cells.cell_type", None, message, remedy)
        return names

    def _phenotypes(self) -> tuple[Phenotype, ...]:
        entries = {} if is_broken(self.sheet.phenotypes) else self.sheet.phenotypes
        self._check_names("phenotypes", entries, "phenotype")
        found = [one for name, entry in entries.items() for one in self._of_entry(name, entry)]
        taken = {one.name for one in found if not one.source}
        for one in found:
            if one.source and one.name in taken:
                message = "Another phenotype has the name of the contrast"
                place = f"phenotypes.{one.source}.contrasts"
                self.notes.add(place, one.name, message, "Rename one of them")
            taken.add(one.name)
        return tuple(found)

    def _of_entry(self, name: str, entry: PhenotypeEntry) -> Iterator[Phenotype]:
        """Yield what a phenotype of the sheet asks: of a categorical one, every contrast."""
        about: dict[str, Any] = {"column": entry.column or name, "missing": entry.missing}
        about |= {"description": entry.description, "margin": entry.margin}
        if entry.type == "ordinal":
            yield Phenotype(name, "continuous", levels=tuple(entry.order or ()), **about)
        elif entry.type == "categorical":
            levels = _levels(entry)
            about |= {"source": name, "levels": levels}
            contrasts = entry.contrasts or {}
            places = [(f"phenotypes.{name}.contrasts.{one}", one) for one in contrasts]
            self.notes.problems.extend(name_problems(self.notes.file, places, "contrast"))
            for place, contrast in places:
                self._check_column(place, f"{name}: {contrast}", "Rename the contrast")
            for contrast, pair in contrasts.items():
                case, control = (label_of(level, levels) for level in pair)
                yield Phenotype(
                    f"{name}: {contrast}", "binary", case=case, control=control, **about
                )
        elif entry.type == "binary" and entry.case is None:
            yield Phenotype(name, "binary", case="1", control="0", **about)
        else:
            yield Phenotype(name, entry.type, case=entry.case, control=entry.control, **about)

    def _check_missing(self, codes: Sequence[str], phenotypes: Sequence[Phenotype]) -> None:
        """Find levels of phenotypes that the sheet calls missing as well."""
        for one in phenotypes:
            for level in (one.case, one.control, *one.levels):
                if level is not None and codes and is_missing(level, codes):
                    message = f"It is a level of phenotypes.{one.written}, too"
                    remedy = "Take it out of one of them"
                    self.notes.add("samples.missing", level, message, remedy)

    def _interactions(
        self, phenotypes: Sequence[Phenotype], covariates: Sequence[Covariate]
    ) -> tuple[Phenotype, ...]:
        """Return what the interactions ask: of each the product of its two variables."""
        known: dict[str, Phenotype | Covariate] = {one.name: one for one in phenotypes}
        known |= {one.name: one for one in covariates}
        found: dict[str, Phenotype] = {}
        taken = set()
        for number, written in enumerate(self.sheet.interactions):
            if is_broken(written):
                continue
            place = f"interactions[{number}]"
            pair = _factors(written, known)
            if pair is None:
                self.notes.add(place, written, *_unknown_factor(written, known, phenotypes))
                continue
            first, second = pair
            if first.name == second.name:
                message = "A variable does not interact with itself"
                self.notes.add(place, written, message, "Name two different variables")
            elif isinstance(first, Covariate) and isinstance(second, Covariate):
                message = "Both are covariates, and what is tested are phenotypes"
                remedy = "Define one of them under phenotypes instead"
                self.notes.add(place, written, message, remedy)
            elif frozenset(one.name for one in pair) in taken:
                message = "The interaction is given twice"
                self.notes.add(place, written, message, "Keep one of them")
            elif (name := f"{first.name}:{second.name}") in known:
                message = "Another phenotype or covariate has the name of the interaction"
                self.notes.add(place, name, message, "Rename it")
            else:
                taken.add(frozenset(one.name for one in pair))
                about = f"Does the effect of {second.name} depend on {first.name}?"
                found[name] = Phenotype(
                    name, "continuous", name, description=about, factors=(first, second)
                )
        places = [(f"phenotypes.{one.name}", one.name) for one in phenotypes]
        places += [("interactions", name) for name in found]
        for problem in name_problems(self.notes.file, places, "phenotype"):
            if problem.field == "interactions":
                self.notes.problems.append(problem)
        return tuple(found.values())

    def _covariates(self, phenotypes: Sequence[Phenotype]) -> tuple[Covariate, ...]:
        entries = {
            name: entry if isinstance(entry, CovariateEntry) else CovariateEntry(type=entry)
            for name, entry in self.sheet.covariates.items()
        }
        self._check_names("covariates", entries, "covariate", files=False)
        for name in entries.keys() & {phenotype.name for phenotype in phenotypes}:
            message = "The same name is a phenotype and a covariate"
            remedy = "Rename one of them and give its column, or take it out of the covariates"
            self.notes.add(f"covariates.{name}", name, message, remedy)
        return tuple(
            Covariate(name, entry.type, entry.column or name) for name, entry in entries.items()
        )

    def _check_names(self, kind: str, names: Iterable[str], what: str, files: bool = True) -> None:
        entries = [(f"{kind}.{name}", name) for name in names]
        self.notes.problems.extend(name_problems(self.notes.file, entries, what, files))
        for place, name in entries:
            if name in RESERVED_COLUMNS or re.fullmatch(r"component\d+", name):
                message = "This name belongs to a column of the results"
                self.notes.add(place, name, message, f"Rename it and give `column: {name}`")
            else:
                self._check_column(place, name, f"Rename it and give `column: {name}`")

    def _check_column(self, place: str, name: str, remedy: str) -> None:
        if name == "_index" or not {"", "."}.isdisjoint(name.split("/")):
            message = "An h5ad file cannot have a column of this name"
            self.notes.add(place, name, message, remedy)

    def _gene_sets(self) -> tuple[GeneSet, ...]:
        notes = self.notes
        sets = [
            GeneSet(
                name=name,
                prefix=entry.prefix,
                gmt=notes.checked(f"gene_sets.{name}.gmt", notes.path(entry.gmt), made=True),
                genes=tuple(entry.genes or ()),
            )
            for name, entry in (self.sheet.gene_sets or {}).items()
        ]
        if self.sheet.gene_sets is None:
            sets = bundled_gene_sets()
        if all(gene_set.name != "MT" for gene_set in sets):
            sets.insert(0, GeneSet("MT", prefix=MT_PREFIX, implicit=True))
        return tuple(sets)

    def _variants(self) -> Variants | None:
        variants = self.sheet.variants
        if variants is None:
            return None
        path = self.notes.path(variants.path)
        if path and "{sample}" not in path:
            self.notes.checked("variants.path", path, made=True)
        return variants.model_copy(update={"path": path})

    def _samples(
        self,
        cells: Cells,
        phenotypes: Sequence[Phenotype],
        covariates: Sequence[Covariate],
        variants: Variants | None,
    ) -> tuple[tuple[Sample, ...] | None, list[str]]:
        """Return the samples, None if they are not known yet, and the columns of their table."""
        source = self.sheet.samples
        definitions: Definitions = {"phenotypes": phenotypes, "covariates": covariates}
        written: list[Written] | None
        columns: list[str] = []
        if isinstance(source, list):
            defined = {kind: self.written.get(kind) for kind in definitions}
            names = {
                kind: list(known) if isinstance(known, dict) else []
                for kind, known in defined.items()
            }
            written, table = listed(source, names, self.notes), None
        elif isinstance(source, SampleTable):
            written, columns = tabulated(source, definitions, self.notes)
            table = source
        else:
            return None, []
        if written is None:
            return None, columns
        sections: dict[str, Mapping[str, Any]] = {
            "phenotypes": self.sheet.phenotypes if phenotypes else {},
            "covariates": self.sheet.covariates,
        }
        named = {
            f"{kind}.{name}"
            for kind, entries in sections.items()
            for name, entry in entries.items()
            if getattr(entry, "column", None) is not None
        }
        has_cells = "cells" in self.written
        asked = definitions, named, variants, self.notes, has_cells
        samples = resolved(written, table, cells, *asked)
        return samples, columns

    def _check_cells_of_all(self, cells: Cells) -> None:
        """Say what is in the way of taking all samples that the cells have."""
        for key in ("path", "sample"):
            if not getattr(cells, key):
                message = (
                    "`samples: {cells: all}` needs one file of cells and its column of samples"
                )
                self.notes.add(f"cells.{key}", None, message, f"Add cells.{key}")
        if cells.path and "{sample}" in cells.path:
            message = "{sample} stands for ids that are only known once the cells are read"
            remedy = "List the samples, or name one file that holds all of them"
            self.notes.add("cells.path", cells.path, message, remedy)


def _factors(
    written: str, known: Mapping[str, Phenotype | Covariate]
) -> tuple[Phenotype | Covariate, Phenotype | Covariate] | None:
    """Return the two variables that an interaction names, or None; names may hold colons."""
    for at in (place for place, sign in enumerate(written) if sign == ":"):
        names = written[:at].strip(), written[at + 1 :].strip()
        if all(name in known for name in names):
            return known[names[0]], known[names[1]]
    return None


def _unknown_factor(
    written: str,
    known: Mapping[str, Phenotype | Covariate],
    phenotypes: Sequence[Phenotype],
) -> tuple[str, str]:
    """Return message and remedy of an interaction of which a name is not known."""
    names = [name.strip() for name in written.split(":")]
    remedy = "Write first:second, two names of the sheet"
    if len(names) == 1:
        return "An interaction names two variables", remedy
    sources = {one.source: one.name for one in phenotypes if one.source}
    for name in names:
        if name in sources:
            suggested = ":".join(sources.get(one, one) for one in names)
            return (
                f"An interaction compares two levels of {name}, and a contrast says which",
                f'Name one of its contrasts, in quotes: "{suggested}"',
            )
    lacking = next((name for name in names if name not in known), written)
    return (
        f"There is neither a phenotype nor a covariate {lacking!r}",
        nearest(lacking, list(known)) + remedy,
    )


def _levels(entry: PhenotypeEntry) -> tuple[str, ...]:
    """Return the levels of a categorical phenotype: those named, or those of its contrasts."""
    levels: list[str] = list(entry.levels or ())
    for pair in (entry.contrasts or {}).values():
        levels += [level for level in pair if label_of(level, levels) is None]
    return tuple(levels)


def _files_of_samples(
    cells: Cells, samples: Sequence[Sample] | None, variants: Variants | None, lenient: bool
) -> list[str]:
    """Return the files of cells and variants; a `lenient` sheet lets those of samples be absent."""
    if samples is None:
        paths = [cells.path, variants.path if variants else None]
        return [path for path in paths if path and "{sample}" not in path]
    paths = [path for sample in samples for path in (sample.path, sample.vcf)]
    return [path for path in paths if path and not (lenient and is_absent(path))]


def _within(field: str, places: Iterable[str]) -> bool:
    """Return whether a field is one of the places, or part of one."""
    return any(field == place or field.startswith((f"{place}.", f"{place}[")) for place in places)
