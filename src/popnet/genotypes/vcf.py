"""VCF files: opened, checked for damage, and read record by record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

import cyvcf2

from popnet.errors import InputError, Problem, nearest

# Names of the mtDNA; 26 is PLINK's, and in other species an autosome.
MITOCHONDRIAL = {"mt", "m", "chrm", "chrmt", "nc_012920", "nc_012920.1", "26"}
AUTOSOME_ELSEWHERE = "26"
# Bytes at the end of a text file in which its last record is looked for.
LONGEST_RECORD = 2**24
# The empty block that ends a bgzipped file (SAM specification, 4.1.2).
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
# The chrM of hg19 (NC_001807, an African genome), whose coordinates are not those of the rCRS.
LENGTH, OLD_LENGTH = 16_569, 16_571
OLD_NAMES = {"nc_001807", "nc_001807.4"}
# Longer contigs are no mtDNA, whatever their name.
LONGEST_MTDNA = 100_000
# An index is used for larger files alone (bytes): reading a small one is as fast, and an index of
# another file would find other records, or none.
INDEXED_FROM = 2**22
OLD_CONTIG = (
    f"the mtDNA is {OLD_LENGTH:,} bp long: the chrM of hg19, an African genome, whose positions "
    "are not those of the revised Cambridge reference (16,569 bp) that genes are placed by"
)
OLD_REMEDY = "call or lift the variants over to the rCRS (chrM of GRCh38, MT of GRCh37)"


@contextmanager
def open_vcf(path: str) -> Iterator[cyvcf2.VCF]:
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


@dataclass(frozen=True)
class Contig:
    """A contig in a VCF.

    Parameters
    ----------
    names : list of str
        What the header calls it; empty where the header does not declare it.
    asked : str
        What the sheet calls it.
    declared : frozenset of str
        All contigs of the header.
    mitochondrial : bool
        By one of the usual names of the mtDNA, or by its length of 16,569 bp.
    old : bool
        Whether it is the mtDNA of 16,571 bp.
    """

    names: list[str]
    asked: str
    declared: frozenset[str]
    mitochondrial: bool
    old: bool

    def has(self, name: str) -> bool:
        """Return whether a record of the contig `name` is one of this contig."""
        return name in self.names or (name not in self.declared and same_contig(name, self.asked))


def find_contig(vcf: cyvcf2.VCF, contig: str) -> Contig:
    """Return the contig of a VCF that the sheet calls `contig`, by its name or its length."""
    lengths: dict[str, int | None] = {}
    for line in re.findall(r"^##contig=<.*>", vcf.raw_header, re.MULTILINE):
        if name := re.search(r"[<,]ID=([^,>]+)", line):
            length = re.search(r"[<,]length=(\d+)[,>]", line)
            lengths[name[1]] = int(length[1]) if length else None
    usual = [
        name
        for name, length in lengths.items()
        if name.casefold() in MITOCHONDRIAL | OLD_NAMES and (length or LENGTH) < LONGEST_MTDNA
    ]
    mitochondrial = contig in usual or lengths.get(contig) == LENGTH
    if contig not in lengths:
        mitochondrial = contig.casefold() in MITOCHONDRIAL
    # hg19 files may have both chrM and chrMT: the requested name comes first.
    names = [contig] if contig in lengths else [n for n in lengths if same_contig(n, contig)]
    if contig not in lengths and mitochondrial:
        certain = [name for name in usual if name != AUTOSOME_ELSEWHERE]
        by_length = [name for name, length in lengths.items() if length in (LENGTH, OLD_LENGTH)]
        names = certain or by_length or usual
    old = {name for name in names if lengths[name] == OLD_LENGTH or name.casefold() in OLD_NAMES}
    current = [name for name in names if name not in old]
    is_old = mitochondrial and bool(names) and not current
    return Contig(current or names, contig, frozenset(lengths), mitochondrial, is_old)


def records_of(vcf: cyvcf2.VCF, path: str, contig: Contig) -> Iterator[cyvcf2.Variant]:
    """Yield the records of a contig; of a large file by its index, if that is a good one."""
    if contig.old:
        raise InputError([Problem(path, "contig", contig.names[0], OLD_CONTIG, OLD_REMEDY)])
    if contig.names and has_index(path):
        found = False
        for record in chain.from_iterable(vcf(name) for name in contig.names):
            found = True
            yield _checked(record, path, contig)
        if found:
            return
        # The index may be that of another file.
        vcf = cyvcf2.VCF(path)
    for record in vcf:
        if contig.has(record.CHROM):
            yield _checked(record, path, contig)


def _checked(record: cyvcf2.Variant, path: str, contig: Contig) -> cyvcf2.Variant:
    """Return a record, unless it shows that its contig is not the rCRS."""
    if record.POS <= LENGTH or not contig.mitochondrial:
        return record
    where = f"{record.CHROM}:{record.POS}"
    fault = OLD_CONTIG, OLD_REMEDY
    if record.CHROM == AUTOSOME_ELSEWHERE:
        message = f"26 is taken for the mtDNA, as in PLINK, which ends at {LENGTH:,}"
        fault = message, "set variants.contig to the name of the mtDNA, or use files that hold it"
    raise InputError([Problem(path, "POS", where, *fault)])


def has_index(path: str) -> bool:
    """Return whether a file is large and has an index that is not older than it is."""
    file = Path(path)
    if not file.is_file() or file.stat().st_size < INDEXED_FROM:
        return False
    changed = file.stat().st_mtime
    indexes = [index for suffix in (".tbi", ".csi") if (index := Path(path + suffix)).exists()]
    return bool(indexes) and all(index.stat().st_mtime >= changed for index in indexes)


def read_header(path: str, contig: str) -> tuple[list[str], list[str], Contig]:
    """Return a VCF's samples and contigs, and the contig that the sheet calls `contig`.

    If the header does not declare it, the contigs are those of the records.
    """
    with open_vcf(path) as vcf:
        found = find_contig(vcf, contig)
        contigs = dict.fromkeys(vcf.seqnames)
        if not found.names:
            contigs |= dict.fromkeys(record.CHROM for record in vcf)
        return vcf.samples, list(contigs), found


def column_of(path: str, sample: str, name: str | None, found: list[str]) -> int:
    """Return which column of the VCF holds the sample."""
    wanted = name if name is not None else found[0] if len(found) == 1 else sample
    if wanted in found:
        return found.index(wanted)
    closest = nearest(wanted, found) or f"it has {first_few(map(repr, found)) or 'no samples'}"
    message = f"no column {wanted!r}: {closest.strip()}"
    remedy = "map the sample to its column in variants.samples"
    raise InputError([Problem(path, "sample", sample, message, remedy)])


def passes(record: cyvcf2.Variant, keep_filters: set[str]) -> bool:
    """Return whether a record passes its filters, or fails only filters that are kept."""
    return record.FILTER is None or keep_filters.issuperset(record.FILTERS)


def filters_of(text: str) -> set[str]:
    """Return the filters that a genotype fails, given its FT."""
    return set(re.split("[;,]", text)) - {"", ".", "PASS"}


def same_contig(name: str, contig: str) -> bool:
    """Return whether two names are of one contig; all names of the mtDNA are."""
    name, contig = name.casefold(), contig.casefold()
    return name == contig or {name, contig} <= MITOCHONDRIAL


def first_few(items: Iterable[str], n: int = 5) -> str:
    """Return the first few items as text, and how many more there are."""
    items = list(items)
    more = f" and {len(items) - n} more" if len(items) > n else ""
    return ", ".join(items[:n]) + more
