"""CS-CORE: correlation of the latent expression behind the counts, corrected for depth."""

from __future__ import annotations

from typing import Any

import numpy as np

from popnet.comparisons.methods import Training
from popnet.networks.cs_core import latent_correlation


def cs_core(cells: Any, training: Training, seed: int) -> np.ndarray:
    """Return the absolute correlation of latent expression (CS-CORE, Su et al. 2023).

    Parameters
    ----------
    cells : AnnData, (n_cells, n_genes)
        layers["counts"], and obs["depth"], the total counts of each cell over all its genes.
    training, seed
        Unused; every method of network inference has them.

    Returns
    -------
    ndarray, (n_genes, n_genes), float64
        Symmetric, in [0, 1]; the diagonal is 0, as are genes that vary no more than Poisson
        counts do.
    """
    counts = cells.layers["counts"]
    dense = counts.toarray() if hasattr(counts, "toarray") else counts
    found = np.abs(latent_correlation(dense, cells.obs["depth"].to_numpy()))
    np.fill_diagonal(found, 0)
    return found
