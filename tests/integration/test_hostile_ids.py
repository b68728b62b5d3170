"""A tiny cohort with every hostile name that is accepted, from cells and VCF to the report."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import anndata as ad
import igraph
import networkx
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse

from popnet.files import read_table
from popnet.genotypes.table import read_genotypes_h5ad
from popnet.names import safe_name

pytestmark = [pytest.mark.integration, pytest.mark.slow]

IDS = [
    *("/abs", "../../up", "-rf", "--help", "~root", "*", "%s%n", "$(touch x)", "`touch x`;"),
    *("a $x^{$ b", "{sample} {0} {{", "'q' \"q\"", "<b>&amp;", "back\\slash\\n", "..."),
    *("N A", "nil", "1e5", "001", "True", "=cmd()", "#comment", "a,b", "\U0001f9ec"),
    *("e\u0301", "ж"),
    "long " + 295 * "x",
]
CELL_TYPE = "T $(touch x) $y_{$ {cell_type}/<i>"
PHENOTYPE = "=score; $(touch x) `{phenotype}` $z^{$"
SET = "-set $(touch x) {x} <i> $w_{$"
GENES = ["MT-ND1", "MT-CO1", "MT-CO2", "MT-CYB", "A<&\">'", "$(touch x) {g}", "NA"]
GENES += [f"GENE{number}" for number in range(33)]
CELLS = 24
SETTINGS = {
    "bins": {"size": 12},
    "genes": {"cohort": 40, "sample": 10},
    "sivae": {"latent": 3, "hidden": [8], "steps": [10, 10, 10], "minibatch": 12},
    "training": {"bins_per_job": 100},
    "networks": {"estimators": ["shared"], "closest": 0.05, "central_genes": "all"},
    "statistics": {"permutations": 50, "test_unmeasurable": True},
}


def donor(number: int) -> str:
    return f"donor of {IDS[number // 2 * 2]}"


def write_cells(path: Path) -> None:
    rng = np.random.default_rng(0)
    rate = np.exp(rng.normal(1, 0.5, (len(IDS), 1, len(GENES))) + rng.normal(0, 0.3, (CELLS, 1)))
    obs = pd.DataFrame(
        {
            "sample": np.repeat(IDS, CELLS),
            "type": CELL_TYPE,
            "pool": np.tile(["p;1 $(touch x)", "1e5"], len(IDS) * CELLS // 2),
        },
        index=[f"cell{number}" for number in range(len(IDS) * CELLS)],
    )
    counts = sparse.csr_matrix(rng.poisson(rate).reshape(-1, len(GENES)).astype(np.float32))
    ad.AnnData(counts, obs, pd.DataFrame(index=GENES)).write_h5ad(path)


def write_vcf(path: Path) -> None:
    """One column per donor, named like it."""
    donors = list(dict.fromkeys(map(donor, range(len(IDS)))))
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT"
    lines = [
        "##fileformat=VCFv4.2",
        "##contig=<ID=MT>",
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "\t".join([columns, *donors]),
    ]
    rng = np.random.default_rng(0)
    for pos in (3010, 4216, 7028, 14766):
        calls = map(str, rng.integers(0, 2, len(donors)))
        lines.append("\t".join([f"MT\t{pos}\t.\tA\tG\t.\tPASS\t.\tGT", *calls]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def listing(folder: Path) -> set[Path]:
    """Return the files of a folder but what Snakemake and Python keep for themselves."""
    found = {path.relative_to(folder) for path in folder.rglob("*")}
    return {path for path in found if not {".snakemake", "__pycache__"} & set(path.parts)}


@pytest.fixture(scope="module")
def clone(copy_clone, snakemake):
    """A clone, in a folder that holds nothing else, in which the cohort has run."""
    clone = copy_clone("sandbox") / "inner" / "clone"
    data = clone.parents[1]
    clone.parent.mkdir()
    files = [path for path in data.iterdir() if path != clone.parent]
    clone.mkdir()
    for path in files:
        path.rename(clone / path.name)
    write_cells(data / "cells.h5ad")
    write_vcf(data / "all.vcf")
    (data / "sets.gmt").write_text(f"{SET}\t$(touch x)\t" + "\t".join(GENES[4:14]) + "\n")
    sheet = {
        "name": "hostile",
        "config": "settings.yaml",
        "cells": {
            **{"path": "cells.h5ad", "sample": "sample"},
            **{"cell_type": "type", "batch": "pool"},
        },
        "samples": [
            {
                "id": id,
                "donor": donor(number),
                "phenotypes": {PHENOTYPE: number % 7},
                "covariates": {"%s $(touch x) $v_{$": ["NA-", "-1", "{x}"][number % 3]},
            }
            for number, id in enumerate(IDS)
        ],
        "phenotypes": {PHENOTYPE: {"type": "continuous", "description": "<b>{x}</b> $(touch x)"}},
        "covariates": {"%s $(touch x) $v_{$": "categorical"},
        "gene_sets": {"K": {"gmt": "sets.gmt"}, f"{SET}2": {"genes": GENES[10:20]}},
        "variants": {
            "path": "all.vcf",
            "samples": {id: donor(number) for number, id in enumerate(IDS)},
        },
    }
    (data / "settings.yaml").write_text(yaml.safe_dump(SETTINGS))
    (data / "sheet.yaml").write_text(yaml.safe_dump(sheet, allow_unicode=True), encoding="utf-8")
    before = listing(data)
    run = ["--config", "cohort=../../sheet.yaml"]
    status, output = snakemake(clone, "--cores", "2", *run)
    assert status == 0, output
    status, output = snakemake(clone, "--report", "results/hostile/report.zip", *run)
    assert status == 0, output
    new = {path.relative_to("inner/clone") for path in listing(data) - before}
    assert {path.parts[0] for path in new} == {"results", "logs"}
    # Nothing was executed, and on no file system do two files take the same place.
    assert "x" not in {path.name for path in new}
    assert not any(path.name.startswith("-") for path in new)
    assert len({str(path).casefold() for path in new}) == len(new)
    return clone


@pytest.fixture(scope="module")
def results(clone) -> Path:
    return clone / "results" / "hostile"


def test_tables_hold_the_names_themselves(results):
    of_type = results / safe_name(CELL_TYPE)
    of_phenotype = of_type / "associations" / safe_name(PHENOTYPE)
    columns = {
        results / "samples.tsv": {"sample": IDS, "donor": map(donor, range(len(IDS)))},
        results / "bins.tsv": {"sample": IDS, "cell_type": [CELL_TYPE]},
        of_phenotype / "gene_sets.tsv": {"gene_set": ["MT", SET, f"{SET}2"]},
        of_phenotype / "centrality.tsv": {"gene": GENES},
        results / "findings.tsv": {"phenotype": [PHENOTYPE, "(wiring of complexes)"]},
    }
    for path, expected in columns.items():
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        ours = read_table(path, text=["phenotype"])
        plain = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        for column, names in expected.items():
            names = set(names)
            assert {row[column] for row in rows} == names, path
            assert set(ours[column]) == names
            assert set(plain[column]) == names
    pairs = read_table(of_type / "map" / "shared" / "kernel.tsv")
    assert set(pairs["sample1"]) | set(pairs["sample2"]) == set(IDS)
    assert set(pd.read_parquet(of_type / "networks" / "shared" / "edges.parquet")["sample"]) == set(
        IDS
    )


def test_files_for_other_tools(results):
    networks = results / safe_name(CELL_TYPE) / "networks" / "shared"
    cohort = ad.read_h5ad(networks / "cohort.h5ad")
    assert list(cohort.obs_names) == sorted(IDS)
    assert PHENOTYPE in cohort.obs
    assert len(list(networks.glob("*.graphml"))) == len(IDS)
    for id in IDS:
        path = networks / f"{safe_name(id)}.graphml"
        graph = igraph.Graph.Read_GraphML(str(path))
        assert set(graph.vs["name"]) == set(GENES)
        assert len(networkx.read_graphml(path).edges) == graph.ecount()
    record = json.loads((results / "cohort.json").read_text(encoding="utf-8"))
    assert record["samples_kept"] == {CELL_TYPE: sorted(IDS)}


def test_genotypes_are_those_of_the_donors(results):
    genotypes = read_genotypes_h5ad(results / "variants" / "genotypes.h5ad")
    rows = dict(zip(genotypes.samples, genotypes.dosage.tolist(), strict=True))
    assert set(rows) == set(IDS)
    for first, second in zip(IDS[::2], IDS[1::2], strict=False):
        assert rows[first] == rows[second]


def test_the_report_escapes_names(results):
    with zipfile.ZipFile(results / "report.zip") as report:
        assert all(".." not in Path(name).parts for name in report.namelist())
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "<i>" not in page
    assert "&lt;i&gt;" in page
