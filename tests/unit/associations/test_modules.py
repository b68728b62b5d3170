"""Density and coupling of modules against direct calls of what their tests rest on."""

from __future__ import annotations

import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import stats

from popnet.associations import modules as module_tests
from popnet.associations.designs import write_design
from popnet.associations.testing import Testing
from popnet.files import read_table, write_h5ad, write_table
from popnet.networks.modules import value_columns
from popnet.stats.designs import make_design

N_SAMPLES, NUMBERS = 16, np.array([1, 2, 4])


@pytest.fixture(scope="module")
def study():
    """Two bins of every sample; module 2 is denser in cases, and so is its expression higher."""
    rng = np.random.default_rng(0)
    samples = [f"s{number}" for number in range(N_SAMPLES)]
    sheet = pd.DataFrame({"donor": samples, "batch": ""}, index=samples)
    case = pd.Series(np.arange(N_SAMPLES) % 2.0, samples)
    bins = np.repeat(samples, 2)
    columns = value_columns(NUMBERS)
    for number in ("1", "2"):
        columns[f"name{number}"] = "hub " + columns[f"module{number}"].astype(str)
    values = 0.2 + 0.02 * rng.normal(size=(len(bins), len(columns)))
    own = ((columns["module1"] == 2) & (columns["kind"] != "coupling")).to_numpy()
    values[:, own] += 0.1 * case[bins].to_numpy()[:, None]
    expression = rng.normal(size=(len(bins), 3))
    return values, columns, expression, make_design(bins, sheet, case, True)


def test_three_families_of_which_two_are_counted(study):
    values, columns, expression, design = study
    testing = Testing(99, seed=1, chance={})
    found = module_tests.robust(values, columns, expression, design, testing)
    assert found["kind"].value_counts().to_dict() == {"density": 3, "eigengene": 3, "coupling": 3}
    for _, of_kind in found.groupby("kind"):
        np.testing.assert_allclose(of_kind["q"], stats.false_discovery_control(of_kind["p"]))
    first = found.iloc[0]
    assert (first["kind"], first["module1"], first["name1"]) == ("density", 2, "hub 2")
    assert first["q"] < 0.01
    assert first["estimate"] == pytest.approx(0.1, abs=0.03)
    assert first["mean_case"] - first["mean_control"] == pytest.approx(0.1, abs=0.03)
    assert first["explained_by"] in ("none", "expression unknown")
    # Three densities and three couplings.
    assert set(testing.by_chance("modules")["tested"]) == {6}


def test_expression_of_modules_is_that_of_the_average_gene():
    rng = np.random.default_rng(0)
    genes = pd.Index(["a", "b", "c", "d"])
    mean = rng.normal(size=(6, 4)) * [1, 100, 1, 1]
    module = pd.Series({"b": 2, "a": 2, "d": 5})
    found = module_tests.module_expression(mean, genes, module, np.array([2, 5]))
    scores = stats.zscore(mean)
    np.testing.assert_allclose(found, np.column_stack([scores[:, :2].mean(1), scores[:, 3]]))


@pytest.mark.parametrize("n_modules", [0, 1, 3])
def test_the_script(study, root, tmp_path, n_modules):
    values, columns, _, design = study
    kept = columns[["module1", "module2"]].isin(NUMBERS[:n_modules]).all(axis=1).to_numpy()
    labels = [f"bin {row}" for row in range(len(values))]
    var = columns.loc[kept, ["kind", "module1", "module2"]]
    table = AnnData(values[:, kept], var=var.set_axis(var.index.astype(str)))
    write_h5ad(table, tmp_path / "modules.h5ad")
    genes = [f"G{number}" for number in range(6)]
    bins = AnnData(np.zeros((len(values), 6)), pd.DataFrame(index=labels))
    bins.var_names = genes
    bins.layers["mean_expression"] = np.random.default_rng(1).normal(size=bins.shape)
    write_h5ad(bins, tmp_path / "bins.h5ad")
    names = pd.DataFrame({"module": [1, 1, 2, 2, 4, 4], "gene": genes})
    write_table(names.assign(name="hub " + names["module"].astype(str)), tmp_path / "modules.tsv")
    write_design(design, tmp_path / "design.npz")
    statistics = {"permutations": 99, "fdr": 0.05, "min_icc": 0.4, "test_unmeasurable": False}
    snakemake = SimpleNamespace(
        input=SimpleNamespace(
            modules=tmp_path / "modules.h5ad",
            names=tmp_path / "modules.tsv",
            bins=tmp_path / "bins.h5ad",
            design=tmp_path / "design.npz",
            measures=[],
            composition=[],
        ),
        output=SimpleNamespace(table=tmp_path / "tested.tsv", null=tmp_path / "null.tsv"),
        params=SimpleNamespace(statistics=statistics, seed=1),
        wildcards=SimpleNamespace(network="shared"),
        log=[str(tmp_path / "log")],
    )
    script = root / "workflow/scripts/associations/associate_modules.py"
    runpy.run_path(str(script), init_globals={"snakemake": snakemake})
    tested = read_table(tmp_path / "tested.tsv")
    assert len(tested) == kept.sum()
    assert set(tested["name1"]) == {f"hub {number}" for number in NUMBERS[:n_modules]}
    assert len(read_table(tmp_path / "null.tsv")) == 20
