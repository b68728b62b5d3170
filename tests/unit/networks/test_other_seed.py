"""Agreement of two trainings of the same bins."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.stats import pearsonr

from popnet.networks.other_seed import seed_agreement


def network(values, edges, samples=("a|b", "c")):
    """Return bins of samples, values of their genes, and their edges."""
    obs = pd.DataFrame({"sample": samples, "bin": 1}, index=[f"{one}.1" for one in samples])
    bins = AnnData(np.asarray(values, float), obs, layers={"degree": -np.asarray(values, float)})
    columns = ["sample", "bin", "gene1", "gene2"]
    table = pd.DataFrame(edges, columns=columns).astype({"gene1": "category", "gene2": "category"})
    return bins, table


def test_correlation_over_genes_and_jaccard_of_edges():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 2, 8))
    other[0, 2] = np.nan
    first = network(one, [("a|b", 1, "A", "B"), ("a|b", 1, "A", "C"), ("c", 1, "A", "B")])
    second = network(other, [("a|b", 1, "A", "B"), ("c", 1, "B", "C")])
    found = seed_agreement(first, second).set_index("measure")
    known = np.isfinite(other[0])
    expected = [pearsonr(one[0][known], other[0][known])[0], pearsonr(one[1], other[1])[0]]
    assert found.loc["centrality", "other_seed"] == pytest.approx(np.mean(expected))
    assert found.loc["degree", "other_seed"] == pytest.approx(np.mean(expected))
    assert found.loc["edges", "other_seed"] == pytest.approx((1 / 2 + 0) / 2)
    assert (found["n_bins"] == 2).all()


def test_only_bins_of_both_count_and_what_does_not_vary_is_unknown():
    first = network([[1, 2, 3], [1, 1, 1]], [("c", 1, "A", "B")])
    second = network([[1, 1, 1]], [("c", 1, "A", "B")], samples=["c"])
    found = seed_agreement(first, second).set_index("measure")
    assert np.isnan(found.loc["centrality", "other_seed"])
    assert found.loc["edges", "other_seed"] == 1
    assert (found["n_bins"] == 1).all()
