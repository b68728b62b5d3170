"""The estimator that a network of a study is called after, with what it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from anndata import AnnData

from popnet.cells.expression import BinnedExpression
from popnet.networks import estimators
from popnet.networks.edges import Definition
from popnet.networks.estimators import Estimator
from popnet.networks.trained import trained_models


@dataclass(frozen=True)
class Needed:
    """What estimators need beside the cells.

    Parameters
    ----------
    fits : sequence of str
        fit.json of the cohort's models.
    trained : sequence of str
        Tables of the training jobs of bins.
    models : str or Path
        The folder of the models of bins.
    max_failed_bins : float
    min_detection : float
    relative : bool
        :class:`popnet.presets.Preset`; so for the next three.
    definition : str
    cross_fitted : bool
    closest : float
    seed : int
    """

    fits: Sequence[str]
    trained: Sequence[str]
    models: str | Path
    max_failed_bins: float
    min_detection: float
    relative: bool
    definition: Definition
    cross_fitted: bool
    closest: float
    seed: int

    @classmethod
    def of(cls, files: Mapping[str, Any], params: Mapping[str, Any], relative: bool) -> Needed:
        """Return it from the inputs and parameters of a rule like `gather_networks`."""
        networks = params["networks"]
        return cls(
            files["models"],
            files["trained"],
            params["models"],
            params["max_failed_bins"],
            networks["min_detection"],
            relative,
            params["definition"],
            params["cross_fitted"],
            networks["closest"],
            params["seed"],
        )


def named(
    network: str, expression: BinnedExpression, summary: AnnData, needed: Needed
) -> Estimator:
    """Return the estimator that a network is called after.

    Raises
    ------
    InputError
        If too many bins did not train, or a model's file is damaged.
    """
    least = needed.min_detection
    if network == "sivae":
        models = trained_models(needed.trained, summary.obs, needed.models, needed.max_failed_bins)
        return estimators.bin_models(
            models,
            summary,
            least if needed.relative else None,
            needed.definition,
            needed.closest,
            needed.cross_fitted,
        )
    if network in estimators.OF_INFORMATION:
        of_information = cast(Any, network)
        return estimators.of_information(of_information, expression, summary, least)
    if network in estimators.PLAIN:
        return estimators.PLAIN[network](expression, summary, least)
    # They bring PyTorch, which nothing above needs.
    from popnet.sivae.result import load
    from popnet.sivae.shared import fold_of

    fits = [load(Path(path).parent) for path in needed.fits]
    if network == "components":
        directions = estimators.cohort_directions(fits[0])
        return estimators.shared_components(directions, expression, summary, least)
    fold = fold_of(expression.obs, needed.seed)
    return estimators.shared_model(fits, fold, expression, summary, least)
