"""The paper's sheets plan the jobs that they should, on stand-ins for their data."""

from __future__ import annotations

import csv
import re

import anndata as ad
import numpy as np
import pandas as pd

GENES = ["MT-ND1", "MT-CO1", "ACTB", "GAPDH"]
JOBS = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)
SMALL = "bins: {size: 10}\ntraining: {bins_per_job: 3}\n"
PER_TYPE = {"select_genes", "prepare_expression", "gather_networks", "map_networks"} | {
    *("export_networks", "draw_quality", "draw_networks")
}
PER_PHENOTYPE = {"associate_centrality", "enrich_gene_sets", "test_edges", "draw_associations"}


def write_cells(path, obs: pd.DataFrame, layer: str | None = None) -> None:
    counts = np.random.default_rng(0).poisson(2, (len(obs), len(GENES))).astype(np.float32)
    obs.index = [f"cell{number}" for number in range(len(obs))]
    layers = {layer: counts} if layer else {}
    X = np.log1p(counts) if layer else counts
    ad.AnnData(X, obs=obs, var=pd.DataFrame(index=GENES), layers=layers).write_h5ad(path)


def planned_after_the_checkpoint(clone, snakemake, sheet: str) -> tuple[list[dict], dict[str, int]]:
    """Cut the bins of a sheet; return them and how many jobs of each rule are left to do."""
    (clone / "small.yaml").write_text(SMALL)
    arguments = ["--configfile", "config/config.yaml", "small.yaml"]
    arguments += ["--config", f"cohort=config/cohorts/{sheet}.yaml"]
    status, output = snakemake(clone, "--cores", "1", "--until", "plan_bins", *arguments)
    assert status == 0, output
    with (clone / "results" / sheet / "bins.tsv").open(newline="") as table:
        bins = list(csv.DictReader(table, delimiter="\t"))
    status, output = snakemake(clone, "-n", *arguments)
    assert status == 0, output
    return bins, {name: int(count) for name, count in JOBS.findall(output)}


def expected(n_types: int, n_trained: int) -> dict[str, int]:
    jobs = dict.fromkeys(PER_TYPE | PER_PHENOTYPE, n_types)
    jobs |= {"train_sivae": n_trained, "record_cohort": 1, "draw_cells": 1, "default": 1}
    return jobs | {"total": sum(jobs.values())}


def test_neurdiff(copy_clone, snakemake, shared_data):
    clone = copy_clone("neurdiff")
    data = clone / "data"
    data.mkdir()
    name = "jerber2021_predDopaminergic_full.csv"
    (data / name).write_bytes((shared_data / name).read_bytes())
    (data / "c2.cp.kegg.gmt").write_text("KEGG_A\t-\tACTB\tGAPDH\n")
    table = pd.read_csv(data / name, encoding="utf-8-sig")
    lines = table.loc[table["diff_efficiency"].notna(), "donor_id"].tolist()[:6]
    # 24 FPP cells of each line, 14 P_FPP cells of the first three, and what the filters drop.
    parts = [
        (line, cell_type, time, treatment, n)
        for number, line in enumerate([*lines, "a line that the table lacks"])
        for cell_type, time, treatment, n in (
            ("FPP", "D11", "NONE", 24),
            ("P_FPP", "D11", "NONE", 14 if number < 3 else 4),
            ("FPP", "D30", "NONE", 30),
            ("FPP", "D11", "ROT", 30),
            ("NB", "D11", "NONE", 30),
        )
    ]
    columns = ["donor_id", "celltype", "time_point", "treatment"]
    obs = pd.DataFrame([part[:4] for part in parts for _ in range(part[4])], columns=columns)
    write_cells(data / "D11.h5ad", obs.assign(pool_id="pool1"))

    bins, jobs = planned_after_the_checkpoint(clone, snakemake, "neurdiff")
    of_type = pd.DataFrame(bins).groupby("cell_type")["sample"].value_counts()
    assert of_type["FPP"].to_dict() == dict.fromkeys(lines, 2)
    assert of_type["P_FPP"].to_dict() == dict.fromkeys(lines[:3], 1)
    # 12 bins and 3 bins, three to a job.
    assert jobs == expected(n_types=2, n_trained=4 + 1)


def test_dementia(copy_clone, snakemake):
    clone = copy_clone("dementia")
    data = clone / "data"
    data.mkdir()
    (data / "c2.cp.kegg.gmt").write_text("KEGG_A\t-\tACTB\tGAPDH\n")
    types = ["L2/3 IT", "L4 IT", "L5 IT", "Oligodendrocyte", "Vip"]
    rows = [
        (f"H20.33.{donor:03d}", cell_type, ["Dementia", "No dementia"][donor % 2], "Female")
        for donor in range(6)
        for cell_type in types
        for _ in range(10)
    ]
    columns = ["Donor ID", "Subclass", "Cognitive Status", "Sex"]
    reference = pd.DataFrame([("H18", "Vip", "Reference", "Male")] * 10, columns=columns)
    obs = pd.concat([pd.DataFrame(rows, columns=columns), reference], ignore_index=True)
    write_cells(data / "SEAAD_MTG_RNAseq_final-nuclei.h5ad", obs, layer="UMIs")

    bins, jobs = planned_after_the_checkpoint(clone, snakemake, "dementia")
    assert len(bins) == 6 * len(types)
    assert jobs == expected(n_types=5, n_trained=5 * 2)
