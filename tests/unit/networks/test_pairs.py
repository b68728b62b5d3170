"""The candidate pairs: how they are chosen, and their reliability."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popnet.errors import InputError
from popnet.networks.pairs import PairMoments, PairWeights, candidates, read_pairs
from popnet.networks.reliability import icc


@pytest.mark.parametrize("sizes", [(2, 2, 2), (1, 3, 2, 5), (4, 1), (1, 2)])
def test_moments_equal_those_of_all_bins(sizes):
    rng = np.random.default_rng(0)
    bins = [rng.normal(size=(size, 9)) + rng.normal(size=9) for size in sizes]
    for of_sample in bins:
        of_sample[:, 0] = 0
        of_sample[:, 1] *= 1e-4
    moments = PairMoments(9)
    means = [moments.add(of_sample.astype(np.float32)) for of_sample in bins]
    single = np.concatenate(bins).astype(np.float32)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    expected = icc(single, groups)["icc"]
    np.testing.assert_allclose(moments.icc, expected, atol=1e-6)
    assert np.isnan(moments.icc).tolist() == [True] + [False] * 8
    plain = np.array([of_sample.mean(axis=0) for of_sample in bins])
    np.testing.assert_allclose(means, plain, atol=1e-6)
    np.testing.assert_allclose(moments.rms, np.sqrt((plain**2).mean(axis=0)), rtol=1e-5)


def test_without_two_bins_of_a_sample_there_is_no_reliability():
    for sizes in ((1, 1, 1), (3,), ()):
        moments = PairMoments(2)
        for size in sizes:
            moments.add(np.arange(2.0 * size).reshape(size, 2))
        assert np.isnan(moments.icc).all()
    assert moments.rms.tolist() == [0, 0]


@settings(deadline=None)
@given(
    rms=st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]) | st.floats(0, 3), max_size=30),
    share=st.floats(0.01, 1),
)
def test_candidates_are_those_of_largest_mean_square(rms, share):
    found = candidates(np.array(rms), share).tolist()
    n_tested = int(np.ceil(share * len(rms)))
    by_size = sorted(range(len(rms)), key=lambda pair: -rms[pair])
    assert found == sorted(pair for pair in by_size[:n_tested] if rms[pair] > 0)


def test_a_pair_that_only_some_samples_have_is_a_candidate():
    moments = PairMoments(2)
    # The first pair has the larger mean, the second differs between samples.
    for weights in ([0.3, 0.6], [0.3, -0.6], [0.3, 0.0]):
        moments.add(np.array([weights]))
    assert candidates(moments.rms, 0.5).tolist() == [1]


SAMPLES = ["007", "NA", "1.0", "a|b", "s/1", "Ünï, x", "nan", ""]


@pytest.mark.parametrize("n_pairs", [0, 1, 5])
def test_weights_survive_the_file(tmp_path, n_pairs):
    rng = np.random.default_rng(1)
    names = np.array(["MT-CO1", "NA", "1", "HLA-A", "nan", "G 1"], dtype=object)
    pairs = pd.DataFrame(
        {
            "gene1": names[:n_pairs],
            "gene2": names[1 : n_pairs + 1],
            "icc": np.where(np.arange(n_pairs) == 2, np.nan, 0.5),
            "rms": rng.random(n_pairs),
        }
    )
    weights, correlation = rng.normal(size=(2, len(SAMPLES), n_pairs)).astype(np.float32)
    path = tmp_path / "pairs.h5ad"
    PairWeights(pairs, np.array(SAMPLES, dtype=object), weights, correlation).write(path)
    found = read_pairs(path)
    pd.testing.assert_frame_equal(found.pairs, pairs, check_dtype=bool(n_pairs))
    assert found.samples.tolist() == SAMPLES
    np.testing.assert_array_equal(found.weights, weights)
    np.testing.assert_array_equal(found.correlation, correlation)
    assert found.weights.dtype == found.correlation.dtype == np.float32


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "pairs.h5ad"
    path.write_bytes(b"cut short")
    with pytest.raises(InputError, match=r"pairs\.h5ad"):
        read_pairs(path)
