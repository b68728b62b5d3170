"""Genes in the space of the loadings, and networks of the same bins by several methods."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.spatial.distance import pdist, squareform
from scipy.stats import mannwhitneyu, norm, spearmanr
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score

from popnet import sivae
from popnet.comparisons import agreement, gene_embedding, markers, summary
from popnet.comparisons.agreement import Networks
from popnet.comparisons.gene_embedding import GeneEmbedding, embed_genes, quality, simulate
from popnet.comparisons.methods import Training
from popnet.figures import comparison_genes
from popnet.figures.style import Subject
from popnet.findings.shown_comparisons import shown_hits
from popnet.networks.edges import closest_pairs
from popnet.stats.ranks import correlate

TINY = sivae.Settings(latent=2, hidden=(16, 8), steps=(30, 30, 30), minibatch=64)


def test_simulated_genes_correlate_along_the_edges_alone():
    cells, community, hub = simulate(seed=1, n_cells=20000)
    assert cells.shape == (20000, 300)
    assert hub.sum() == 5
    assert (np.unique(community, return_counts=True)[1] == 50).all()
    same = community[:, None] == community
    expected = np.where(same & (community >= 0), 0.36, 0.0)
    expected[same & (hub[:, None] ^ hub) & (community >= 0)] = 0.6
    np.fill_diagonal(expected, 1)
    assert np.abs(np.corrcoef(cells.T) - expected).max() < 0.04


def test_quality_of_a_perfect_embedding_and_of_none():
    _, community, hub = simulate(seed=1, n_cells=2)
    corners = 5 * np.eye(5)
    loadings = np.vstack([corners, np.zeros(5)])[community]
    loadings += np.random.default_rng(0).normal(0, 0.1, loadings.shape)
    centrality = np.where(hub, 0.9, np.where(community < 0, 0.0, 0.4))
    found = quality(loadings, centrality, community, hub)
    assert found["purity"] == found["purity_isolated"] == found["auroc_isolated"] == 1
    assert found["hubs_in_top"] == found["worst_hub"] == 5
    connected = community >= 0
    assert found["silhouette"] == silhouette_score(loadings[connected], community[connected])
    shuffled = np.random.default_rng(1).permutation(loadings)
    found = quality(shuffled, -centrality, community, hub)
    assert found["purity"] < 0.3
    assert abs(found["auroc_isolated"] - 0.5) < 0.15
    assert found["worst_hub"] == 300


def test_purity_is_that_of_counting_neighbours():
    rng = np.random.default_rng(2)
    points, labels = rng.normal(size=(40, 3)), rng.integers(0, 3, 40)
    found = gene_embedding.neighbour_purity(points, labels, 7)
    for i, own in enumerate(labels):
        distance = [np.inf if j == i else np.linalg.norm(points[i] - points[j]) for j in range(40)]
        assert found[i] == pytest.approx(np.mean(labels[np.argsort(distance)[:7]] == own))


def test_principal_components_are_those_of_scikit_learn():
    rng = np.random.default_rng(3)
    cells = rng.normal(size=(200, 12)) @ rng.normal(size=(12, 12)) + 3
    cells[:, 5] = 1.0
    found = embed_genes("pca", cells, Training(TINY), 0)
    scale = np.where(cells.std(0) > 0, cells.std(0), 1)
    standard = (cells - cells.mean(0)) / scale
    reference = PCA(2).fit(standard)
    scores = reference.transform(standard)
    expected = np.abs(np.corrcoef(np.delete(standard, 5, 1).T, scores.T)[:11, 11:])
    np.testing.assert_allclose(np.abs(np.delete(found.loadings, 5, 0)), expected, atol=1e-10)
    error = np.square(standard - reference.inverse_transform(scores)).mean(0)
    np.testing.assert_allclose(found.reconstruction_error, error, atol=1e-10)
    np.testing.assert_allclose(found.scores.std(0), 1)


@pytest.mark.parametrize("method", gene_embedding.METHODS)
def test_every_method_embeds_genes_in_the_plane(method):
    cells = simulate(seed=1, n_cells=300)[0]
    found = embed_genes(method, cells, Training(TINY), seed=1)
    assert found.scores.shape == (300, 2)
    assert found.reconstruction_error.shape == (300,)
    assert found.loadings.shape == (300, 16 if method == "vae" else 2)
    assert found.drawn().shape == (300, 2)
    with pytest.raises(ValueError, match="not one of sivae"):
        embed_genes("umap", cells, Training(TINY), seed=1)


def test_what_is_drawn_has_two_dimensions_and_no_fewer_steps_than_the_study():
    short = gene_embedding.planar_settings(sivae.settings_for(latent=32, steps=(10, 10, 10)), 500)
    assert (short.latent, short.steps_for(10**6)) == (2, gene_embedding.PLANAR_STEPS)
    long = gene_embedding.planar_settings(sivae.settings_for(steps=(10, 3000, 10)), 500)
    assert long.steps == (2000, 3000, 1000)


def test_sivae_is_the_models_own_fit():
    cells = simulate(seed=1, n_cells=300)[0]
    found = embed_genes("sivae-gamma0", cells, Training(TINY), seed=4)
    settings = sivae.Settings(**{**TINY.__dict__, "gamma": 0.0})
    fit = sivae.fit(cells, settings, seed=4, device="cpu")
    np.testing.assert_array_equal(found.loadings, fit.loadings)


def test_wide_loadings_are_drawn_along_their_two_largest_directions():
    rng = np.random.default_rng(5)
    plane = rng.normal(size=(50, 2))
    basis = np.linalg.qr(rng.normal(size=(8, 2)))[0]
    drawn = GeneEmbedding(plane @ basis.T, np.zeros((3, 2)), np.zeros(50)).drawn()
    np.testing.assert_allclose(pdist(drawn), pdist(plane))
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), np.linalg.norm(plane, axis=1))


@pytest.fixture(scope="module")
def typed():
    """Cells of three types, each with five genes of its own, and five that say nothing."""
    rng = np.random.default_rng(6)
    types = np.repeat(["B", "NK", "T"], [60, 40, 50])
    genes = [f"{name}{i}" for name in ("B", "NK", "T", "other") for i in range(5)]
    counts = rng.poisson(1.0, (150, 20)).astype(float)
    for name in ("B", "NK", "T"):
        marks = [gene.rstrip("01234") == name for gene in genes]
        counts[np.ix_(types == name, marks)] += rng.poisson(4, ((types == name).sum(), 5))
    obs = pd.DataFrame({"cell_type": types}, index=[str(i) for i in range(150)])
    return AnnData(np.log1p(counts).astype(np.float32), obs, pd.DataFrame(index=genes))


def test_markers_are_those_that_were_planted_with_the_z_of_mann_whitney(typed):
    marked = markers.find_markers(typed)
    planted = marked["gene"].str.rstrip("01234")
    assert (planted == marked["cell_type"]).all()
    assert len(marked) == 15
    first = marked.iloc[0]
    of_type = (typed.obs["cell_type"] == first["cell_type"]).to_numpy()
    values = typed[:, first["gene"]].X.ravel()
    p = mannwhitneyu(values[of_type], values[~of_type], use_continuity=False).pvalue
    assert 2 * norm.sf(first["score"]) == pytest.approx(p, rel=1e-4)
    with pytest.raises(ValueError, match="of one type"):
        markers.find_markers(typed[typed.obs["cell_type"] == "B"])


def test_markers_point_where_the_cells_of_their_type_lie(typed):
    rng = np.random.default_rng(7)
    corners = {"B": [4, 0], "NK": [-2, 3], "T": [-2, -3], "other": [0, 0]}
    types = typed.obs["cell_type"].to_numpy()
    prefix = [gene.rstrip("01234") for gene in typed.var_names]
    scores = np.array([corners[name] for name in types]) + rng.normal(0, 0.1, (150, 2))
    loadings = np.array([corners[name] for name in prefix]) / 5 + rng.normal(0, 0.02, (20, 2))
    marked = pd.DataFrame(
        {"gene": [*typed.var_names[:15], "absent"], "cell_type": [*prefix[:15], "B"]}
    )
    embedding = GeneEmbedding(loadings, scores, np.zeros(20))
    found = markers.marker_agreement(embedding, typed.var_names, types, marked)
    found = found.set_index("cell_type")
    centre = scores.mean(0)
    for name in ("B", "NK", "T"):
        cells = scores[types == name].mean(0) - centre
        genes = loadings[:15][np.array(prefix[:15]) == name].mean(0)
        cosine = cells @ genes / np.linalg.norm(cells) / np.linalg.norm(genes)
        assert found.loc[name, "cosine"] == pytest.approx(cosine)
        assert found.loc[name, "rank"] == 1
    # Ten nearest of fourteen others: four of the own type and six of the others at best.
    assert (found["purity"] == 0.4).all()
    np.testing.assert_allclose(found["purity_chance"], 4 / 14)
    assert (found["silhouette"] > 0.9).all()
    turned = GeneEmbedding(-loadings, scores, np.zeros(20))
    assert (markers.marker_agreement(turned, typed.var_names, types, marked)["rank"] > 1).all()
    wide = GeneEmbedding(np.hstack([loadings, loadings]), scores, np.zeros(20))
    apart = markers.marker_agreement(wide, typed.var_names, types, marked)
    assert apart[["cosine", "rank"]].isna().all(axis=None)
    assert apart["purity"].eq(0.4).all()
    with pytest.raises(ValueError, match="two are needed"):
        markers.marker_agreement(embedding, typed.var_names, types, marked.head(7))


def test_edges_are_those_of_sivae_where_weights_are_distances():
    rng = np.random.default_rng(8)
    loadings = rng.normal(size=(20, 4))
    weights = -squareform(pdist(loadings))
    genes, nodes = np.sort(rng.permutation(30)[:20]), np.arange(0, 30, 2)
    edges = agreement.edges_of(weights, genes, nodes, 30, 0.2)
    wired = np.isin(genes, nodes)
    first, second = (genes[wired][ends] for ends in closest_pairs(loadings[wired], 0.2))
    assert set(edges) == set(first * 30 + second)
    assert len(edges) > 5
    assert len(agreement.edges_of(np.ones((20, 20)), genes, nodes, 30, 0.2)) == 0
    assert len(agreement.edges_of(weights, genes, nodes[:1], 30, 0.2)) == 0


def test_chance_overlap_is_that_of_random_edges():
    rng = np.random.default_rng(10)
    overlaps = [
        agreement.jaccard(rng.permutation(500)[:60], rng.permutation(500)[:40]) for _ in range(2000)
    ]
    expected = agreement.chance_jaccard(np.arange(60), np.arange(40), 500)
    assert expected == pytest.approx(np.mean(overlaps), rel=0.03)
    assert agreement.jaccard(np.array([1, 2, 3]), np.array([3, 4])) == 0.25
    assert np.isnan(agreement.jaccard(np.array([]), np.array([])))


def test_agreement_of_every_sample():
    rng = np.random.default_rng(11)
    own = Networks(rng.normal(size=(3, 10)), [np.array([1, 2, 3]), np.array([2, 3]), np.array([5])])
    own.centrality[0, 4] = np.nan
    other = Networks(
        rng.normal(size=(3, 10)), [np.array([1, 2]), np.array([4]), np.array([5, 6, 7, 8])]
    )
    samples = ["a", "a", "b"]
    found = agreement.agreement(own, other, samples, [10, 10, 10]).set_index("sample")
    means = [np.nanmean(x.centrality[:2], axis=0) for x in (own, other)]
    assert found.loc["a", "rho"] == pytest.approx(spearmanr(*means).statistic)
    assert found.loc["a", "jaccard"] == pytest.approx((2 / 3 + 0) / 2)
    assert found.loc["b", "jaccard"] == 0.25
    assert found.loc["b", "jaccard_chance"] == pytest.approx((4 / 45) / (5 - 4 / 45))
    repeat = spearmanr(*other.centrality[:2]).statistic
    assert found.loc["a", "repeat_rho"] == pytest.approx(repeat)
    assert np.isnan(found.loc["b", "repeat_rho"])
    # A bin that the method failed in is none that it disagrees in.
    other.centrality[1] = np.nan
    lacking = Networks(other.centrality, [other.edges[0], None, other.edges[2]])
    found = agreement.agreement(own, lacking, samples, [10, 10, 10]).set_index("sample")
    assert found.loc["a", "jaccard"] == pytest.approx(2 / 3)
    assert np.isnan(found.loc["a", "repeat_jaccard"])
    alone = agreement.agreement(own, None, samples, [10, 10, 10]).set_index("sample")
    assert alone.loc["a", "repeat_jaccard"] == pytest.approx(2 / 3)
    assert alone["rho"].isna().all()


def test_hits_say_who_sees_them():
    rng = np.random.default_rng(12)
    phenotype = np.arange(20.0)
    centrality = rng.normal(size=(20, 4))
    centrality[:, 0] += phenotype
    centrality[:, 1] -= phenotype
    tests = []
    for values in (centrality, np.hstack([centrality[:, :1], rng.normal(size=(20, 3))])):
        table = correlate(values, phenotype, binary=False).assign(gene=list("abcd"))
        tests.append(table.assign(q=table["p"] * 4, explained_by=""))
    study = tests[0].sort_values("p")
    found = agreement.compare_hits(study, {"clr": tests[1]}, fdr=0.05).set_index("gene")
    assert list(found.index) == list(study["gene"])
    assert found.loc["a", "seen_by"] == "sivae;clr"
    assert found.loc["b", "seen_by"] == "sivae"
    assert found.loc[["c", "d"], "seen_by"].eq("").all()
    assert found.loc["b", "clr_p"] == tests[1]["p"][1]


def test_summary_has_every_method_with_its_range():
    states = pd.DataFrame(
        [
            ("embeddings", "pca", "done", 2.0, 100.0),
            ("embeddings", "scvi", "failed: the package scvi is absent", 0.1, 90.0),
            ("agreement in samples: T", "clr", "done", 1.0, 50.0),
            ("agreement in samples: T2", "clr", "done", 1.0, 50.0),
        ],
        columns=summary.STATES,
    )
    embeddings = pd.DataFrame(
        {
            "method": "pca",
            "latent": [2, 2, 20, 20],
            "k": 80,
            "fold": [1, 2, 1, 2],
            "balanced_accuracy": [0.4, 0.6, 0.9, 0.8],
        }
    )
    agreed = pd.DataFrame({"method": "clr", "sample": ["a", "b", "a"], "rho": [0.25, 0.75, 0.9]})
    agreed["cell_type"] = ["T", "T", "T2"]
    tables = {"embeddings": embeddings, "agreement": agreed, "gammas": embeddings}
    found = summary.methods_table(states, tables).set_index(["comparison", "method"])
    assert found.loc[("embeddings", "pca"), "result"] == "balanced accuracy 0.50 to 0.85"
    assert found.loc[("embeddings", "scvi"), "result"] == ""
    assert found.loc[("embeddings", "ldvae"), "status"] == summary.NOT_ASKED
    of_samples = found.loc[("agreement in samples: T", "clr"), "result"]
    assert of_samples == "ρ of centralities with siVAE's 0.50"
    of_other = found.loc[("agreement in samples: T2", "clr"), "result"]
    assert of_other == "ρ of centralities with siVAE's 0.90"
    assert (found.loc["networks", "status"] == summary.NOT_ASKED).all()
    n_known = sum(len(methods) for methods in summary.KNOWN.values())
    assert len(found) == len(states) + n_known - 2
    assert summary.failures(found.reset_index()) == [
        "embeddings, scvi: failed: the package scvi is absent."
    ]
    hits = pd.DataFrame({"seen_by": ["sivae", "sivae;clr", "clr", None]})
    page = summary.page_tables(tables, [("T", "age", hits)])
    assert list(page) == [
        summary.HEADINGS["embeddings"],
        summary.HEADINGS["gammas"],
        summary.HEADINGS["agreement"],
        "Hits of phenotypes, by method",
    ]
    counts = page["Hits of phenotypes, by method"].iloc[0].tolist()
    assert counts == ["T", "age", 2, 1, 1]
    assert "fold" not in summary.averaged(embeddings)
    assert summary.averaged(embeddings)["balanced_accuracy"].tolist() == pytest.approx([0.5, 0.85])


def test_interpretations_are_summed_up_beside_the_loadings():
    pairs = pd.DataFrame(
        {
            "method1": ["loadings", "loadings", "saliency", "saliency"],
            "method2": ["saliency", "saliency", "deeplift", "loadings"],
            "dimension": [1, 2, 1, 3],
            "rho": [0.6, 0.8, 0.1, 0.7],
        }
    )
    assert summary.results("interpretations", pairs) == {
        "saliency": "|ρ| with siVAE's loadings 0.70"
    }
    assert summary.results("hubs", pd.DataFrame({"method": ["clr"]})) == {}


def test_figures_show_every_gene_and_say_so_where_there_is_none():
    _, community, hub = simulate(seed=1, n_cells=2)
    places = comparison_genes.network_layout(community, hub)
    assert pdist(places).min() > 0.01
    points = pd.DataFrame(places, columns=["dimension1", "dimension2"])
    points = points.assign(method="pca", community=community, hub=hub)
    numbers = {"method": ["pca"], "silhouette": [0.9], "purity": [1.0], "auroc_isolated": [0.8]}
    found, subject = pd.DataFrame(numbers), Subject(None, None, 2, "cells")
    figure = comparison_genes.community_maps(points, found, subject)
    drawn = [len(part.get_offsets()) for part in figure.axes[1].collections]
    assert drawn == [295, 5]
    figure = comparison_genes.community_maps(points.head(0), found.head(0), subject)
    assert "No method" in figure.axes[0].texts[0].get_text()

    hits = pd.DataFrame({"gene": list("abc"), "seen_by": ["clr", None, "sivae;clr"]})
    hits = hits.assign(statistic=0.5, clr_statistic=-0.5)
    shown = shown_hits(hits)
    options = {"methods": ["clr"], "effect": "ρ", "n_hits": 2}
    axes = comparison_genes.hit_dots(shown, subject, **options).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["c", "a"]
    assert comparison_genes.hit_dots(shown.head(0), subject, **options).axes[0].texts
