"""The paper's sheets plan the jobs that they should, on stand-ins for their data."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from popnet.files import read_table

GENES = ["MT-ND1", "MT-CO1", "ACTB", "GAPDH"]
SMALL = "bins: {size: 10}\ntraining: {bins_per_job: 3}\n"
ONCE = ["list_excluded", "record_cohort", "correct_study", "summarise_findings", "default"]
ONCE += ["describe_samples", "resolve_phenotype", "resolve_gene_sets"]
PER_TYPE = ["select_genes", "prepare_expression", "find_programmes", "gather_losses"]
PER_TYPE += ["draw_quality", "draw_networks", "draw_training"]
CONTROLS = ["make_expression_design", "associate_expression"]
PER_NETWORK = ["gather_networks", "map_networks", "export_networks", "count_connectivity"]
PER_NETWORK += ["gather_map_tests"]
# Both sheets have one phenotype.
PER_TYPE += ["associate_programmes", "draw_associations"]
PER_NETWORK += ["associate_centrality", "associate_graph_centrality", "enrich_gene_sets"]
PER_NETWORK += ["associate_edges", "associate_connectivity", "associate_consensus"]
PER_NETWORK += ["make_design", "associate_map"]
TABLES = ["programmes", "centrality", "graph_centrality", "gene_sets", "edges", "components"]
TABLES += ["connectivity", "consensus"]


def write_cells(path, obs: pd.DataFrame, layer: str | None = None) -> None:
    counts = np.random.default_rng(0).poisson(2, (len(obs), len(GENES))).astype(np.float32)
    obs.index = [f"cell{number}" for number in range(len(obs))]
    layers = {layer: counts} if layer else {}
    X = np.log1p(counts) if layer else counts
    ad.AnnData(X, obs=obs, var=pd.DataFrame(index=GENES), layers=layers).write_h5ad(path)


@pytest.fixture
def plan_study(snakemake, plan):
    """A function that cuts a sheet's bins; returns them, the jobs left, and those of `tune`."""

    def study(clone, sheet: str) -> tuple[pd.DataFrame, dict[str, int], dict[str, int]]:
        (clone / "small.yaml").write_text(SMALL)
        arguments = ["--configfile", "small.yaml"]
        arguments += ["--config", f"cohort=config/cohorts/{sheet}.yaml"]
        status, output = snakemake(clone, "--cores", "1", "--until", "plan_bins", *arguments)
        assert status == 0, output
        bins = read_table(clone / "results" / sheet / "bins.tsv")
        return bins, plan(clone, *arguments), plan(clone, "tune", *arguments)

    return study


def expected(n_types: int, n_trained: int, preset: str) -> dict[str, int]:
    n_networks = 3 if preset == "robust" else 1
    jobs = dict.fromkeys(ONCE, 1) | dict.fromkeys(PER_TYPE, n_types)
    jobs |= dict.fromkeys(PER_NETWORK, n_types * n_networks) | {"train_sivae": n_trained}
    if preset == "robust":
        jobs |= dict.fromkeys(("match_depth", "measure_reliability"), n_types)
        jobs |= dict.fromkeys(CONTROLS, n_types)
        return jobs | {"train_shared": 3 * n_types, "gather_tests": n_types * len(TABLES)}
    # The paper has neither programmes nor components.
    jobs |= {"gather_tests": n_types * (len(TABLES) - 2)}
    return {name: n for name, n in jobs.items() if not name.endswith("_programmes")}


def expected_of_tune(n_types: int, n_bins: int, preset: str) -> dict[str, int]:
    per_type = ["select_genes", "prepare_expression", "gather_tuning", "draw_tuning"]
    per_type += ["match_depth"] * (preset == "robust")
    return dict.fromkeys(per_type, n_types) | {"tune_sivae": n_bins, "tune": 1}


def test_neurdiff(copy_clone, plan_study, shared_data):
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

    bins, jobs, tuning = plan_study(clone, "neurdiff")
    of_type = bins.groupby("cell_type")["sample"].value_counts()
    assert of_type["FPP"].to_dict() == dict.fromkeys(lines, 2)
    assert of_type["P_FPP"].to_dict() == dict.fromkeys(lines[:3], 1)
    # 12 bins and 3 bins, three to a job.
    assert jobs == expected(2, 4 + 1, "paper")
    # Four bins, or all three.
    assert tuning == expected_of_tune(n_types=2, n_bins=4 + 3, preset="paper")


def test_dementia(copy_clone, plan_study):
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

    bins, jobs, tuning = plan_study(clone, "dementia")
    assert len(bins) == 6 * len(types)
    assert jobs == expected(5, 5 * 2, "robust")
    assert tuning == expected_of_tune(n_types=5, n_bins=5 * 4, preset="robust")
