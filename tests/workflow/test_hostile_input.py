"""Text, files and folders that try what they can: refused with a clear word, or harmless."""

from __future__ import annotations

import copy
import gzip
import os
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError

from popnet.checks.config import check_config
from popnet.checks.study import read_study
from popnet.errors import InputError, describe
from popnet.files import TEXT_COLUMNS
from popnet.genotypes.reading import read_genotypes
from popnet.names import safe_name
from popnet.study.cohort import load_cohort
from popnet.study.documents import read_sheet
from popnet.study.gene_sets import read_gmt
from popnet.study.tables import read_sheet_table

IDS = ["s 1", "b/2", "007", "d"]
GENES = ["MT-ND1", "MT-CO1", "ISG15", "ACTB", "GAPDH", "HES4"]
PER_SAMPLE = 30
SHEET = {
    "name": "hostile",
    "config": "small.yaml",
    "cells": {"path": "cells.h5ad", "sample": "line", "cell_type": "celltype"},
    "samples": [{"id": id, "phenotypes": {"age": age}} for age, id in enumerate(IDS)],
    "phenotypes": {"age": {"type": "continuous"}},
}
EXECUTING = '!!python/object/apply:os.system ["touch {folder}/x"]'


def cells_of(ids) -> ad.AnnData:
    obs = pd.DataFrame(
        {"line": np.repeat(ids, PER_SAMPLE), "celltype": "T", "pool": "p", "sex": "f"},
        index=[f"cell{number}" for number in range(len(ids) * PER_SAMPLE)],
    )
    counts = np.random.default_rng(0).poisson(2, (len(obs), len(GENES))).astype(np.float32)
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=GENES))


def write(folder: Path, sheet: dict | str, cells: ad.AnnData | None = None) -> Path:
    (cells_of(IDS) if cells is None else cells).write_h5ad(folder / "cells.h5ad")
    (folder / "small.yaml").write_text("bins: {size: 10}\n")
    path = folder / "sheet.yaml"
    text = sheet if isinstance(sheet, str) else yaml.safe_dump(sheet, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
    return path


def refused(clone, snakemake, folder: Path, *arguments: str) -> str:
    """Return what Snakemake says when it must stop before it does or writes anything."""
    before = sorted(folder.rglob("*"))
    arguments = ("-n", "--config", f"cohort={folder / 'sheet.yaml'}", *arguments)
    status, output = snakemake(clone, *arguments)
    assert status != 0, output
    assert "Traceback" not in output
    assert sorted(folder.rglob("*")) == before
    assert not (clone / "results").exists()
    assert not (clone / "logs").exists()
    return output


def problem_of(raising, *arguments):
    with pytest.raises(InputError) as raised:
        raising(*arguments)
    (problem,) = [problem for problem in raised.value.problems if problem.severity == "error"]
    assert problem.remedy
    return problem


def config() -> dict:
    config = {"bins": {"size": 10}}
    assert check_config(config, "") == []
    return config


INVISIBLE = ["a\nb", "a\rb", "a\0b", "a\u200fb", "a\u202eb", "a\u200db", "\U000e0001a", "a\x1b[2Jb"]


@pytest.mark.parametrize("id", INVISIBLE)
def test_ids_that_nobody_can_read(tmp_path, id):
    sheet = copy.deepcopy(SHEET)
    sheet["samples"][3]["id"] = id
    problem = problem_of(load_cohort, write(tmp_path, sheet))
    assert (problem.field, problem.value) == ("samples[3].id", id)
    assert "invisible" in problem.message
    sheet["samples"] = {"cells": "all"}
    if "\0" in id:  # An h5ad file cannot hold it.
        return
    cells = cells_of([*IDS[:3], id])
    cells.obs["age"] = np.repeat(range(len(IDS)), PER_SAMPLE)
    cohort = load_cohort(write(tmp_path, sheet, cells))
    problem = problem_of(read_study, cohort, config())
    assert (problem.field, problem.value) == ("cells.sample (line)", id)


@pytest.mark.parametrize(
    ("first", "words"), [("é 1", r"'\xe9 1', but is written 'e\u0301 1'"), ("É 1", "lower case")]
)
def test_ids_that_look_the_same(tmp_path, first, words):
    sheet = copy.deepcopy(SHEET)
    sheet["samples"][0]["id"], sheet["samples"][1]["id"] = first, "e\u0301 1"
    problem = problem_of(load_cohort, write(tmp_path, sheet))
    assert (problem.field, problem.value) == ("samples[1].id", "e\u0301 1")
    assert words in problem.message


def test_an_id_that_the_cells_write_otherwise(tmp_path):
    sheet = copy.deepcopy(SHEET)
    sheet["samples"][0]["id"] = "é"
    cohort = load_cohort(write(tmp_path, sheet, cells_of(["e\u0301", *IDS[1:]])))
    problem = problem_of(read_study, cohort, config())
    assert problem.value == "é"
    assert r"'\xe9' of the sheet is 'e\u0301' in the cells" in problem.remedy


def test_an_id_that_means_missing(tmp_path):
    sheet = copy.deepcopy(SHEET)
    sheet["samples"][0]["id"] = "nan"
    problem = problem_of(load_cohort, write(tmp_path, sheet))
    assert (problem.field, problem.value) == ("samples[0].id", "nan")
    assert "missing values" in problem.message


def test_numbers_are_ids_only_as_they_are_written(tmp_path):
    text = yaml.safe_dump(SHEET)
    path = write(tmp_path, text.replace("id: d", "id: 1e5"))
    assert load_cohort(path).samples[3].id == "1e5"
    path = write(tmp_path, text.replace("id: d", "id: 1.50"))
    assert (
        'Quote it: "1.5", with the digits that are written' in problem_of(load_cohort, path).remedy
    )


@pytest.mark.parametrize("column", TEXT_COLUMNS)
def test_columns_of_text_hold_no_numbers(tmp_path, column):
    sheet = SHEET | {"covariates": {column: "numeric"}}
    problem = problem_of(load_cohort, write(tmp_path, sheet))
    assert problem.field == f"covariates.{column}"
    assert f"`column: {column}`" in problem.remedy


@pytest.mark.parametrize("name", ["_index", ".", "/abs", "a//b", "a/", "n_bins"])
@pytest.mark.parametrize("kind", ["phenotypes", "covariates"])
def test_columns_that_an_h5ad_cannot_have(tmp_path, kind, name):
    definition = {"type": "continuous" if kind == "phenotypes" else "numeric", "column": "x"}
    sheet = SHEET | {kind: SHEET.get(kind, {}) | {name: definition}}
    problem = problem_of(load_cohort, write(tmp_path, sheet))
    assert (problem.field, problem.value) == (f"{kind}.{name}", name)
    assert f"`column: {name}`" in problem.remedy


def broken_donor(sheet, cells):
    sheet["samples"][1]["donor"] = "x\ry"


def broken_batch(sheet, cells):
    sheet["cells"]["batch"] = "pool"
    cells.obs["pool"] = "x\ry"


def broken_label(sheet, cells):
    sheet["covariates"] = {"sex": "categorical"}
    cells.obs["sex"] = ["x\ry"] * PER_SAMPLE + ["f"] * (len(cells) - PER_SAMPLE)


def broken_gene(sheet, cells):
    cells.var_names = ["x\ry", *GENES[1:]]


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (broken_donor, "samples.donor"),
        (broken_batch, "cells.batch"),
        (broken_label, "covariates.sex"),
        (broken_gene, "cells"),
    ],
)
def test_text_that_would_break_a_table(tmp_path, spoil, field):
    sheet, cells = copy.deepcopy(SHEET), cells_of(IDS)
    spoil(sheet, cells)
    problem = problem_of(read_study, load_cohort(write(tmp_path, sheet, cells)), config())
    assert (problem.field, problem.value) == (field, "x\ry")
    assert "invisible" in problem.message


def test_cell_types_that_are_not_listed_share_no_folder(tmp_path):
    cells = cells_of(IDS)
    cells.obs["celltype"] = ["NK", "nk"] * (len(cells) // 2)
    problem = problem_of(read_study, load_cohort(write(tmp_path, SHEET, cells)), config())
    assert (problem.field, problem.value) == ("cells.cell_type (celltype)", "nk")


@pytest.mark.parametrize(
    "text", ["-rf", "--help", "- x", "~", "*", "", " ", ".", "..", ".hidden", "a" * 300, "😀", "\0"]
)
def test_file_names_are_plain_words(text):
    name = safe_name(text)
    assert name.isascii()
    assert name.replace("-", "").replace("_", "").replace(".", "").isalnum()
    assert name[0] not in "-."
    assert len(name) < 65


def test_paths_that_no_file_can_have(tmp_path):
    long = 300 * "x"
    sheet = copy.deepcopy(SHEET)
    sheet["cells"]["path"] = f"{long}/cells.h5ad"
    sheet["samples"][0]["vcf"] = "a\0b.vcf"
    sheet["variants"] = {"path": "{sample}.vcf"}
    sheet["samples"][1:] = [{"id": f"{long}{age}", "phenotypes": {"age": age}} for age in (1, 2)]
    with pytest.raises(InputError) as raised:
        load_cohort(write(tmp_path, sheet))
    faults = {problem.field: problem.message for problem in raised.value.problems}
    assert "File name too long" in faults["cells.path"]
    assert "File name too long" in faults["variants.path"]
    assert faults["samples[0].vcf"] == "There is no such file"
    fault = problem_of(load_cohort, str(tmp_path / long)).message
    assert "File name too long" in fault


def test_what_is_out_of_reach_is_not_absent(tmp_path):
    sheet = SHEET | {"samples": {"table": "lines.csv", "id": "line", "without_cells": "exclude"}}
    sheet["variants"] = {"path": f"{300 * 'x'}/{{sample}}.vcf"}
    (tmp_path / "lines.csv").write_text("line,age\n007,1\nd,2\n")
    problem = problem_of(load_cohort, write(tmp_path, sheet))
    assert problem.field == "variants.path"
    assert "out of reach" in problem.message


def test_ids_are_refused_together_and_nothing_is_done(clone, snakemake, tmp_path):
    sheet = copy.deepcopy(SHEET)
    ids = ["a\nb", "$(touch x)\t", "é", "e\u0301", "nan", "Case", "case"]
    sheet["samples"] = [{"id": id, "phenotypes": {"age": age}} for age, id in enumerate(ids)]
    write(tmp_path, sheet)
    output = refused(clone, snakemake, tmp_path)
    for words in (
        *("samples[0].id = 'a\\nb'", "samples[1].id = '$(touch x)\\t'", "samples[3].id"),
        *("samples[4].id = 'nan'", "samples[6].id = 'case'", "5 problem(s)"),
    ):
        assert words in output
    assert not (clone / "x").exists()


def test_aliases_and_merged_keys(tmp_path):
    text = """
name: hostile
cells: &cells {path: cells.h5ad, sample: line, cell_type: celltype}
samples:
  - &first {id: a, phenotypes: &values {age: 1, "<<": 2}}
  - {<<: *first, id: b, phenotypes: {age: 1, "<<": 4}}
  - <<: [{donor: d}, {donor: e, batch: p}, *first]
    id: c
    phenotypes: {<<: *values, age: 3}
phenotypes: {age: {type: continuous}, "<<": {type: continuous, missing: drop}}
"""
    cohort = load_cohort(write(tmp_path, text))
    assert [(sample.id, sample.donor) for sample in cohort.samples] == [
        *(("a", "a"), ("b", "b"), ("c", "d"))
    ]
    assert [dict(sample.phenotypes) for sample in cohort.samples] == [
        *({"age": 1, "<<": 2}, {"age": 1, "<<": 4}, {"age": 3, "<<": 2})
    ]
    assert cohort.samples[2].batch == "p"
    path = write(tmp_path, "name: x\ncells:\n  <<: [a, b]\n")
    assert any(p.field == "cells" and "(line 3)" in p.message for p in read_sheet(str(path))[1])


def test_a_key_given_twice_names_both_lines(tmp_path):
    path = write(tmp_path, "name: x\ncells: {}\n\nname: y\n")
    (problem,) = read_sheet(str(path))[1]
    assert problem.field == "name"
    assert "line 1" in problem.message
    assert "line 4" in problem.message


@pytest.mark.parametrize("tag", ["!!binary aGk=", "!custom a", "!!set {a}", "!!timestamp a"])
def test_tags(tmp_path, tag):
    (problem,) = read_sheet(str(write(tmp_path, f"name: {tag}\n")))[1]
    assert problem.field == "name"
    assert "is not allowed here (line 1)" in problem.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name: x\n".encode("utf-16"), "UTF-8"),
        ("name: x\n".encode("utf-16-le"), "UTF-8"),
        (b"name: x\0\n", "without the character"),
        (b"name:\n\tcells: x\n", "Indent with spaces"),
        (b"name: " + 900 * b"[" + 900 * b"]", "brackets"),
        (b"name: " + 100_000 * b"[" + 100_000 * b"]", "brackets"),
        (100_000 * b"- " + b"a", "nested too deep"),
        (b"name: x\n---\nname: y\n", "YAML"),
        (b"name: *nothing\n", "`*`"),
    ],
)
def test_what_is_no_sheet(tmp_path, content, words):
    path = tmp_path / "sheet.yaml"
    path.write_bytes(content)
    problem = problem_of(load_cohort, path)
    assert words in f"{problem.message} {problem.remedy}"


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_a_sheet_of_another_system(tmp_path, end):
    expected = load_cohort(path := write(tmp_path, SHEET))
    text = path.read_text(encoding="utf-8").rstrip("\n").replace("\n", end)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load_cohort(path) == expected


@pytest.mark.parametrize("opened", ["[{}]", "{{a: {}, b: {}}}"])
def test_aliases_of_aliases_cost_nothing(tmp_path, opened):
    """Written out, they would fill any memory."""
    parts = ["a0: &a0 " + opened.format("x, " * 8 + "x" if opened[0] == "[" else "x", "x")]
    for number in range(30):
        alias = f"*a{number} "
        aliases = [", ".join([alias] * 9)] if opened[0] == "[" else [alias, alias]
        parts.append(f"a{number + 1}: &a{number + 1} " + opened.format(*aliases))
    path = write(tmp_path, "\n".join([*parts, "name: *a30"]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    problem = problem_of(load_cohort, path)
    assert "aliases" in problem.message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_no_tag_is_ever_executed(clone, snakemake, tmp_path):
    tag = EXECUTING.format(folder=tmp_path)
    write(tmp_path, yaml.safe_dump(SHEET).replace("name: hostile", f"name: {tag}"))
    output = refused(clone, snakemake, tmp_path)
    assert "sheet.yaml: name" in output
    assert "os.system is not allowed" in output


TAGGED = (f"seed: {EXECUTING}", "not valid JSON or YAML")
TWICE = ("seed: 1\nbins: {{size: 10}}\nseed: 2", "The key of line 1 is given twice")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        TAGGED,
        TWICE,
        ("seed: !custom 1", "not valid JSON or YAML"),
        ("seed: !!python/name:os.system", "is not allowed"),
        ("- seed", "keys at top level"),
        ("a: &a [" + 999 * "x, " + "x]\nb: &b [" + 999 * "*a , " + "*a ]\nseed: *b ", "aliases"),
    ],
    ids=["tag", "twice", "other tag", "name", "list", "aliases"],
)
def test_what_no_config_may_hold(tmp_path, text, words):
    """Snakemake reads these files, and then we read them again."""
    path = tmp_path / "own.yaml"
    path.write_text(text.format(folder=tmp_path) + "\n")
    try:
        load_configfile(str(path))
        said = describe(read_sheet(str(path))[1])
    except WorkflowError as error:
        said = str(error)
    assert words in said
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("how", "text", "words"),
    [
        ("named in the sheet", *TAGGED),
        ("--configfile", *TAGGED),
        ("named in the sheet", *TWICE),
        ("--configfile", *TWICE),
    ],
)
def test_what_a_config_is_refused_for(clone, snakemake, tmp_path, how, text, words):
    write(tmp_path, SHEET)
    named = how == "named in the sheet"
    settings = tmp_path / ("small.yaml" if named else "own.yaml")
    settings.write_text(text.format(folder=tmp_path) + "\n")
    output = refused(
        clone, snakemake, tmp_path, *([] if named else ["--configfile", str(settings)])
    )
    assert words in output


ENDS = ["\r\n", "\r", "\n"]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_tables_of_any_system(tmp_path, end, delimiter):
    path = tmp_path / "t.csv"
    rows = [["line", "age"], ["007", "1"], ['"a, b; c\td"', "2"]]
    path.write_bytes(end.join(map(delimiter.join, rows)).encode())
    columns, found, problems = read_sheet_table(str(path))
    assert (columns, problems) == (["line", "age"], [])
    assert [row["line"] for row in found] == ["007", "a, b; c\td"]
    assert [row["age"] for row in found] == ["1", "2"]


@pytest.mark.parametrize("end", ENDS)
def test_gene_sets_of_any_system(tmp_path, end):
    path = tmp_path / "sets.gmt"
    path.write_bytes(end.join(["A\tabout\u2028it\tX\tY", "B\t\tZ"]).encode())
    assert read_gmt(path) == {"A": ["X", "Y"], "B": ["Z"]}


VCF = [
    "##fileformat=VCFv4.2",
    "##contig=<ID=MT,length=16569>",
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb b",
    "MT\t3010\t.\tG\tA\t.\tPASS\t.\tGT\t1\t0",
    "MT\t7028\t.\tC\tT\t.\tPASS\t.\tGT\t0\t1",
]


def bgzf(data: bytes) -> bytes:
    """Return data as bgzip writes it: one block, and the empty one that ends a file."""
    blocks = b""
    for part in (data, b""):
        deflate = zlib.compressobj(wbits=-15)
        body = deflate.compress(part) + deflate.flush()
        blocks += b"\x1f\x8b\x08\x04" + bytes(5) + b"\xff\x06\x00BC\x02\x00"
        blocks += struct.pack("<H", len(body) + 25) + body
        blocks += struct.pack("<II", zlib.crc32(part), len(part))
    return blocks


@pytest.mark.parametrize("last", ["", "\n"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("packed", [bytes, gzip.compress, bgzf])
def test_genotypes_of_any_system(tmp_path, end, last, packed):
    path = tmp_path / ("x.vcf" if packed is bytes else "x.vcf.gz")
    path.write_bytes(packed((end.join(VCF) + (last and end)).encode()))
    found = read_genotypes({"s": (path, "b b"), "t": (path, "a")})
    assert list(found.variants["pos"]) == [3010, 7028]
    np.testing.assert_array_equal(found.dosage, [[0, 1], [1, 0]])


def test_genotypes_with_ends_that_no_tool_reads(tmp_path):
    path = tmp_path / "x.vcf"
    path.write_bytes("\r".join(VCF).encode())
    problem = problem_of(read_genotypes, {"s": (path, "a")})
    assert problem.file == str(path)


@pytest.mark.parametrize("donors", [["x", "x"], ["x", "y"]])
def test_samples_that_share_a_column(clone, snakemake, tmp_path, donors):
    """Two samples of a donor have one genome; two donors do not."""
    sheet = copy.deepcopy(SHEET)
    for sample, donor in zip(sheet["samples"], donors, strict=False):
        sample["donor"] = donor
    names = dict(zip(IDS, ["a", "a", "b b", "c"], strict=True))
    sheet["variants"] = {"path": "all.vcf", "samples": names}
    text = "\n".join([*VCF[:3], f"{VCF[3]}\tc", *(f"{record}\t0" for record in VCF[4:])])
    (tmp_path / "all.vcf").write_text(text + "\n")
    path = write(tmp_path, sheet)
    if donors[0] == donors[1]:
        status, output = snakemake(clone, "-n", "--config", f"cohort={path}")
        assert status == 0, output
        return
    output = refused(clone, snakemake, tmp_path)
    assert "all.vcf: variants.path = 'b/2'" in output
    assert "'b/2' (column 'a' is that of 's 1')" in output
    assert "correct variants.samples" in output


@pytest.mark.slow
def test_read_only_input(copy_clone, tmp_path):
    """What reads the input runs where nothing beside it can be written, not even an index."""
    data = tmp_path / "data"
    data.mkdir()
    sheet = copy.deepcopy(SHEET) | {
        "samples": {"table": "lines.csv", "id": "line", "vcf": "vcf"},
        "gene_sets": {"K": {"gmt": "sets.gmt"}},
        "variants": {"absent": "reference"},
    }
    path = write(data, sheet)
    table = "".join(f"{id},{age},{age}.vcf.gz\n" for age, id in enumerate(IDS))
    (data / "lines.csv").write_text("line,age,vcf\n" + table)
    (data / "sets.gmt").write_text("A\t\tISG15\tHES4\n")
    text = "\n".join([*VCF[:3], *(line.rpartition("\t")[0] for line in VCF[3:])])
    for age in range(len(IDS)):
        (data / f"{age}.vcf.gz").write_bytes(bgzf(f"{text}\n".encode()))
    before = {path: path.stat().st_mtime_ns for path in [data, *data.iterdir()]}
    clone = copy_clone("readonly")
    # Root writes where modes forbid it, unless it gives that up.
    ordinary = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    ordinary = [] if os.geteuid() else ordinary
    for path in before:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        try:
            tried = subprocess.run([*ordinary, "touch", data / "new"], capture_output=True)
        except FileNotFoundError:
            pytest.skip("root cannot be kept from writing: there is no setpriv")
        if tried.returncode == 0 or (ordinary and b"Permission denied" not in tried.stderr):
            pytest.skip(f"nothing can be made read-only here: {tried.stderr.decode()}")
        targets = [f"results/hostile/{name}" for name in ("variants/genotypes", "T/expression")]
        command = [sys.executable, "-m", "snakemake", "--cores", "1"]
        command += [f"{target}.h5ad" for target in targets]
        done = subprocess.run(
            [*ordinary, *command, "--config", f"cohort={data / 'sheet.yaml'}"],
            cwd=clone,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    finally:
        data.chmod(0o755)
    assert done.returncode == 0, done.stdout
    assert {path: path.stat().st_mtime_ns for path in [data, *data.iterdir()]} == before
    assert all((clone / f"{target}.h5ad").exists() for target in targets)
