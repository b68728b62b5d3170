"""Variance and coupling of programmes against a phenotype."""

from __future__ import annotations

import numpy as np
import pandas as pd

from popnet.associations.composition import Composition
from popnet.associations.families import by_kind
from popnet.associations.testing import Testing
from popnet.stats.designs import Design

KINDS = ("variance", "coupling")
# From the scale that is tested to the one that is read: variances, and correlations.
READ_AS = {"variance": np.exp, "coupling": np.tanh}


def robust(
    values: np.ndarray,
    columns: pd.DataFrame,
    design: Design,
    testing: Testing,
    composition: Composition | None = None,
) -> pd.DataFrame:
    """Test the variance of every programme, and the coupling of every two.

    Variances and couplings are two families of tests
    (:func:`popnet.associations.families.by_kind`).

    Parameters
    ----------
    values : ndarray of shape (n_bins, m)
        Log variances, and couplings as Fisher's z of the correlation, of
        :func:`popnet.networks.programmes.programme_values`.
    columns : DataFrame of m rows
        kind ("variance" or "coupling"), programme1, programme2, name1, name2; of a variance
        programme2 and name2 are the same as programme1 and name1.
    design : Design
        Over the bins.
    testing : Testing
    composition : Composition, optional
        What may explain a hit.

    Returns
    -------
    DataFrame, variances first, sorted by p
        kind programme1 programme2 name1 name2 estimate (cases minus controls, or per standard
        deviation of the phenotype's normal scores, of the logarithm or Fisher's z) low high (its
        95 % confidence interval) statistic (partial correlation) t p q p_adjusted [equivalence_p
        equivalence_q] p_permutation n icc (ICC(1,k) over bins) given_composition_p
        (:func:`popnet.associations.composition.given_composition`) and explained_by of hits
        (``composition`` or ``none``) mean mean_case mean_control (variance or correlation; cases
        of a continuous phenotype are its upper half).
    """
    return by_kind(
        "programmes",
        "programme",
        values,
        columns,
        KINDS,
        design,
        testing,
        read_as=READ_AS,
        composition=composition,
    )
