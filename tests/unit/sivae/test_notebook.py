"""What training in a notebook says."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import sparse

from popnet import sivae
from popnet.sivae import fitting

SMALL = {"latent": 2, "hidden": [8, 4], "steps": [2, 2, 2]}


@pytest.fixture(scope="module")
def counts():
    return np.random.default_rng(0).poisson(2.0, (60, 12)).astype(np.float32)


def test_raw_counts_are_named_as_such(counts):
    settings = sivae.settings_for(**SMALL)
    for data in (counts, sparse.csr_matrix(counts)):
        with pytest.warns(UserWarning, match="raw counts.*sivae-nb"):
            sivae.fit(data, settings, quiet=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sivae.fit(np.log1p(counts), settings, quiet=True)
        # Accessibility is 0 or 1.
        sivae.fit((counts > 2).astype(np.float32), settings, quiet=True)
        sivae.fit(counts, sivae.settings_for("sivae-nb", **SMALL), quiet=True)


def test_it_ends_with_a_summary(counts, capsys):
    settings = sivae.settings_for(heldout=0.1, **SMALL)
    fitted = sivae.fit(np.log1p(counts), settings, seed=1)
    printed = capsys.readouterr().err
    assert "60 cells (6 held out) x 12 genes" in printed
    share = np.median(fitted.heldout_error / fitted.variance)
    assert f"error on held-out cells: {share:.2f} of the variance" in printed
    assert f"in use: {fitted.active_dimensions} of 2" in printed
    assert printed.endswith(sivae.summary(fitted) + "\n")
    sivae.fit(np.log1p(counts), settings, seed=1, quiet=True, start=None)
    assert capsys.readouterr().err == ""


def test_it_trains_the_same_model(counts):
    settings = sivae.settings_for(**SMALL)
    seen = []
    fitted = sivae.fit(np.log1p(counts), settings, 3, progress=lambda *step: seen.append(step))
    np.testing.assert_array_equal(fitted.scores, fitting.fit(np.log1p(counts), settings, 3).scores)
    assert seen[-1][:3] == ("joint", 2, 2)
