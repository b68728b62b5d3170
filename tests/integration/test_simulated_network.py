"""The paper's simulated network, as the comparisons make and judge it."""

import pytest

from popnet import sivae
from popnet.comparisons.gene_embedding import quality, simulate

pytestmark = pytest.mark.slow

# Narrow networks find the same in a fifth of the time. With less weight of the KL terms than the
# paper's, nothing holds isolated genes at the origin.
OURS = {"kl": 1.0, "hidden": (128, 64), "precision": "float32"}


@pytest.fixture(scope="module")
def network():
    return simulate(seed=1)


@pytest.mark.parametrize(("latent", "steps"), [(2, (2000, 2000, 2000)), (32, None)])
def test_genes_lie_with_their_community_hubs_lead_and_isolated_genes_stay_at_the_origin(
    network, latent, steps
):
    cells, community, hub = network
    settings = sivae.settings_for(latent=latent, steps=steps, **OURS)
    fit = sivae.fit(cells, settings, seed=1, device="cpu")
    found = quality(fit.loadings, 1 - fit.reconstruction_error, community, hub)
    assert found["silhouette"] >= 0.85
    assert found["purity"] >= 0.99
    if latent == 32:  # in two dimensions a community may lie at the origin, too
        assert found["auroc_isolated"] >= 0.99
    assert found["hubs_in_top"] == 5
    assert found["centrality_hubs"] > 0.7 > 0.5 > found["centrality_spokes"]
    assert abs(found["centrality_isolated"]) < 0.05


def test_without_the_interpretability_term_isolated_genes_still_lie_together(network):
    cells, community, hub = network
    settings = sivae.settings_for("sivae-gamma0", steps=(500, 500, 800), **OURS)
    fit = sivae.fit(cells, settings, seed=1, device="cpu")
    found = quality(fit.loadings, 1 - fit.reconstruction_error, community, hub)
    assert found["purity_isolated"] >= 0.9
    assert found["hubs_in_top"] == 5
