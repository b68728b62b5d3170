"""siVAE's own interpretation."""

from __future__ import annotations

import numpy as np

from popnet.comparisons.explained import Explained


def explain(explained: Explained) -> np.ndarray:
    """Return the loadings of the genes, (n_genes, latent)."""
    return explained.loadings
