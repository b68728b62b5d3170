"""DeepLIFT with the rescale rule and a baseline of 0, for all genes at once."""

from __future__ import annotations

import numpy as np
import torch

from popnet.comparisons.explained import Explained, per_dimension
from popnet.comparisons.interpretations.relu import multipliers


def explain(explained: Explained) -> np.ndarray:
    """Return each dimension's contribution to the genes' means (Shrikumar et al. 2017)."""
    z = torch.from_numpy(explained.scores[explained.rows])
    return per_dimension((multipliers(explained.decoder, z) * z[:, None, :]).numpy())


def encoder(explained: Explained) -> np.ndarray:
    """Return each gene's contribution to the mean of z."""
    x = torch.from_numpy(explained.inputs[explained.rows])
    return per_dimension((multipliers(explained.encoder, x) * x[:, None, :]).mT.numpy())
