"""Genotypes of the sheet against its samples."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from popnet.errors import InputError, Problem
from popnet.genotypes.reading import read_genotypes, sample_vcfs
from popnet.genotypes.vcf import (
    OLD_CONTIG,
    OLD_REMEDY,
    Contig,
    column_of,
    find_contig,
    first_few,
    has_index,
    open_vcf,
    passes,
    read_header,
    records_of,
)

if TYPE_CHECKING:
    from popnet.study.cohort import Cohort

MITOCHONDRIAL_LIKE = re.compile("mt|mito|rcrs|rsrs|012920|j01415", re.IGNORECASE)
# Bytes of all files without an index that are read as a whole, to see what their genotypes are.
READ_AS_A_WHOLE = 2**28


def check_variants(
    cohort: Cohort,
    sample_ids: Iterable[str],
    keep_filters: Collection[str] = (),
    by_reads: bool = True,
) -> list[Problem]:
    """Return what is wrong with the samples' VCFs: files, contig, columns, filters, genotypes.

    One problem for each kind of fault, with up to five of the samples that have it. `by_reads` says
    whether genotypes will be corrected by reads. Of large files that have no index, genotypes are
    only looked at when they are read for good.
    """
    sample_ids = list(sample_ids)
    own = {sample.id: sample.vcf for sample in cohort.samples or ()}
    path, names = (cohort.variants.path, cohort.variants.samples) if cohort.variants else (None, {})
    vcfs = sample_vcfs(path, names, own, sample_ids)
    if not vcfs and cohort.variants is None:
        return []
    contig = cohort.variants.contig if cohort.variants else "MT"
    of_path = bool(cohort.variants and cohort.variants.path)
    contigs: dict[str, list[str]] = {}
    asked: dict[str, Contig] = {}
    columns: dict[str, list[str]] = {}
    unreadable: dict[str, str] = {}
    for path in {path for path, _ in vcfs.values() if Path(path).is_file()}:
        try:
            columns[path], contigs[path], asked[path] = read_header(path, contig)
        except InputError as error:
            unreadable[path] = error.problems[0].message

    problems = []

    def add(faults: dict[str, str], message: str, remedy: str, severity: Any = "error") -> None:
        """Add one problem for all the samples in `faults` (sample to what is wrong with it)."""
        if faults:
            first = next(iter(faults))
            path = vcfs[first][0] if first in vcfs else ""
            # One file of several samples is named once, with what is wrong with it.
            of_file = {vcfs[name][0] if name in vcfs else "" for name in faults} == {path}
            if of_file and len(faults) > 1 and len(set(faults.values())) == 1:
                told = f"{first_few(map(repr, faults))} in {path}{faults[first]}"
            else:
                told = first_few(f"{name!r}{detail}" for name, detail in faults.items())
            problems.append(
                Problem(
                    file=path if Path(path).is_file() else cohort.file,
                    field="variants.path" if of_path else "samples.vcf",
                    value=first if len(faults) == 1 else None,
                    message=f"{message}, {len(faults)} of {len(sample_ids)} samples: {told}",
                    remedy=remedy,
                    severity=severity,
                )
            )

    add(
        {sample: "" for sample in sample_ids if sample not in vcfs},
        "no VCF given",
        "name it in the sheet (variants.path or the sample's vcf); "
        "these samples take no part in the tests of variants",
        severity="warning",
    )
    add(
        {sample: f" ({path})" for sample, (path, _) in vcfs.items() if not Path(path).is_file()},
        "the VCF does not exist",
        "correct variants.path or the sample's vcf; paths are relative to the sheet",
    )
    add(
        {s: f" ({unreadable[path]})" for s, (path, _) in vcfs.items() if path in unreadable},
        "the VCF cannot be read",
        "write the file again: .vcf, .vcf.gz or .bcf",
    )
    add(
        {
            sample: f" (has {first_few(map(repr, contigs[path])) or 'no contig'})"
            for sample, (path, _) in vcfs.items()
            if path in contigs and not any(map(asked[path].has, contigs[path]))
        },
        f"the VCF has no contig {contig!r}",
        "set variants.contig to the file's name for it, or use files that hold it",
    )
    add(
        {s: "" for s, (path, _) in vcfs.items() if path in asked and asked[path].old},
        OLD_CONTIG,
        OLD_REMEDY,
    )
    unlike = [path for path, found in asked.items() if not found.mitochondrial]
    if unlike and MITOCHONDRIAL_LIKE.search(contig):
        problems.append(
            Problem(
                unlike[0],
                "variants.contig",
                contig,
                "It is not taken for the mtDNA, which its name suggests: neither variants.mask nor "
                "the thresholds of the share of reads apply",
                "Declare its length in the header (##contig=<ID=...,length=16569>), or name it MT",
                "warning",
            )
        )
    n_files = len({path for path, _ in vcfs.values()})
    if n_files > 1 and cohort.variants and cohort.variants.absent is None:
        problems.append(
            Problem(
                cohort.file,
                "variants.absent",
                None,
                "The sheet does not say what a site is that a VCF has no record of: it counts as "
                "missing, so that sites which only carriers list cannot be tested",
                "Add variants.absent: reference where the files leave out what was read as "
                "reference, and otherwise variants.absent: missing",
                "warning",
            )
        )
    donors = {sample.id: sample.donor for sample in cohort.samples or ()}
    owners: dict[tuple[str, int], str] = {}
    wrong, shared, foreign = {}, {}, {}
    others = {names.get(sample, sample): sample for sample in sample_ids}
    for sample, (path, name) in vcfs.items():
        if path in columns:
            try:
                column = column_of(path, sample, name, columns[path])
            except InputError as error:
                wrong[sample] = f" ({error.problems[0].message})"
                continue
            found = columns[path][column]
            other = sample if found == sample else others.get(found, sample)
            if name is None and donors.get(other, other) != donors.get(sample, sample):
                foreign[sample] = f" ({found!r} in {path})"
                continue
            owner = owners.setdefault((path, column), sample)
            if donors.get(owner, owner) != donors.get(sample, sample):
                shared[sample] = f" (column {columns[path][column]!r} is that of {owner!r})"
    add(
        wrong,
        "the VCF has no column for the sample",
        "map the sample to its column in variants.samples",
    )
    add(
        shared,
        "the sample has the same column of the VCF as one of another donor",
        "correct variants.samples or the sample's vcf, or give the samples one donor",
    )
    add(
        foreign,
        "the only column of the sample's VCF has the name of another sample",
        "correct the sample's vcf; if the file is right, map the sample to the column in "
        "variants.samples",
    )
    if contigs and not any(problem.severity == "error" for problem in problems):
        problems += _check_filters(sorted(contigs), contig, set(keep_filters))
    if not any(problem.severity == "error" for problem in problems):
        # Where the sheet does not say what is absent, a warning above says what follows.
        given = cohort.variants.absent if cohort.variants and by_reads else "reference"
        absent: Any = given or ("reference" if n_files > 1 else "missing")
        least = cohort.variants.min_depth if cohort.variants else 0
        problems += _check_genotypes(vcfs, contig, keep_filters, absent, by_reads, least)
    return problems


def _check_genotypes(
    vcfs: Mapping[str, tuple[str, str | None]],
    contig: str,
    keep_filters: Collection[str],
    absent: Literal["missing", "reference"],
    by_reads: bool,
    min_depth: int,
) -> list[Problem]:
    """Return what is wrong with the genotypes of files that are quickly read."""
    left, read = READ_AS_A_WHOLE, set()
    for path in sorted({path for path, _ in vcfs.values()}):
        size = 0 if has_index(path) else Path(path).stat().st_size
        if size <= left:
            left -= size
            read.add(path)
    chosen = {sample: vcf for sample, vcf in vcfs.items() if vcf[0] in read}
    problems: list[Problem] = []
    try:
        read_genotypes(
            chosen,
            contig,
            keep_filters,
            absent,
            min_depth=min_depth if by_reads else None,
            problems=problems,
        )
    except InputError as error:
        return error.problems
    return problems


def _check_filters(paths: list[str], contig: str, keep_filters: set[str]) -> list[Problem]:
    """Return a problem where no file has a record of `contig` that passes its filters."""
    filters: set[str] = set()
    for path in paths:
        try:
            with open_vcf(path) as vcf:
                for record in records_of(vcf, path, find_contig(vcf, contig)):
                    if passes(record, keep_filters):
                        return []
                    filters.update(record.FILTERS)
        except InputError as error:
            return error.problems
    if filters:
        message = f"every record of {contig!r} is filtered: {first_few(sorted(filters))}"
        remedy = "if these genotypes are sound, list the filters in variants.keep_filters"
    else:
        message = f"no file has a record of {contig!r}"
        remedy = "use files that hold it"
    return [Problem(paths[0], "FILTER" if filters else "variants", None, message, remedy)]
