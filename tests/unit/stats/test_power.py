"""The effects that a design can find, against simulated cohorts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from popnet.stats.designs import make_design
from popnet.stats.permutation import permutation_test
from popnet.stats.power import power


def found_with(reliability, seed, n=40, runs=300):
    """Return in how many simulated cohorts the smallest effect is found, the effect, a design."""
    rng = np.random.default_rng(seed)
    index = [f"s{i}" for i in range(n)]
    samples = pd.DataFrame({"donor": index, "batch": ""}, index=index)
    found = 0
    for number in range(runs):
        phenotype = rng.normal(size=n)
        design = make_design(index, samples, pd.Series(phenotype, index), False)
        effect = power(design, 1e-4, 1, 0.05, reliability).effect
        gene = effect * phenotype + np.sqrt(1 - effect**2) * rng.normal(size=n)
        gene = np.sqrt(reliability) * gene + np.sqrt(1 - reliability) * rng.normal(size=n)
        found += permutation_test(gene[:, None], design, 199, number).table["p"][0] <= 0.05
    return found / runs, effect, design


def test_smallest_effect_is_found_with_80_percent_power():
    """Against the share of simulated cohorts in which an effect of that size is found."""
    share, effect, _ = found_with(1.0, 1)
    assert effect == pytest.approx(np.tanh((norm.ppf(0.975) + norm.ppf(0.8)) / np.sqrt(37)))
    assert 0.7 < share < 0.87


def test_noise_of_what_is_measured_hides_effects():
    """Simulated with two measurements of a gene, of which one is noise by half."""
    share, effect, design = found_with(0.5, 2)
    assert effect == pytest.approx(power(design, 1e-4, 1, 0.05).effect / np.sqrt(0.5))
    assert 0.7 < share < 0.87
    assert np.isnan(power(design, 1e-4, 1, 0.05, 0.0).effect)
    assert np.isnan(power(design, 1e-4, 1, 0.05, 0.1).effect)


def test_a_design_too_small_for_any_effect_finds_none():
    index = ["a", "b", "c"]
    samples = pd.DataFrame({"donor": index, "batch": ""}, index=index)
    design = make_design(index, samples, pd.Series([1.0, 2, 3], index), False)
    found = power(design, 1 / 3, 100, 0.05)
    assert np.isnan([found.effect, found.effect_of_many]).all()
    assert found.n_at_smallest_p == 667
