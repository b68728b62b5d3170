"""Cell states: planted clusters in samples that are moved, and measures against scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from popnet.networks.states import (
    States,
    adjusted_rand,
    assign,
    count_states,
    describe,
    find_states,
)

CENTRES = np.array([[0, 0, 0], [5, 0, 0], [0, 5, 0]], float)


def cohort(shares, seed=0, n=150, moved=4.0):
    """Return scores of cells, standardised in location as expression is, samples and states."""
    rng = np.random.default_rng(seed)
    scores, samples, states = [], [], []
    for number, of_sample in enumerate(shares):
        state = rng.choice(3, n, p=of_sample)
        own = CENTRES[state] + rng.normal(size=(n, 3)) + moved * rng.normal(size=3)
        scores.append(own - own.mean(0))
        samples += [f"s{number}"] * n
        states.append(state)
    return np.concatenate(scores), np.array(samples), np.concatenate(states)


def test_states_are_those_that_were_planted_though_shares_move_every_sample():
    shares = [[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.4, 0.4, 0.2]] * 2
    scores, samples, truth = cohort(shares)
    found = find_states(scores, samples, samples, 1)
    assert found.agreement[3] > 0.95
    state = assign(scores, samples, found.centres)
    # A planted state may be two, but two planted ones are never one.
    table = pd.crosstab(truth, state)
    assert 3 <= table.shape[1] <= 4
    assert table.max().sum() > 0.98 * len(truth)
    assert (np.diff(np.bincount(state)) <= 0).all()
    assert find_states(scores, samples, samples, 1).centres == pytest.approx(found.centres)
    # Nearest centres alone take the shift of a sample for one of its cells.
    nearest = ((scores[:, None] - found.centres) ** 2).sum(2).argmin(1)
    assert pd.crosstab(truth, nearest).max().sum() < 0.95 * len(truth)


def test_a_sample_that_comes_later_does_not_move_the_states_of_others():
    scores, samples, _ = cohort([[0.5, 0.3, 0.2]] * 4)
    centres = find_states(scores, samples, samples, 1).centres
    later, name, truth = cohort([[0.2, 0.2, 0.6]], seed=9)
    both = assign(np.concatenate([scores, later]), np.append(samples, name + "new"), centres)
    assert (both[: len(scores)] == assign(scores, samples, centres)).all()
    assert adjusted_rand_score(truth, both[len(scores) :]) > 0.8


def test_cells_without_clusters_are_of_one_state():
    rng = np.random.default_rng(0)
    scores, samples = rng.normal(size=(800, 5)), np.repeat([f"s{n}" for n in range(8)], 100)
    found = find_states(scores, samples, samples, 0)
    assert found.agreement.max() < 0.75
    assert found.centres.shape == (1, 5)
    assert (assign(scores, samples, found.centres) == 0).all()
    alone = find_states(scores, samples, np.repeat("d", 800), 0)
    assert len(alone.centres) == 1
    assert alone.agreement.empty


@pytest.mark.parametrize("n_groups", [1, 2, 6])
def test_adjusted_rand_index_is_that_of_scikit_learn(n_groups):
    rng = np.random.default_rng(n_groups)
    first, second = rng.integers(n_groups, size=(2, 60))
    second[:30] = first[:30]
    assert adjusted_rand(first, second) == pytest.approx(adjusted_rand_score(first, second))


def test_counts_and_markers():
    cells = pd.DataFrame({"sample": ["b", "b", "a", "a"], "bin": [1, 1, 1, 2]})
    state = np.array([0, 1, 0, 0])
    counts = count_states(cells, state, 2)
    assert counts.to_numpy().tolist() == [["b", 1, 1, 1], ["a", 1, 1, 0], ["a", 2, 1, 0]]
    assert list(counts) == ["sample", "bin", "state1", "state2"]
    expression = np.array([[1.0, 0], [-4, 1], [2, 0], [3, 0]])
    sums = np.eye(2)[state].T @ expression
    agreement = pd.Series({2: 0.9})
    table = describe(States(np.zeros((2, 1)), agreement), sums, np.array([3, 1]), ["g1", "g2"])
    first = table[table["state"] == 1]
    assert first["gene"].tolist() == ["g1", "g2"]
    assert first["difference"].tolist() == [6.0, -1.0]
    assert first["share"].unique() == [0.75]
    assert table["name"].unique().tolist() == ["g1/g2", "g2/g1"]
    assert (table["agreement"] == 0.9).all()
    whole = describe(States(np.zeros((1, 1)), agreement), sums[:1], np.array([4]), ["g1", "g2"])
    assert whole["name"].unique() == ["all cells"]
