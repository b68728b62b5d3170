"""Genotypes of one contig, from per-sample or multi-sample VCF files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from os import SEEK_END
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import cyvcf2
import numpy as np
import pandas as pd

from popnet.errors import InputError, Problem, nearest
from popnet.files import atomic, read_h5ad

if TYPE_CHECKING:
    from popnet.study.cohort import Cohort


MITOCHONDRIAL = {"mt", "m", "chrm", "chrmt"}


BASES = set("ACGT")


# The empty block that ends a bgzipped file (SAM specification, 4.1.2).
LONGEST_RECORD = 2**24


BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


# Shares of reads with an allele: from the first, a genome has it; from the second, it has no other.
HETEROPLASMIC, HOMOPLASMIC = 0.05, 0.95


# The chrM of hg19 (NC_001807, an African genome), whose coordinates are not those of the rCRS.
LENGTH, OLD_LENGTH = 16_569, 16_571


OLD_CONTIG = (
    f"the mtDNA is {OLD_LENGTH:,} bp long: the chrM of hg19, an African genome, whose positions "
    "are not those of the revised Cambridge reference (16,569 bp) that genes are placed by"
)


OLD_REMEDY = "call or lift the variants over to the rCRS (chrM of GRCh38, MT of GRCh37)"


REFERENCE_BLOCKS = {"<NON_REF>", "<*>"}


Key = tuple[int, str, str]  # position, reference and alternate allele


@dataclass(frozen=True)
class Genotypes:
    """Genotypes of samples.

    Parameters
    ----------
    dosage : ndarray of float32, shape (n_samples, n_variants)
        Number of alternate alleles: 0 or 1 if haploid, 0 to 2 if diploid, NaN if missing.
    variants : DataFrame, n_variants rows
        Columns contig, pos (1-based), ref, alt, id; indexed by names such as ``MT:12337:A>G``.
    samples : list of str
        The rows.
    fraction : ndarray of float32, shape (n_samples, n_variants)
        Share of the reads that have the alternate allele; NaN if unknown.
    """

    dosage: np.ndarray
    variants: pd.DataFrame
    samples: list[str]
    fraction: np.ndarray

    @property
    def heteroplasmic(self) -> np.ndarray:
        """Whether a sample has a variant together with another allele, (n_samples, n_variants)."""
        return (self.fraction >= HETEROPLASMIC) & (self.fraction < HOMOPLASMIC)

    def take(self, samples: Iterable[str]) -> Genotypes:
        """Return the genotypes of some samples, in their order."""
        chosen = list(samples)
        rows = pd.Index(self.samples).get_indexer(pd.Index(chosen))
        return Genotypes(self.dosage[rows], self.variants, chosen, self.fraction[rows])


def sample_vcfs(cohort: Cohort, sample_ids: Iterable[str]) -> dict[str, tuple[str, str | None]]:
    """Return the VCF of each sample, and the name of its column if the sheet gives one.

    A sample's own ``vcf`` has priority over the cohort's ``variants.path``, in which ``{sample}``
    is replaced by the id. A path without ``{sample}`` is one file for all samples; a sample's
    column has the sample's name unless the sheet maps it. Samples without a VCF are left out.
    """
    template = getattr(cohort.variants, "path", None)
    names = getattr(cohort.variants, "samples", None) or {}
    own = {sample.id: sample.vcf for sample in cohort.samples or ()}
    vcfs = {}
    for sample in sample_ids:
        path = own.get(sample) or (template and str(template).replace("{sample}", sample))
        if path:
            of_all = str(path) == template and "{sample}" not in template
            vcfs[sample] = (str(path), names.get(sample, sample if of_all else None))
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


def write_genotypes(genotypes: Genotypes, path: str | Path) -> None:
    """Write genotypes as AnnData, samples x variants (.h5ad)."""
    import anndata

    with atomic(path) as temporary:
        anndata.AnnData(
            X=genotypes.dosage,
            obs=pd.DataFrame(index=pd.Index(genotypes.samples, dtype=object)),
            var=genotypes.variants,
            layers={"fraction": genotypes.fraction},
        ).write_h5ad(temporary, compression="gzip")


def read_genotypes_h5ad(path: str | Path) -> Genotypes:
    """Read a file of `write_genotypes`."""
    data = read_h5ad(path)
    text = {column: str for column in ("contig", "ref", "alt", "id")}
    fraction = np.asarray(data.layers["fraction"])
    return Genotypes(np.asarray(data.X), data.var.astype(text), list(data.obs_names), fraction)


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
        with _open(path) as vcf:
            found = vcf.samples
            columns = [_column(path, sample, name, found) for sample, name in names.items()]
            for record in _records(vcf, path, self.contig):
                self._add(calls, record, columns)
        return calls

    def _add(self, calls: _Calls, record: cyvcf2.Variant, columns: list[int]) -> None:
        """Add the calls of a record for the samples in `columns`."""
        called = np.zeros(len(columns), bool)
        counts = None
        if _passes(record, self.keep_filters) and "GT" in record.FORMAT:
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


@contextmanager
def _open(path: str) -> Iterator[cyvcf2.VCF]:
    """Yield an open VCF; errors of cyvcf2 for a damaged file become an InputError."""
    _check_end(path)
    try:
        vcf = cyvcf2.VCF(path)
        try:
            yield vcf
        finally:
            vcf.close()
    except (InputError, MemoryError):
        raise
    except Exception as error:
        # The errors that a damaged file raises are not documented.
        message = str(error) if type(error) in (Exception, OSError) else f"damaged: {error!r}"
        remedy = "write the file again: .vcf, .vcf.gz or .bcf"
        raise InputError([Problem(path, "VCF", None, message, remedy)]) from error


def _check_end(path: str) -> None:
    """Detect a truncated file, which could otherwise be read as a shorter one.

    A bgzipped file may be truncated between two blocks, plain text between two fields.
    """
    if not Path(path).is_file():
        return
    remedy = "copy or download it again"
    with Path(path).open("rb") as file:
        start = file.read(14)
        if start[:2] == b"##":
            whole = _ends_in_a_record(file)
        elif start[:2] == b"\x1f\x8b" and start[12:] == b"BC":
            file.seek(max(file.seek(0, SEEK_END) - len(BGZF_END), 0))
            whole = file.read() == BGZF_END
            remedy += "; if it is whole, write it with a newer bgzip"
        else:
            return
    if not whole:
        raise InputError([Problem(path, "VCF", None, "the end is missing: truncated", remedy)])


def _ends_in_a_record(file: BinaryIO) -> bool:
    """Return whether the last line of an uncompressed VCF has as many fields as its header."""
    file.seek(0)
    header = next((line for line in file if line.startswith(b"#CHROM")), None)
    if header is None:
        return True
    records = file.tell()
    file.seek(max(records, file.seek(0, SEEK_END) - LONGEST_RECORD))
    cut = file.tell() > records
    _, newline, last = file.read().rstrip(b"\r\n").rpartition(b"\n")
    too_long = cut and not newline
    return too_long or not last or last.count(b"\t") == header.count(b"\t")


def _records(vcf: cyvcf2.VCF, path: str, contig: str) -> Iterator[cyvcf2.Variant]:
    """Yield the records of `contig`, by the index if there is one."""
    names, is_old = _names(vcf, contig)
    if is_old:
        raise InputError([Problem(path, "contig", names[0], OLD_CONTIG, OLD_REMEDY)])
    indexed = names and any(Path(path + suffix).exists() for suffix in (".tbi", ".csi"))
    for record in chain.from_iterable(vcf(name) for name in names) if indexed else vcf:
        if record.CHROM in names or (not names and _same_contig(record.CHROM, contig)):
            if record.POS > LENGTH and _same_contig(record.CHROM, "MT"):
                where = f"{record.CHROM}:{record.POS}"
                raise InputError([Problem(path, "POS", where, OLD_CONTIG, OLD_REMEDY)])
            yield record


def _names(vcf: cyvcf2.VCF, contig: str) -> tuple[list[str], bool]:
    """Return the names of `contig` in a file, and whether it is the mtDNA of 16,571 bp."""
    declared = vcf.seqnames
    # hg19 files may have both chrM and chrMT: the requested name comes first.
    names = [contig] if contig in declared else [n for n in declared if _same_contig(n, contig)]
    if contig.casefold() not in MITOCHONDRIAL:
        return names, False
    old = {
        found[1]
        for line in re.findall(r"^##contig=<.*>", vcf.raw_header, re.MULTILINE)
        if (found := re.search(r"[<,]ID=([^,>]+)", line))
        and re.search(rf"[<,]length={OLD_LENGTH}[,>]", line)
    }
    current = [name for name in names if name not in old]
    return current or names, bool(names) and not current


def _header(path: str, contig: str) -> tuple[list[str], list[str], bool]:
    """Return a VCF's samples and contigs, and whether its mtDNA is the one of 16,571 bp.

    If the header declares no contig, the contigs are those of the records.
    """
    with _open(path) as vcf:
        contigs = dict.fromkeys(vcf.seqnames)
        if not any(_same_contig(name, contig) for name in contigs):
            contigs |= dict.fromkeys(record.CHROM for record in vcf)
        return vcf.samples, list(contigs), _names(vcf, contig)[1]


def _column(path: str, sample: str, name: str | None, found: list[str]) -> int:
    """Return which column of the VCF holds the sample."""
    wanted = name if name is not None else found[0] if len(found) == 1 else sample
    if wanted in found:
        return found.index(wanted)
    closest = nearest(wanted, found) or f"it has {_some(map(repr, found)) or 'no samples'}"
    message = f"no column {wanted!r}: {closest.strip()}"
    remedy = "map the sample to its column in variants.samples"
    raise InputError([Problem(path, "sample", sample, message, remedy)])


def _passes(record: cyvcf2.Variant, keep_filters: set[str]) -> bool:
    return record.FILTER is None or keep_filters.issuperset(record.FILTERS)


def _same_contig(name: str, contig: str) -> bool:
    name, contig = name.casefold(), contig.casefold()
    return name == contig or {name, contig} <= MITOCHONDRIAL


def _trim(pos: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Return the shortest form of a variant, without bases that both alleles share."""
    while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return pos, ref, alt


def _some(items: Iterable[str], n: int = 5) -> str:
    """Return the first few items as text, and how many more there are."""
    items = list(items)
    more = f" and {len(items) - n} more" if len(items) > n else ""
    return ", ".join(items[:n]) + more
