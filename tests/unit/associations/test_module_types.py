"""Modules in two cell types of the same samples: a planted difference, and nothing else."""

from __future__ import annotations

import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import stats

from popnet.associations import module_types
from popnet.associations.module_types import InType
from popnet.associations.testing import Testing
from popnet.files import read_table, write_h5ad, write_table
from popnet.networks.modules import Modules
from popnet.networks.modules_across import across_types

IDS = [f"s{one}" for one in range(8)]
SAMPLES = pd.DataFrame({"donor": IDS, "batch": np.nan}, IDS)


def columns(n):
    table = {"kind": "density", "module1": range(1, n + 1), "module2": range(1, n + 1)}
    return pd.DataFrame(table).assign(name1="x", name2="x", n_genes=9)


def test_one_module_is_a_paired_t_test():
    """Without a prior, with one bin of each sample; samples of one cell type alone are left out."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(1, 1, (8, 1)), rng.normal(0, 1, (9, 1))
    own = InType(first, first / 2, IDS)
    other = InType(second, second / 2, [*IDS[::-1], "s9"])
    testing = Testing(99, 1, chance={})
    found = module_types.robust(columns(1), own, other, SAMPLES, testing).iloc[0]
    t, p = stats.ttest_rel(first[:, 0], second[7::-1, 0])
    assert found[["t", "p", "plain_p"]].to_list() == pytest.approx([t, p, p])
    assert found[["n", "n_donors"]].to_list() == [8, 8]
    assert found["estimate"] == pytest.approx((found["own_mean"] - found["other_mean"]) / 2)
    assert testing.chance["module_types"]["tested"].tolist() == [1] * 20


def test_its_level_where_donors_have_several_samples_and_samples_unequal_bins():
    rng, share = np.random.default_rng(1), []
    samples = SAMPLES.assign(donor=np.repeat(["a", "b", "c", "d"], 2))
    for _ in range(60):
        donors = rng.normal(size=(4, 40)).repeat(2, axis=0)
        rows = np.repeat(np.arange(8), rng.integers(1, 4, 8))
        own = rng.normal(size=(8, 40))[rows] + donors[rows] + rng.normal(size=(len(rows), 40))
        other = rng.normal(size=(8, 40))
        about = InType(own, own, [IDS[one] for one in rows]), InType(other, other, IDS)
        found = module_types.robust(columns(40), *about, samples, Testing(99, 1))
        share.append((found["p"] <= 0.05).mean())
    error = np.std(share) / np.sqrt(len(share))
    assert np.mean(share) == pytest.approx(0.05, abs=3.1 * error)


def test_nothing_in_common_is_no_test():
    values = np.ones((1, 2))
    about = InType(values, values, ["a"]), InType(values, values, ["b"])
    found = module_types.robust(columns(2), *about, SAMPLES, Testing(99, 1))
    assert found["p"].isna().all()
    assert module_types.robust(columns(0), *about, SAMPLES, Testing(99, 1)).empty


def test_a_cell_type_of_other_samples_adds_no_hits_by_chance(root, tmp_path):
    """T has the samples of B, and none of those of C."""
    rng, paths = np.random.default_rng(3), []
    for name, samples in (("T", IDS), ("B", IDS), ("C", ["x", "y"])):
        var = columns(2)[["kind", "module1", "module2", "n_genes"]]
        var = pd.concat([var.assign(of="T", other=other) for other in ("B", "C")])
        values = rng.normal(size=(len(samples), 4))
        obs = pd.DataFrame({"sample": samples}, samples)
        table = AnnData(values, obs, var.set_axis(list("0123")), layers={"relative": values})
        paths.append(tmp_path / f"{name}.h5ad")
        write_h5ad(table, paths[-1])
    write_table(pd.DataFrame({"module": [1, 2], "name": ["a", "b"]}), tmp_path / "names.tsv")
    samples = SAMPLES.reset_index(names="sample")
    write_table(samples, tmp_path / "samples.tsv")
    snakemake = SimpleNamespace(
        input=SimpleNamespace(
            values=paths, names=tmp_path / "names.tsv", samples=tmp_path / "samples.tsv"
        ),
        output=SimpleNamespace(table=tmp_path / "types.tsv", null=tmp_path / "null.tsv"),
        params=SimpleNamespace(
            cell_types=["T", "B", "C"],
            own="T",
            statistics={"fdr": 0.05, "min_icc": 0.4, "permutations": 99},
            seed=1,
        ),
        log=[str(tmp_path / "log")],
    )
    script = root / "workflow/scripts/associations/compare_modules.py"
    runpy.run_path(str(script), init_globals={"snakemake": snakemake})
    table, chance = read_table(tmp_path / "types.tsv"), read_table(tmp_path / "null.tsv")
    assert table.groupby("other")["p"].count().to_dict() == {"B": 2, "C": 0}
    assert chance["tested"].tolist() == [2] * 20
    assert chance["significant"].notna().all()


def test_modules_are_weighed_by_the_genes_of_both():
    """In bins of T, of modules of T and B: A to E and F to J are common, Z is of T alone."""
    genes = pd.Index([*"ABCDEFGHIJZ"])
    rng = np.random.default_rng(0)
    square = rng.normal(size=(11, 11))
    square = square + square.T
    np.fill_diagonal(square, 0)
    of_t = np.array([1] * 5 + [2] * 5 + [2])
    stable = np.ones(2)
    modules = {
        "T": Modules(genes, square, of_t, np.ones(11), stable, 1.0),
        "B": Modules(genes[9::-1], square, np.array([1] * 6 + [2] * 4), np.ones(10), stable, 1.0),
    }
    bins = pd.DataFrame({"name": ["b1"], "sample": ["s1"]})
    centrality = SimpleNamespace(genes=pd.Index([*genes[::-1], "more"]), bins=bins)
    back = square[::-1, ::-1]
    estimator = SimpleNamespace(
        centrality=centrality, weigh=lambda row, nodes: [back[np.ix_(nodes, nodes)]]
    )
    found = across_types(modules, "T", estimator)
    var = found.var.reset_index(drop=True)
    # Of B's second module four genes are too few.
    assert var["of"].tolist() == ["T"] * 3 + ["B"]
    assert var["kind"].tolist() == ["density", "density", "coupling", "density"]
    assert var["n_genes"].tolist() == [5, 5, 5, 6]
    upper = np.triu_indices(5, 1)
    expected = [square[:5, :5][upper].mean(), square[5:10, 5:10][upper].mean()]
    expected += [square[:5, 5:10].mean(), square[4:10, 4:10][np.triu_indices(6, 1)].mean()]
    np.testing.assert_allclose(found.X[0], expected, rtol=1e-5)
    scale = np.sqrt((square[:10, :10][np.triu_indices(10, 1)] ** 2).mean())
    np.testing.assert_allclose(found.layers["relative"][0], expected / scale, rtol=1e-5)
