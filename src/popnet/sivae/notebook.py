"""Training in a notebook: it warns of raw counts, shows its progress and says how it went."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

from popnet.sivae import fitting
from popnet.sivae.progress import STAGES, Progress
from popnet.sivae.result import Fit
from popnet.sivae.settings import Settings, settings_for
from popnet.sivae.storage import open_cells

# Cells that are looked at for raw counts.
LOOKED_AT = 200
# Share of the latent dimensions in use below which the summary names a remedy.
FEW = 0.5


def fit(
    data: Any,
    settings: Settings | None = None,
    seed: int = 0,
    device: fitting.Device = "auto",
    *,
    quiet: bool = False,
    **how: Any,
) -> Fit:
    """Train siVAE on cells: :func:`popnet.sivae.fitting.fit`, with words.

    It shows a bar (in a file a line per minute) and prints a summary, both to standard error.

    Parameters
    ----------
    data, settings, seed, device
        As in :func:`popnet.sivae.fitting.fit`.
    quiet : bool
        Show no progress and no summary.
    **how
        Further arguments of :func:`popnet.sivae.fitting.fit`: rows, start, heldout, strata,
        covariates; with progress, a callable of your own instead of the bar.

    Returns
    -------
    Fit

    Warns
    -----
    UserWarning
        The expression looks like raw counts, and the likelihood is not that of counts.

    Raises
    ------
    ValueError, IndexError, RuntimeError, DivergedError
        As :func:`popnet.sivae.fitting.fit`.
    """
    settings = settings or settings_for()
    start = how.get("start")
    if settings.likelihood != "nb" and _whole_numbers(data, how.get("rows")):
        warnings.warn(
            "the expression holds whole numbers only, as raw counts do: normalise it "
            "(scanpy.pp.normalize_total, then scanpy.pp.log1p), or take "
            "settings_for('sivae-nb'), which is a model of counts",
            stacklevel=2,
        )
    if not quiet and how.get("progress") is None:
        shown = settings if start is None else settings.warm(start.settings)
        stages = STAGES if start is None else STAGES[-1:]
        live = sys.stderr.isatty() or "ipykernel" in sys.modules
        how["progress"] = Progress(shown, live=live, stages=stages)
    fitted = fitting.fit(data, settings, seed, device, **how)
    if not quiet:
        print(summary(fitted), file=sys.stderr)
    return fitted


def summary(fitted: Fit) -> str:
    """Return how a fit went, in three lines: its cells, its error, its latent dimensions."""
    n_cells, n_genes = len(fitted.scores), len(fitted.variance)
    out = int(fitted.heldout.sum())
    error, of = (
        (fitted.heldout_error, "held-out") if out else (fitted.reconstruction_error, "training")
    )
    varies = fitted.variance > 0
    share = float(np.median(error[varies] / fitted.variance[varies]))
    active, latent = fitted.active_dimensions, fitted.settings.latent
    lines = [
        f"siVAE of {n_cells:,} cells ({out:,} held out) x {n_genes:,} genes, "
        f"{fitted.seconds:,.0f} s on {fitted.device}",
        f"error on {of} cells: {share:.2f} of the variance of the median gene",
        f"latent dimensions in use: {active} of {latent}",
    ]
    if active < FEW * latent and fitted.settings.kl > 0:
        lines[-1] += f"; a smaller kl than {fitted.settings.kl:g} would switch off fewer"
    return "\n".join(lines)


def _whole_numbers(data: Any, rows: Any) -> bool:
    """Return whether the first cells hold whole numbers only, and not just 0 and 1."""
    cells = open_cells(data, rows)
    values = cells.read(np.arange(min(cells.n_cells, LOOKED_AT)))
    # Not finite values are refused later, by name.
    whole = np.isfinite(values).all() and (values >= 0).all() and (values == np.rint(values)).all()
    return bool(whole and values.max(initial=0) > 1)
