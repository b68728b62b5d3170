"""The paper's simulated network, found again by the fast plan."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import pytest
from popnet import sivae

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PATH = Path(__file__).parents[2] / "benchmarks" / "simulated_network.py"


@pytest.fixture(scope="module")
def quality_of():
    """A function that fits a variant to the network of a seed and returns its figures."""
    spec = importlib.util.spec_from_file_location("simulated_network", PATH)
    network = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(network)

    @cache
    def quality(latent: int, seed: int, variant: str = "sivae") -> dict[str, float]:
        cells, community, hub = network.simulate(seed)
        settings = sivae.settings_for(variant, "fast", latent=latent)
        return network.quality(sivae.fit(cells, settings, seed, "cpu"), community, hub)

    return quality


@pytest.mark.parametrize(("latent", "seed"), [(2, 1), (2, 2), (32, 1)])
def test_communities_hubs_and_isolated_genes(quality_of, latent, seed):
    found = quality_of(latent, seed)
    assert found["silhouette"] >= 0.9
    assert found["purity"] >= 0.99
    assert found["auroc_isolated"] >= (0.95 if latent == 2 else 0.99)
    assert found["hubs_in_top"] == 5
    assert found["centrality_hubs"] > 2 * found["centrality_spokes"]
    assert abs(found["centrality_isolated"]) < 0.05


def test_the_interpretability_term_puts_isolated_genes_at_the_origin(quality_of):
    without = quality_of(2, 1, "sivae-gamma0")
    assert without["purity_isolated"] >= 0.95
    assert without["auroc_isolated"] < 0.9 < quality_of(2, 1)["auroc_isolated"]
