"""The siVAE of a cohort: its cells, its folds, and what makes it stand or be trained again."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad

from popnet.cells.expression import BinnedExpression, PreparedSample, scale, write_expression
from popnet.errors import InputError
from popnet.sivae import DivergedError, load, settings_for, shared, storage
from popnet.sivae.data import heldout_of
from popnet.sivae.shared import (
    Basis,
    badly_fitted,
    cell_quotas,
    draw_cells,
    fold_of,
    read_basis,
    train_part,
    unseen_errors,
)

GENES = [f"g{i}" for i in range(12)]
SETTINGS = settings_for(
    latent=3,
    hidden=(16, 8),
    steps=(30, 20, 60),
    minibatch=16,
    standardise=False,
    heldout=0.1,
    precision="float32",
)
SIZES = {"a1": 40, "a2": 60, "b": 80, "c": 100}
DONORS = pd.Series({"a1": "a", "a2": "a", "b": "b", "c": "c", "new": "d"})


def column(sizes: dict[str, int]) -> pd.DataFrame:
    """Return cells of samples, in two bins each."""
    cells = pd.DataFrame({"sample": np.repeat(list(sizes), list(sizes.values()))})
    return cells.assign(bin=1 + cells.groupby("sample").cumcount() % 2)


# Which cells


def test_every_donor_gives_as_many_cells():
    quotas = cell_quotas(pd.Series(SIZES), DONORS)
    assert quotas.to_dict() == {"a1": 40, "a2": 60, "b": 80, "c": 100}
    n_cells = pd.Series({"a1": 10, "a2": 400, "b": 90, "c": 300})
    # The median donor has 300; what a1 lacks, a2 gives; b has fewer.
    assert cell_quotas(n_cells, DONORS).to_dict() == {"a1": 10, "a2": 290, "b": 90, "c": 300}
    few = cell_quotas(n_cells, DONORS, most=90)
    assert few.to_dict() == {"a1": 10, "a2": 20, "b": 30, "c": 30}


def test_drawn_cells_are_the_quotas_of_their_samples():
    cells = column({"a2": 60, "c": 100, "a1": 40, "b": 80})
    drawn = draw_cells(cells, DONORS, most=120, seed=1)
    assert np.all(np.diff(drawn) > 0)
    expected = {"a1": 20, "a2": 20, "b": 40, "c": 40}
    assert cells["sample"].iloc[drawn].value_counts().to_dict() == expected
    np.testing.assert_array_equal(drawn, draw_cells(cells, DONORS, most=120, seed=1))
    assert not np.array_equal(drawn, draw_cells(cells, DONORS, most=120, seed=2))
    # With more cells in all, those drawn before stay.
    assert set(drawn) < set(draw_cells(cells, DONORS, most=180, seed=1))


def test_folds_are_halves_and_do_not_depend_on_other_samples():
    cells = column(SIZES | {"odd": 7})
    fold = fold_of(cells, 1)
    assert fold.dtype == np.int8
    counts = pd.crosstab([cells["sample"], cells["bin"]], fold)
    assert (counts[1] - counts[2]).abs().max() == 1
    more = column({"other": 33} | SIZES)
    for sample in SIZES:
        of_more = fold_of(more, 1)[more["sample"] == sample]
        np.testing.assert_array_equal(fold[cells["sample"] == sample], of_more)
    assert not np.array_equal(fold, fold_of(cells, 2))
    categories = cells.astype({"sample": "category"})
    np.testing.assert_array_equal(fold_of(categories, 1), fold)


# Which samples fit badly


def test_samples_far_above_the_others_fit_badly():
    errors = {"a": 0.80, "b": 0.81, "c": 0.82, "d": 0.83, "near": 0.85, "far": 0.9}
    assert badly_fitted(errors, ["a", "b", "c", "d"]) == ["far"]
    same = dict.fromkeys("abcd", 0.8) | {"near": 0.809, "far": 0.811}
    assert badly_fitted(same, list("abcd")) == ["far"]
    assert badly_fitted(errors, list(errors)) == []
    assert badly_fitted({}, ["a"]) == []


# The basis


def test_a_basis_stands_if_only_samples_came():
    first = {"a": "1", "b": "2"}
    earlier = Basis("all", {"latent": 3}, 1, "code", "genes", first, first, {}, "model")
    more = first | {"c": "3"}
    now = replace(earlier, samples=more, known=more, model="")
    assert earlier.stands(now)
    # What it was last used for, once more: another is asked for.
    assert not earlier.stands(replace(now, samples=first))
    assert not replace(earlier, known=more).stands(now)
    assert replace(earlier, known=more).stands(replace(now, samples=first))
    for name, value in (
        ("part", "fold1"),
        ("settings", {"latent": 4}),
        ("seed", 2),
        ("code", "other"),
        ("genes", "other"),
        ("samples", {"a": "1", "c": "3"}),
        ("samples", {"a": "1", "b": "changed", "c": "3"}),
    ):
        assert not earlier.stands(replace(now, **{name: value})), name


# Training


@pytest.fixture
def study(tmp_path):
    """A function that writes a cohort's expression and returns what training takes."""

    def write(sizes=SIZES, strange=(), factor=1.0):
        def samples():
            for name, size in sizes.items():
                rng = np.random.default_rng([*name.encode()])
                axes = rng if name in strange else np.random.default_rng(0)
                x = rng.normal(size=(size, 2)) @ axes.normal(size=(2, len(GENES)))
                x = factor * x + 0.5 * rng.normal(size=x.shape)
                names = [f"{name}:{i}" for i in range(size)]
                bins = 1 + np.arange(size) // 20
                obs = pd.DataFrame({"sample": name, "bin": bins, "n_counts": 1.0}, index=names)
                summary = pd.DataFrame({"sample": name, "bin": np.unique(bins)})
                means = np.zeros((len(summary), len(GENES)))
                yield PreparedSample(scale(x.astype(np.float32)), obs, summary, means, means)

        write_expression(tmp_path / "expression.h5ad", samples(), GENES)
        return tmp_path / "expression.h5ad", DONORS, tmp_path / "model"

    return write


def trained(study, part="all", settings=SETTINGS, seed=1):
    expression, donors, folder = study
    return train_part(part, expression, donors, folder, settings, seed, "cpu")


def test_parts_are_trained_on_their_cells(study, capsys):
    files = study()
    obs = BinnedExpression(files[0]).obs
    drawn, fold = draw_cells(obs, DONORS, seed=1), fold_of(obs, 1)
    for part, rows in (("all", drawn), ("fold1", drawn[fold[drawn] == 2])):
        basis = trained(files, part)
        fitted = load(files[2])
        assert list(fitted.obs.index) == list(obs.index[rows])
        np.testing.assert_array_equal(fitted.heldout, heldout_of(obs, 0.1, 1)[rows])
        assert list(fitted.var.index) == GENES
        assert basis.samples == basis.known
        assert set(basis.samples) == set(SIZES)
        assert set(basis.errors) == (set() if part == "all" else set(SIZES))
        assert read_basis(files[2]) == basis
    assert "280 cells of 3 donors, 100 of each that has them" in capsys.readouterr().out
    with pytest.raises(ValueError, match="'fold3' is not one of"):
        trained(files, "fold3")


def test_small_samples_are_named(study, capsys):
    trained(study({"a1": 20, "a2": 100, "b": 80, "c": 120}))
    assert "used whole, with fewer cells than their donor's share: a1, b\n" in (
        capsys.readouterr().out
    )


def test_errors_are_of_cells_that_the_model_did_not_see(study):
    files = study()
    basis = trained(files, "fold2")
    obs = BinnedExpression(files[0]).obs
    fitted = load(files[2])
    unseen = obs.index[fold_of(obs, 1) == 2]
    assert not set(unseen) & set(fitted.obs.index)
    rows = np.flatnonzero((fold_of(obs, 1) == 2) & (obs["sample"] == "b"))
    cells = read_h5ad(files[0])[rows].to_memory()
    error = ((fitted.reconstruct(cells) - cells.X) ** 2).mean()
    assert basis.errors["b"] == pytest.approx(error / cells.X.var(0).mean(), rel=1e-4)


def test_streaming_changes_nothing_but_the_order(study, monkeypatch):
    files = study()
    resident = trained(files, "fold1")
    monkeypatch.setattr(storage, "RESIDENT_BYTES", 0)
    streamed = trained(files, "fold1", seed=1)
    assert resident.model != streamed.model
    assert resident.errors == pytest.approx(streamed.errors, abs=0.3)


def test_a_model_stands_when_samples_are_added(study, capsys):
    first = trained(study(), "fold1")
    more = SIZES | {"new": 90}
    second = trained(study(more), "fold1")
    assert "the model of 4 samples as it was: 1 came later" in capsys.readouterr().out
    assert (second.model, second.samples) == (first.model, first.samples)
    assert set(second.known) == set(second.errors) == set(more)
    assert {sample: second.errors[sample] for sample in SIZES} == first.errors
    # Nothing came since: it is asked for, and trained on all samples.
    third = trained(study(more), "fold1")
    assert third.samples == third.known == second.known
    assert third.model != first.model
    # The sample is taken out again.
    fourth = trained(study(), "fold1")
    assert fourth.samples == first.samples
    assert fourth.model == first.model


def test_a_sample_that_fits_badly_is_named(study, capsys):
    settings = replace(SETTINGS, steps=(300, 100, 600), hidden=(32, 16), kl=0.01)
    trained(study(), "fold1", settings)
    trained(study(SIZES | {"new": 90}), "fold1", settings)
    assert "--forcerun" not in capsys.readouterr().out
    trained(study(SIZES | {"new": 90}, strange=["new"]), "fold1", settings)
    found = [line for line in capsys.readouterr().out.splitlines() if "--forcerun" in line]
    assert len(found) == 1
    assert found[0].startswith("new: held-out error ")


def test_what_changed_is_trained_again(study):
    more = SIZES | {"new": 90}
    first = trained(study())
    assert trained(study(more), seed=2).model != first.model
    first = trained(study())
    assert trained(study(more), settings=replace(SETTINGS, kl=0.5)).model != first.model
    first = trained(study())
    assert set(trained(study(more | {"b": 60})).samples) == set(more)
    files = study()
    first = trained(files)
    files = (files[0], pd.Series(DONORS.to_dict() | {"c": "b"}), files[2])
    assert trained(files).samples["c"] != first.samples["c"]
    # Normalised in another way, cells of the same names.
    first = trained(study())
    changed = trained(study(more, factor=2.0))
    assert set(changed.samples) == set(more)
    assert changed.samples["b"] != first.samples["b"]


def test_a_damaged_model_is_trained_again(study):
    files = study()
    first = trained(files)
    (files[2] / "model.safetensors").write_bytes(b"cut")
    assert read_basis(files[2]) is None
    assert trained(study(SIZES | {"new": 90})).samples != first.samples
    (files[2] / "basis.json").write_text("{}")
    assert read_basis(files[2]) is None
    assert read_basis(files[2] / "nowhere") is None


def test_genes_have_components_as_input(study):
    files = study()
    trained(files, settings=replace(SETTINGS, feature_input={"method": "cells"}))
    assert load(files[2]).settings.feature_input.method == "pca"
    described = json.loads((files[2] / "basis.json").read_text())["settings"]
    assert described["feature_input"]["method"] == "pca"


def test_a_model_that_diverges_is_tried_again_once(study, monkeypatch, capsys):
    seeds = []

    def diverges(data, settings, seed, *args, **kwargs):
        seeds.append(seed)
        raise DivergedError("joint", 7)

    monkeypatch.setattr(shared, "fit", diverges)
    with pytest.raises(DivergedError):
        trained(study())
    assert len(set(seeds)) == 2
    assert "tried again with another seed" in capsys.readouterr().out


def test_damaged_expression_is_named(study):
    files = study()
    fitted = trained(files, "fold1")
    assert fitted.errors
    whole = files[0].read_bytes()
    obs, model = BinnedExpression(files[0]), load(files[2])
    files[0].write_bytes(whole[: len(whole) // 3])
    with pytest.raises(InputError, match=r"expression\.h5ad"):
        trained(files)
    with pytest.raises(InputError, match=r"expression\.h5ad"):
        unseen_errors(model, obs, "fold1", 1, ["b"])
