"""Differential expression, the positive control, against tests of single genes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu

from popnet.associations.expression import robust
from popnet.associations.testing import Testing
from popnet.stats.designs import make_design

GENES = pd.Index([f"G{number}" for number in range(40)])


def test_genes_that_differ_are_found():
    rng = np.random.default_rng(0)
    n = 24
    samples = [f"s{number}" for number in range(n)]
    case = pd.Series(np.arange(n) % 2.0, samples)
    table = pd.DataFrame({"donor": samples, "batch": ""}, index=samples)
    # Two bins of each sample: an observation is their mean.
    rows = np.repeat(np.arange(n), 2)
    bins = rng.normal(size=(2 * n, len(GENES)))
    bins[:, 0] += 3 * case.to_numpy()[rows]
    detection = rng.uniform(0.2, 0.8, bins.shape)
    detection[:, 1] = 0.2 + 0.3 * case.to_numpy()[rows] + 0.01 * rng.normal(size=2 * n)
    design = make_design([samples[row] for row in rows], table, case, binary=True)
    found = robust(bins, detection, GENES, design, Testing(2000, seed=1))
    assert list(found["measure"].unique()) == ["expression", "detection"]
    assert (found["n"] == n).all()
    for measure, gene in (("expression", "G0"), ("detection", "G1")):
        tests = found[found["measure"] == measure].set_index("gene")
        assert tests.index[0] == gene
        assert (tests["q"] <= 0.05).sum() == 1
    tests = found[found["measure"] == "expression"].set_index("gene").loc[GENES]
    means = bins.reshape(n, 2, -1).mean(axis=1)
    own = [mannwhitneyu(*(means[case == code, gene] for code in (1, 0))) for gene in range(40)]
    effect = [2 * test.statistic / (n / 2) ** 2 - 1 for test in own]
    np.testing.assert_allclose(tests["statistic"], effect, atol=1e-9)
    np.testing.assert_allclose(tests["p"], [test.pvalue for test in own], atol=0.06)


def test_constant_genes_have_no_p():
    samples = [f"s{number}" for number in range(8)]
    table = pd.DataFrame({"donor": samples, "batch": ""}, index=samples)
    age = pd.Series(np.arange(8.0), samples)
    design = make_design(samples, table, age, binary=False)
    values = np.zeros((8, 2))
    found = robust(values, values, pd.Index(["A", "B"]), design, Testing(100, seed=1))
    assert found["p"].isna().all()
    assert len(found) == 4
