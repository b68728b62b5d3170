"""Which settings have the lowest loss on held-out cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from popnet.figures.style import (
    DARK,
    DOUBLE,
    GREY,
    OKABE_ITO,
    Subject,
    dot,
    legend_below,
    new_figure,
    readable,
    say,
    ticks,
)


def candidate_losses(shown: pd.DataFrame, subject: Subject, *, n_candidates: int) -> Figure:
    """Draw how far each candidate's loss lies above the best one's, and its active dimensions.

    Parameters
    ----------
    shown : DataFrame
        The first rows of a table of :func:`popnet.sivae.tuning.summarise`.
    subject : Subject
    n_candidates : int
        How many were compared.
    """
    of = f"the best {len(shown)} of {n_candidates}" if len(shown) < n_candidates else len(shown)
    what = f"Loss on held-out cells of {of} settings"
    figure = new_figure(DOUBLE, 1.4 + 0.14 * max(len(shown), 6), what, subject)
    if shown["total"].notna().sum() == 0:
        say(figure.subplots(), "No settings trained in every bin.")
        return figure
    rows = np.arange(len(shown))
    losses, dimensions = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
    above = shown["above_best"].to_numpy(dtype=float)
    error = shown["above_best_se"].fillna(0).to_numpy(dtype=float)
    best, near = OKABE_ITO["vermillion"], OKABE_ITO["sky"]
    colours = np.where(above <= error, near, OKABE_ITO["blue"])
    colours[0] = best
    losses.hlines(rows, above - error, above + error, color=GREY, lw=1.2, zorder=2)
    losses.scatter(above, rows, s=16, c=colours, edgecolors=DARK, linewidths=0.4, zorder=3)
    losses.axvline(0, color=DARK, lw=0.6, zorder=1)
    highest = np.nanmax(above + error)
    power = int(np.ceil(np.log10(max(np.nanquantile(above, 0.25), 0.1))))
    if highest > 10.0 ** (power + 2):
        # A few bad candidates must not press the good ones together.
        decades = np.arange(power, np.log10(highest))
        losses.set_xscale("symlog", linthresh=10.0**power, linscale=2)
        losses.set_xticks([0, *10.0 ** decades[:: 1 + len(decades) // 6]])
        losses.set_xlim(min(-0.2 * 10.0**power, np.nanmin(above - error)), 1.5 * highest)
        losses.minorticks_off()
    else:
        losses.xaxis.set_major_locator(ticks(5))
    losses.xaxis.set_major_formatter("{x:,g}")
    losses.set_xlabel(
        f"loss per held-out cell above the best ({shown['total'].iloc[0]:,.5g}), mean over bins"
    )
    for row in np.flatnonzero(np.isnan(above)):
        losses.annotate(
            readable(shown["reason"].iloc[row], 90),
            (0, row),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=5,
            color=DARK,
        )
    losses.set_yticks(rows, candidate_names(shown))
    losses.tick_params(axis="y", length=0)
    losses.set_ylim(max(len(shown), 6) - 0.4, -0.6)
    dimensions.scatter(shown["active_dimensions"], rows, s=14, color=GREY, ec=DARK, lw=0.4)
    dimensions.set_xlim(0, 1.08 * shown["latent"].max())
    dimensions.set_xlabel("active dimensions")
    dimensions.xaxis.set_major_locator(ticks(4, integer=True))
    dimensions.tick_params(axis="y", length=0)
    handles = [dot(best, "lowest loss"), dot(OKABE_ITO["blue"], "others")]
    if (colours[1:] == near).any():
        handles.insert(1, dot(near, "within one standard error of it"))
    legend_below(figure, handles)
    return figure


def candidate_names(candidates: pd.DataFrame) -> list[str]:
    """Return what tells candidates apart: rate, penalty, dimensions and, if they vary, widths."""
    names = []
    for row in candidates.itertuples():
        penalty = f"{row.l2_cells:g}"
        if row.l2_features != row.l2_cells:
            penalty += f", {row.l2_features:g}"
        parts = [f"rate {row.learning_rate:.2g}", f"L2 {penalty}", f"{row.latent} dimensions"]
        if candidates["hidden"].nunique() > 1:
            parts.append(row.hidden)
        names.append(" · ".join(parts))
    return names
