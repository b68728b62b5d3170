import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr

from popnet import sivae
from popnet.comparisons import hubs
from popnet.comparisons.methods import Training, load_method
from popnet.comparisons.networks import boosting, correlation, cs_core, information
from popnet.comparisons.networks import sivae as of_sivae
from popnet.comparisons.prediction import variance_explained
from popnet.comparisons.registry import NETWORKS
from popnet.networks.correlation import pearson

SMALL = sivae.settings_for(latent=3, hidden=[16, 8], steps=[20, 10, 20], precision="float32")
TRAINING = Training(SMALL, epochs=1, device="cpu")


@pytest.fixture(scope="module")
def cells() -> ad.AnnData:
    """Two hubs with six followers each, and four genes that follow nothing."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 18))
    z[:, 1:7] = 0.8 * z[:, :1] + 0.6 * z[:, 1:7]
    z[:, 8:14] = 0.8 * z[:, 7:8] + 0.6 * z[:, 8:14]
    depth = rng.integers(900, 1100, size=400).astype(np.float32)
    counts = rng.poisson(depth[:, None] / 50 * np.exp(0.7 * z)).astype(np.float32)
    expression = np.log1p(counts / depth[:, None] * 1000).astype(np.float32)
    obs = pd.DataFrame({"depth": depth}, index=[f"c{i}" for i in range(400)])
    return ad.AnnData(expression, obs, layers={"counts": counts})


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_method_keeps_the_signature(cells, name, monkeypatch):
    for package, method in (("scvi", "ldvae-euc"), ("scETM", "scetm-euc")):
        if name == method:
            pytest.importorskip(package)
    monkeypatch.setitem(boosting.BOOSTING, "n_estimators", 30)
    found = load_method(NETWORKS, name)(cells, TRAINING, 1)
    assert found.shape == (18, 18)
    assert found.dtype == np.float64
    assert np.isfinite(found).all()
    assert found.min() >= 0
    np.testing.assert_allclose(found, found.T)
    np.testing.assert_array_equal(found.diagonal(), 0)


@pytest.mark.parametrize("name", ["correlation", "cs-core", "clr", "mrnet", "aracne", "grnboost2"])
def test_methods_find_the_followers_of_a_hub(cells, name, monkeypatch):
    monkeypatch.setitem(boosting.BOOSTING, "n_estimators", 30)
    found = load_method(NETWORKS, name)(cells, TRAINING, 1)
    assert set(np.argsort(-found[0])[:6]) == set(range(1, 7))


def test_sparse_expression_gives_the_same(cells):
    from scipy.sparse import csr_matrix

    sparse = ad.AnnData(csr_matrix(cells.X), cells.obs)
    sparse.layers["counts"] = csr_matrix(cells.layers["counts"])
    for infer in (correlation.correlation, cs_core.cs_core, information.clr):
        np.testing.assert_allclose(infer(sparse, TRAINING, 0), infer(cells, TRAINING, 0))


def test_grnboost2_stops_and_weighs_as_arboreto_does(cells):
    from sklearn.ensemble import GradientBoostingRegressor

    expression = cells.X
    found = boosting.importances(expression, 0, seed=5)
    assert found[0] == 0
    # Boosted trees are the same whatever stops them: grow all, then look where the window turns.
    settings = boosting.BOOSTING | {"n_estimators": 400}
    full = GradientBoostingRegressor(random_state=5, **settings)
    full.fit(expression[:, 1:], expression[:, 0])
    window = np.convolve(full.oob_improvement_, np.ones(25) / 25, "valid")
    n_trees = 25 + int(np.flatnonzero(window < 0)[0])
    assert 25 < n_trees < 400
    assert found.sum() == pytest.approx(n_trees)
    trees = [
        tree[0].tree_.compute_feature_importances(normalize=False) for tree in full.estimators_
    ]
    summed = np.sum(trees[:n_trees], axis=0)
    np.testing.assert_allclose(found[1:], n_trees * summed / summed.sum(), atol=1e-8)


def test_grnboost2_is_the_same_on_any_number_of_workers(cells, monkeypatch):
    from joblib import parallel_config

    monkeypatch.setitem(boosting.BOOSTING, "n_estimators", 30)
    small = cells[:, :6].copy()
    with parallel_config("threading", n_jobs=2):
        found = boosting.grnboost2(small, TRAINING, 1)
    np.testing.assert_array_equal(found, boosting.grnboost2(small, TRAINING, 1))
    small.X[:, 2] = 1
    assert not boosting.importances(small.X, 2, 0).any()


def test_networks_of_sivae_come_from_its_loadings_and_its_sampled_cells(cells):
    fitted = sivae.fit(cells, SMALL, seed=1, device="cpu")
    given = of_sivae.Trained(SMALL, device="cpu", fitted=fitted)
    near = of_sivae.sivae_near(cells, given, 1)
    np.testing.assert_allclose(near, of_sivae.sivae_near(cells, TRAINING, 1))
    distance = cdist(fitted.loadings, fitted.loadings)
    assert near[3, 7] == pytest.approx(1 / (1 + distance[3, 7]), rel=1e-5)
    weights = of_sivae.sampled_clr(cells, given, 1)
    np.testing.assert_array_equal(weights, of_sivae.sampled_clr(cells, given, 1))
    assert np.abs(weights - information.clr(cells, TRAINING, 1)).max() > 0.1
    share = fitted.reconstruction_error / fitted.variance
    np.testing.assert_allclose(of_sivae.degree_centrality(fitted), -share)
    plain = of_sivae.gamma0_near(cells, TRAINING, 1)
    assert np.abs(plain - near).max() > 1e-4


def test_degree_and_accuracy_of_hubs():
    weights = np.array([[0, 1, 2.0], [1, 0, 0], [2, 0, 0]])
    np.testing.assert_allclose(hubs.degree_centrality(weights), [1.5, 0.5, 1])
    rng = np.random.default_rng(0)
    genes = [f"g{i}" for i in range(100)]
    truth = pd.Series(rng.random(100), genes)
    predicted = pd.DataFrame({"same": truth**3, "other": rng.random(100), "lost": -truth})
    found = hubs.hub_accuracy(predicted, truth.sample(frac=1, random_state=0)).set_index("method")
    assert found.loc["same", "rho"] == pytest.approx(1)
    assert found.loc["lost", "rho"] == pytest.approx(-1)
    expected = spearmanr(predicted["other"], truth)
    assert found.loc["other", "p"] == pytest.approx(expected.pvalue)
    assert found.loc["same", "truth_top20"] == found.loc["same", "largest20"]
    assert found.loc["same", "truth_top50"] == pytest.approx(np.sort(truth)[-50:].mean())


def test_methods_without_centralities_are_left_out():
    genes = pd.DataFrame({"euc": [np.nan] * 5, "clr": np.arange(5.0)}, list("abcde"))
    found = hubs.hub_accuracy(genes, genes["clr"])
    assert list(found["method"]) == ["clr"]
    assert list(hubs.hub_accuracy(genes[["euc"]], genes["clr"]).columns) == hubs.ACCURACY


def test_common_hubs_widen_until_there_are_enough():
    a = pd.Series(np.arange(100.0))
    shifted = pd.DataFrame({"a": a, "b": np.roll(a, 10)})
    found, share = hubs.common_hubs(shifted, least=10)
    assert share == 0.25
    assert set(found) == set(range(85, 100))
    opposite = pd.DataFrame({"a": a, "b": -a})
    found, share = hubs.common_hubs(opposite, least=20)
    assert share == 0.6
    assert set(found) == set(range(40, 60))
    assert len(hubs.common_hubs(opposite, least=200)[0]) == 100


def test_nearest_are_the_largest_weights_and_ties_are_drawn():
    rng = np.random.default_rng(0)
    weights = rng.random((40, 40))
    weights += weights.T
    np.fill_diagonal(weights, 0)
    found, linked = hubs.nearest(weights, np.array([3, 7]), seed=0, k=5)
    others = weights[7].copy()
    others[7] = -1
    np.testing.assert_array_equal(found[1], np.argsort(-others)[:5])
    assert linked.tolist() == [5, 5]
    weights[3], weights[3, 9] = 0, 1
    found, linked = hubs.nearest(weights, np.array([3]), seed=0, k=5)
    assert linked.tolist() == [1]
    assert found[0, 0] == 9
    assert 3 not in found
    again, _ = hubs.nearest(weights, np.array([3]), seed=1, k=5)
    assert set(again[0]) != set(found[0])
    with pytest.raises(ValueError, match="none has 40 others"):
        hubs.nearest(weights, np.array([3]), seed=0, k=40)


def test_overlap_and_correlation_of_neighbours_by_their_definition(cells):
    rng = np.random.default_rng(0)
    sets = {name: np.stack([rng.permutation(18)[:6] for _ in range(4)]) for name in ("a", "b", "c")}
    overlap = hubs.neighbour_overlap(sets)
    rho = pearson(cells.X.astype(float))
    mean = hubs.neighbour_correlation(sets, rho)
    for one in sets:
        for two in sets:
            jaccard, correlated = [], []
            for first, second in zip(sets[one], sets[two], strict=True):
                jaccard.append(len(set(first) & set(second)) / len(set(first) | set(second)))
                correlated.append(np.mean([rho[g, h] for g in first for h in second]))
            assert overlap.loc[one, two] == pytest.approx(np.mean(jaccard))
            assert mean.loc[one, two] == pytest.approx(np.mean(correlated), rel=1e-5)
    assert hubs.neighbour_overlap({}).shape == hubs.neighbour_correlation({}, rho).shape == (0, 0)


def test_clustering_puts_like_methods_side_by_side():
    names = ["a1", "b1", "a2", "b2"]
    similarity = pd.DataFrame(
        [[1.0 if x == y else 0.8 if x[0] == y[0] else 0.1 for y in names] for x in names],
        names,
        names,
    )
    found = hubs.clustered(similarity)
    assert [name[0] for name in found.index] in (["a", "a", "b", "b"], ["b", "b", "a", "a"])
    assert list(found.index) == list(found.columns)
    assert found.loc["a1", "b2"] == 0.1
    assert len(hubs.clustered(similarity.iloc[:2, :2])) == 2


@pytest.fixture(scope="module")
def related() -> np.ndarray:
    """Gene 0 is the sum of genes 1 to 4 and noise, gene 5 the square of gene 6."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 40))
    x[:, 0] = x[:, 1:5].sum(1) + rng.normal(size=3000)
    x[:, 5] = x[:, 6] ** 2
    return x


def test_variance_explained_is_the_share_of_signal(related):
    queries = np.array([0, 0, 5, 7])
    neighbours = np.stack([np.arange(1, 21), np.arange(8, 28), np.arange(6, 26), np.arange(8, 28)])
    found = variance_explained(related, queries, neighbours, 1, device="cpu")
    assert found[0] == pytest.approx(0.8, abs=0.04)
    # Noise that was learnt by heart costs a little.
    assert -0.12 < found[1] < 0.02
    # What a linear model would not see.
    assert found[2] > 0.9
    assert -0.12 < found[3] < 0.02


def test_networks_side_by_side_do_not_touch_each_other(related):
    queries = np.array([0, 5, 7])
    neighbours = np.stack([np.arange(1, 6), np.arange(6, 11), np.arange(8, 13)])
    together = variance_explained(related, queries, neighbours, 1, steps=30, device="cpu")
    alone = variance_explained(related, queries, neighbours, 1, steps=30, at_once=1, device="cpu")
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_one_network_is_what_torch_trains(related):
    """Replay the one network of one set with modules of torch."""
    chosen, inputs = 0, np.arange(1, 6)
    settings = {"steps": 40, "starts": 1, "device": "cpu"}
    found = variance_explained(related, np.array([chosen]), inputs[None], 1, **settings)
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(3000, generator=generator)
    held, trained = order[:600], order[600:]
    cells = torch.from_numpy(related.astype(np.float32))
    cells = (cells - cells[trained].mean(0)) / cells[trained].std(0, correction=0)
    from popnet.sivae.data import minibatches

    batches = minibatches(2400, 128, 40, generator)
    layers = []
    for n_in, n_out in [(5, 16), (16, 8), (8, 4), (4, 1)]:
        layer = torch.nn.Linear(n_in, n_out)
        start = torch.randn(1, n_in, n_out, generator=generator) * np.sqrt(2 / (n_in + n_out))
        layer.weight.data, layer.bias.data = start[0].T.clone().float(), torch.zeros(n_out)
        layers += [layer, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1e-2, total_steps=40, cycle_momentum=False
    )
    for batch in batches:
        seen = cells[trained[batch]]
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(seen[:, inputs])[:, 0], seen[:, chosen]).backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        residual = cells[held, chosen] - model(cells[held][:, inputs])[:, 0]
    share = 1 - residual.var(correction=0) / cells[held, chosen].var(correction=0)
    assert found[0] == pytest.approx(float(share), abs=1e-3)


def test_variance_explained_refuses_a_gene_that_predicts_itself(related):
    with pytest.raises(ValueError, match="predicts"):
        variance_explained(related, np.array([3]), np.array([[3, 4]]))
    with pytest.raises(ValueError, match="heldout"):
        variance_explained(related[:5], np.array([3]), np.array([[2, 4]]), heldout=0.1)
    constant = related.copy()
    constant[:, 3] = 1
    assert variance_explained(constant, np.array([3]), np.array([[2, 4]]), steps=5)[0] == 0
