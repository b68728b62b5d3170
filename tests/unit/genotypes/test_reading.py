"""Genotypes against small files with known contents, and a plain-text reading of a real one."""

from __future__ import annotations

import gzip
import os
import struct
import time
import zlib
from contextlib import suppress
from types import SimpleNamespace

import cyvcf2
import numpy as np
import pytest

from popnet.checks.variants import check_variants
from popnet.errors import InputError
from popnet.genotypes.reading import read_genotypes, sample_vcfs
from popnet.genotypes.table import read_genotypes_h5ad, write_genotypes

HEADER = """##fileformat=VCFv4.2
##FILTER=<ID=q10,Description="low quality">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">
"""


def vcf_text(records, samples, contigs=("1", "MT")):
    """A VCF from records such as ``"MT 10 A G PASS 0/1"`` (chrom pos ref alt filter GT...)."""
    lines = [f"##contig=<ID={contig}>" for contig in contigs]
    lines.append("\t".join(["#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT", *samples]))
    for record in records:
        chrom, pos, ref, alt, passed, *gts = record.split()
        lines.append("\t".join([chrom, pos, ".", ref, alt, ".", passed, ".", "GT", *gts]))
    return HEADER + "\n".join(lines) + "\n"


@pytest.fixture
def write(tmp_path):
    def write(name, records, samples=("S",), contigs=("1", "MT")):
        path = tmp_path / name
        text = vcf_text(records, samples, contigs)
        if name.endswith(".gz"):
            with gzip.open(path, "wt") as handle:
                handle.write(text)
        else:
            path.write_text(text)
        return path

    return write


def cohort(path=None, ids=(), contig="MT", samples=None, own=None, donors=None, absent="reference"):
    return SimpleNamespace(
        file="sheet.yaml",
        variants=SimpleNamespace(
            path=path and str(path),
            contig=contig,
            samples=samples or {},
            absent=absent,
            min_depth=0,
        ),
        samples=[
            SimpleNamespace(id=i, vcf=(own or {}).get(i), donor=(donors or {}).get(i, i))
            for i in ids
        ],
    )


def table(genotypes):
    """Variant name -> dosages, for comparisons that a reader can check."""
    return dict(zip(genotypes.variants.index, genotypes.dosage.T.tolist(), strict=True))


def test_genotypes_of_every_form(write):
    path = write(
        "many.vcf",
        [
            "1 10 A G PASS 1 1 1 1",
            "MT 10 A G PASS 0/1 1|1 0/0 0",
            "MT 20 a c . 1 . ./. ./1",
            "MT 30 A C,G PASS 1/2 2 0|1 .",
            "MT 40 A C q10 1 1 1 1",
            "MT 50 A *,<DEL>,T PASS 1 3 2 0",
            "MT 60 A . PASS 0 0 0 0",
            "MT 65 CN C,CNA PASS 1 2 0 0",
            "MT 70 A G PASS 0 0 . 0",
        ],
        "abcd",
    )
    found = read_genotypes({s: (path, None) for s in "abcd"})
    nan = np.nan
    expected = {
        "MT:10:A>G": [1, 2, 0, 0],
        "MT:20:A>C": [1, nan, nan, nan],
        "MT:30:A>C": [1, 0, 1, nan],
        "MT:30:A>G": [1, 1, 0, nan],
        "MT:50:A>T": [0, 1, 0, 0],
    }
    assert list(table(found)) == list(expected)
    np.testing.assert_array_equal(found.dosage.T, list(expected.values()))
    assert found.dosage.dtype == np.float32
    assert found.samples == list("abcd")
    assert list(found.variants) == ["contig", "pos", "ref", "alt", "id"]
    assert "MT:40:A>C" in table(read_genotypes({"a": (path, None)}, keep_filters=["q10"]))


def test_shared_bases_are_trimmed_and_repeated_variants_are_joined(write):
    path = write(
        "trim.vcf",
        ["MT 150 CTA CTG,C PASS 1 2 0 .", "MT 152 A G PASS 0 0 1 0", "MT 160 GG AG PASS 1 1 0 0"],
        "abcd",
    )
    found = read_genotypes({s: (path, None) for s in "abcd"})
    assert list(found.variants.index) == ["MT:150:CTA>C", "MT:152:A>G", "MT:160:G>A"]
    np.testing.assert_array_equal(found.dosage[:, 1], [1, 0, 1, 0])


@pytest.mark.parametrize("name", ["MT", "chrM", "M", "chrMT", "CHRM"])
@pytest.mark.parametrize("declared", [True, False])
def test_names_of_the_contig(write, name, declared):
    records = ["1 5 A C PASS 1", f"{name} 10 A G PASS 1"]
    path = write("x.vcf", records, contigs=("1", name) if declared else ())
    for contig in ("MT", "chrM"):
        assert table(read_genotypes({"S": (path, None)}, contig)) == {"MT:10:A>G": [1]}
        assert check_variants(cohort(path, ["S"], contig), ["S"]) == []


def test_other_contigs_and_the_exact_name_first(write):
    path = write(
        "x.vcf",
        ["chrM 9 A T PASS 1", "chrMT 10 A G PASS 1", "1 5 A C PASS 1"],
        contigs=("chrM", "chrMT", "1"),
    )
    assert list(table(read_genotypes({"S": (path, None)}, "chrMT"))) == ["MT:10:A>G"]
    assert list(table(read_genotypes({"S": (path, None)}, "1"))) == ["1:5:A>C"]


def test_a_file_per_sample_equals_one_file(write):
    rng = np.random.default_rng(0)
    gts = rng.choice(["0", "1", "0/1", "1|1", "."], p=[0.5, 0.2, 0.1, 0.1, 0.1], size=(30, 6))
    sites = [f"MT {10 * i + 10} A G PASS" for i in range(30)]
    ids = [f"s {i}|+" for i in range(6)]
    together = write(
        "all.vcf", [f"{s} {' '.join(g)}" for s, g in zip(sites, gts, strict=True)], ids
    )
    apart = {}
    for number, sample in enumerate(ids):
        calls = zip(sites, gts[:, number], strict=True)
        path = write(f"{number}.vcf.gz", [f"{s} {g}" for s, g in calls if g != "0"], ["other name"])
        apart[sample] = (path, None)
    one = read_genotypes({sample: (together, None) for sample in ids})
    many = read_genotypes(apart)
    np.testing.assert_array_equal(one.dosage, many.dosage)
    assert one.variants.equals(many.variants)
    mixed = read_genotypes({s: apart[s] if n % 2 else (together, s) for n, s in enumerate(ids)})
    np.testing.assert_array_equal(one.dosage, mixed.dosage)


def test_absent_is_reference_and_filtered_is_missing(write):
    a = write("a.vcf", ["MT 10 A G PASS 1", "MT 20 A G PASS 1"])
    b = write("b.vcf", ["MT 20 A G q10 1", "MT 30 A G q10 1"])
    found = table(read_genotypes({"a": (a, None), "b": (b, None)}))
    assert list(found) == ["MT:10:A>G", "MT:20:A>G"]
    np.testing.assert_array_equal(list(found.values()), [[1, 0], [1, np.nan]])


def test_absent_is_missing_unless_a_record_covers_the_position(write):
    a = write("a.vcf", ["MT 10 A G PASS 1", "MT 20 A G PASS 1", "MT 30 A G PASS 1"])
    b = write("b.vcf", ["MT 10 A C PASS 1", "MT 20 A . PASS 0", "MT 30 A C q10 1"])
    c = write("c.vcf", ["MT 9 TAT T PASS 0 0", "MT 20 A . PASS . 0"], ["c", "d"])
    vcfs = {"a": (a, None), "b": (b, None), "c": (c, None), "d": (c, None)}
    found = table(read_genotypes(vcfs, absent="missing"))
    nan = np.nan
    expected = {
        "MT:10:A>C": [0, 1, 0, 0],
        "MT:10:A>G": [1, 0, 0, 0],
        "MT:20:A>G": [1, 0, nan, 0],
        "MT:30:A>G": [1, nan, nan, nan],
    }
    assert list(found) == list(expected)
    np.testing.assert_array_equal(list(found.values()), list(expected.values()))
    # One file of all samples has no absent records.
    alone = write("all.vcf", ["MT 10 A G PASS 1 0", "MT 20 A G PASS 0 1"], ["x", "y"])
    vcfs = {"x": (alone, None), "y": (alone, None)}
    np.testing.assert_array_equal(read_genotypes(vcfs, absent="missing").dosage, np.eye(2))


def test_reference_blocks_cover_positions(write, tmp_path):
    a = write("a.vcf", ["MT 150 A G PASS 1", "MT 250 A G PASS 1"])
    header = HEADER + '##INFO=<ID=END,Number=1,Type=Integer,Description="End">\n##contig=<ID=MT>\n'
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tb\n"
    block = "MT\t100\t.\tT\t<NON_REF>\t.\tPASS\tEND=200\tGT\t0\n"
    (tmp_path / "b.vcf").write_text(header + columns + block)
    vcfs = {"a": (a, None), "b": (tmp_path / "b.vcf", None)}
    found = read_genotypes(vcfs, absent="missing")
    np.testing.assert_array_equal(found.dosage, [[1, 1], [0, np.nan]])


def counted(tmp_path, records, samples, header=HEADER):
    """A VCF whose genotypes are as ``GT:AD:DP``."""
    ad = '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Reads by allele">\n'
    text = vcf_text(records, samples).replace(HEADER, header + ad)
    path = tmp_path / "counted.vcf"
    path.write_text(text.replace("\tGT\t", "\tGT:AD:DP\t"))
    return {sample: (path, None) for sample in samples}


def test_shares_of_reads(tmp_path):
    records = [
        "MT 10 A G PASS 0/1:96,4:100 0/1:95,5:100 0/1:6,94:100 0/1:5,95:100 1:.:100",
        "MT 20 A G PASS 0:90,10:100 1:0,9:9 1:0,10:. 1:0,10:9 1:.:.",
        "MT 30 A C,G PASS 1/2:0,50,50:100 2:20,0,80:100 0:100,0,0:100 0:100,0,0:100 .:0,99,1:100",
    ]
    found = read_genotypes(counted(tmp_path, records, "abcde"), min_depth=10)
    nan = np.nan
    dosage = {
        "MT:10:A>G": [0, 1, 1, 1, 1],
        "MT:20:A>G": [1, nan, 1, nan, 1],
        "MT:30:A>C": [1, 0, 0, 0, nan],
        "MT:30:A>G": [1, 1, 0, 0, nan],
    }
    fraction = [
        [0.04, 0.05, 0.94, 0.95, nan],
        [0.1, nan, 1, nan, nan],
        [0.5, 0, 0, 0, nan],
        [0.5, 0.8, 0, 0, nan],
    ]
    assert list(table(found)) == list(dosage)
    np.testing.assert_array_equal(found.dosage.T, list(dosage.values()))
    np.testing.assert_allclose(found.fraction.T, fraction)
    expected = [[0, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [1, 1, 0, 0, 0]]
    np.testing.assert_array_equal(found.heteroplasmic.T, expected)
    # Neither depth nor alleles are looked at where no depth is asked for.
    plain = read_genotypes(counted(tmp_path, records, "abcde"))
    np.testing.assert_array_equal(plain.dosage[:, 0], [1, 1, 1, 1, 1])
    assert np.isnan(plain.fraction).all()
    some = found.take(["d", "b"])
    assert some.samples == ["d", "b"]
    np.testing.assert_array_equal(some.dosage, found.dosage[[3, 1]])
    np.testing.assert_array_equal(some.fraction, found.fraction[[3, 1]])


def test_shares_do_not_correct_nuclear_genotypes(tmp_path):
    vcfs = counted(tmp_path, ["1 10 A G PASS 0/0:90,10:100 0/1:98,2:100"], "ab")
    found = read_genotypes(vcfs, "1", mask=[(1, 20)], min_depth=10)
    np.testing.assert_array_equal(found.dosage[:, 0], [0, 1])


def test_masked_positions(write):
    records = [
        "MT 301 A G",
        "MT 302 A G",
        "MT 316 AC A",
        "MT 318 A G",
        "MT 300 ACT A",
        "MT 320 A G",
    ]
    path = write("x.vcf", [f"{record} PASS 1" for record in records])
    found = read_genotypes({"S": (path, None)}, mask=[(302, 316), (320, 320)])
    assert list(found.variants.index) == ["MT:301:A>G", "MT:318:A>G"]


def test_the_old_chrM_is_refused(write):
    def sized(name, lengths, record):
        path = write(name, [record], contigs=())
        lines = [f"##contig=<ID={contig},length={n}>\n" for contig, n in lengths.items()]
        path.write_text(HEADER + "".join(lines) + path.read_text().removeprefix(HEADER))
        return path

    path = sized("old.vcf", {"chrM": 16571}, "chrM 10 A G PASS 1")
    with pytest.raises(InputError, match="16,571 bp"):
        read_genotypes({"S": (path, None)})
    (problem,) = check_variants(cohort(path, ["S"]), ["S"])
    assert problem.severity == "error"
    assert "16,571 bp" in problem.message
    assert "lift" in problem.remedy
    for n in (16569, 16299):
        good = sized("good.vcf", {"chrM": n}, "chrM 10 A G PASS 1")
        assert list(table(read_genotypes({"S": (good, None)}))) == ["MT:10:A>G"]
        assert check_variants(cohort(good, ["S"]), ["S"]) == []
    # hg19 with both: the rCRS is taken, unless the other is asked for.
    both = sized("both.vcf", {"chrM": 16571, "chrMT": 16569}, "chrMT 10 A G PASS 1")
    assert list(table(read_genotypes({"S": (both, None)}))) == ["MT:10:A>G"]
    with pytest.raises(InputError, match="16,571 bp"):
        read_genotypes({"S": (both, None)}, "chrM")


def test_a_sheet_that_does_not_say_what_absence_means(write):
    for sample in "ab":
        write(f"{sample}.vcf", ["MT 10 A G PASS 1"])
    folder = str(write("all.vcf", ["MT 10 A G PASS 1 0"], "ab").parent)
    (problem,) = check_variants(cohort(folder + "/{sample}.vcf", "ab", absent=None), "ab")
    assert (problem.severity, problem.field) == ("warning", "variants.absent")
    assert "absent: reference" in problem.remedy
    assert check_variants(cohort(folder + "/{sample}.vcf", "ab", absent="missing"), "ab") == []
    assert check_variants(cohort(folder + "/all.vcf", "ab", absent=None), "ab") == []


def test_samples_may_share_a_column(write):
    path = write("x.vcf", ["MT 10 A G PASS 1 0"], ["donor, 1", "donor 2"])
    vcfs = {"s1": (path, "donor, 1"), "s2": (path, "donor 2"), "s3": (path, "donor, 1")}
    np.testing.assert_array_equal(read_genotypes(vcfs).dosage[:, 0], [1, 0, 1])


def test_bcf_bgzip_crlf_and_no_records(write, tmp_path):
    records = ["1 5 A C PASS 1", "MT 10 A G PASS 1", "MT 20 A T,G PASS 2/0"]
    plain = write("x.vcf", records)
    expected = {"MT:10:A>G": [1], "MT:20:A>G": [1]}
    for name, mode in (("x.bcf", "wb"), ("bgzip.vcf.gz", "wz")):
        writer = cyvcf2.Writer(str(tmp_path / name), cyvcf2.VCF(plain), mode)
        for record in cyvcf2.VCF(plain):
            writer.write_record(record)
        writer.close()
        assert table(read_genotypes({"S": (tmp_path / name, None)})) == expected
    crlf = tmp_path / "crlf.vcf"
    crlf.write_bytes(plain.read_bytes().replace(b"\n", b"\r\n"))
    assert table(read_genotypes({"S": (crlf, None)})) == expected
    none = read_genotypes({"S": (write("none.vcf", []), None)})
    assert none.dosage.shape == (1, 0)
    assert len(none.variants) == 0
    assert read_genotypes({}).dosage.shape == (0, 0)


def test_the_index_is_used_of_large_files_where_it_is_not_stale(tmp_path, monkeypatch):
    """A hand-made tabix index that leaves out the first record of MT: so must the genotypes."""
    records = ["1 5 A C PASS 1", "MT 10 A G PASS 1", "MT 20 A T PASS 1"]
    data = vcf_text(records, ["S"], ("1", "MT", "chrM")).encode()
    path = tmp_path / "x.vcf.gz"
    path.write_bytes(bgzf(data) + bgzf(b""))
    first, last = data.index(b"MT\t20\t"), len(data)

    def contig(begin, end):
        return struct.pack("<iIiQQiQ", 1, 4681, 1, begin, end, 1, begin)

    names = b"1\0MT\0"
    index = b"TBI\1" + struct.pack("<8i", 2, 2, 1, 2, 0, ord("#"), 0, len(names)) + names
    one, mt = data.index(b"1\t5\t"), data.index(b"MT\t10\t")
    (tmp_path / "x.vcf.gz.tbi").write_bytes(
        bgzf(index + contig(one, mt) + contig(first, last)) + bgzf(b"")
    )
    whole = ["MT:10:A>G", "MT:20:A>T"]
    assert list(table(read_genotypes({"S": (path, None)}))) == whole
    monkeypatch.setattr("popnet.genotypes.vcf.INDEXED_FROM", 0)
    assert list(table(read_genotypes({"S": (path, None)}))) == ["MT:20:A>T"]
    # Records may have been added since: the file is read as a whole.
    os.utime(path, (time.time() + 10, time.time() + 10))
    assert list(table(read_genotypes({"S": (path, None)}))) == whole


def bgzf(data):
    deflate = zlib.compressobj(wbits=-15)
    body = deflate.compress(data) + deflate.flush()
    extra = struct.pack("<BBHH", 66, 67, 2, len(body) + 25)
    head = b"\x1f\x8b\x08\x04" + bytes(4) + b"\x00\xff" + struct.pack("<H", 6)
    return head + extra + body + struct.pack("<II", zlib.crc32(data), len(data))


def test_h5ad_round_trip(write, tmp_path):
    path = write("x.vcf", ["MT 10 A G PASS 0/1 .", "MT 20 A T PASS 1 0"], ["001", "a|b/c +"])
    genotypes = read_genotypes({"001": (path, None), "a|b/c +": (path, None)})
    write_genotypes(genotypes, tmp_path / "g.h5ad")
    again = read_genotypes_h5ad(tmp_path / "g.h5ad")
    np.testing.assert_array_equal(again.dosage, genotypes.dosage)
    np.testing.assert_array_equal(again.fraction, genotypes.fraction)
    assert again.samples == genotypes.samples
    assert again.variants.equals(genotypes.variants)
    empty = read_genotypes({})
    write_genotypes(empty, tmp_path / "empty.h5ad")
    assert read_genotypes_h5ad(tmp_path / "empty.h5ad").dosage.shape == (0, 0)


def vcfs_of(sheet, sample_ids):
    own = {sample.id: sample.vcf for sample in sheet.samples}
    return sample_vcfs(sheet.variants.path, sheet.variants.samples, own, sample_ids)


def test_sample_vcfs():
    sheet = cohort("d/{sample}.vcf", ["a", "b{sample}"], samples={"a": "A"}, own={"a": "own.vcf"})
    expected = {"a": ("own.vcf", "A"), "b{sample}": ("d/b{sample}.vcf", None)}
    assert vcfs_of(sheet, ["a", "b{sample}"]) == expected
    sheet = cohort("all.vcf", "abc", samples={"a": "A"}, own={"b": "all.vcf", "c": "c.vcf"})
    expected = {"a": ("all.vcf", "A"), "b": ("all.vcf", "b"), "c": ("c.vcf", None)}
    assert vcfs_of(sheet, "abc") == expected
    assert vcfs_of(cohort(None, ["a"]), ["a"]) == {}
    unused = SimpleNamespace(variants=None, samples=[SimpleNamespace(id="a", vcf=None)])
    assert sample_vcfs(None, {}, {"a": None}, ["a"]) == {}
    assert check_variants(unused, ["a"]) == []


def test_check_finds_nothing_wrong(write, tmp_path):
    for sample in "ab":
        write(f"{sample}.vcf", [f"MT 10 A G PASS {'ab'.index(sample)}"], ["any"])
    assert check_variants(cohort(tmp_path / "{sample}.vcf", "ab"), "ab") == []


def test_a_file_without_a_record_is_missing_and_not_reference(write, tmp_path):
    for sample, records in {"a": [], "b": ["MT 10 A G PASS 1"], "c": ["MT 20 A G PASS 1"]}.items():
        write(f"{sample}.vcf", records)
    vcfs = {sample: (tmp_path / f"{sample}.vcf", None) for sample in "abc"}
    np.testing.assert_array_equal(read_genotypes(vcfs).dosage, [[np.nan] * 2, [1, 0], [0, 1]])
    (problem,) = check_variants(cohort(tmp_path / "{sample}.vcf", "abc"), "abc")
    assert (problem.severity, problem.file) == ("warning", str(tmp_path / "a.vcf"))
    assert "1 of 3 files have no record of 'MT': the genotypes of 'a' are" in problem.message


FORMATS = {
    "GT": "1,Type=String",
    "AD": "R,Type=Integer",
    "DP": "1,Type=Integer",
    "AF": "A,Type=Float",
    "HF": "A,Type=Float",
    "HL": "A,Type=Float",
    "VAF": "A,Type=Float",
    "FT": "1,Type=String",
}


def formatted(tmp_path, records, samples="ab", header=tuple(FORMATS), contig="<ID=MT>", name="f"):
    """A VCF of records such as ``"MT 10 A G . GT:AD 0/1:5,5 ..."``, and the samples' entries."""
    lines = ["##fileformat=VCFv4.2", f"##contig={contig}"]
    lines += [f'##FORMAT=<ID={one},Number={FORMATS[one]},Description="x">' for one in header]
    lines.append("\t".join(["#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT", *samples]))
    for record in records:
        chrom, pos, ref, alt, passed, *fields = record.split()
        lines.append("\t".join([chrom, pos, ".", ref, alt, ".", passed, ".", *fields]))
    path = tmp_path / f"{name}.vcf"
    path.write_text("\n".join(lines) + "\n")
    return {sample: (path, sample) for sample in samples}


def test_a_share_wins_where_reads_are_left_out_of_ad(tmp_path):
    # 549 of 1,000 reads fit several alleles; without AF they would count against the variant.
    records = ["MT 73 A G . GT:AD:AF:DP 0/1:1,450:0.99:1000 0/1:1,450:.:1000"]
    found = read_genotypes(formatted(tmp_path, records), min_depth=10)
    np.testing.assert_allclose(found.fraction[:, 0], [0.99, 0.45])


def test_reads_by_other_names_are_told(tmp_path):
    records = ["MT 73 A G . GT:DP:FREQ 0/1:1000:3% 0/0:1000:0%"]
    vcfs, problems = formatted(tmp_path, records), []
    found = read_genotypes(vcfs, min_depth=10, problems=problems)
    assert found.dosage[:, 0].tolist() == [1, 0]
    assert any("Reads are in FREQ, which is not read" in one.message for one in problems)


def test_shares_of_the_alleles_that_a_sample_has(tmp_path):
    records = ["MT 80 A G,C . GT:DP:HF 0/1:1000:0.004 0/2:1000:0.97"]
    found = read_genotypes(formatted(tmp_path, records), min_depth=10)
    # The share of G is too small for a carrier, and nobody has it.
    assert list(found.variants.index) == ["MT:80:A>C"]
    np.testing.assert_array_equal(found.dosage[:, 0], [0, 1])


@pytest.mark.parametrize("name", ["AF", "HF", "HL", "VAF"])
@pytest.mark.parametrize("declared", [True, False])
def test_shares_of_reads_without_counts(tmp_path, name, declared):
    records = [
        f"MT 73 A G . GT:DP:{name} 0/1:1000:0.004 0/1:1000:0.97",
        f"MT 80 A G,C . GT:DP:{name} 0/1:1000:0.6,0.1 1/2:1000:0.6",
        f"MT 90 A G . GT:AD:DP:{name} 0/1:50,50:100:0.01 0/1:.:100:0.04",
    ]
    header = [one for one in FORMATS if declared or one not in (name, "AD", "DP")]
    found = read_genotypes(formatted(tmp_path, records, header=header), min_depth=10)
    expected = {
        "MT:73:A>G": ([0, 1], [0.004, 0.97]),
        "MT:80:A>C": ([1, 1], [0.1, np.nan]),
        "MT:80:A>G": ([1, 1], [0.6, np.nan]),
        "MT:90:A>G": ([1, 0], [0.5, 0.04]),
    }
    assert list(found.variants.index) == list(expected)
    np.testing.assert_array_equal(found.dosage.T, [dosage for dosage, _ in expected.values()])
    np.testing.assert_allclose(found.fraction.T, [share for _, share in expected.values()])


@pytest.mark.parametrize("value", ["97", "-0.1", "97%", "x"])
def test_what_is_no_share_is_refused(tmp_path, value):
    header = [one for one in FORMATS if one != "HF"]
    vcfs = formatted(tmp_path, [f"MT 73 A G . GT:HF 0/1:{value} 0/1:0.5"], header=header)
    with pytest.raises(InputError, match="no share of reads") as raised:
        read_genotypes(vcfs, min_depth=10)
    assert raised.value.problems[0].field == "HF of MT:73"


def test_split_sites_have_the_reads_of_all_alleles(tmp_path):
    """1/2 with 60 and 40 reads, as bcftools norm splits it, and VarScan's counts."""
    split = [
        "MT 73 A G . GT:AD:DP 1/0:0,60:100 0/1:2,3:100",
        "MT 73 A C . GT:AD:DP 0/1:0,40:100 0/1:2,95:100",
        "MT 80 A G . GT:AD:DP 0/1:30:100 0/1:3:100",
        "MT 90 A G . GT:AD:DP 0/1:0,60,40:100 0/1:0,60,40:100",
    ]
    problems = []
    found = read_genotypes(formatted(tmp_path, split), min_depth=10, problems=problems)
    nan = np.nan
    expected = [[0.4, 0.6, 0.3, nan], [0.95, 0.03, 0.03, nan]]
    np.testing.assert_allclose(found.fraction, expected, rtol=1e-6)
    np.testing.assert_array_equal(found.dosage, [[1, 1, 1, 1], [1, 0, 0, 1]])
    contradicted, unused = problems
    assert "contradict 2 genotypes: 2 have" in contradicted.message
    assert "in 1 records" in unused.message


def test_reads_that_contradict_genotypes_are_counted(tmp_path):
    records = ["MT 73 A G . GT:AD 1/1:90,0 0/0:0,90", "MT 80 A G . GT:AD 0/1:97,3 0/0:94,6"]
    problems = []
    found = read_genotypes(formatted(tmp_path, records), min_depth=10, problems=problems)
    np.testing.assert_array_equal(found.dosage, [[0, 0], [1, 1]])
    (problem,) = problems
    assert problem.severity == "warning"
    assert "4 genotypes: 2 have an allele" in problem.message
    assert "2 lack one" in problem.message
    assert "2 say the very opposite" in problem.message


def test_filtered_genotypes_are_missing(tmp_path):
    vcfs = formatted(tmp_path, ["MT 73 A G . GT:FT 1:q 1:PASS 0:. 1:q;r"], "abcd")
    nan = np.nan
    np.testing.assert_array_equal(read_genotypes(vcfs).dosage[:, 0], [nan, 1, 0, nan])
    kept = read_genotypes(vcfs, keep_filters=["q"]).dosage[:, 0]
    np.testing.assert_array_equal(kept, [1, 1, 0, nan])


def test_a_merge_without_reference_genotypes_is_told(tmp_path):
    records = ["MT 73 A G . GT 1 ./. ./.", "MT 750 A G . GT ./. 1 ./.", "MT 80 A G . GT 1 0 ."]
    (path, _), *_ = formatted(tmp_path, records, "abc").values()
    (problem,) = check_variants(cohort(path, "abc", absent=None), "abc")
    assert problem.severity == "warning"
    assert "No sample lacks 2 of the 3 variants" in problem.message
    assert "merge -0" in problem.remedy


@pytest.mark.parametrize("name", ["26", "NC_012920.1", "nc_012920.1", "chrMT"])
@pytest.mark.parametrize("contig", ["MT", "same"])
def test_aliases_of_the_mtDNA_have_its_mask_and_its_thresholds(tmp_path, name, contig):
    records = [
        f"{name} 310 T C . GT:AD 1:5,500 0/1:985,15",
        f"{name} 8701 A G . GT:AD 1:1,9 1:99,1",
    ]
    vcfs = formatted(tmp_path, records, contig=f"<ID={name},length=16569>")
    for vcf in (vcfs, formatted(tmp_path, records, contig="<ID=1>", name="undeclared")):
        asked = name if contig == "same" else contig
        found = read_genotypes(vcf, asked, mask=[(302, 316)], min_depth=10)
        assert list(found.variants.index) == ["MT:8701:A>G"]
        np.testing.assert_array_equal(found.dosage[:, 0], [1, 0])


def test_the_length_shows_the_mtDNA(tmp_path):
    records = ["J01415.2 310 T C . GT:AD 1:0,50 0:50,0", "J01415.2 73 A G . GT:AD 1:0,50 1:99,1"]
    vcfs = formatted(tmp_path, records, contig="<ID=J01415.2,length=16569,assembly=x>")
    for contig in ("MT", "J01415.2"):
        found = read_genotypes(vcfs, contig, mask=[(302, 316)], min_depth=10)
        assert list(found.variants.index) == ["MT:73:A>G"]
        np.testing.assert_array_equal(found.dosage[:, 0], [1, 0])
    unsized = formatted(tmp_path, records, contig="<ID=J01415.2>", name="unsized")
    path = unsized["a"][0]
    (problem,) = check_variants(cohort(path, "ab", "J01415.2"), "ab", by_reads=False)
    assert (problem.severity, problem.field) == ("warning", "variants.contig")
    # Chromosome 26 of a sheep is none, by its length or by a position.
    records = ["26 90000 T C . GT:AD 0/1:99,1 0/0:50,0"]
    sheep = formatted(tmp_path, records, contig="<ID=26,length=44077779>", name="sheep")
    np.testing.assert_array_equal(read_genotypes(sheep, "26", min_depth=10).dosage[:, 0], [1, 0])
    with pytest.raises(InputError, match="as in PLINK"):
        read_genotypes(formatted(tmp_path, records, contig="<ID=26>", name="sheep"), "26")
    old = formatted(tmp_path, ["NC_001807.4 73 A G . GT 1 0"], contig="<ID=NC_001807.4>", name="o")
    with pytest.raises(InputError, match="16,571 bp"):
        read_genotypes(old)


def test_a_file_without_genotypes_is_refused(tmp_path):
    with pytest.raises(InputError, match="no record of 'MT' has genotypes"):
        read_genotypes(formatted(tmp_path, ["MT 73 A G . DP 9 8"]))


def test_the_only_column_is_another_sample(write, tmp_path):
    write("a.vcf", ["MT 10 A G PASS 1"], ["a"])
    own = {"a": str(tmp_path / "a.vcf"), "b": str(write("b.vcf", ["MT 10 A G PASS 0"], ["a"]))}
    (problem,) = check_variants(cohort(None, "ab", own=own), "ab")
    assert (problem.severity, problem.value) == ("error", "b")
    assert "the name of another sample, 1 of 2 samples: 'b' ('a' in" in problem.message
    # Unless the sheet says so, or both are of one donor.
    assert check_variants(cohort(None, "ab", own=own, samples={"b": "a"}), "ab") == []
    assert check_variants(cohort(None, "ab", own=own, donors=dict.fromkeys("ab", "d")), "ab") == []


def test_one_file_of_all_samples_is_named_once(write):
    path = write("all.vcf", ["1 10 A G PASS 1 0 0"], "abc", contigs=["1"])
    (problem,) = check_variants(cohort(path, "abc"), "abc")
    assert problem.file == str(path)
    assert problem.message.endswith(f"'a', 'b', 'c' in {path} (has '1')")


def test_check_finds_every_fault_at_once(write, tmp_path):
    ids = [f"s{n}" for n in range(8)] + ["bad", "nuclear", "wrong", "ok"]
    (tmp_path / "bad.vcf").write_text("not a VCF\n")
    write("nuclear.vcf", ["1 10 A G PASS 1", "chr9 10 A G PASS 1"], contigs=["1"])
    write("wrong.vcf", ["MT 10 A G PASS 1 1"], ["wronng", "x"])
    write("ok.vcf", ["MT 10 A G PASS 1"])
    sheet = cohort(None, [*ids, "none"], own={s: str(tmp_path / f"{s}.vcf") for s in ids})
    problems = check_variants(sheet, [*ids, "none"])
    text = [str(problem) for problem in problems]
    assert [problem.severity for problem in problems] == ["warning"] + ["error"] * 4
    assert "no VCF given, 1 of 13 samples: 'none'" in text[0]
    assert "does not exist, 8 of 13 samples" in text[1]
    assert "'s4'" in text[1]
    assert "and 3 more" in text[1]
    assert "'s5'" not in text[1]
    assert "cannot be read" in text[2]
    assert "no contig 'MT'" in text[3]
    assert "'1', 'chr9'" in text[3]
    assert "did you mean 'wronng'?" in text[4]
    files = ["sheet.yaml", "sheet.yaml", *(str(tmp_path / f"{s}.vcf") for s in ids[8:11])]
    assert [problem.file for problem in problems] == files
    with pytest.raises(InputError) as raised:
        read_genotypes(vcfs_of(sheet, ["bad", "s1", "wrong", "ok"]))
    assert len(raised.value.problems) == 3


def test_a_column_belongs_to_one_donor(write):
    path = write("x.vcf", ["MT 10 A G PASS 1 0"], ["a", "b"])
    names = {"s1": "a", "s2": "b", "s3": "a"}
    sheet = cohort(path, names, samples=names)
    (problem,) = check_variants(sheet, names)
    assert (problem.severity, problem.value) == ("error", "s3")
    assert "'s3' (column 'a' is that of 's1')" in problem.message
    assert check_variants(sheet, ["s1", "s2"]) == []
    sheet = cohort(path, names, samples=names, donors={"s1": "d", "s3": "d"})
    assert check_variants(sheet, names) == []
    alone = write("alone.vcf", ["MT 10 A G PASS 1"], ["x"])
    (problem,) = check_variants(cohort(None, "ab", own=dict.fromkeys("ab", str(alone))), "ab")
    assert "column 'x' is that of 'a'" in problem.message


def test_check_of_filters(write):
    path = write("x.vcf", ["MT 10 A G q10 1", "MT 20 A G q10 1"], ["S"])
    (problem,) = check_variants(cohort(path, ["S"]), ["S"])
    assert "every record of 'MT' is filtered: q10" in problem.message
    assert check_variants(cohort(path, ["S"]), ["S"], keep_filters=["q10"]) == []
    (problem,) = check_variants(cohort(write("none.vcf", []), ["S"]), ["S"])
    assert "no file has a record" in problem.message


def test_a_text_file_that_is_cut_or_flipped(write):
    """Text has no checksums: what is noticed is named, and nothing ends in another error."""
    records = [f"MT {pos} A G PASS {pos // 10 % 2}" for pos in range(10, 400, 10)]
    path = write("x.vcf", records, ["S"])
    whole = path.read_bytes()
    assert len(read_genotypes({"S": (path, None)}).variants) == 20
    for last in (b"PASS\t", b"390\t", b"MT\t"):
        path.write_bytes(whole[: whole.rindex(last) + len(last)])
        with pytest.raises(InputError, match="the end is missing"):
            read_genotypes({"S": (path, None)})
    rng = np.random.default_rng(0)
    noticed = 0
    for place in rng.integers(0, len(whole), 150):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << rng.integers(8)
        path.write_bytes(flipped)
        with suppress(InputError):
            read_genotypes({"S": (path, None)})
            noticed -= 1
        noticed += 1
    assert noticed > 20


def test_truncated_file(shared_data, tmp_path):
    whole = (shared_data / "1000g_phase3_chrMT_2534samples.vcf.gz").read_bytes()
    (tmp_path / "half.vcf.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"half\.vcf\.gz"):
        read_genotypes({"HG00096": (tmp_path / "half.vcf.gz", None)})


def test_1000_genomes_against_plain_text(shared_data):
    path = shared_data / "1000g_phase3_chrMT_2534samples.vcf.gz"
    expected, samples = {}, []
    with gzip.open(path, "rt") as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            if line.startswith("#CHROM"):
                samples = fields[9:]
            if line.startswith("#"):
                continue
            calls = np.array(fields[9:])
            for number, alt in enumerate(fields[4].split(","), 1):
                variant = shortest(int(fields[1]), fields[3], alt)
                if "N" in variant[1] + variant[2]:
                    continue
                name = "MT:{}:{}>{}".format(*variant)
                dosage = np.where(calls == ".", np.nan, (calls == str(number)).astype(float))
                expected[name] = np.fmax(dosage, expected.get(name, dosage))
    start = time.process_time()
    found = read_genotypes({s: (path, None) for s in samples}, keep_filters=["fa"])
    assert time.process_time() - start < 10
    assert len(samples) == 2534
    assert set(found.variants.index) == {n for n, d in expected.items() if np.nansum(d) > 0}
    np.testing.assert_array_equal(
        found.dosage, np.column_stack([expected[name] for name in found.variants.index])
    )
    assert found.variants["pos"].is_monotonic_increasing
    assert read_genotypes({"HG00096": (path, None)}).dosage.shape == (1, 0)
    (problem,) = check_variants(cohort(path, ["HG00096"]), ["HG00096"])
    assert "fa" in problem.message
    some = read_genotypes({"x": (path, "HG00097"), "HG00096": (path, None)}, "chrM", ["fa"])
    columns = found.variants.index.get_indexer(some.variants.index)
    np.testing.assert_array_equal(some.dosage, found.dosage[[1, 0]][:, columns])


def shortest(pos, ref, alt):
    """The trimmed variant, found by trying every pair of cuts, longest suffix first."""
    short = min(len(ref), len(alt))
    right = max(k for k in range(short) if ref[len(ref) - k :] == alt[len(alt) - k :])
    ref, alt = ref[: len(ref) - right], alt[: len(alt) - right]
    left = max(k for k in range(min(len(ref), len(alt))) if ref[:k] == alt[:k])
    return pos + left, ref[left:], alt[left:]
