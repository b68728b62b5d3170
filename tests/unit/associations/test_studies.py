"""Several studies of one phenotype, combined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from popnet.associations.studies import StudyTests, studies_combined
from popnet.errors import InputError
from popnet.files import write_table
from popnet.findings.meta import TOGETHER, forest, meta_rows
from popnet.stats.mixed import mixed_t
from popnet.stats.mixed_designs import make_mixed_design

GENES = [f"g{number:02d}" for number in range(50)]


@pytest.fixture
def study(design_of):
    """A function that returns the tests of a study, whose first genes have an effect."""

    def tested(n, seed, binary=True, labels=("healthy", "ill"), genes=GENES, effect=2.0):
        rng = np.random.default_rng(seed)
        y = np.arange(n) % 2 if binary else rng.normal(size=n)
        values = rng.normal(size=(n, len(genes)))
        values[:, :5] += effect * y[:, None]
        design = design_of(y, binary=binary)
        names = [f"s{number}" for number in range(n)]
        sheet = pd.DataFrame({"donor": names, "batch": ""}, names)
        about = names, sheet, pd.Series(np.asarray(y, float), names), binary
        design = replace(design, mixed=make_mixed_design(*about))
        table = mixed_t(values, design.mixed.model).assign(gene=genes)
        known = pd.Series(np.take(labels, y) if binary else y, names)
        return StudyTests(table, design, known.to_frame("phenotype"))

    return tested


def test_effects_of_studies(study):
    studies = {"a": study(16, 0), "b": study(40, 1, genes=GENES[:40])}
    table = studies_combined(studies)
    assert sorted(table["gene"]) == GENES[:40]
    assert set(table["gene"][:5]) == set(GENES[:5])
    assert (table["q"] <= 0.05).sum() <= 7
    assert studies["a"].spread == pytest.approx(np.sqrt(1 / 8 + 1 / 8))
    row = table.iloc[0]
    assert row["same_direction"] == row["n_studies"] == 2
    # The effect in standard deviations is between those of the studies.
    assert min(row["a: effect"], row["b: effect"]) <= row["estimate"]
    assert row["estimate"] <= max(row["a: effect"], row["b: effect"])
    summary = next(meta_rows(table.assign(network="shared"), 0.05))
    assert (summary["network"], summary["tested"], summary["n_studies"]) == ("shared", 40, 2)
    assert summary["significant"] >= summary["replicated"] >= 3
    shown = forest(table.assign(network="shared"))
    assert shown["gene"].unique().tolist() == table["gene"].head(15).tolist()
    assert shown["study"][:3].tolist() == [TOGETHER, "a", "b"]
    first = shown.iloc[1]
    assert first["high"] - first["effect"] == pytest.approx(1.959964 * row["a: error"])


def test_every_column_is_explained(study, compare_columns, tmp_path):
    """Of the tables of `snakemake meta`, which no test runs."""
    table = studies_combined({"a": study(16, 0), "b: p": study(40, 1)}).assign(network="shared")
    rows = pd.DataFrame(meta_rows(table, 0.05)).assign(cell_type="T", phenotype="ill")
    shown = {"T/ill.tsv": table, "meta.tsv": rows, "figures/T/ill.tsv": forest(table)}
    for name, one in shown.items():
        path = tmp_path / "meta" / "two" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(one, path)
    assert compare_columns(tmp_path) == ({}, {})


def test_continuous_phenotypes(study):
    studies = {"a": study(20, 0, binary=False), "b": study(30, 1, binary=False)}
    table = studies_combined(studies)
    assert set(table["gene"][:5]) == set(GENES[:5])
    assert studies["b"].spread == pytest.approx(1 / np.sqrt(30))


def test_phenotypes_must_be_the_same(study):
    turned = {"a": study(16, 0), "b": study(16, 1, labels=("ill", "healthy"))}
    with pytest.raises(InputError, match="'ill' and 'healthy' in a, but 'healthy' and 'ill' in b"):
        studies_combined(turned)
    with pytest.raises(InputError, match="binary in one of a and b and continuous in one"):
        studies_combined({"a": study(16, 0), "b": study(16, 1, binary=False)})
