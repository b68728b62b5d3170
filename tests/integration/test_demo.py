"""The demo from its sheet to its report: what was planted is found, and little else."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import anndata as ad
import igraph
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from popnet.cli import main
from popnet.files import read_table
from popnet.findings.agreement import compare, differing_settings
from popnet.names import safe_name

pytestmark = [pytest.mark.integration, pytest.mark.slow]

FDR = 0.05
PHENOTYPES = ["efficiency", "outcome", "shuffled"]
AWKWARD = ["SIM 12+", "SIM-07|a", "SIM-09|b"]
WITHOUT_BINS = "SIM-07|b"
TITLES = [
    *("Cells and bins", "Sequencing depth"),
    *("Reliability of centrality", "Hub genes", "Similarity of samples", "Map of networks"),
    *("Modules and phenotypes", "Effects and P values", "Centrality and expression"),
    *("P values against chance", "Degree centrality", "Gene sets", "Edges of mitochondrial genes"),
    *("Networks of a gene set", "Connectivity of a gene set"),
    *("Variants per mtDNA gene", "Single mtDNA variants"),
]


@pytest.fixture(scope="session")
def demo(copy_clone, snakemake) -> Path:
    """A clone in which the demo has run."""
    clone = copy_clone("demo")
    status, output = snakemake(clone, "--cores", "2")
    assert status == 0, output
    (clone / "demo.log").write_text(output)
    return clone


@pytest.fixture(scope="session")
def results(demo) -> Path:
    return demo / "results" / "demo"


@pytest.fixture(scope="session")
def truth(results) -> dict:
    return json.loads((results / "simulated" / "truth.json").read_text())


def association(results: Path, phenotype: str, name: str, network: str = "shared") -> pd.DataFrame:
    table = read_table(results / "progenitor" / "associations" / phenotype / f"{name}.tsv")
    return table[table["network"] == network].reset_index(drop=True)


def test_centrality_of_mt_genes_falls(results, truth):
    table = association(results, "efficiency", "centrality").set_index("gene")
    mt = table.loc[list(truth["connectivity"]["complexes"])]
    found = mt[(mt["q"] <= FDR) & (mt["statistic"] < 0)]
    assert len(mt) == 13
    assert len(found) >= 10
    assert (found["mean_q"] > FDR).all()
    assert (found["explained_by"] == "none").all()
    # Most of what is found was planted.
    assert len(found) >= 0.8 * (table["q"] <= FDR).sum()
    binary = association(results, "outcome", "centrality").set_index("gene").loc[found.index]
    assert (np.sign(binary["statistic"]) == 1).all()  # Cases are those that failed.


def test_edges_between_complexes_fall(results, truth):
    for phenotype, sign in ((truth["phenotype"], -1), (truth["binary_phenotype"], 1)):
        table = association(results, phenotype, "connectivity")
        table = table[table["gene_set"] == "MT"].set_index("kind")
        between = table.loc["between_complexes"]
        assert between["q"] <= FDR
        assert np.sign(between["statistic"]) == sign
        means = table[["mean_case", "mean_control"]]
        left = means.min(axis=1) / means.max(axis=1)
        assert left["between_complexes"] < min(0.25, 0.5 * left["within_complexes"])
        edges = association(results, phenotype, "edges").query("gene_set == 'MT'")
        between = edges[edges["relation"] == "between"]
        complexes = truth["connectivity"]["complexes"]
        assert all(complexes[edge.gene1] != complexes[edge.gene2] for edge in between.itertuples())
        assert between["agrees"].mean() > 0.8
        assert (np.sign(between["statistic"]) == sign).all()


def test_the_wiring_that_was_planted_is_found_and_little_else(results, truth):
    """Both by the model and by plain correlation, which finds no more of it."""
    genes = set(truth["connectivity"]["complexes"])
    for phenotype in (truth["phenotype"], truth["binary_phenotype"]):
        found = {}
        for network in ("shared", "correlation"):
            edges = association(results, phenotype, "edges", network).query("gene_set == 'all'")
            planted = edges["gene1"].isin(genes) & edges["gene2"].isin(genes)
            found[network] = (planted & edges["agrees"]).sum()
            assert planted.sum() == len(genes) * (len(genes) - 1) / 2
            if network == "shared":
                none = ~edges["gene1"].isin(genes) & ~edges["gene2"].isin(genes)
                assert (none & edges["agrees"]).sum() <= 0.05 * edges["agrees"].sum()
        assert found["shared"] >= 70
        assert found["shared"] >= found["correlation"]
        programmes = association(results, phenotype, "programmes")
        best = programmes.loc[programmes["p"].idxmin()]
        assert best["kind"] == "variance"
        assert best["name1"].count("MT-") == 4
        assert best["q"] <= FDR


def test_the_report_says_what_a_network_is(results):
    page = (results / "report.html").read_text()
    assert "progenitor: the weight of an edge is how far the expression of two genes varies" in page
    assert re.search(r"Two bins of 200 cells of one sample share \d+% of their edges", page)


def test_rising_means_are_no_networks(results, truth):
    table = association(results, "efficiency", "centrality").set_index("gene")
    rising = table.loc[truth["mean_expression"]["genes"]]
    assert (rising["mean_statistic"] > 0).mean() > 0.9
    assert (rising["mean_q"] <= FDR).mean() > 0.7
    assert (rising["q"] <= FDR).sum() <= 1


def test_hubs_are_the_most_central_of_their_communities(results, truth):
    genes = read_table(results / "progenitor" / "networks" / "shared" / "centrality.tsv").set_index(
        "gene"
    )
    central = genes.mean(axis=1)
    for hub in truth["hubs"]:
        spokes = [spoke for end, spoke in truth["edges"] if end == hub and spoke in central]
        assert len(spokes) >= 10
        assert central[hub] > central[spokes].max()


def test_burdened_gene(results, truth):
    for phenotype in (truth["phenotype"], truth["binary_phenotype"]):
        table = read_table(results / "variants" / phenotype / "burden.tsv").set_index("gene")
        assert table["p"].idxmin() == truth["burden"]["gene"]
        assert table.loc[truth["burden"]["gene"], "q"] <= FDR
    assert "all" in table.index


def test_a_null_phenotype_finds_next_to_nothing(results, truth):
    null = truth["null_phenotype"]
    assert (association(results, null, "centrality")["q"] <= FDR).sum() <= 2
    assert (association(results, null, "connectivity")["q"] <= FDR).sum() == 0
    assert (association(results, null, "gene_sets")["q"] <= FDR).sum() == 0
    assert (association(results, null, "edges")["q"] <= FDR).sum() <= 2
    for name in ("burden", "single"):
        assert (read_table(results / "variants" / null / f"{name}.tsv")["q"] <= FDR).sum() == 0
    tests = read_table(results / "progenitor" / "map" / "shared" / "tests.tsv")
    # The kernel that findings are about: q spans one kernel.
    tests = tests[(tests["phenotype"] == null) & (tests["kernel"] == "edge_jaccard")]
    assert (tests["q"] <= FDR).sum() == 0


def test_the_map_follows_efficiency(results):
    tests = read_table(results / "progenitor" / "map" / "shared" / "tests.tsv")
    main = tests[(tests["phenotype"] == "efficiency") & (tests["kernel"] == "edge_jaccard")]
    assert main["q"].min() <= FDR


def test_sample_without_bins(results):
    excluded = read_table(results / "excluded.tsv").set_index("sample")
    assert "no bin" in excluded.loc[WITHOUT_BINS, "reason"]
    for name in ("bins.tsv", "progenitor/map/shared/coordinates.tsv"):
        assert WITHOUT_BINS not in set(read_table(results / name)["sample"])


def test_names_as_they_are(results):
    networks = results / "progenitor" / "networks" / "shared"
    for table in (
        read_table(results / "bins.tsv")["sample"],
        read_table(results / "samples.tsv")["sample"],
        read_table(results / "progenitor" / "map" / "shared" / "coordinates.tsv")["sample"],
        read_table(networks / "centrality.tsv").columns,
        pd.read_parquet(networks / "edges.parquet")["sample"].astype(str),
        ad.read_h5ad(networks / "cohort.h5ad").obs_names,
    ):
        assert set(AWKWARD) <= set(table)
    for path in results.rglob("*"):
        assert re.fullmatch(r"[\w.-]+", path.name) or "simulated" in path.parts, path


COLUMNS = {
    "bins.tsv": "cell_type sample bin n_cells batch",
    "excluded.tsv": "cell_type sample n_cells reason",
    "findings.tsv": "phenotype cell_type analysis by_chance most_by_chance permuted_phenotypes",
    "progenitor/genes.tsv": "gene",
    "progenitor/networks/shared/centrality.tsv": "gene",
    "progenitor/networks/shared/mean_expression.tsv": "gene",
    "progenitor/networks/shared/reliability.tsv": "gene icc n_samples n_bins icc_seeds n_repeats",
    "progenitor/networks/shared/edges.parquet": "sample gene1 gene2 weight share",
    "progenitor/map/shared/kernel.tsv": "kernel sample1 sample2 similarity",
    "progenitor/map/shared/coordinates.tsv": "kernel sample PC1 PC2 PC3 PC4",
    "progenitor/map/shared/tests.tsv": (
        "kernel test axis statistic p q n n_permutations adjusted_for"
    ),
    "progenitor/map/shared/reliability.tsv": "kernel icc donor_p",
    "progenitor/networks/shared/variance.tsv": "source share n_genes",
    "progenitor/associations/{phenotype}/shared/edges.null.tsv": "permutation tested significant",
    "associations.tsv": "cell_type phenotype gene p q p_family study_q study_p_family",
    "progenitor/associations/{phenotype}/shared/design.tsv": "item value",
    "progenitor/associations/{phenotype}/shared/covariates.tsv": "covariate statistic p vif note",
    "progenitor/associations/{phenotype}/graph_centrality.tsv": "gene measure statistic p q",
    "progenitor/associations/{phenotype}/centrality.tsv": (
        "gene statistic p q p_family mean_statistic mean_q dropout_statistic partial_statistic "
        "partial_p icc effect_low effect_high stable_share n_permutations explained_by"
    ),
    "progenitor/associations/{phenotype}/gene_sets.tsv": "gene_set es nes p q p_without_mt",
    "progenitor/associations/{phenotype}/edges.tsv": "network gene1 gene2 statistic p q agrees",
    "progenitor/networks/shared/programmes.tsv": "programme name gene_set found_by gene loading",
    "progenitor/associations/{phenotype}/programmes.tsv": "kind name1 name2 t p q",
    "progenitor/associations/{phenotype}/connectivity.tsv": "gene_set kind statistic p q n",
    "variants/{phenotype}/single.tsv": "variant statistic p q n",
    "variants/{phenotype}/burden.tsv": "gene statistic p q n",
}


@pytest.mark.parametrize(("name", "columns"), COLUMNS.items())
def test_tables(results, name, columns):
    for phenotype in PHENOTYPES if "{" in name else [""]:
        path = results / name.format(phenotype=phenotype)
        table = pd.read_parquet(path) if path.suffix == ".parquet" else read_table(path)
        assert set(columns.split()) <= set(table.columns)
        assert len(table)
        for value in ("p", "q", "icc", "weight"):
            if value in table:
                assert table[value].max() <= 1
        if {"p", "q"} <= set(table.columns):
            # What stands beside the tests of a map has no q.
            tested = table.dropna(subset=["p", "q"])
            assert len(tested)
            assert (tested["q"] >= tested["p"] * (1 - 1e-5)).all()


def test_files(demo, results):
    samples = read_table(results / "bins.tsv")["sample"].unique()
    cohort = ad.read_h5ad(results / "progenitor" / "networks" / "shared" / "cohort.h5ad")
    assert list(cohort.obs_names) == list(samples)
    assert set(PHENOTYPES) <= set(cohort.obs)
    assert {"mean_expression", "degree"} <= set(cohort.layers)
    assert set(cohort.obsm) == {f"X_map_{kernel}" for kernel in cohort.obsp}
    assert {f"{name}: q" for name in PHENOTYPES} <= set(cohort.var)
    tests = association(results, "efficiency", "centrality").set_index("gene")
    found = cohort.var["efficiency: q"].dropna()
    assert len(found)
    np.testing.assert_allclose(found, tests.loc[found.index, "q"])
    assert set(cohort.uns["tests"]) == {"map", "gene_sets", "programmes", "modules"}
    assert set(cohort.obsp) == {"edge_jaccard", "wl_degree", "wl_gene", "centrality"}
    edges = pd.read_parquet(results / "progenitor" / "networks" / "shared" / "edges.parquet")
    for sample in samples:
        path = results / "progenitor" / "networks" / "shared" / f"{safe_name(sample)}.graphml"
        graph = igraph.Graph.Read_GraphML(str(path))
        assert graph.ecount() == (edges["sample"] == sample).sum()
        assert graph.vs["id"] == graph.vs["name"]

    record = json.loads((results / "cohort.json").read_text())
    assert record["preset"] == "robust"
    assert record["seed"] == record["config"]["seed"] == 1
    assert record["samples_kept"]["progenitor"] == sorted(samples)
    assert WITHOUT_BINS in {row["sample"] for row in record["excluded"]}
    assert record["versions"]["torch"].startswith("2.")

    figures = sorted((results / "figures").rglob("*.png"))
    assert len(figures) == 6 + 11 * len(PHENOTYPES)
    for figure in figures:
        for suffix in (".png", ".pdf", ".svg", ".tsv"):
            assert figure.with_suffix(suffix).stat().st_size > 0
    assert not [path for path in demo.rglob("*") if path.suffix in (".pkl", ".pickle", ".joblib")]
    assert (demo / "logs" / "demo").is_dir()
    assert (results / "benchmarks").is_dir()


def test_every_column_is_explained(results, compare_columns):
    """And no other: what `columns.yaml` says that a table has, the demo's tables have."""
    assert compare_columns(results) == ({}, {})


@pytest.mark.parametrize(("name", "key"), [("map", "sample"), ("centrality", "gene")])
def test_pictures_of_the_readme_are_those_of_the_demo(results, root, name, key):
    """`make pictures` makes them; training differs in the last digits between machines."""
    made, shown = results / "figures/progenitor/efficiency", root / "docs"
    new, old = (read_table(folder / f"{name}.tsv") for folder in (made, shown))
    assert list(new) == list(old)
    assert len(set(new[key]) & set(old[key])) > 0.8 * len(old)
    new, old = (plt.imread(folder / f"{name}.png") for folder in (made, shown))
    assert new.shape[:2] == pytest.approx(old.shape[:2], rel=0.1)
    height = min(len(new), len(old))
    assert np.abs(new[:height] - old[:height]).mean() < 0.1


def test_the_page_in_a_browser(results, truth, visit, looked_at):
    """A reader looks a gene up, sorts a table and opens a network."""
    page, faults = visit(results / "report.html")
    gene = next(iter(truth["connectivity"]["complexes"]))
    search = page.get_by_label("Gene, set or module")
    search.scroll_into_view_if_needed()
    search.fill(gene)
    search.press("Enter")
    assert gene in page.locator("#cards .card h3").first.inner_text()
    # A set has figures, too, of the mean of its genes: three measures against each phenotype.
    search.fill("MT")
    search.press("Enter")
    assert page.locator("#cards .card svg[aria-label*='mean of its genes']").count() == 9

    page.locator("#networks").scroll_into_view_if_needed()
    page.locator("#networks canvas").first.wait_for()
    captions = page.locator("#networks figcaption")
    assert [text.partition(":")[0] for text in captions.all_inner_texts()] == [
        "lower third",
        "upper third",
    ]
    page.select_option(
        "#networks select[name=node]",
        label=page.locator("#networks select[name=node] option", has_text="MT-").first.inner_text(),
    )
    assert gene in page.locator("#networks .network-chosen").inner_text()
    page.select_option("#networks select[name=level]", "genes")
    page.select_option("#networks select[name=node]", label=gene)
    assert "neighbours" in page.locator("#networks .network-chosen").inner_text()
    page.locator("#networks details > summary").first.click()
    table = page.get_by_role("region", name="Genes of the networks")
    head = table.get_by_role("columnheader", name="q")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    q = [float(text) for text in table.locator("tbody td:last-child").all_inner_texts() if text]
    assert q == sorted(q)
    assert faults == []
    assert looked_at(page) == []


def test_the_study_is_a_crate(results):
    graph = json.loads((results / "ro-crate-metadata.json").read_text())["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    (run,) = [one for one in graph if one["@type"] == "CreateAction"]
    assert entities[run["instrument"]["@id"]]["@type"].count("ComputationalWorkflow") == 1
    assert "report.html" in {made["@id"] for made in run["result"]}
    for made in run["result"]:
        assert (results / made["@id"]).stat().st_size == int(entities[made["@id"]]["contentSize"])
    assert entities["#value-bins.size"]["value"] == 200
    names = [entities[one["@id"]]["name"] for one in run["object"]]
    assert "demo.yaml" in names
    assert not any(Path(name).is_absolute() for name in names)


def test_a_second_run_does_nothing(demo, snakemake):
    status, output = snakemake(demo, "--cores", "2")
    assert status == 0, output
    assert "Nothing to be done" in output


def test_report(demo, results, snakemake):
    status, output = snakemake(demo, "--report", "results/demo/report.zip")
    assert status == 0, output
    with zipfile.ZipFile(results / "report.zip") as report:
        names = [Path(name).name for name in report.namelist()]
        html = report.read("report/report.html").decode()
    for figure in (results / "figures").rglob("*.png"):
        assert figure.name in names
    assert names.count("burden.png") == len(PHENOTYPES)
    for title in TITLES:
        assert f'"{title}"' in html
    for phenotype in PHENOTYPES:
        assert f"Phenotype {phenotype}" in html


def test_tune(demo, results, snakemake, compare_columns):
    """Model selection beside a finished study, which stays as it is."""
    study = {path: path.stat().st_mtime_ns for path in results.rglob("*.tsv")}
    (demo / "few.yaml").write_text(
        "tuning: {bins: 2, learning_rates: [2.0e-3], l2: [1.0e-3], latents: [2, 8]}\n"
    )
    configs = ["--configfile", "config/config.yaml", "few.yaml"]
    status, output = snakemake(demo, "tune", "--cores", "2", *configs)
    assert status == 0, output
    table = read_table(results / "progenitor" / "tuning" / "tuning.tsv", text=["hidden"])
    assert sorted(table["latent"]) == [2, 8]
    assert set(table["hidden"]) == {"64-32"}
    assert set(table["n_bins"]) == {2}
    assert table["total"].is_monotonic_increasing
    assert table["above_best"].iloc[0] == 0
    bins = [read_table(results / "progenitor" / "tuning" / f"{n}.tsv")["bin"] for n in (1, 2)]
    samples = {name.rsplit(".", 1)[0] for column in bins for name in column}
    assert len(samples) == 2
    assert compare_columns(results) == ({}, {})
    assert (results / "figures" / "progenitor" / "tuning.png").exists()
    status, output = snakemake(demo, "tune", "--report", "tuning.zip", *configs)
    assert status == 0, output
    with zipfile.ZipFile(demo / "tuning.zip") as report:
        assert "tuning.png" in {Path(name).name for name in report.namelist()}
    assert {path: path.stat().st_mtime_ns for path in study} == study


def popnet(*arguments: object) -> str:
    done = CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_shows_a_gene_a_set_and_a_module(results):
    gene = popnet("show", "gene", "MT-ND1", "--results", results)
    found = re.findall(r"efficiency +progenitor +Degree centrality: genes +shared .*", gene)
    assert len(found) == 1
    for heading in ("Tests", "Values", "Neighbours", "Part of"):
        assert f"\n{heading}\n" in f"\n{gene}"
    assert re.search(r"gene set MT$", gene, re.MULTILINE)
    assert "Connectivity of gene sets" in popnet("show", "set", "MT", "--results", results)
    assert "genes, hubs first" in popnet("show", "module", "1", "--results", results)
    unknown = CliRunner().invoke(main, ["show", "gene", "mt-nd9", "--results", str(results)])
    assert unknown.exit_code == 1
    assert "The nearest are MT-ND" in unknown.output


def test_the_command_compares_results(results):
    agreement = compare(results, results).set_index(["what", "network"])
    same = agreement.loc[("centrality of genes, mean over samples", "shared")]
    assert same["r"].item() == pytest.approx(1)
    edges = agreement.loc[("edges of half of the samples or more", "shared")]
    assert edges["in_both"].item() == edges["in_one"].item() > edges["by_chance"].item()
    assert differing_settings(results, results) == {}


def test_the_command_finds_nothing_left_over(demo, monkeypatch):
    monkeypatch.chdir(demo)
    assert "Nothing is left over" in popnet("clean", "config/cohorts/demo.yaml")


def test_a_run_writes_short_lines_and_at_the_end_what_was_found(demo):
    output = (demo / "demo.log").read_text()
    assert "\r" not in output
    assert "Reason: " not in output
    assert re.search(r"^\d+ \w+: \d+ of \d+ steps, ", output, re.MULTILINE)
    assert "efficiency in progenitor: found. " in output
    assert "shuffled in progenitor: nothing found. " in output
    assert "results/demo/report.html" in output
