import numpy as np
import pytest
import torch

from popnet.comparisons.ground_truth import predictive_centrality


@pytest.fixture(scope="module")
def expression() -> np.ndarray:
    """A hub, nine genes that follow it, and five that follow nothing."""
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(1500, 15))
    cells[:, 1:10] = 0.7 * cells[:, :1] + np.sqrt(1 - 0.49) * cells[:, 1:10]
    return cells.astype(np.float32)


def test_linear_dependence_is_the_mean_squared_correlation(expression):
    genes = [0, 3, 7, 12]
    found = predictive_centrality(expression, genes, seed=1, precision="float32", device="cpu")
    squared = np.corrcoef(expression, rowvar=False) ** 2
    expected = (squared.sum(1) - 1) / (len(squared) - 1)
    np.testing.assert_allclose(found, expected[genes], atol=0.05)
    assert found.argmax() == 0


def test_networks_side_by_side_do_not_touch_each_other(expression):
    settings = {"seed": 1, "steps": 20, "precision": "float32", "device": "cpu"}
    together = predictive_centrality(expression, [0, 3, 12], at_once=3, **settings)
    alone = predictive_centrality(expression, [0, 3, 12], at_once=1, **settings)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_array_equal(
        together, predictive_centrality(expression, [0, 3, 12], at_once=3, **settings)
    )


@pytest.mark.parametrize("at_once", [1, 3])
def test_bfloat16_learns_as_float32_does(expression, at_once, monkeypatch):
    if not torch.cpu._is_avx512_bf16_supported():
        pytest.skip("takes minutes on this processor, which has no units for bf16")
    module = "popnet.comparisons.ground_truth"
    monkeypatch.setattr(f"{module}.choose_precision", lambda name, device: name)
    settings = {"seed": 1, "at_once": at_once, "device": "cpu", "steps": 60}
    rounded = predictive_centrality(expression, [0, 12], precision="bf16", **settings)
    exact = predictive_centrality(expression, [0, 12], precision="float32", **settings)
    np.testing.assert_allclose(rounded, exact, atol=0.02)
