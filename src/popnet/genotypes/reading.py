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
from popnet.genotypes.table import HETEROPLASMIC, Genotypes
from popnet.genotypes.vcf import MITOCHONDRIAL, column_of, open_vcf, passes, records_of

BASES = set("ACGT")
REFERENCE_BLOCKS = {"<NON_REF>", "<*>"}

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
) -> Genotypes:
    """Read the variants of one contig that at least one sample carries.

    Multi-allelic sites are split and trimmed to the shortest form (``TA>CA`` at 152 is ``T>C``),
    so that files of different callers have the same variants. Spanning deletions, symbolic
    alleles and unknown bases (the N at 3107 of the rCRS) are left out. A genotype with any
    missing allele is missing.

    Filtered records are not used as evidence: their genotypes are missing.

    If reads were counted by allele (AD), these counts are used instead of the genotype of an mtDNA:
    it has an allele if at least 5 % of the reads have it, and no other allele if 95 % have it.

    Parameters
    ----------
    vcfs : mapping of sample to (path, column)
        The column is the sample's name in the VCF; None means the only column, or the one with the
        sample's name. A file that several samples share is read once. An index is used if there is
        one.
    contig : str
        MT, M, chrM and chrMT, in any case, are the same contig and are returned as MT.
    keep_filters : collection of str
        FILTER values that are treated as PASS.
    absent : {"missing", "reference"}
        The genotype of a variant in the samples of a file without a record of its position. Records
        of other alleles, of the reference and of reference blocks are records of the position.
    mask : collection of (first, last)
        Positions of the mtDNA whose variants are left out.
    min_depth : int, optional
        Fewest reads (DP, or otherwise the sum of AD) of a genotype; with fewer it is missing. With
        None, neither DP nor AD is used.

    Returns
    -------
    Genotypes
        Rows in the order of `vcfs`, variants by position.

    Raises
    ------
    InputError
        For files that cannot be read, samples that are not in their file, and an mtDNA of
        16,571 bp.
    """
    mitochondrial = contig.casefold() in MITOCHONDRIAL
    by_file: dict[str, dict[str, str | None]] = {}
    for sample, (path, name) in vcfs.items():
        by_file.setdefault(str(path), {})[sample] = name

    reader = _Reader(
        contig, set(keep_filters), tuple(mask) if mitochondrial else (), min_depth, mitochondrial
    )
    files: dict[str, _Calls] = {}
    problems: list[Problem] = []
    for path, names in by_file.items():
        try:
            files[path] = reader.read(path, names)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)

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
        if absent == "missing" and len(calls.ids) < len(keys):
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
    contig = "MT" if mitochondrial else contig
    variants.insert(0, "contig", contig)
    variants.index = pd.Index(
        [f"{contig}:{v.pos}:{v.ref}>{v.alt}" for v in variants.itertuples()],
        name="variant",
        dtype=object,
    )
    return Genotypes(dosage[:, carried], variants, list(row), fraction[:, carried])


@dataclass
class _Calls:
    """The calls of a file for its samples.

    `dosage` and `fraction` have an array over the samples for each variant. `called` says for each
    interval from `starts` to `ends` which samples have a genotype.
    """

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
    mitochondrial: bool

    def read(self, path: str, names: Mapping[str, str | None]) -> _Calls:
        calls = _Calls()
        with open_vcf(path) as vcf:
            found = vcf.samples
            columns = [column_of(path, sample, name, found) for sample, name in names.items()]
            for record in records_of(vcf, path, self.contig):
                self._add(calls, record, columns)
        return calls

    def _add(self, calls: _Calls, record: cyvcf2.Variant, columns: list[int]) -> None:
        """Add the calls of a record for the samples in `columns`."""
        called = np.zeros(len(columns), bool)
        counts = None
        if passes(record, self.keep_filters) and "GT" in record.FORMAT:
            alleles = record.genotype.array()[columns, :-1]
            called = ~(alleles == -1).any(axis=1)
            if self.min_depth is not None:
                counts, depth = _reads(record, columns)
                called &= ~(depth < self.min_depth)
        calls.starts.append(record.POS)
        blocks = not REFERENCE_BLOCKS.isdisjoint(record.ALT) or not record.ALT
        calls.ends.append(record.end if blocks else record.POS + len(record.REF) - 1)
        calls.called.append(called)
        for number, alt in enumerate(record.ALT, 1):
            key = _trim(record.POS, record.REF.upper(), alt.upper())
            last = key[0] + len(key[1]) - 1
            if not BASES.issuperset(key[1] + key[2]) or key[1] == key[2]:
                continue
            if any(key[0] <= end and start <= last for start, end in self.mask):
                continue
            values = np.full(len(columns), np.nan, dtype=np.float32)
            if called.any():
                values[called] = (alleles == number).sum(axis=1)[called]
            if counts is not None:
                with np.errstate(invalid="ignore", divide="ignore"):
                    share = (counts[:, number] / counts.sum(axis=1)).astype(np.float32)
                share[~called] = np.nan
                if self.mitochondrial:
                    values[share < HETEROPLASMIC] = 0
                    values[share >= HETEROPLASMIC] = np.maximum(values, 1)[share >= HETEROPLASMIC]
                calls.fraction[key] = np.fmax(calls.fraction.get(key, share), share)
            calls.ids.setdefault(key, record.ID or ".")
            calls.dosage[key] = np.fmax(calls.dosage.get(key, values), values)


def _reads(record: cyvcf2.Variant, columns: list[int]) -> tuple[np.ndarray | None, np.ndarray]:
    """Return reads by allele (None if not counted) and in total (NaN if unknown)."""
    counts, depth = None, np.full(len(columns), np.nan)
    if "AD" in record.FORMAT:
        found = record.format("AD")
        # Some callers only count the alternate allele, from which no share can be computed.
        if found is not None and found.shape[1] == 1 + len(record.ALT):
            counts = found[columns].astype(float)
            counts[(counts < 0).any(axis=1)] = np.nan
            depth = counts.sum(axis=1)
    if "DP" in record.FORMAT and (found := record.format("DP")) is not None:
        total = found[columns, 0].astype(float)
        depth = np.where(total >= 0, total, depth)
    return counts, depth


def _trim(pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Return the shortest form of a variant, without bases that both alleles share."""
    while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return pos, ref, alt
