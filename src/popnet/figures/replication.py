"""Effects in two cohorts."""

from __future__ import annotations

from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from popnet.figures.style import (
    CASE,
    DARK,
    GREY,
    Subject,
    dot,
    legend_below,
    new_figure,
    say,
    ticks,
)

COLUMNS = 3


def replication_scatter(effects: pd.DataFrame, subject: Subject) -> Figure:
    """Draw the effect of every hypothesis in the second cohort against that in the first.

    Parameters
    ----------
    effects : DataFrame
        From :func:`popnet.findings.shown_replication.effects`.
    subject : Subject
        Its n is the number of hypotheses.
    """
    families = list(effects.groupby("analysis", sort=False))
    n_columns = min(COLUMNS, max(len(families), 2))
    n_rows = max(1, -(-len(families) // COLUMNS))
    what = "Effects in the second cohort against those in the first"
    figure = new_figure(2.1 * n_columns + 0.3, 1.1 + 2.0 * n_rows, what, subject)
    if not families:
        say(figure.subplots(), "No hypothesis was tested in the second cohort.")
        return figure
    every = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes in every[len(families) :]:
        axes.set_axis_off()
    for axes, (analysis, family) in zip(every, families, strict=False):
        x, y = family["estimate"].to_numpy(float), family["second_estimate"].to_numpy(float)
        ends = family[["second_low", "second_high"]].to_numpy(float)
        axes.vlines(x, *ends.T, color=GREY, lw=0.4, alpha=0.5, zorder=1)
        for mask, colour in ((~family["replicated"], "white"), (family["replicated"], CASE)):
            axes.scatter(x[mask], y[mask], s=9, c=colour, ec=DARK, lw=0.4, zorder=2)
        limit = 1.08 * max(np.abs(x).max(), np.abs(y).max())
        axes.plot([-limit, limit], [-limit, limit], color=DARK, lw=0.5, ls="--", zorder=0)
        axes.axhline(0, color=DARK, lw=0.5, zorder=0)
        axes.axvline(0, color=DARK, lw=0.5, zorder=0)
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit))
        axes.xaxis.set_major_locator(ticks(4, symmetric=True))
        axes.yaxis.set_major_locator(ticks(4, symmetric=True))
        axes.set_title("\n".join(wrap(analysis, 26)), fontsize=6.5)
        share = family["replicated"].mean()
        text = f"{int(family['replicated'].sum())} of {len(family)} ({share:.0%})"
        axes.text(0.03, 0.97, text, transform=axes.transAxes, va="top", fontsize=6)
    figure.supxlabel("effect in the first cohort", fontsize=7)
    figure.supylabel("effect in the second cohort", fontsize=7)
    marks = [(CASE, "replicated (one-sided P ≤ 0.05)"), ("white", "not replicated")]
    legend_below(figure, [dot(colour, label) for colour, label in marks])
    return figure
