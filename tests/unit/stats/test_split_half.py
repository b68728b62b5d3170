"""Halves of the donors: what is there comes back, what is not does not, and pairs stay together."""

from __future__ import annotations

import numpy as np
import pytest

from popnet.stats.mixed import mixed_t, permuted_outcomes
from popnet.stats.mixed_model import Model
from popnet.stats.split_half import _halves, split_half


def model_of(outcome, donor=None, cases=True):
    outcome = np.asarray(outcome, float)
    random = {}
    if donor is not None:
        random["donor"] = (np.asarray(donor)[:, None] == np.unique(donor)).astype(float)
    return Model(
        outcome, np.ones((len(outcome), 1)), random, (), {"cases": outcome == 1} if cases else {}
    )


def test_effects_come_back_and_chance_does_not():
    rng = np.random.default_rng(0)
    model = model_of(np.arange(40) % 2)
    values = rng.normal(size=(40, 300))
    effect = rng.normal(size=300)
    outcomes = permuted_outcomes(model, {"cases": 1.0}, 20, 1)
    with_effect = values + np.outer(model.outcome, effect)
    found = split_half(with_effect, model, {"cases": 1.0}, outcomes, 10, 1)
    assert found.shape == (21,)
    assert found[0] > 0.5
    assert np.abs(found[1:]).max() < 0.4
    nothing = split_half(values, model, {"cases": 1.0}, outcomes, 10, 1)
    assert abs(nothing[0]) < 0.2
    np.testing.assert_array_equal(
        found, split_half(with_effect, model, {"cases": 1.0}, outcomes, 10, 1)
    )


def test_one_division_is_the_correlation_of_two_tests():
    rng = np.random.default_rng(1)
    model = model_of(rng.normal(size=20), cases=False)
    values = rng.normal(size=(20, 50)) + model.outcome[:, None]
    ((one, other),) = _halves(model, 1, 3)
    t = [mixed_t(values[rows], model.subset(rows), {})["t"] for rows in (one, other)]
    found = split_half(values, model, {}, np.zeros((0, 20)), 1, 3)
    assert found == pytest.approx([np.corrcoef(*t)[0, 1]])


def test_halves_have_the_same_phenotypes_and_whole_donors():
    case = np.repeat([0.0, 1.0], 10)
    for one, other in _halves(model_of(case), 20, 1):
        assert sorted([*one, *other]) == list(range(20))
        assert case[one].sum() == case[other].sum() == 5
    donor = np.repeat(np.arange(8), 2)
    pairs = model_of(np.tile([0, 1], 8), donor)
    for one, other in _halves(pairs, 20, 1):
        assert not set(donor[one]) & set(donor[other])
        assert len(one) == len(other) == 8
    age = np.arange(21.0)
    for one, other in _halves(model_of(age, cases=False), 20, 1):
        assert abs(age[one].mean() - age[other].mean()) < 2.1
        assert {len(one), len(other)} == {10, 11}


def test_too_few_donors_have_no_halves():
    model = model_of([0, 1, 0, 1, 1])
    found = split_half(np.ones((5, 4)), model, {"cases": 1.0}, np.zeros((3, 5)), 5, 1)
    assert np.isnan(found).all()
    nobody = Model(np.zeros(0), np.zeros((0, 1)), {})
    assert np.isnan(split_half(np.zeros((0, 4)), nobody, {}, np.zeros((0, 0)), 5, 1)).all()
