"""Genotypes of one contig, from per-sample or multi-sample VCF files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cyvcf2
import numpy as np
import pandas as pd

from popnet.errors import InputError, Problem, nearest
from popnet.tables import atomic

if TYPE_CHECKING:
    from popnet.cohort import Cohort

MITOCHONDRIAL = {"mt", "m", "chrm", "chrmt"}
BASES = set("ACGT")


@dataclass(frozen=True)
class Genotypes:
    """Genotypes of samples.

    Parameters
    ----------
    dosage : ndarray of float32, shape (n_samples, n_variants)
        Number of alternate alleles: 0 or 1 where haploid, 0 to 2 where diploid, NaN if missing.
    variants : DataFrame, n_variants rows
        Columns contig, pos (1-based), ref, alt, id; indexed by names such as ``MT:12337:A>G``.
    samples : list of str
        The rows.
    """

    dosage: np.ndarray
    variants: pd.DataFrame
    samples: list[str]


def sample_vcfs(cohort: Cohort, sample_ids: Iterable[str]) -> dict[str, tuple[str, str | None]]:
    """Return the VCF of each sample and the name of its column there, where the sheet gives one.

    A sample's own ``vcf`` wins over the cohort's ``variants.path``, in which ``{sample}`` stands
    for the id. Without that, the path is one file for all, and a sample's column is named like
    the sample unless the sheet maps it. Samples without a VCF are left out.
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
) -> Genotypes:
    """Read the variants of one contig that at least one sample carries.

    Multi-allelic sites are split and trimmed to the shortest form (``TA>CA`` at 152 is ``T>C``),
    so that files written by different callers share variants. Spanning deletions, symbolic
    alleles and unknown bases (the N at 3107 of the rCRS) are left out. A genotype with any
    missing allele is missing.

    A variant that a file has no record of is the reference (dosage 0) in the file's samples: what
    a VCF of one sample means by leaving a site out. Filtered records are no evidence either way:
    their genotypes are missing.

    Parameters
    ----------
    vcfs : mapping of sample to (path, column)
        The column is the sample's name in the VCF; None stands for the only column, or for the
        one named like the sample. A file that several samples share is read once. Files are read
        through their index where they have one.
    contig : str
        MT, M, chrM and chrMT, in any case, are the same contig and are returned as MT.
    keep_filters : collection of str
        FILTER values taken as PASS.

    Returns
    -------
    Genotypes
        Rows in the order of `vcfs`, variants by position.

    Raises
    ------
    InputError
        For files that cannot be read and samples that are not in theirs.
    """
    by_file: dict[str, dict[str, str | None]] = {}
    for sample, (path, name) in vcfs.items():
        by_file.setdefault(str(path), {})[sample] = name

    files: dict[str, dict[tuple[int, str, str], tuple[str, np.ndarray]]] = {}
    problems: list[Problem] = []
    for path, names in by_file.items():
        try:
            files[path] = _read_file(path, names, contig, set(keep_filters))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)

    ids: dict[tuple[int, str, str], str] = {}
    for calls in files.values():
        for key, (record_id, _) in calls.items():
            if ids.get(key, ".") == ".":
                ids[key] = record_id
    keys = sorted(ids)
    column = {key: number for number, key in enumerate(keys)}
    row = {sample: number for number, sample in enumerate(vcfs)}
    dosage = np.zeros((len(row), len(keys)), dtype=np.float32)
    for path, calls in files.items():
        if calls:
            rows = [row[sample] for sample in by_file[path]]
            columns = [column[key] for key in calls]
            dosage[np.ix_(rows, columns)] = np.column_stack(
                [values for _, values in calls.values()]
            )

    carried = np.flatnonzero((dosage > 0).any(axis=0))
    variants = pd.DataFrame(
        [(*keys[number], ids[keys[number]]) for number in carried],
        columns=["pos", "ref", "alt", "id"],
    ).astype({"pos": np.int64, "ref": str, "alt": str, "id": str})
    contig = "MT" if contig.casefold() in MITOCHONDRIAL else contig
    variants.insert(0, "contig", contig)
    variants.index = pd.Index(
        [f"{contig}:{v.pos}:{v.ref}>{v.alt}" for v in variants.itertuples()],
        name="variant",
        dtype=object,
    )
    return Genotypes(dosage[:, carried], variants, list(row))


def check_variants(
    cohort: Cohort, sample_ids: Iterable[str], keep_filters: Collection[str] = ()
) -> list[Problem]:
    """Return what is wrong with the samples' VCFs: files, contig, columns, filters.

    One problem for each kind of fault, with up to five of the samples that have it.
    """
    sample_ids = list(sample_ids)
    vcfs = sample_vcfs(cohort, sample_ids)
    if not vcfs and cohort.variants is None:
        return []
    contig = cohort.variants.contig if cohort.variants else "MT"
    of_path = bool(cohort.variants and cohort.variants.path)
    contigs: dict[str, list[str]] = {}
    columns: dict[str, list[str]] = {}
    unreadable: dict[str, str] = {}
    for path in {path for path, _ in vcfs.values() if Path(path).is_file()}:
        try:
            columns[path], contigs[path] = _header(path, contig)
        except InputError as error:
            unreadable[path] = error.problems[0].message

    problems = []

    def add(faults: dict[str, str], message: str, remedy: str, severity: Any = "error") -> None:
        """Add one problem for all the samples in `faults` (sample to what is wrong with it)."""
        if faults:
            first = next(iter(faults))
            path = vcfs[first][0] if first in vcfs else ""
            problems.append(
                Problem(
                    file=path if Path(path).is_file() else cohort.file,
                    field="variants.path" if of_path else "samples.vcf",
                    value=first if len(faults) == 1 else None,
                    message=f"{message}, {len(faults)} of {len(sample_ids)} samples: "
                    + _some(f"{name!r}{detail}" for name, detail in faults.items()),
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
            sample: f" (has {_some(map(repr, contigs[path])) or 'no contig'})"
            for sample, (path, _) in vcfs.items()
            if path in contigs and not any(_same_contig(name, contig) for name in contigs[path])
        },
        f"the VCF has no contig {contig!r}",
        "set variants.contig to the file's name for it, or use files that hold it",
    )
    donors = {sample.id: sample.donor for sample in cohort.samples or ()}
    owners: dict[tuple[str, int], str] = {}
    wrong, shared = {}, {}
    for sample, (path, name) in vcfs.items():
        if path in columns:
            try:
                column = _column(path, sample, name, columns[path])
            except InputError as error:
                wrong[sample] = f" ({error.problems[0].message})"
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
    if contigs and not any(problem.severity == "error" for problem in problems):
        problems += _check_filters(sorted(contigs), contig, set(keep_filters))
    return problems


def write_genotypes(genotypes: Genotypes, path: str | Path) -> None:
    """Write genotypes as AnnData, samples x variants (.h5ad)."""
    import anndata

    with atomic(path) as temporary:
        anndata.AnnData(
            X=genotypes.dosage,
            obs=pd.DataFrame(index=pd.Index(genotypes.samples, dtype=object)),
            var=genotypes.variants,
        ).write_h5ad(temporary)


def read_genotypes_h5ad(path: str | Path) -> Genotypes:
    """Read what `write_genotypes` wrote."""
    import anndata

    data = anndata.read_h5ad(path)
    text = {column: str for column in ("contig", "ref", "alt", "id")}
    return Genotypes(np.asarray(data.X), data.var.astype(text), list(data.obs_names))


def _read_file(
    path: str, names: Mapping[str, str | None], contig: str, keep_filters: set[str]
) -> dict[tuple[int, str, str], tuple[str, np.ndarray]]:
    """Return (pos, ref, alt) -> (id, dosage of the samples in `names`)."""
    calls: dict[tuple[int, str, str], tuple[str, np.ndarray]] = {}
    with _open(path) as vcf:
        found = vcf.samples
        columns = [_column(path, sample, name, found) for sample, name in names.items()]
        for record in _records(vcf, path, contig):
            called = _passes(record, keep_filters) and "GT" in record.FORMAT
            if called:
                alleles = record.genotype.array()[columns, :-1]
                missing = (alleles == -1).any(axis=1)
            for number, alt in enumerate(record.ALT, 1):
                key = _trim(record.POS, record.REF.upper(), alt.upper())
                if not BASES.issuperset(key[1] + key[2]) or key[1] == key[2]:
                    continue
                values = np.full(len(columns), np.nan, dtype=np.float32)
                if called:
                    values[~missing] = (alleles == number).sum(axis=1)[~missing]
                record_id, earlier = calls.get(key, (record.ID or ".", values))
                calls[key] = (record_id, np.fmax(earlier, values))
    return calls


@contextmanager
def _open(path: str) -> Iterator[cyvcf2.VCF]:
    """Yield an open VCF; what cyvcf2 makes of a bad file becomes an InputError."""
    try:
        vcf = cyvcf2.VCF(path)
        try:
            yield vcf
        finally:
            vcf.close()
    except Exception as error:
        if type(error) not in (Exception, OSError):  # cyvcf2 raises these two, by themselves
            raise
        remedy = "write the file again: .vcf, .vcf.gz or .bcf"
        raise InputError([Problem(path, "VCF", None, str(error), remedy)]) from error


def _records(vcf: cyvcf2.VCF, path: str, contig: str) -> Iterator[cyvcf2.Variant]:
    """Yield the records of `contig`, through the index where there is one."""
    declared = vcf.seqnames
    # hg19 files may hold chrM beside chrMT: the name that was asked for comes first.
    names = [contig] if contig in declared else [n for n in declared if _same_contig(n, contig)]
    if names and any(Path(path + suffix).exists() for suffix in (".tbi", ".csi")):
        for name in names:
            yield from vcf(name)
        return
    for record in vcf:
        if record.CHROM in names or (not names and _same_contig(record.CHROM, contig)):
            yield record


def _header(path: str, contig: str) -> tuple[list[str], list[str]]:
    """Return a VCF's samples and contigs, those of its records too if it declares no `contig`."""
    with _open(path) as vcf:
        contigs = dict.fromkeys(vcf.seqnames)
        if not any(_same_contig(name, contig) for name in contigs):
            contigs |= dict.fromkeys(record.CHROM for record in vcf)
        return vcf.samples, list(contigs)


def _check_filters(paths: list[str], contig: str, keep_filters: set[str]) -> list[Problem]:
    """Return a problem where no file has a record of `contig` that passes its filters."""
    filters: set[str] = set()
    for path in paths:
        try:
            with _open(path) as vcf:
                for record in _records(vcf, path, contig):
                    if _passes(record, keep_filters):
                        return []
                    filters.update(record.FILTERS)
        except InputError as error:
            return error.problems
    if filters:
        message = f"every record of {contig!r} is filtered: {_some(sorted(filters))}"
        remedy = "if these genotypes are sound, list the filters in variants.keep_filters"
    else:
        message = f"no file has a record of {contig!r}"
        remedy = "use files that hold it"
    return [Problem(paths[0], "FILTER" if filters else "variants", None, message, remedy)]


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
    """Return the shortest form of a variant: bases that both alleles share are cut."""
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
