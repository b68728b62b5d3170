import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import pearsonr, spearmanr

from popnet import sivae
from popnet.comparisons import hubs
from popnet.comparisons.methods import Training, load_method
from popnet.comparisons.networks import boosting, correlation, cs_core, information
from popnet.comparisons.networks import sivae as of_sivae
from popnet.comparisons.prediction import variance_explained
from popnet.comparisons.registry import NETWORKS

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


@pytest.fixture(scope="module")
def mutual(cells) -> np.ndarray:
    return information.mutual_information(cells.X)


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


def test_correlation_is_that_of_scipy_and_0_for_constant_genes(cells):
    expression = cells.X.astype(float)
    expression[:, 3] = 0.1
    found = correlation.pearson(expression)
    assert found[2, 5] == pytest.approx(pearsonr(expression[:, 2], expression[:, 5])[0])
    assert not found[3].any()
    assert found[2, 2] == pytest.approx(1)


def test_sparse_expression_gives_the_same(cells):
    from scipy.sparse import csr_matrix

    sparse = ad.AnnData(csr_matrix(cells.X), cells.obs)
    sparse.layers["counts"] = csr_matrix(cells.layers["counts"])
    for infer in (correlation.correlation, cs_core.cs_core, information.clr):
        np.testing.assert_allclose(infer(sparse, TRAINING, 0), infer(cells, TRAINING, 0))


def test_mutual_information_is_that_of_a_normal_pair(cells):
    found = information.mutual_information(cells.X)
    rho = spearmanr(cells.X[:, 2], cells.X[:, 5])[0]
    assert found[2, 5] == pytest.approx(-0.5 * np.log(1 - rho**2))
    twins = information.mutual_information(cells.X[:, [0, 0, 1]])
    assert twins[0, 1] == pytest.approx(-0.5 * np.log(1e-6))
    assert twins[0, 0] == 0


def test_clr_by_its_definition(mutual):
    n = len(mutual)
    z = np.zeros((n, n))
    for i in range(n):
        others = [mutual[i, j] for j in range(n) if j != i]
        for j in range(n):
            z[i, j] = max(0.0, (mutual[i, j] - np.mean(others)) / np.std(others))
    expected = [[np.hypot(z[i, j], z[j, i]) if i != j else 0 for j in range(n)] for i in range(n)]
    np.testing.assert_allclose(information.context_likelihood(mutual), expected, rtol=1e-6)


def test_mrnet_by_its_definition(mutual):
    n = len(mutual)
    expected = np.zeros((n, n))
    for target in range(n):
        left, chosen = [g for g in range(n) if g != target], []
        while left:
            scores = [
                mutual[target, g] - (np.mean([mutual[g, c] for c in chosen]) if chosen else 0)
                for g in left
            ]
            best = int(np.argmax(scores))
            if scores[best] < 0:
                break
            gene = left.pop(best)
            chosen.append(gene)
            expected[target, gene] = max(expected[target, gene], scores[best])
            expected[gene, target] = max(expected[gene, target], scores[best])
    np.testing.assert_allclose(information.relevance_less_redundancy(mutual), expected, atol=1e-12)
    assert (expected == 0).sum() > n


def test_aracne_by_its_definition(mutual):
    n = len(mutual)
    expected = mutual.copy()
    for i in range(n):
        for j in range(i + 1, n):
            for k in range(n):
                if k not in (i, j) and mutual[i, j] < min(mutual[i, k], mutual[j, k]):
                    expected[i, j] = expected[j, i] = 0
    found = information.prune_triangles(mutual)
    np.testing.assert_array_equal(found, expected)
    # A hub keeps its followers, which lose each other.
    assert (found[0, 1:7] > 0).all()
    assert not found[1:7, 1:7].any()


def poisson_lognormal(n_cells: int, rho: float, depth: np.ndarray, seed: int) -> np.ndarray:
    """Return counts of 20 genes in 10 pairs, whose z are log-normal and correlate by rho."""
    rng = np.random.default_rng(seed)
    sd = 0.7
    logs = np.log1p(rho * np.expm1(sd**2)) / sd**2
    shared, own = rng.normal(size=(n_cells, 10)), rng.normal(size=(2, n_cells, 10))
    normal = np.sqrt(logs) * shared + np.sqrt(1 - logs) * own
    z = np.exp(sd * np.concatenate(list(normal), axis=1) - 7.5)
    return rng.poisson(depth[:, None] * z)


def test_cs_core_finds_the_correlation_beneath_the_counts():
    rng = np.random.default_rng(3)
    depth = np.exp(rng.normal(8, 0.5, size=8000))
    counts = poisson_lognormal(8000, 0.6, depth, 1)
    found = cs_core.latent_correlation(counts, depth)
    pairs = found[np.arange(10), np.arange(10, 20)]
    assert pairs.mean() == pytest.approx(0.6, abs=0.05)
    others = np.delete(found[0], [0, 10])
    assert np.abs(others).mean() < 0.06
    plain = correlation.pearson(np.log1p(counts / depth[:, None] * depth.mean()))
    assert plain[np.arange(10), np.arange(10, 20)].mean() < 0.35
    raw = correlation.pearson(counts.astype(float))
    # Depth correlates the counts of independent genes; the model does not see it.
    assert np.delete(raw[0], [0, 10]).mean() > 0.1


def test_cs_core_by_its_published_algorithm():
    depth = np.exp(np.random.default_rng(4).normal(6, 0.6, size=200))
    x = poisson_lognormal(200, 0.5, depth, 2)[:, :12]
    x[:, 5] = np.arange(200) < 2
    x[:, 6] = 0
    n, p = x.shape
    found = cs_core.latent_correlation(x, depth)
    # Gene by gene and cell by cell, as Methods of Su et al. 2023 and their package have it.
    s2, s4 = sum(depth**2), sum(depth**4)
    mu = [sum(x[i, j] * depth[i] for i in range(n)) / s2 for j in range(p)]
    var = [
        sum(
            ((x[i, j] - depth[i] * mu[j]) ** 2 - depth[i] * mu[j]) * depth[i] ** 2 for i in range(n)
        )
        / s4
        for j in range(p)
    ]

    def ratios():
        return [mu[j] ** 2 / var[j] if var[j] > 0 else None for j in range(p)]

    def spread(i, j, phi):
        mean = depth[i] * mu[j]
        return mean + mean**2 / phi if mean > 0 else 1.0

    theta = ratios()
    for _ in range(11):
        before, phi = theta, np.median([t for t in theta if t is not None])
        for j in range(p):
            w = [spread(i, j, phi) for i in range(n)]
            mu[j] = sum(x[i, j] * depth[i] / w[i] for i in range(n)) / sum(depth**2 / w)
            h = [spread(i, j, phi) ** 2 for i in range(n)]
            var[j] = sum(
                ((x[i, j] - depth[i] * mu[j]) ** 2 - depth[i] * mu[j]) * depth[i] ** 2 / h[i]
                for i in range(n)
            ) / sum(depth**4 / h)
        theta = ratios()
        both = [(a, b) for a, b in zip(theta, before, strict=True) if a and b]
        if max(abs(np.log(a / b)) for a, b in both) <= 0.05:
            break
    phi = np.median([t for t in theta if t is not None])
    for j, k in [(0, 10), (1, 11), (2, 3), (0, 7), (4, 5), (6, 8)]:
        above = below = 0.0
        for i in range(n):
            w = spread(i, j, phi) * spread(i, k, phi)
            a, b = x[i, j] - depth[i] * mu[j], x[i, k] - depth[i] * mu[k]
            above += depth[i] ** 2 * a * b / w
            below += depth[i] ** 4 / w
        known = var[j] > 0 and var[k] > 0
        expected = np.clip(above / below / np.sqrt(var[j] * var[k]), -1, 1) if known else 0
        assert found[j, k] == pytest.approx(expected, abs=1e-8)
    assert not found[6].any()


def test_cs_core_says_what_it_cannot_do():
    with pytest.raises(ValueError, match="no gene varies more"):
        cs_core.latent_correlation(np.ones((50, 3)), np.ones(50))


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
    rho = correlation.pearson(cells.X.astype(float))
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
