"""The most central genes of a cell type."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from popnet.figures.style import (
    COMPLEXES,
    DARK,
    DOUBLE,
    GREY,
    Subject,
    complex_colours,
    dot,
    legend_below,
    new_figure,
    readable,
    say,
)


def hub_dots(hubs: pd.DataFrame, subject: Subject) -> Figure:
    """Draw the hubs' mean centrality, and its range and quartiles over the samples.

    Parameters
    ----------
    hubs : DataFrame
        From :func:`popnet.findings.shown_networks.hub_genes`.
    subject : Subject
    """
    what = f"Hub genes: the {len(hubs)} of highest degree centrality"
    figure = new_figure(DOUBLE * 0.75, 1.3 + 0.125 * max(len(hubs), 5), what, subject)
    axes = figure.subplots()
    if hubs.empty:
        say(axes, "No gene has a centrality.")
        return figure
    colours = complex_colours(hubs["gene"], hubs.set_index("gene")["complex"])
    rows = range(len(hubs))
    axes.hlines(rows, hubs["lowest"], hubs["highest"], color=GREY, lw=0.6, zorder=1)
    axes.hlines(rows, hubs["q1"], hubs["q3"], color=DARK, lw=1.6, zorder=2)
    axes.scatter(hubs["mean"], rows, s=16, c=colours, edgecolors=DARK, linewidths=0.4, zorder=3)
    axes.set_yticks(rows, [readable(gene, 20) for gene in hubs["gene"]])
    axes.set_ylim(len(hubs) - 0.4, -0.6)
    label = "degree centrality"
    # Only minus a reconstruction error is never positive.
    if (hubs["highest"] <= 0).all():
        label += " (0: perfect reconstruction, −1: no better than the mean)"
    axes.set_xlabel(label)
    present = [name for name in COMPLEXES if name in set(hubs["complex"])]
    handles = [dot(COMPLEXES[name], f"complex {name} (mtDNA)") for name in present]
    legend_below(figure, [*handles, dot(GREY, "other genes")] if handles else [])
    return figure
