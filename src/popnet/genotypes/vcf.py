"""VCF files: opened, checked for damage, and read record by record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

import cyvcf2

from popnet.errors import InputError, Problem, nearest

MITOCHONDRIAL = {"mt", "m", "chrm", "chrmt"}
# Bytes at the end of a text file in which its last record is looked for.
LONGEST_RECORD = 2**24
# The empty block that ends a bgzipped file (SAM specification, 4.1.2).
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
# The chrM of hg19 (NC_001807, an African genome), whose coordinates are not those of the rCRS.
LENGTH, OLD_LENGTH = 16_569, 16_571
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


def records_of(vcf: cyvcf2.VCF, path: str, contig: str) -> Iterator[cyvcf2.Variant]:
    """Yield the records of `contig`, by the index if there is one."""
    names, is_old = _names(vcf, contig)
    if is_old:
        raise InputError([Problem(path, "contig", names[0], OLD_CONTIG, OLD_REMEDY)])
    indexed = names and any(Path(path + suffix).exists() for suffix in (".tbi", ".csi"))
    for record in chain.from_iterable(vcf(name) for name in names) if indexed else vcf:
        if record.CHROM in names or (not names and same_contig(record.CHROM, contig)):
            if record.POS > LENGTH and same_contig(record.CHROM, "MT"):
                where = f"{record.CHROM}:{record.POS}"
                raise InputError([Problem(path, "POS", where, OLD_CONTIG, OLD_REMEDY)])
            yield record


def _names(vcf: cyvcf2.VCF, contig: str) -> tuple[list[str], bool]:
    """Return the names of `contig` in a file, and whether it is the mtDNA of 16,571 bp."""
    declared = vcf.seqnames
    # hg19 files may have both chrM and chrMT: the requested name comes first.
    names = [contig] if contig in declared else [n for n in declared if same_contig(n, contig)]
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


def read_header(path: str, contig: str) -> tuple[list[str], list[str], bool]:
    """Return a VCF's samples and contigs, and whether its mtDNA is the one of 16,571 bp.

    If the header declares no contig, the contigs are those of the records.
    """
    with open_vcf(path) as vcf:
        contigs = dict.fromkeys(vcf.seqnames)
        if not any(same_contig(name, contig) for name in contigs):
            contigs |= dict.fromkeys(record.CHROM for record in vcf)
        return vcf.samples, list(contigs), _names(vcf, contig)[1]


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


def same_contig(name: str, contig: str) -> bool:
    """Return whether two names are of one contig; all names of the mtDNA are."""
    name, contig = name.casefold(), contig.casefold()
    return name == contig or {name, contig} <= MITOCHONDRIAL


def first_few(items: Iterable[str], n: int = 5) -> str:
    """Return the first few items as text, and how many more there are."""
    items = list(items)
    more = f" and {len(items) - n} more" if len(items) > n else ""
    return ", ".join(items[:n]) + more
