"""Genotypes of one contig, from per-sample or multi-sample VCF files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cyvcf2
import numpy as np
import pandas as pd

from popnet.errors import InputError, Problem
from popnet.genotypes.table import HETEROPLASMIC, HOMOPLASMIC, Genotypes
from popnet.genotypes.vcf import (
    column_of,
    filters_of,
    find_contig,
    first_few,
    open_vcf,
    passes,
    records_of,
)

BASES = set("ACGT")
REFERENCE_BLOCKS = {"<NON_REF>", "<*>"}
# Fields of the share of reads with each alternate allele: Mutect2, MToolBox, gnomAD, DeepVariant.
SHARES = ("AF", "HF", "HL", "VAF")
# Counts or shares of reads by other names (freebayes, VarScan), which are not read.
UNREAD = frozenset(("AO", "RO", "FREQ", "AD_ALT", "ALT_F"))

Key = tuple[int, str, str]  # position, reference and alternate allele


def sample_vcfs(
    path: str | None,
    names: Mapping[str, str],
    own: Mapping[str, str | None],
    sample_ids: Iterable[str],
) -> dict[str, tuple[str, str | None]]:
    """Return the VCF of each sample, and the name of its column if the sheet gives one.

    Parameters
    ----------
    path : str or None
        The sheet's ``variants.path``: ``{sample}`` is replaced by the id. A path without it is one
        file for all samples, in which a sample's column has the sample's name unless `names` maps
        it.
    names : mapping of id to the name in the VCF
    own : mapping of id to the sample's own VCF or None
        Has priority over `path`.
    sample_ids : iterable of str
        Samples without a VCF are left out.
    """
    vcfs = {}
    for sample in sample_ids:
        file = own.get(sample) or (path and path.replace("{sample}", sample))
        if file:
            of_all = file == path and "{sample}" not in path
            vcfs[sample] = (file, names.get(sample, sample if of_all else None))
    return vcfs


def read_genotypes(
    vcfs: Mapping[str, tuple[str | Path, str | None]],
    contig: str = "MT",
    keep_filters: Collection[str] = (),
    absent: Literal["missing", "reference"] = "reference",
    mask: Collection[tuple[int, int]] = (),
    min_depth: int | None = None,
    problems: list[Problem] | None = None,
) -> Genotypes:
    """Read the variants of one contig that at least one sample carries.

    Multi-allelic sites are split and trimmed to the shortest form (``TA>CA`` at 152 is ``T>C``),
    so that files of different callers have the same variants. Spanning deletions, symbolic
    alleles and unknown bases (the N at 3107 of the rCRS) are left out. A genotype with any
    missing allele is missing.

    Filtered records are not used as evidence: their genotypes are missing. So are genotypes that
    FORMAT/FT filters, and those of a file without a single record of the contig.

    If reads were counted by allele (AD), these counts are used instead of the genotype of an mtDNA:
    it has an allele if at least 5 % of the reads have it, and no other allele if 95 % have it. The
    share of an allele is that of all reads (DP) where these are more than AD has: where alleles of
    a site were split into several records, each has the reads of its own allele alone. Without AD
    the share is that of AF, HF, HL or VAF.

    Parameters
    ----------
    vcfs : mapping of sample to (path, column)
        The column is the sample's name in the VCF; None means the only column, or the one with the
        sample's name. A file that several samples share is read once. An index is used if there is
        one.
    contig : str
        MT, M, chrM, chrMT, 26, NC_012920.1 (in any case) and a contig of 16,569 bp are the same
        contig and are returned as MT.
    keep_filters : collection of str
        FILTER and FT values that are treated as PASS.
    absent : {"missing", "reference"}
        The genotype of a variant in the samples of a file without a record of its position. Records
        of other alleles, of the reference and of reference blocks are records of the position.
    mask : collection of (first, last)
        Positions of the mtDNA whose variants are left out.
    min_depth : int, optional
        Fewest reads (DP, or otherwise the sum of AD) of a genotype; with fewer it is missing. With
        None, neither DP nor AD nor shares of reads are used.
    problems : list of Problem, optional
        Gains warnings: files without a record, reads that contradict genotypes, counts of reads
        that could not be used, and variants that no sample lacks.

    Returns
    -------
    Genotypes
        Rows in the order of `vcfs`, variants by position.

    Raises
    ------
    InputError
        For files that cannot be read or have no genotypes, samples that are not in their file,
        shares of reads that are no shares, and an mtDNA of 16,571 bp.
    """
    by_file: dict[str, dict[str, str | None]] = {}
    for sample, (path, name) in vcfs.items():
        by_file.setdefault(str(path), {})[sample] = name

    reader = _Reader(contig, set(keep_filters), tuple(mask), min_depth)
    files: dict[str, _Calls] = {}
    faults: list[Problem] = []
    for path, names in by_file.items():
        try:
            files[path] = reader.read(path, names)
        except InputError as error:
            faults += error.problems
    if faults:
        raise InputError(faults)

    ids: dict[Key, str] = {}
    for calls in files.values():
        for key, record_id in calls.ids.items():
            if ids.get(key, ".") == ".":
                ids[key] = record_id
    keys = sorted(ids)
    positions = np.array([key[0] for key in keys], dtype=np.int64)
    column = {key: number for number, key in enumerate(keys)}
    row = {sample: number for number, sample in enumerate(vcfs)}
    dosage = np.zeros((len(row), len(keys)), dtype=np.float32)
    fraction = np.full(dosage.shape, np.nan, dtype=np.float32)
    for path, calls in files.items():
        rows = np.array([row[sample] for sample in by_file[path]])
        if (absent == "missing" and len(calls.ids) < len(keys)) or not calls.starts:
            dosage[rows] = np.where(calls.covers(positions), 0, np.nan)
        if calls.dosage:
            columns = np.array([column[key] for key in calls.dosage])
            dosage[np.ix_(rows, columns)] = np.column_stack(list(calls.dosage.values()))
        if calls.fraction:
            columns = np.array([column[key] for key in calls.fraction])
            fraction[np.ix_(rows, columns)] = np.column_stack(list(calls.fraction.values()))
            # If alleles are counted, a reference genotype means that no read has another allele.
            unseen = np.isnan(fraction[rows]) & (dosage[rows] == 0)
            fraction[rows] = np.where(unseen, 0, fraction[rows])

    carried = np.flatnonzero((dosage > 0).any(axis=0))
    variants = pd.DataFrame(
        [(*keys[number], ids[keys[number]]) for number in carried],
        columns=["pos", "ref", "alt", "id"],
    ).astype({"pos": np.int64, "ref": str, "alt": str, "id": str})
    contig = "MT" if any(calls.mitochondrial for calls in files.values()) else contig
    variants.insert(0, "contig", contig)
    variants.index = pd.Index(
        [f"{contig}:{v.pos}:{v.ref}>{v.alt}" for v in variants.itertuples()],
        name="variant",
        dtype=object,
    )
    genotypes = Genotypes(dosage[:, carried], variants, list(row), fraction[:, carried])
    if problems is not None:
        problems += _remarks(genotypes, files, by_file, contig)
    return genotypes


@dataclass
class _Calls:
    """The calls of a file for its samples.

    `dosage` and `fraction` have an array over the samples for each variant. `called` says for each
    interval from `starts` to `ends` which samples have a genotype. `few` and `many` are the numbers
    of genotypes that have an allele with too few reads, and lack one with too many for it;
    `opposite` of both together have all alleles where the reads have none, or the reverse.
    `unused` are the records with counts of reads that do not fit the alleles, `unread` fields with
    counts or shares of reads that are not read, of records that have no others.
    """

    mitochondrial: bool
    few: int = 0
    many: int = 0
    opposite: int = 0
    unused: int = 0
    unread: set[str] = field(default_factory=set)
    has_genotypes: bool = False
    ids: dict[Key, str] = field(default_factory=dict)
    dosage: dict[Key, np.ndarray] = field(default_factory=dict)
    fraction: dict[Key, np.ndarray] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    called: list[np.ndarray] = field(default_factory=list)

    def covers(self, positions: np.ndarray) -> np.ndarray:
        """Return whether samples have a genotype at sorted positions, (n_samples, n_positions)."""
        if not self.starts:
            return np.zeros((1, len(positions)), bool)
        called = np.array(self.called, dtype=np.int32)
        steps = np.zeros((len(positions) + 1, called.shape[1]), np.int32)
        np.add.at(steps, np.searchsorted(positions, self.starts, side="left"), called)
        np.subtract.at(steps, np.searchsorted(positions, self.ends, side="right"), called)
        return np.cumsum(steps, axis=0)[:-1].T > 0


@dataclass(frozen=True)
class _Reader:
    """How the records of files are interpreted; see `read_genotypes`."""

    contig: str
    keep_filters: set[str]
    mask: tuple[tuple[int, int], ...]
    min_depth: int | None

    def read(self, path: str, names: Mapping[str, str | None]) -> _Calls:
        with open_vcf(path) as vcf:
            contig = find_contig(vcf, self.contig)
            calls = _Calls(contig.mitochondrial)
            found = vcf.samples
            columns = [column_of(path, sample, name, found) for sample, name in names.items()]
            for record in records_of(vcf, path, contig):
                try:
                    self._add(calls, record, columns)
                except _NoShare as error:
                    where = f"{error.args[0]} of {record.CHROM}:{record.POS}"
                    message = "This is no share of reads, which is a number from 0 to 1"
                    remedy = "write shares of reads, or leave the field out"
                    if error.args[0] not in SHARES:
                        message = "This is no number of reads"
                        remedy = (
                            "write whole numbers, . where it is unknown, or leave the field out"
                        )
                    raise InputError(
                        [Problem(path, where, error.args[1], message, remedy)]
                    ) from None
        if calls.starts and not calls.has_genotypes:
            message = f"no record of {self.contig!r} has genotypes (GT)"
            raise InputError([Problem(path, "FORMAT", None, message, "use files with genotypes")])
        return calls

    def _add(self, calls: _Calls, record: cyvcf2.Variant, columns: list[int]) -> None:
        """Add the calls of a record for the samples in `columns`."""
        called = np.zeros(len(columns), bool)
        shares = None
        calls.has_genotypes |= "GT" in record.FORMAT
        if passes(record, self.keep_filters) and "GT" in record.FORMAT:
            alleles = record.genotype.array()[columns, :-1]
            called = ~(alleles == -1).any(axis=1) & self._passing(record, columns)
            if self.min_depth is not None:
                shares, depth, used = _reads(record, columns)
                called &= ~(depth < self.min_depth)
                calls.unused += not used
                if shares is None:
                    calls.unread |= UNREAD.intersection(record.FORMAT)
        calls.starts.append(record.POS)
        blocks = not REFERENCE_BLOCKS.isdisjoint(record.ALT) or not record.ALT
        calls.ends.append(record.end if blocks else record.POS + len(record.REF) - 1)
        calls.called.append(called)
        mask = self.mask if calls.mitochondrial else ()
        for number, alt in enumerate(record.ALT, 1):
            key = _trim(record.POS, record.REF.upper(), alt.upper())
            last = key[0] + len(key[1]) - 1
            if not BASES.issuperset(key[1] + key[2]) or key[1] == key[2]:
                continue
            if any(key[0] <= end and start <= last for start, end in mask):
                continue
            values = np.full(len(columns), np.nan, dtype=np.float32)
            if called.any():
                values[called] = (alleles == number).sum(axis=1)[called]
            if shares is not None:
                share = np.where(called, shares[:, number - 1], np.nan).astype(np.float32)
                if calls.mitochondrial:
                    few = (share < HETEROPLASMIC) & (values > 0)
                    many = (share >= HETEROPLASMIC) & (values == 0)
                    every = ((alleles == number) | (alleles == -2)).all(axis=1)
                    none = (alleles <= 0).all(axis=1) & (share >= HOMOPLASMIC)
                    calls.few += int(few.sum())
                    calls.many += int(many.sum())
                    calls.opposite += int(((few & every) | (many & none)).sum())
                    values[few] = 0
                    values[many] = 1
                calls.fraction[key] = np.fmax(calls.fraction.get(key, share), share)
            calls.ids.setdefault(key, record.ID or ".")
            calls.dosage[key] = np.fmax(calls.dosage.get(key, values), values)

    def _passing(self, record: cyvcf2.Variant, columns: list[int]) -> np.ndarray:
        """Return which genotypes pass their own filters (FT)."""
        if "FT" not in record.FORMAT or (found := record.format("FT")) is None:
            return np.ones(len(columns), bool)
        texts, which = np.unique(np.asarray(found)[columns], return_inverse=True)
        passing = [self.keep_filters.issuperset(filters_of(str(text))) for text in texts]
        return np.array(passing)[which.ravel()]


class _NoShare(ValueError):
    """A value that is no share of reads; the field and the value."""


def _reads(
    record: cyvcf2.Variant, columns: list[int]
) -> tuple[np.ndarray | None, np.ndarray, bool]:
    """Return the shares of reads with the alternate alleles, and the number of all reads.

    Returns
    -------
    shares : ndarray of shape (n_samples, n_alternates) or None
        NaN if unknown; None if no reads are counted.
    depth : ndarray of shape (n_samples,)
        NaN if unknown.
    used : bool
        False where reads are counted, but not for the alleles of the record.
    """
    n_alternates = len(record.ALT)
    shares, used, few = None, True, np.zeros(len(columns), bool)
    total = _numbers(record, "DP", columns)
    depth = np.full(len(columns), np.nan) if total is None else total[:, 0]
    if (counts := _numbers(record, "AD", columns)) is not None and n_alternates:
        if counts.shape[1] == 1 + n_alternates:
            total = counts.sum(axis=1)
            shares = counts[:, 1:] / np.where(depth > total, depth, total)[:, None].clip(1)
            shares[~(total > 0)] = np.nan
            few = depth > total
            depth = np.where(np.isnan(depth), total, depth)
        elif counts.shape[1] == n_alternates == 1:
            # VarScan only counts the alternate allele, and all reads in DP.
            shares = np.where(counts <= depth[:, None], counts / depth[:, None].clip(1), np.nan)
        else:
            used = bool(np.isnan(counts).all())
    for name in SHARES:
        if (given := _numbers(record, name, columns)) is not None:
            given = _of_alternates(given, record.genotype.array()[columns, :-1], n_alternates)
            if shares is not None:
                # Callers leave reads out of AD that fit several alleles; they know the share.
                left = np.isnan(shares) | (few[:, None] & ~np.isnan(given))
                given = np.where(left, given, shares)
            shares = given
            if (wrong := (shares < 0) | (shares > 1)).any():
                raise _NoShare(name, round(float(shares[wrong][0]), 6))
    return shares, depth, used


def _numbers(record: cyvcf2.Variant, field: str, columns: list[int]) -> np.ndarray | None:
    """Return a field of the samples, (n_samples, n_values) with NaN where missing; None without it.

    A field that the header does not declare is text.
    """
    if field not in record.FORMAT or (found := record.format(field)) is None:
        return None
    found = np.asarray(found)[columns]
    if found.dtype.kind in "iu":
        return np.where(found < 0, np.nan, found)
    if found.dtype.kind == "f":
        return found.astype(float)
    rows = [[_number(field, part) for part in str(text).split(",")] for text in found]
    width = max(map(len, rows))
    return np.array([row + [np.nan] * (width - len(row)) for row in rows])


def _of_alternates(given: np.ndarray, alleles: np.ndarray, n_alternates: int) -> np.ndarray:
    """Return values of each alternate allele, (n_samples, n_alternates), NaN where unknown.

    Some files only give those of the alleles that a sample has.
    """
    found = np.full((len(given), n_alternates), np.nan)
    for row, (values, called) in enumerate(zip(given, alleles, strict=True)):
        values, own = values[~np.isnan(values)], np.unique(called[called > 0])
        if len(values) == n_alternates:
            found[row] = values
        elif len(values) == len(own) > 0:
            found[row] = 0
            found[row, own - 1] = values
    return found


def _number(field: str, text: str) -> float:
    try:
        return np.nan if text in ("", ".") else float(text)
    except ValueError:
        raise _NoShare(field, text) from None


def _remarks(
    genotypes: Genotypes,
    files: Mapping[str, _Calls],
    by_file: Mapping[str, Mapping[str, str | None]],
    contig: str,
) -> list[Problem]:
    """Return warnings of what was read."""
    problems = []
    empty = [path for path, calls in files.items() if not calls.starts]
    if empty:
        samples = [sample for path in empty for sample in by_file[path]]
        message = (
            f"{len(empty)} of {len(files)} files have no record of {contig!r}: the genotypes of "
            f"{first_few(map(repr, samples))} are missing, not reference"
        )
        remedy = "use files that hold it; these samples take no part in the tests of variants"
        problems.append(Problem(empty[0], contig, None, message, remedy, "warning"))
    read = {path: calls for path, calls in files.items() if calls.few or calls.many}
    if read:
        few, many, opposite = (
            sum(getattr(calls, name) for calls in read.values())
            for name in ("few", "many", "opposite")
        )
        share = f"{HETEROPLASMIC:.0%}"
        message = (
            f"Reads contradict {few + many:,} genotypes: {few:,} have an allele that fewer than "
            f"{share} of the reads have, {many:,} lack one that {share} or more have. The reads "
            f"are followed. Of these genotypes, {opposite:,} say the very opposite"
        )
        remedy = "nothing; if many say the opposite, see whether AD has the reference first"
        problems.append(Problem(next(iter(read)), "AD", None, message, remedy, "warning"))
    unused = {path: calls.unused for path, calls in files.items() if calls.unused}
    if unused:
        message = (
            f"AD has another number of values than there are alleles in {sum(unused.values()):,} "
            "records: genotypes are taken as they are called there, without the reads"
        )
        remedy = "declare AD with Number=R before alleles are split or files merged"
        problems.append(Problem(next(iter(unused)), "AD", None, message, remedy, "warning"))
    if unread := set().union(*(calls.unread for calls in files.values())):
        path = next(path for path, calls in files.items() if calls.unread)
        message = (
            f"Reads are in {', '.join(sorted(unread))}, which is not read: genotypes are taken as "
            "they are called, so that heteroplasmy is not known"
        )
        remedy = "write AD (reads of the reference and of each alternate allele), or AF from 0 to 1"
        problems.append(Problem(path, "FORMAT", None, message, remedy, "warning"))
    if not len(genotypes.variants) and len(empty) < len(files):
        message = (
            f"No sample carries a variant of {contig!r}: genotypes are reference, masked, filtered "
            "(FILTER, FORMAT/FT) or of too few reads"
        )
        remedy = "see variants.keep_filters and variants.min_depth, or take variants out"
        problems.append(Problem(next(iter(files)), "GT", None, message, remedy, "warning"))
    dosage = genotypes.dosage[np.isfinite(genotypes.dosage).any(axis=1)]
    lacked, missing = (dosage == 0).any(axis=0), np.isnan(dosage).any(axis=0)
    n, n_variants = int((~lacked & missing).sum()), len(lacked)
    if n and 2 * n >= n_variants:
        message = (
            f"No sample lacks {n:,} of the {n_variants:,} variants: all have it, or their "
            "genotype is missing, and nothing can be tested there. So it is where files are "
            "merged and what they do not list counts as missing (./.)"
        )
        remedy = (
            "merge with `bcftools merge -0` where files leave out what was read as reference; of "
            "a file per sample, set variants.absent: reference"
        )
        problems.append(Problem(next(iter(files)), "GT", None, message, remedy, "warning"))
    return problems


def _trim(pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Return the shortest form of a variant, without bases that both alleles share."""
    while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return pos, ref, alt
