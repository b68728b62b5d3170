"""What counts as one observation, and phenotypes as numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from popnet.stats.ranks import correlate
from popnet.stats.units import encode_phenotype, encoded, units


@pytest.fixture
def bins() -> tuple[list[str], pd.Series, pd.Series]:
    samples = ["a|1", "a|1", "b", "c", "c", "c", "007"]
    donors = pd.Series({"a|1": "D1", "b": "D1", "c": "D2", "007": "D3"})
    phenotype = pd.Series({"a|1": 0.1, "b": 0.1, "c": 0.7, "007": np.nan})
    return samples, donors, phenotype


def test_bins_as_units(bins):
    found = units(*bins, "bin")
    assert found.kind == "bin"
    assert list(found.labels) == ["a|1", "a|1", "b", "c", "c", "c"]
    assert found.phenotype.tolist() == [0.1, 0.1, 0.1, 0.7, 0.7, 0.7]
    assert (found.n_samples, found.n_donors) == (3, 2)
    values = np.arange(14.0).reshape(7, 2)
    np.testing.assert_array_equal(found.average(values), values[:6])


def test_donors_as_units_are_means_of_sample_means(bins):
    found = units(*bins, "donor")
    assert found.kind == "donor"
    assert list(found.labels) == ["D1", "D2"]
    values = np.array([[1.0], [3.0], [10.0], [4.0], [5.0], [9.0], [100.0]])
    np.testing.assert_allclose(found.average(values)[:, 0], [(2 + 10) / 2, 6])


def test_samples_are_units_where_phenotype_varies_within_a_donor(bins):
    samples, donors, phenotype = bins
    phenotype["b"] = 0.9
    found = units(samples, donors, phenotype, "donor")
    assert found.kind == "sample"
    assert list(found.labels) == ["a|1", "b", "c"]
    assert (found.n_samples, found.n_donors) == (3, 2)


def test_average_leaves_missing_bins_out(bins):
    found = units(*bins, "donor")
    values = np.array([[1, np.nan], [np.nan, np.nan], [10, np.nan], [4, 1], [5, 2], [6, 3], [0, 0]])
    np.testing.assert_allclose(found.average(values), [[7.0, np.nan], [5, 2]])


def test_a_sample_without_donor_is_its_own(bins):
    samples, donors, phenotype = bins
    assert units(samples, donors.drop("b"), phenotype, "donor").n_donors == 3


def test_no_sample_with_a_phenotype():
    found = units(["a", "b"], pd.Series(dtype=object), pd.Series(dtype=float), "donor")
    table = correlate(found.average(np.ones((2, 3))), found.phenotype, binary=False)
    assert table["p"].isna().all()
    assert (table["n"] == 0).all()


def test_unknown_unit(bins):
    with pytest.raises(ValueError, match="unit"):
        units(*bins, "line")


def test_encode_phenotype():
    text = pd.Series(["Dementia", "No dementia", "Reference", None, ""])
    coded = encode_phenotype(text, "binary", "Dementia", "No dementia")
    np.testing.assert_array_equal(coded, [1, 0, np.nan, np.nan, np.nan])
    coded = encode_phenotype(pd.Series([1.0, 0.0, np.nan]), "binary", 1, 0)
    np.testing.assert_array_equal(coded, [1, 0, np.nan])
    coded = encode_phenotype(pd.Series(["1.5", "", None, "2"]), "continuous")
    np.testing.assert_array_equal(coded, [1.5, np.nan, np.nan, 2])
    with pytest.raises(ValueError):
        encode_phenotype(pd.Series(["1.5", "high"]), "continuous")


def test_bins_as_units_inflate_and_donors_do_not():
    """Four bins per line: 15 to 32 % false positives at 5 % (shared design, difference 1)."""
    rng = np.random.default_rng(0)
    n_donors, n_bins, n_genes = 20, 4, 4000
    samples = np.repeat([f"s{i}" for i in range(n_donors)], n_bins)
    donors = pd.Series({s: s for s in samples})
    phenotype = pd.Series(dict(zip(dict.fromkeys(samples), rng.normal(size=n_donors), strict=True)))
    values = np.repeat(rng.normal(size=(n_donors, n_genes)), n_bins, axis=0)
    values += rng.normal(size=values.shape)
    share = {}
    for unit in ("bin", "donor"):
        over = units(samples, donors, phenotype, unit)
        p = correlate(over.average(values), over.phenotype, binary=False)["p"]
        share[unit] = (p < 0.05).mean()
    assert share["bin"] > 0.15
    assert abs(share["donor"] - 0.05) < 3 * np.sqrt(0.05 * 0.95 / n_genes)


def test_a_donor_with_two_values_gives_two_units():
    """Samples of one donor never become independent observations of one value."""
    samples = [f"s{number}" for number in range(6)]
    donors = pd.Series(["a", "a", "a", "b", "b", "b"], samples)
    phenotype = pd.Series([1.0, 1.0, 0.0, 0.0, 0.0, 0.0], samples)
    found = units(samples, donors, phenotype, "donor")
    assert found.kind == "sample"
    assert found.phenotype.tolist() == [1.0, 0.0, 0.0]
    np.testing.assert_allclose(found.average(np.arange(6.0)[:, None])[:, 0], [0.5, 2.0, 4.0])


def test_a_phenotype_of_the_sheet_is_encoded_by_its_own_words():
    samples = pd.DataFrame({"status": ["ill", "well", "unsure"], "age": ["51", "", "7.5"]})
    status = {"name": "status", "type": "binary", "case": "ill", "control": "well"}
    np.testing.assert_array_equal(encoded(samples, status), [1, 0, np.nan])
    age = {"name": "age", "type": "continuous", "case": None, "control": None}
    np.testing.assert_array_equal(encoded(samples, age), [51, np.nan, 7.5])
