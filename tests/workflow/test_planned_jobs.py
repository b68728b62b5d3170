"""The paper's sheets plan the jobs that they should, on stand-ins for their data."""

from __future__ import annotations

import json
from itertools import pairwise

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml

from popnet.files import read_table

GENES = ["MT-ND1", "MT-CO1", "ACTB", "GAPDH"]
SMALL = "bins: {size: 10}\ntraining: {bins_per_job: 3}\n"
ONCE = [
    "list_excluded",
    "record_cohort",
    "correct_study",
    "summarise_findings",
    "write_report",
    "write_crate",
    "default",
]
ONCE += ["describe_samples", "resolve_phenotype", "resolve_gene_sets"]
PER_TYPE = ["select_genes", "prepare_expression", "find_programmes", "name_programmes"]
PER_TYPE += ["gather_losses"]
PER_TYPE += ["draw_quality", "draw_networks", "draw_training"]
MEASURES = ("measure_expression", "gather_measures")
CONTROLS = ["make_expression_design", "associate_expression"]
CONTROLS += ["find_states", "associate_composition"]
PER_NETWORK = ["gather_networks", "map_networks", "export_networks", "count_connectivity"]
PER_NETWORK += ["gather_map_tests"]
# Both sheets have one phenotype.
PER_TYPE += ["associate_programmes", "draw_associations", "draw_edges", "view_networks"]
MODULES = ["name_modules", "associate_modules", "preserve_modules"]
PER_NETWORK += ["associate_centrality", "associate_graph_centrality", "enrich_gene_sets"]
PER_NETWORK += ["associate_edges", "associate_connectivity", "associate_consensus"]
PER_NETWORK += ["make_design", "associate_map"]
TABLES = [
    "programmes",
    "modules",
    "centrality",
    "graph_centrality",
    "gene_sets",
    "edges",
    "components",
]
TABLES += ["connectivity", "consensus", "genes_in_groups"]


def write_cells(path, obs: pd.DataFrame, layer: str | None = None) -> None:
    counts = np.random.default_rng(0).poisson(2, (len(obs), len(GENES))).astype(np.float32)
    obs.index = [f"cell{number}" for number in range(len(obs))]
    layers = {layer: counts} if layer else {}
    X = np.log1p(counts) if layer else counts
    ad.AnnData(X, obs=obs, var=pd.DataFrame(index=GENES), layers=layers).write_h5ad(path)


@pytest.fixture
def plan_study(snakemake, plan):
    """A function that cuts a sheet's bins; returns them, the jobs left, and those of `tune`."""

    def study(clone, sheet: str, tune: bool = True) -> tuple:
        (clone / "small.yaml").write_text(SMALL)
        arguments = ["--configfile", "small.yaml"]
        arguments += ["--config", f"cohort=config/cohorts/{sheet}.yaml"]
        status, output = snakemake(clone, "--cores", "1", "--until", "plan_bins", *arguments)
        assert status == 0, output
        bins = read_table(clone / "results" / sheet / "bins.tsv")
        planned = bins, plan(clone, *arguments)
        return (*planned, plan(clone, "tune", *arguments)) if tune else planned

    return study


def expected(n_types: int, n_trained: int, preset: str) -> dict[str, int]:
    n_networks = 3 if preset == "robust" else 1
    jobs = dict.fromkeys(ONCE, 1) | dict.fromkeys(PER_TYPE, n_types)
    jobs |= dict.fromkeys(PER_NETWORK, n_types * n_networks) | {"train_sivae": n_trained}
    if preset == "robust":
        jobs |= dict.fromkeys(("match_depth", *MEASURES, "train_again"), n_types)
        jobs |= {"measure_network": n_types * n_networks, "compare_seeds": n_types * 2}
        jobs |= dict.fromkeys(MODULES, n_types * n_networks)
        jobs |= {"find_genes_in_groups": n_types * n_networks}
        jobs |= dict.fromkeys([*CONTROLS, "draw_modules"], n_types)
        if n_types > 1:
            jobs |= {"compare_cell_types": n_networks, "gather_cell_types": 1}
            jobs |= {"compare_expression_of_cell_types": 1}
            jobs |= dict.fromkeys(("weigh_modules", "compare_modules"), n_types * n_networks)
        return jobs | {"train_shared": 3 * n_types, "gather_tests": n_types * len(TABLES)}
    # The paper has no programmes, modules, genes within these, or components.
    jobs |= {"gather_tests": n_types * (len(TABLES) - 4)}
    return {name: n for name, n in jobs.items() if not name.endswith("_programmes")}


def expected_of_tune(n_types: int, n_bins: int, preset: str) -> dict[str, int]:
    per_type = ["select_genes", "prepare_expression", "gather_tuning", "draw_tuning"]
    per_type += ["match_depth"] * (preset == "robust")
    return dict.fromkeys(per_type, n_types) | {"tune_sivae": n_bins, "tune": 1}


def test_neurdiff(copy_clone, plan_study, plan, shared_data):
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
    # Without a size, jobs are small unless training is given a GPU.
    (clone / "auto.yaml").write_text("bins: {size: 10}\n")
    arguments = ["--configfile", "auto.yaml", "--config", "cohort=config/cohorts/neurdiff.yaml"]
    assert plan(clone, *arguments)["train_sivae"] == 3 + 1
    asked = ["--set-resources", "train_sivae:gres=gpu:1"]
    assert plan(clone, *arguments, *asked)["train_sivae"] == 2
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


def write_own(folder) -> None:
    """Write a sheet of own networks alone, of edges and of values of genes, and its tables."""
    ids = [f"donor {number}" for number in range(6)]
    edges = [(id, one, two, 0.5) for id in ids for one, two in pairwise(GENES)]
    columns = ["sample", "gene1", "gene2", "weight"]
    pd.DataFrame(edges, columns=columns).to_parquet(folder / "net.parquet")
    values = [(id, gene, 1.0) for id in ids for gene in GENES]
    values = pd.DataFrame(values, columns=["sample", "gene", "value"])
    values.to_csv(folder / "values.tsv", sep="\t", index=False)
    sheet = {
        "name": "own",
        "samples": [{"id": id, "phenotypes": {"age": age}} for age, id in enumerate(ids)],
        "phenotypes": {"age": {"type": "continuous"}},
        "own_networks": {"net": {"path": "net.parquet"}, "tf": {"path": "values.tsv"}},
    }
    (folder / "config/cohorts/own.yaml").write_text(yaml.safe_dump(sheet, sort_keys=False))
    for name in ("net.parquet", "values.tsv"):
        (folder / name).rename(folder / "config/cohorts" / name)


def test_own_networks_alone(copy_clone, plan_study, plan):
    clone = copy_clone("own")
    write_own(clone)
    bins, jobs = plan_study(clone, "own", tune=False)
    assert len(bins) == 6
    drawn = ["draw_quality", "draw_networks", "draw_associations", "draw_edges", "view_networks"]
    expected = dict.fromkeys([*ONCE, *drawn], 1)
    of_values = ["map_networks", "export_networks", "gather_map_tests", "make_design"]
    of_values += ["measure_network", "associate_map", "associate_centrality", "enrich_gene_sets"]
    per_network = {name: 1 for name in PER_NETWORK if name != "gather_networks"}
    expected |= per_network | dict.fromkeys(of_values, 2)
    expected |= {"gather_measures": 1, "find_genes_in_groups": 2}
    # Without a shared model there are no programmes, and without weights of all pairs no modules.
    expected |= {"gather_own_network": 1, "gather_own_values": 1, "gather_tests": len(TABLES) - 2}
    assert jobs == expected

    sheet = clone / "config/cohorts/own.yaml"
    changed = yaml.safe_load(sheet.read_text())
    for number, sample in enumerate(changed["samples"]):
        sample["phenotypes"] = {"stage": ["early", "mid", "late"][number % 3]}
    contrasts = {"mid_vs_early": ["mid", "early"], "late_vs_early": ["late", "early"]}
    changed["phenotypes"] = {"stage": {"type": "categorical", "contrasts": contrasts}}
    sheet.write_text(yaml.safe_dump(changed))
    arguments = ["--configfile", "small.yaml", "--config", f"cohort={sheet}"]
    jobs = plan(clone, *arguments)
    assert {name: n for name, n in jobs.items() if "levels" in name} == {
        "associate_levels": 2,
        "gather_levels": 1,
    }
    assert jobs["associate_centrality"] == 4


def test_a_table_with_a_fault_stops_the_plan(copy_clone, snakemake):
    clone = copy_clone("faulty")
    write_own(clone)
    path = clone / "config/cohorts/values.tsv"
    path.write_text(path.read_text() + "donor 1\tACTB\t2.0\nsomeone\tACTB\t1.0\n")
    status, output = snakemake(clone, "-n", "--config", "cohort=config/cohorts/own.yaml")
    assert status
    assert "1 samples of the table are not in the sheet: 'someone'" in output
    assert not (clone / "results").exists()


def test_meta_makes_nothing_of_a_study_anew(clone, plan, snakemake, tmp_path):
    """One of the studies is that of the sheet, which would need all its jobs."""
    for name, donor in (("demo", "a"), ("other", "b")):
        folder = tmp_path / "results" / name
        tests = folder / "progenitor" / "associations" / "efficiency" / "correlation"
        tests.mkdir(parents=True)
        sections = {section: {} for section in ("bins", "genes", "networks", "sivae")}
        record = {"cohort": name, "preset": "robust", "config": sections}
        record |= {"versions": {"popnet": "0.1.0"}, "bins": {"progenitor": 1}}
        (folder / "cohort.json").write_text(json.dumps(record))
        (folder / "samples.tsv").write_text(f"sample\tdonor\n{name}\t{donor}\n")
        for file in ("centrality.tsv", "design.npz"):
            (tests / file).touch()
        (folder / "study" / "phenotypes").mkdir(parents=True)
        header = "sample\tdonor\tbatch\tefficiency\n"
        (folder / "study" / "phenotypes" / "efficiency.tsv").write_text(header)
    studies = "meta={studies: [results/demo, results/other]}"
    run = ["--snakefile", str(clone / "Snakefile"), "--config", studies]
    run += [f"cohort={clone / 'config' / 'cohorts' / 'demo.yaml'}"]
    wanted = {"combine_studies": 1, "summarise_meta": 1, "draw_meta": 1, "meta": 1}
    assert plan(tmp_path, *run, "--", "meta") == wanted

    (tmp_path / "results" / "other" / "samples.tsv").write_text("sample\tdonor\ndemo\ta\n")
    status, output = snakemake(tmp_path, "-n", *run, "--", "meta")
    assert status
    assert "Both studies have the donors 'a': they are not independent" in output
