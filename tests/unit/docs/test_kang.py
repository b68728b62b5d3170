"""The numbers of the tutorial on interferon, where its cells are."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

from popnet.associations import edges, expression, genes
from popnet.associations.designs import design_of, technical_covariates
from popnet.associations.expression_switch import switched
from popnet.associations.given_expression import expression_of
from popnet.associations.maps import SampleMap, one_map
from popnet.associations.testing import Testing
from popnet.cells.bins import plan_bins
from popnet.cells.depth import match_depth, remaining_depth
from popnet.cells.expression import BinnedExpression, prepare_sample, write_expression
from popnet.cells.formats import open_source
from popnet.cells.genes import sample_statistics, select_genes
from popnet.cells.sources import common_genes, read_blocks, read_depth, read_samples
from popnet.networks import estimators, maps
from popnet.networks.gather import gather
from popnet.networks.measures import Judging, of_network
from popnet.study.config import Config

pytestmark = pytest.mark.slow

CELL_TYPE = "CD14+ Monocytes"
CONDITION = {"name": "condition", "type": "binary", "case": "stim", "control": "ctrl"}


@pytest.fixture(scope="module")
def sheet(root) -> dict:
    return yaml.safe_load((root / "config" / "cohorts" / "kang2018.yaml").read_text())


@pytest.fixture(scope="module")
def monocytes(root, shared_data, sheet, tmp_path_factory) -> dict:
    """The monocytes' network of plain correlation and its tests, as the workflow makes them."""
    changed = yaml.safe_load((root / "config" / "kang2018.yaml").read_text())
    config = Config.model_validate(changed | {"cohort": "kang2018.yaml"}).model_dump()
    folder, seed = tmp_path_factory.mktemp("kang"), config["seed"]
    source = open_source(shared_data / sheet["cells"]["path"].rpartition("/")[2])
    cells = pd.DataFrame(
        {
            "sample": source.obs["sample_id"].astype(str),
            "batch": "",
            "cell": source.obs.index,
            "cell_type": source.obs["celltype"].astype(str),
        }
    ).assign(source=source.path, row=range(source.n_cells))
    cells = cells[cells["cell_type"] == CELL_TYPE]
    binned = plan_bins(cells, config["bins"]["size"], seed)[0]
    sources, names = {source.path: source}, common_genes([source])[0]
    binned = binned.assign(depth=read_depth(sources, binned, names))
    binned = match_depth(binned, CELL_TYPE, seed, "").cells
    statistics = sample_statistics(read_blocks(sources, binned, names))
    chosen = {key: config["genes"][key] for key in ("cohort", "sample", "keep")}
    selected = list(select_genes(list(statistics.values()), **chosen, genes=names)["gene"])
    prepared = (
        prepare_sample(counts, depth, rows, names, selected)
        for rows, counts, depth in read_samples(sources, binned, names)
    )
    summary = write_expression(folder / "expression.h5ad", prepared, selected)
    cells = BinnedExpression(folder / "expression.h5ad")

    about = source.obs.astype(str).drop_duplicates("sample_id").set_index("sample_id")
    samples = about[["donor_id", "condition"]].rename(columns={"donor_id": "donor"})
    samples["batch"] = ""
    networks = config["networks"]
    how = {key: networks[key] for key in ("closest", "central_genes", "neighbours")}
    estimator = estimators.correlation(cells, summary, networks["min_detection"])
    found = gather(
        estimator,
        summary,
        cells,
        folder / "neighbours.parquet",
        weigh_pairs=True,
        donors=samples["donor"],
        seed=seed,
        **how,
    )
    bins = found.to_anndata()
    how = Judging(config["statistics"]["min_icc"], seed, ["batch"], equal_depth=True)
    measured = of_network("correlation", bins, found.bin_edges, ["edge_jaccard"], how)
    measured = pd.DataFrame(measured)
    about = seed, measured, "correlation", True
    testing = Testing.from_config(config["statistics"], *about)
    technical = technical_covariates(bins.obs)[["cells"]]
    rows = bins.obs["sample"].astype(str).to_numpy()
    design = design_of(rows, samples, CONDITION, [], "donor", technical)
    means, detection = bins.layers["mean_expression"], bins.layers["detection_rate"]
    values = genes.BinValues(
        bins.X,
        means,
        detection,
        remaining_depth(bins.obs["mean_depth"].to_numpy()),
        bins.var_names,
        found.reliability().set_index("gene")["icc"],
    )
    off = pd.Series(switched(detection, design), bins.var_names)
    own = expression_of(means, bins.var_names, design)
    table = edges.robust(found.pairs, {}, pd.Series(dtype=object), design, testing, off, own).edges
    over = design.over(list(found.pairs.samples))
    weights = over.units.average(found.pairs.weights)
    of_groups = found.pairs.pairs[["gene1", "gene2"]].assign(
        treated=weights[over.outcome == 1].mean(axis=0),
        untreated=weights[over.outcome == 0].mean(axis=0),
    )
    groups = maps.bin_groups(bins.obs, samples["donor"])
    graphs = maps.bin_graphs(bins, found.bin_edges)
    sums = maps.kernel_sums("edge_jaccard", *graphs, bins.X, groups)
    one = maps.network_map("edge_jaccard", sums, 999, seed)
    axes = pd.DataFrame(one.coordinates, columns=maps.AXES)
    of_map = SampleMap(one.samples, one.similarity, axes)
    return {
        "bins": bins,
        "measures": measured.set_index("measure"),
        "donors": design.of_model.n_donors,
        "centrality": genes.robust(values, design, testing).table,
        "expression": expression.robust(means, detection, bins.var_names, design, testing),
        "edges": table.merge(of_groups, on=["gene1", "gene2"]),
        "map": one_map(of_map, design.over(one.samples), testing),
        "modules": found.modules,
        "chance": testing.chance,
    }


def said(number: float, digits: int = 2) -> str:
    """Return a correlation as the tutorial writes it."""
    return f"{round(number, digits) + 0:.{digits}f}".replace("0.", ".")


def test_the_tutorial_has_the_numbers_of_these_cells(root, sheet, monocytes):
    page = (root / "docs" / "interferon.md").read_text(encoding="utf-8")
    words = " ".join(page.split())
    bins, pairs = monocytes["bins"], monocytes["edges"]
    n_samples = bins.obs["sample"].nunique()
    assert f"{len(bins)} bins of 100 monocytes, of {n_samples} samples" in words

    for name, row in monocytes["measures"].iterrows():
        if f"| `{name}` |" in page:
            values = said(row["icc_sample"]), said(row["auroc"])
            assert f"| `{name}` | {row['verdict']} | {' | '.join(values)} |" in page
    expressed = monocytes["expression"].query("measure == 'expression'")
    hits = expressed[expressed["q"] <= 0.05]
    chance = monocytes["chance"]
    assert (chance["expression"]["significant"] == 0).all()
    assert f"mean expression of {len(hits)} of {len(expressed)} genes (0 by chance)" in words

    called = pairs[pairs["agrees"].astype(bool)]
    by_chance = chance["edges"]["significant"]
    assert f"{len(called)} of {len(pairs):,} pairs are called" in words
    assert f"({by_chance.mean():.1f} by chance, at most {by_chance.max()})" in words
    for why, n in called["explained_by"].value_counts().items():
        assert f"| {n} | `{why}` |" in page
    rewired = called[called["explained_by"] == "none"]
    responders = set(sheet["gene_sets"]["interferon"]["genes"])
    among = rewired[rewired["gene1"].isin(responders) & rewired["gene2"].isin(responders)]
    assert (among["estimate"] < 0).all()
    assert f"{len(among)} of these {len(rewired)} pairs" in words
    for pair in among.itertuples():
        values = said(pair.untreated), said(pair.treated), said(pair.estimate)
        interval = f"{said(pair.low)} to {said(pair.high)}"
        assert f"| {pair.gene1} - {pair.gene2} | {' | '.join(values)} | {interval} |" in page

    module = monocytes["modules"]
    number = module.module[module.genes.get_loc("ISG15")]
    members = module.genes[module.module == number]
    assert f"{len(responders & set(members))} of its {len(members)} genes" in words
    central = monocytes["centrality"]
    changed = central[central["q"] <= 0.05]
    assert (changed["estimate"] < 0).all()
    assert f"{len(changed)} of {central['p'].notna().sum()} genes lose" in words
    whole = monocytes["map"].set_index("test")["p"]
    assert f"p = {whole['mixed model']:.2g} by the mixed model" in words
    assert f"{said(whole['distance regression'], 3)} by distance regression" in words
