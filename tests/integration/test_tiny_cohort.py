"""A tiny cohort of 10x files and hostile names, with the paper's preset, from end to end."""

from __future__ import annotations

import gzip
import json

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse
from scipy.io import mmwrite

from popnet.files import read_table
from popnet.names import safe_name

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CELLS, BIN, N_BINS, SEEDS = 65, 30, 2, 2
GENES = ["MT-ND1", "MT-CO1", "MT-CO2", "MT-CYB", *(f"GENE{number}" for number in range(56))]
IDS = ['it"s; $(touch x)', "a `touch x` 'b'", "007", "../up", "{sample}", "Ä+|*?"]
STATUS = "ill; {yes} / no?"

SETTINGS = {
    "preset": "paper",
    "bins": {"size": BIN},
    "genes": {"cohort": 40, "sample": 5},
    "sivae": {"latent": 4, "hidden": [16], "steps": [20, 20, 20], "minibatch": 16},
    "training": {"bins_per_job": 5, "seeds": SEEDS},
    "networks": {"closest": 0.05, "central_genes": "all", "neighbours": 5},
    "statistics": {"permutations": 100},
}


def write_h5(path, counts: sparse.csc_matrix) -> None:
    """Write genes x cells as Cell Ranger 3 does, with an antibody that is no gene."""
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(counts, name)
        group["shape"] = np.array(counts.shape)
        group["barcodes"] = [f"CELL{number}-1".encode() for number in range(counts.shape[1])]
        kinds = ["Gene Expression"] * len(GENES) + ["Antibody Capture"]
        names = [*GENES, "CD3"]
        group["features/id"] = [f"ID{name}".encode() for name in names]
        group["features/name"] = [name.encode() for name in names]
        group["features/feature_type"] = [kind.encode() for kind in kinds]


def write_folder(path, counts: sparse.csc_matrix) -> None:
    path.mkdir()
    with gzip.open(path / "matrix.mtx.gz", "wb") as file:
        mmwrite(file, counts[: len(GENES)], field="integer")
    features = [f"ID{name}\t{name}\tGene Expression\n" for name in GENES]
    barcodes = [f"CELL{number}-1\n" for number in range(counts.shape[1])]
    for name, lines in (("features", features), ("barcodes", barcodes)):
        with gzip.open(path / f"{name}.tsv.gz", "wt") as file:
            file.writelines(lines)


def draw_counts(rng) -> sparse.csc_matrix:
    """Return counts, genes x cells."""
    rate = np.exp(rng.normal(0.5, 0.7, (len(GENES) + 1, 1)) + rng.normal(0, 0.4, (1, CELLS)))
    return sparse.csc_matrix(rng.poisson(rate).astype(np.int32))


@pytest.fixture(scope="module")
def clone(copy_clone, snakemake):
    """A clone in which the cohort has run."""
    clone = copy_clone("tiny")
    data = clone / "data"
    data.mkdir()
    rng = np.random.default_rng(0)
    samples = []
    for number, id in enumerate(IDS):
        counts = draw_counts(rng)
        path = data / (f"sample {number}.h5" if number % 2 else f"sample {number}")
        (write_h5 if number % 2 else write_folder)(path, counts)
        label = ["no; $(touch x)", "yes"][number % 2]
        samples.append({"id": id, "path": f"../../data/{path.name}", "phenotypes": {STATUS: label}})
    phenotype = {"type": "binary", "case": "yes", "control": "no; $(touch x)"}
    sheet = {
        "name": "tiny",
        "description": "Text with <b>, {cohort} and $(touch x)",
        "config": "../tiny.yaml",
        "cells": {},
        "samples": samples,
        "phenotypes": {STATUS: phenotype},
        "gene_sets": {"one; two": {"genes": GENES[4:16]}},
    }
    (clone / "config" / "tiny.yaml").write_text(yaml.safe_dump(SETTINGS))
    (clone / "config" / "cohorts" / "tiny.yaml").write_text(
        yaml.safe_dump(sheet, allow_unicode=True), encoding="utf-8"
    )
    before = files(clone)
    run = ["--config", "cohort=config/cohorts/tiny.yaml"]
    status, output = snakemake(clone, "--cores", "2", *run)
    assert status == 0, output
    new = files(clone) - before
    assert {path.parts[0] for path in new} == {"results", "logs"}
    assert "x" not in {path.name for path in new}
    return clone


def files(clone) -> set:
    """Return the files in the clone but what Snakemake and Python keep for themselves."""
    found = {path.relative_to(clone) for path in clone.rglob("*") if path.is_file()}
    return {path for path in found if not {".snakemake", "__pycache__"} & set(path.parts)}


@pytest.fixture(scope="module")
def results(clone):
    assert [path.name for path in (clone / "results").iterdir()] == ["tiny"]
    return clone / "results" / "tiny"


def test_bins_and_models(results):
    bins = read_table(results / "bins.tsv")
    assert bins.groupby("sample")["bin"].apply(list).to_dict() == {id: [1, 2] for id in IDS}
    assert set(bins["cell_type"]) == {"all"}
    trained = pd.concat([read_table(path) for path in (results / "all/training").glob("*.tsv")])
    assert (trained["status"] == "trained").all()
    assert trained.groupby(["sample", "bin"])["repeat"].apply(list).to_list() == [
        [1, 2] for _ in range(len(IDS) * N_BINS)
    ]
    assert len(list((results / "all" / "models").iterdir())) == len(IDS) * N_BINS * SEEDS


def test_networks_are_means_over_seeds(results):
    networks = results / "all" / "networks" / "sivae"
    reliability = read_table(networks / "reliability.tsv")
    assert reliability["icc_seeds"].notna().all()
    assert (reliability["n_repeats"] == SEEDS).all()
    assert (reliability["n_bins"] == len(IDS) * N_BINS).all()
    assert set(pd.read_parquet(networks / "bin_edges.parquet")["share"]) <= {0.5, 1}
    assert set(pd.read_parquet(networks / "edges.parquet")["share"]) <= {0.25, 0.5, 0.75, 1}


def test_names(results):
    cohort = ad.read_h5ad(results / "all" / "networks" / "sivae" / "cohort.h5ad")
    assert set(cohort.obs_names) == set(IDS)
    assert set(cohort.obs[STATUS]) == {"yes", "no; $(touch x)"}
    assert "CD3" not in cohort.var_names
    for id in IDS:
        assert (results / "all" / "networks" / "sivae" / f"{safe_name(id)}.graphml").exists()
    record = json.loads((results / "cohort.json").read_text(encoding="utf-8"))
    assert record["samples_kept"]["all"] == sorted(IDS)


def test_bins_are_the_units(results):
    folder = results / "all" / "associations" / safe_name(STATUS)
    table = read_table(folder / "centrality.tsv")
    assert set(table["n_units"]) == {len(IDS) * N_BINS}
    assert table["p"].between(0, 1).all()
    sets = read_table(folder / "gene_sets.tsv")
    assert {"MT", "one; two"} <= set(sets["gene_set"])
    assert not (results / "variants").exists()
    findings = read_table(results / "findings.tsv")
    # Nothing is permuted between bins.
    assert set(findings["permuted_phenotypes"]) == {0}
    assert findings["by_chance"].isna().all()


def test_figures(results):
    figures = list((results / "figures").rglob("*.png"))
    assert len(figures) == 7 + 9


def test_a_sample_that_is_added_trains_nothing_else_again(clone, results, snakemake):
    folder = results / "all"
    models = {path: path.read_bytes() for path in (folder / "models").iterdir()}
    stamps = {path: path.stat().st_mtime_ns for path in models}
    genes = (folder / "genes.tsv").read_bytes()
    write_h5(clone / "data" / "later.h5", draw_counts(np.random.default_rng(1)))
    path = clone / "config" / "cohorts" / "tiny.yaml"
    sheet = yaml.safe_load(path.read_text(encoding="utf-8"))
    later = {"id": "A later", "path": "../../data/later.h5", "phenotypes": {STATUS: "yes"}}
    # First, so that every job has other bins than before.
    sheet["samples"].insert(0, later)
    path.write_text(yaml.safe_dump(sheet, allow_unicode=True), encoding="utf-8")
    run = ["--config", "cohort=config/cohorts/tiny.yaml"]
    degree = folder / "networks" / "sivae" / "degree.tsv"
    status, output = snakemake(clone, "--cores", "2", str(degree.relative_to(clone)), *run)
    assert status == 0, output
    assert "A later" in read_table(degree).columns
    assert (folder / "genes.tsv").read_bytes() == genes
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert len(list((folder / "models").iterdir())) == len(models) + N_BINS * SEEDS

    (folder / "genes.tsv").unlink()
    target = str((folder / "genes.tsv").relative_to(clone))
    status, output = snakemake(clone, "--cores", "1", target, *run)
    assert status == 0, output
    assert (folder / "genes.tsv").read_bytes() != genes
