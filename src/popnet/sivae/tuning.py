"""Choice of settings by the loss on held-out cells (Methods, "siVAE and VAE model selection")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd

from popnet.seeds import derive_seed
from popnet.sivae.fitting import fit_stack, stack_size
from popnet.sivae.progress import Progress
from popnet.sivae.result import Fit
from popnet.sivae.settings import Settings
from popnet.sivae.training import DivergedError

HELDOUT = 0.1
VARIED = ["learning_rate", "l2_cells", "l2_features", "latent", "hidden"]
TERMS = ["total", "reconstruction", "kl_cells", "kl_features", "interpretability"]


def grid(
    settings: Settings,
    learning_rates: Iterable[float] = (1e-4, 1e-3, 1e-2),
    l2: Iterable[float] = (1e-3, 1e-2),
    latents: Iterable[int] = (16, 32, 64),
    hidden: Iterable[Sequence[int]] | None = None,
) -> list[Settings]:
    """Return settings with every combination of values; the defaults are the paper's.

    Parameters
    ----------
    settings : Settings
        The common settings. If they hold out no cells, a tenth of the cells is held out.
    learning_rates : iterable of float
    l2 : iterable of float
        The same penalty is used for the cell-wise and the feature-wise networks.
    latents : iterable of int
    hidden : iterable of sequence of int, optional
        By default only those of `settings`.
    """
    common = replace(settings, heldout=settings.heldout or HELDOUT)
    widths = [settings.hidden] if hidden is None else hidden
    return [
        replace(common, learning_rate=rate, l2=(penalty, penalty), latent=latent, hidden=layers)
        for layers, latent, rate, penalty in product(widths, latents, learning_rates, l2)
    ]


def tune(
    bins: Mapping[str, Any],
    candidates: Sequence[Settings],
    seed: int,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    *,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Rank settings by their loss on held-out cells, averaged over bins.

    Losses can be compared between settings with the same likelihood, gamma and kl.

    Parameters
    ----------
    bins : mapping of str to data that `fit` takes
        By name. Bins of the same shape are trained together if they fit into a GPU's memory.
    candidates : sequence of Settings
        From `grid`, or others that hold out cells.
    seed : int
        All candidates hold out the same cells of a bin.
    device : {"auto", "cpu", "cuda"}
    progress : Progress, optional
        For as many fits as there are bins times candidates.

    Returns
    -------
    DataFrame
        From `summarise`.

    Raises
    ------
    ValueError
        A candidate holds out no cells; or as for `fit`.
    """
    seeds = {name: derive_seed(seed, name) for name in bins}
    return summarise(evaluate(bins, candidates, seeds, device, progress=progress))


def evaluate(
    bins: Mapping[str, Any],
    candidates: Sequence[Settings],
    seeds: Mapping[str, int],
    device: Literal["auto", "cpu", "cuda"] = "auto",
    *,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Fit every candidate to every bin.

    Parameters
    ----------
    bins, candidates, device, progress
        As for `tune`.
    seeds : mapping of str to int
        Of each bin.

    Returns
    -------
    DataFrame
        One row per bin and candidate: bin; learning_rate, l2_cells, l2_features, latent, hidden
        (widths joined by hyphens); total and its terms on held-out cells; active_dimensions;
        seconds; reason, if there is no loss.
    """
    if not all(settings.heldout for settings in candidates):
        raise ValueError("heldout: 0 leaves no cells to compare settings on; hold out 0.1, say")
    (n_cells, n_genes), *others = {data.shape for data in bins.values()}
    rows = []
    for settings in candidates:
        size = 1 if others else stack_size(settings, n_cells, n_genes, device)
        names = list(bins)
        for start in range(0, len(names), size):
            stack = names[start : start + size]
            if progress is not None:
                progress.begin(len(stack))
            fits = fit_stack(
                [bins[name] for name in stack],
                settings,
                [seeds[name] for name in stack],
                device,
                progress=progress,
            )
            if progress is not None:
                progress.end()
            rows += [
                {"bin": name} | _varied(settings) | _outcome(fit)
                for name, fit in zip(stack, fits, strict=True)
            ]
    return pd.DataFrame(rows)


def summarise(evaluated: pd.DataFrame) -> pd.DataFrame:
    """Average the loss of every candidate over the bins.

    Parameters
    ----------
    evaluated : DataFrame
        From `evaluate`, or several such tables concatenated.

    Returns
    -------
    DataFrame
        One row per candidate, lowest loss first: total, its standard error over the bins
        (total_se) and its terms; above_best, the mean over bins of the difference to the best
        candidate's loss, with above_best_se (use this error to compare candidates, because bins
        differ much more than candidates); active_dimensions; seconds; n_bins. Candidates that
        failed in any bin are last and have no loss; reason says in how many bins, and why.
    """
    names = evaluated["bin"].unique()
    rows, losses = [], []
    for values, part in evaluated.groupby(VARIED, sort=False):
        means = part[[*TERMS, "active_dimensions", "seconds"]].mean()
        of_bins = part.set_index("bin")["total"].reindex(names)
        failed = part["reason"].fillna("")
        failed = failed[failed != ""]
        reason = ""
        if len(failed):
            reason = f"{len(failed)} of {len(part)} bins: {failed.iloc[0]}"
            means[[*TERMS, "active_dimensions"]] = of_bins[:] = np.nan
        rows.append(dict(zip(VARIED, values, strict=True)) | means.to_dict() | {"reason": reason})
        losses.append(of_bins.to_numpy())
    table = pd.DataFrame(rows)
    order = table["total"].sort_values(kind="stable").index
    loss = np.array(losses)
    above = loss - loss[order[0]]
    table["total_se"] = _standard_error(loss)
    table["above_best"], table["above_best_se"] = above.mean(axis=1), _standard_error(above)
    table["n_bins"] = len(names)
    columns = [*VARIED, "total", "total_se", "above_best", "above_best_se", *TERMS[1:]]
    columns += ["active_dimensions", "seconds", "n_bins", "reason"]
    return table.loc[order, columns].reset_index(drop=True)


def _varied(settings: Settings) -> dict[str, Any]:
    values = (
        settings.learning_rate,
        *settings.l2,
        settings.latent,
        "-".join(map(str, settings.hidden)),
    )
    return dict(zip(VARIED, values, strict=True))


def _outcome(fit: Fit | DivergedError) -> dict[str, Any]:
    if isinstance(fit, DivergedError):
        return dict.fromkeys([*TERMS, "active_dimensions", "seconds"], np.nan) | {
            "reason": str(fit)
        }
    terms = {name: fit.heldout_loss.get(name, np.nan) for name in TERMS}
    reason = "" if np.isfinite(terms["total"]) else "the loss on held-out cells is not finite"
    return terms | {
        "active_dimensions": fit.active_dimensions,
        "seconds": fit.seconds,
        "reason": reason,
    }


def _standard_error(values: np.ndarray) -> np.ndarray:
    """Return the standard error of each row's mean; missing for a single value."""
    if values.shape[1] < 2:
        return np.full(len(values), np.nan)
    error: np.ndarray = values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    return error
