"""GRNBoost2: every gene predicted from all others by boosted trees."""

from __future__ import annotations

from typing import Any

import numpy as np

from popnet.comparisons.methods import Training
from popnet.comparisons.networks.correlation import expression_of
from popnet.seeds import derive_seed

# arboreto's settings for GRNBoost2 (Moerman et al. 2019).
BOOSTING = {"learning_rate": 0.01, "n_estimators": 5000, "max_features": 0.1, "subsample": 0.9}
STOP_WINDOW = 25


def grnboost2(cells: Any, training: Training, seed: int) -> np.ndarray:
    """Return the importances of GRNBoost2 (Moerman et al. 2019), with all genes as regulators.

    Targets are computed by as many workers as the caller's ``joblib.parallel_config`` allows, by
    default one; the result does not depend on it.

    Parameters
    ----------
    cells : AnnData, (n_cells, n_genes)
        X is log-normalised.
    training
        Unused; every method of network inference has it.
    seed : int

    Returns
    -------
    ndarray, (n_genes, n_genes), float64
        Mean of the importances in the two directions, as those of the method are directed. The
        diagonal is 0.
    """
    from joblib import Parallel, delayed

    expression = expression_of(cells).astype(np.float32)
    rows = Parallel()(
        delayed(importances)(expression, target, derive_seed(seed, target) % 2**32)
        for target in range(expression.shape[1])
    )
    directed = np.stack(rows)
    return (directed + directed.T) / 2


def importances(expression: np.ndarray, target: int, seed: int) -> np.ndarray:
    """Return how much each gene helps to predict a target: importance times number of trees.

    Parameters
    ----------
    expression : ndarray, (n_cells, n_genes)
    target : int
        Column.
    seed : int
        32 bits.

    Returns
    -------
    ndarray, (n_genes,), float64
        0 for the target, and for all genes if the target does not vary.
    """
    from sklearn.ensemble import GradientBoostingRegressor

    regressor = GradientBoostingRegressor(random_state=seed, **BOOSTING)
    regressor.fit(np.delete(expression, target, 1), expression[:, target], monitor=_has_converged)
    return np.insert(regressor.feature_importances_ * len(regressor.estimators_), target, 0)


def _has_converged(stage: int, regressor: Any, variables: Any) -> bool:
    """Stop when new trees no longer improve the prediction of out-of-bag cells, on average."""
    if stage < STOP_WINDOW - 1:
        return False
    return bool(regressor.oob_improvement_[stage - STOP_WINDOW + 1 : stage + 1].mean() < 0)
