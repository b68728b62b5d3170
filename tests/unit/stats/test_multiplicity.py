"""Corrections for many tests, within a table and over a study."""

from __future__ import annotations

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from popnet.files import read_table, write_table
from popnet.stats.designs import make_design
from popnet.stats.multiplicity import benjamini_hochberg, simes, strongest_first, study_wide
from popnet.stats.permutation import permutation_test


def test_benjamini_hochberg_equals_statsmodels():
    p = np.random.default_rng(0).random(50) ** 3
    p[[3, 30]] = np.nan
    q = benjamini_hochberg(p)
    assert np.isnan(q[[3, 30]]).all()
    kept = np.isfinite(p)
    np.testing.assert_allclose(q[kept], multipletests(p[kept], method="fdr_bh")[1])
    assert np.isnan(benjamini_hochberg([np.nan, np.nan])).all()


def test_ties_are_ordered_by_effect_and_reliability():
    table = pd.DataFrame(
        {
            "gene": list("abcde"),
            "measure": [1, 1, 1, 0, 0],
            "p": [0.1, 0.1, 0.1, 0.1, np.nan],
            "statistic": [0.2, -0.5, 0.5, 0.4, 1.0],
            "icc": [0.1, 0.2, 0.3, 0.4, 0.5],
        }
    )
    assert "".join(strongest_first(table)["gene"]) == "cbdae"
    assert "".join(strongest_first(table, "measure")["gene"]) == "decba"
    assert "".join(strongest_first(table.iloc[::-1])["gene"]) == "cbdae"
    assert strongest_first(table[["gene", "p"]])["gene"].iloc[-1] == "e"


def test_study_wide_correction_spans_families():
    rng = np.random.default_rng(2)
    families = []
    for _ in range(3):
        maxima = np.abs(rng.normal(size=999))
        p = rng.uniform(size=20)
        families.append((pd.DataFrame({"p": p, "p_family": np.minimum(1, 20 * p)}), maxima))
    found = study_wide(families, seed=1)
    family = np.concatenate([table["p_family"] for table, _ in families])
    # Independent families: nearly Sidak's correction.
    expected = 1 - (1 - family) ** 3
    assert np.abs(found["study_p_family"] - expected).max() < 0.05
    one = study_wide(families[:1], seed=1)["study_p_family"]
    assert np.abs(one - families[0][0]["p_family"]).max() < 0.003


def test_study_wide_correction_survives_the_tables_rounding(tmp_path):
    """Exact p have many ties, which six digits must not lose."""
    rng = np.random.default_rng(0)
    index = [f"s{i}" for i in range(13)]
    samples = pd.DataFrame({"donor": index, "batch": ""}, index=index)
    phenotype = pd.Series(np.arange(13) % 2, index, dtype=float)
    design = make_design(index, samples, phenotype, True)
    values = rng.normal(size=(13, 20))
    values[:, 0] += 9 * phenotype
    tested = permutation_test(values, design, 10_000, 1)
    write_table(tested.table, tmp_path / "tested.tsv")
    read = read_table(tmp_path / "tested.tsv")
    families = [(tested.table, tested.maxima)] * 2
    exact = study_wide(families, 1)["study_p_family"]
    found = study_wide([(read, tested.maxima)] * 2, 1)["study_p_family"]
    np.testing.assert_allclose(found, exact)
    assert (found >= np.tile(tested.table["p_family"], 2) * (1 - 1e-5)).all()


def test_simes_is_the_smallest_q_of_benjamini_and_hochberg():
    p = np.random.default_rng(0).uniform(size=(4, 30))
    p[2, :5] = np.nan
    known = [np.nanmin(benjamini_hochberg(column)) for column in p.T]
    assert np.allclose(simes(p), known)
    assert np.allclose(simes(np.stack([p, p], axis=1))[1], known)
    assert np.isnan(simes(np.full((2, 1), np.nan))).all()
    assert simes(np.array([[0.03], [0.03]])) == 0.03
