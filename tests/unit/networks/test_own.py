"""Tables of networks that other tools made: what is read of them, and what is refused."""

from __future__ import annotations

import gzip
from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from popnet.errors import InputError
from popnet.networks import own, own_gathering
from popnet.networks.gather import gather
from popnet.study.definitions import OwnNetwork

EDGES = ("sample", "gene1", "gene2", "weight")
VALUES = ("sample", "gene", "value")


def network(path, table: pd.DataFrame, directed: bool = False) -> OwnNetwork:
    """Write a table and return it as the sheet names it."""
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, sep="\t", index=False)
    form = "edges" if "weight" in table else "values"
    return OwnNetwork("mine", str(path), form, tuple(table), directed)


def edges(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(EDGES))


SOUND = edges(
    ("007", "A", "B", 0.5), ("007", "C", "B", -1.25), ("NA", "B", "A", 2.0), ("NA", "B", "C", 1e-3)
)


def fault(found: OwnNetwork, *arguments) -> str:
    with pytest.raises(InputError) as error:
        own.read_own(found, *arguments)
    return str(error.value)


@pytest.mark.parametrize("name", ["mine.parquet", "mine.tsv", "mine.tsv.gz"])
def test_rows_are_what_the_file_has(tmp_path, name):
    table = own.read_own(network(tmp_path / name, SOUND), ["007", "NA", "without rows"])
    assert table.bins[["sample", "bin"]].to_numpy().tolist() == [["007", 1], ["NA", 1]]
    assert list(table.genes) == ["A", "B", "C"]
    first, second, weights = table.weights()
    pairs = [f"{table.genes[i]}{table.genes[j]}" for i, j in zip(first, second, strict=True)]
    assert pairs == ["AB", "BC"]
    expected = np.array([[0.5, -1.25], [2.0, 1e-3]], np.float32)
    np.testing.assert_array_equal(weights.toarray(), expected)


def test_columns_of_other_types(tmp_path):
    """Ids may be numbers in Parquet, genes categories, weights whole, further columns there."""
    table = SOUND.assign(sample=[7, 7, 8, 8])
    table["weight"] = [1, 2, 3, 4]
    table = table.astype({"gene1": "category", "gene2": "category"}).assign(note="x", bin=2)
    read = own.read_own(network(tmp_path / "mine.parquet", table), ["7", "8"])
    assert read.bins["sample"].tolist() == ["7", "8"]
    assert read.bins["bin"].tolist() == [2, 2]
    assert sorted(read.value) == [1, 2, 3, 4]


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data(), directed=st.booleans(), binned=st.booleans())
def test_layout_of_any_table(tmp_path, data, directed, binned):
    genes = ["A", "b c", "Ä", "7", "E"]
    every = list((permutations if directed else combinations)(genes, 2))
    rows = {}
    for sample in ("x", "y y", "z"):
        for number in (3, 5) if binned else (1,):
            some = data.draw(st.lists(st.sampled_from(every), unique=True, max_size=len(every)))
            # Every gene is in two samples at least.
            some = list(dict.fromkeys([*some, ("A", "b c"), ("Ä", "7"), ("A", "E")]))
            for pair in some:
                weight = data.draw(st.floats(-100, 100, width=32))
                rows[sample, number, *pair] = weight
    order = data.draw(st.permutations(list(rows)))
    table = pd.DataFrame([(*key, rows[key]) for key in order])
    table.columns = ["sample", "bin", "gene1", "gene2", "weight"]
    if not directed:
        # An edge may be written in either direction.
        turned = data.draw(st.lists(st.booleans(), min_size=len(table), max_size=len(table)))
        table.loc[turned, ["gene1", "gene2"]] = table.loc[turned, ["gene2", "gene1"]].to_numpy()
    table = table if binned else table.drop(columns="bin")
    read = own.read_own(network(tmp_path / "any.parquet", table, directed))
    first, second, weights = read.weights()
    found = {}
    for row, column in zip(*np.nonzero(weights.toarray()), strict=True):
        about = read.bins.loc[row]
        pair = read.genes[first[column]], read.genes[second[column]]
        key = about["sample"], about["bin"], *(pair if directed else sorted(pair))
        found[key] = weights[row, column]
    expected = {
        (sample, number, *(pair if directed else sorted(pair))): np.float32(weight)
        for (sample, number, *pair), weight in rows.items()
        if weight
    }
    assert found == expected


def test_values_of_genes(tmp_path):
    rows = [("x", 1, "A", 0.25), ("x", 2, "A", 0.5), ("y", 1, "A", 3.0), ("y", 1, "B", 1.0)]
    rows += [("x", 2, "B", -2.0)]
    table = pd.DataFrame(rows, columns=["sample", "bin", "gene", "value"])
    read = own.read_own(network(tmp_path / "mine.tsv", table))
    assert read.bins[["sample", "bin"]].to_numpy().tolist() == [["x", 1], ["x", 2], ["y", 1]]
    np.testing.assert_array_equal(read.values(), [[0.25, np.nan], [0.5, -2], [3, 1]])


def test_a_cell_type_and_samples_left_out(tmp_path):
    table = pd.concat(
        [
            SOUND.assign(cell_type="T/1"),
            SOUND.assign(cell_type="B", weight=9.0),
            SOUND[:2].assign(cell_type="B", sample="excluded"),
        ]
    )
    found = network(tmp_path / "mine.parquet", table)
    whole = own.read_own(found, ["007", "NA"], ["excluded"])
    assert set(whole.bins["sample"]) == {"007", "NA"}
    assert "excluded" in fault(found, ["007", "NA"])
    for name in ("T/1", own.safe_name("T/1")):
        one = own.read_own(found, ["007", "NA"], ["excluded"], name)
        assert set(one.bins["cell_type"]) == {"T/1"}
        assert 9 not in one.value
    bins = own.read_own_bins(found)
    assert len(bins) == 5


REFUSED = [
    (SOUND.assign(sample=["007", "007", "8", "8"]), "1 samples of the table are not in the sheet"),
    (pd.concat([SOUND, SOUND[:1]]), "1 rows are given twice, such as A and B in sample '007'"),
    (
        SOUND.assign(weight=[1, np.nan, 2, 3]),
        "1 weights are missing or infinite, the first in row",
    ),
    (SOUND.assign(weight=[1, 2, np.inf, 3]), "row 3"),
    (SOUND.assign(weight=[1, 2, 3, 1e39]), "row 4"),
    (
        pd.concat([SOUND, edges(("007", "B", "A", 0.75))]),
        "1 edges are given in both directions with two weights, such as B and A in sample '007'",
    ),
    (
        pd.concat([SOUND, edges(("007", "D", "B", 0.75))]),
        "1 of 4 genes are in a single sample: 'D'",
    ),
    (SOUND.assign(bin=["1", "2", "x", "1"]), "A bin is not a whole number"),
    (SOUND.assign(gene1=["A", None, "B", "B"]), "1 rows have no gene1, the first is row 2"),
]


@pytest.mark.parametrize("name", ["mine.parquet", "mine.tsv"])
@pytest.mark.parametrize(("table", "message"), REFUSED, ids=range(len(REFUSED)))
def test_refused(tmp_path, table, message, name):
    text = fault(network(tmp_path / name, table), ["007", "NA"])
    assert message in text
    assert name in text
    assert "own_networks.mine" in text


def test_text_where_numbers_should_be(tmp_path):
    table = SOUND.assign(weight=["1", "2", "high", "4"])
    assert "not numbers" in fault(network(tmp_path / "mine.parquet", table))
    assert "high" in fault(network(tmp_path / "mine.tsv", table))


def test_several_faults_at_once(tmp_path):
    table = SOUND.assign(weight=np.nan, sample="unknown")
    text = fault(network(tmp_path / "mine.tsv", table), ["007"])
    assert "missing or infinite" in text
    assert "not in the sheet" in text


def test_both_directions(tmp_path):
    """With one weight they are one edge; with directed, two edges, of which graphs take one."""
    both = pd.concat([SOUND, SOUND.rename(columns={"gene1": "gene2", "gene2": "gene1"})])
    once = own.read_own(network(tmp_path / "both.tsv", both)).weights()
    plain = own.read_own(network(tmp_path / "plain.tsv", SOUND)).weights()
    np.testing.assert_array_equal(once[2].toarray(), plain[2].toarray())

    both.iloc[4, 3] = -3.0
    read = own.read_own(network(tmp_path / "directed.tsv", both, directed=True))
    first, second, weights = read.weights()
    assert len(first) == 4
    bins = own_gathering.described(read.bins, pd.Series(dtype=object), None)
    estimator = own_gathering.own_estimator(bins, read.genes, first, second, weights)
    (square,) = estimator.weigh(0, np.array([0, 1]))
    np.testing.assert_array_equal(square, np.array([[0, -3], [-3, 0]], np.float32))


def test_an_edge_of_a_gene_with_itself_is_left_out(tmp_path, capsys):
    table = pd.concat([SOUND, edges(("007", "A", "A", 5.0))])
    assert 5 not in own.read_own(network(tmp_path / "mine.tsv", table)).value
    assert "1 edges of a gene with itself" in capsys.readouterr().out


def random_table(seed: int, n_genes: int = 9) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    genes = [f"G{number}" for number in range(n_genes)]
    rows = [
        (sample, number, *pair, rng.normal())
        for sample in ("a", "b", "c")
        for number in (1, 2)
        for pair in combinations(genes, 2)
    ]
    return pd.DataFrame(rows, columns=["sample", "bin", "gene1", "gene2", "weight"])


@pytest.fixture
def gathered(tmp_path):
    """A random table and its networks, gathered as those of every estimator."""
    table = random_table(0)
    read = own.read_own(network(tmp_path / "mine.parquet", table))
    bins = own_gathering.described(read.bins, pd.Series({"a": "pool1"}), None)
    parts = read.weights()
    networks = gather(
        own_gathering.own_estimator(bins, read.genes, *parts),
        own_gathering.expression_of(bins, read.genes, None),
        None,
        tmp_path / "neighbours.parquet",
        weigh_pairs=False,
        closest=0.25,
        central_genes="all",
        neighbours=3,
    )
    return table, networks, own_gathering.own_pairs(bins["sample"], read.genes, *parts)


def test_tested_weights_are_those_of_the_table(gathered):
    table, _, pairs = gathered
    means = table.pivot_table(index="sample", columns=["gene1", "gene2"], values="weight")
    columns = pd.MultiIndex.from_frame(pairs.pairs[["gene1", "gene2"]])
    expected = means.loc[list(pairs.samples), columns].to_numpy()
    np.testing.assert_allclose(pairs.weights, expected, rtol=1e-5)
    assert len(columns) == means.shape[1]
    assert pairs.correlation is None
    assert pairs.pairs["icc"].notna().all()


def test_centrality_and_edges_of_own_networks(gathered):
    table, networks, _ = gathered
    long = pd.concat([table, table.rename(columns={"gene1": "gene2", "gene2": "gene1"})])
    strength = long.assign(weight=long["weight"].abs()).pivot_table(
        index=["sample", "bin"], columns="gene1", values="weight"
    )
    np.testing.assert_allclose(networks.centrality.values, strength, rtol=1e-5)
    # A quarter of 36 pairs, the strongest ones, with the weights of the table.
    bins = networks.bin_edges.astype({"sample": str, "gene1": str, "gene2": str})
    assert (bins.groupby(["sample", "bin"]).size() == 9).all()
    merged = bins.merge(table, on=["sample", "bin", "gene1", "gene2"], suffixes=("", "_given"))
    assert len(merged) == len(bins)
    np.testing.assert_allclose(merged["weight"], merged["weight_given"], rtol=1e-5)
    assert bins["weight"].abs().min() > table["weight"].abs().median()
    assert networks.to_anndata().obs["batch"].tolist() == ["pool1"] * 2 + [""] * 4


def test_more_pairs_than_fit(gathered, monkeypatch, tmp_path):
    monkeypatch.setattr(own_gathering, "MOST_PAIRS", 5)
    table, _, every = gathered
    read = own.read_own(network(tmp_path / "again.parquet", table))
    few = own_gathering.own_pairs(read.bins["sample"], read.genes, *read.weights())
    assert len(few.pairs) == 5
    assert few.pairs["rms"].min() >= every.pairs["rms"].nlargest(5).min()


def test_expression_of_the_samples():
    """Of cells that the study has: means over a sample's bins, whatever the table's bins are."""
    obs = pd.DataFrame(
        {"sample": ["a", "a", "b"], "n_cells": [10, 10, 30], "mean_depth": [3.0, 4.0, 2.0]},
        index=["a.1", "a.2", "b.1"],
    )
    summary = AnnData(
        np.array([[1.0, 0], [3, 0], [5, 1]]),
        obs=obs,
        var=pd.DataFrame(index=["A", "B"]),
        layers={"detection_rate": np.ones((3, 2))},
    )
    bins = own_gathering.described(
        pd.DataFrame({"sample": ["a", "b", "c"], "bin": 1}), pd.Series(), summary
    )
    assert bins["mean_depth"].tolist()[:2] == [3.5, 2.0]
    assert bins["n_cells"].tolist()[:2] == [20, 30]
    sequenced = pd.DataFrame({"mean_depth": [4.5]}, index=["a"])
    bins_as_sequenced = own_gathering.described(bins, pd.Series(), summary, sequenced)
    assert bins_as_sequenced["mean_depth"].iloc[0] == 4.5
    found = own_gathering.expression_of(bins, pd.Index(["A", "unknown"]), summary)
    np.testing.assert_array_equal(found.X, [[2, np.nan], [5, np.nan], [np.nan, np.nan]])
    assert np.isnan(own_gathering.expression_of(bins, pd.Index(["A"]), None).X).all()


def test_bins_of_a_study_without_cells(tmp_path):
    typed = network(tmp_path / "typed.tsv", SOUND.assign(cell_type="T"))
    plain = network(tmp_path / "plain.tsv", random_table(1))
    bins, excluded = own.plan_own_bins([typed, plain], ["007", "a", "absent"], ["T"])
    assert bins[["sample", "bin"]].to_numpy().tolist() == [["007", 1], ["a", 1], ["a", 2]]
    assert excluded["sample"].tolist() == ["absent"]


def test_gzip_is_known_by_its_content(tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_bytes(gzip.compress(SOUND.to_csv(sep="\t", index=False).encode()))
    found = OwnNetwork("mine", str(path), "edges", EDGES)
    assert len(own.read_own(found).row) == 4
