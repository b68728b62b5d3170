"""Effects of several studies, and of all of them together."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from popnet.figures.style import (
    DARK,
    GREY,
    OKABE_ITO,
    Subject,
    dot,
    format_p,
    legend_below,
    new_figure,
    readable,
    say,
)

# How far the studies of a gene are apart, in rows.
HEIGHT = 0.56


def forest_plot(effects: pd.DataFrame, subject: Subject) -> Figure:
    """Draw each gene's standardised effect in every study, with its 95 % confidence interval.

    Parameters
    ----------
    effects : DataFrame
        From :func:`popnet.findings.meta.forest`; the first study is all of them together.
    subject : Subject
    """
    genes = list(dict.fromkeys(effects["gene"]))
    network = effects["network"].iloc[0] if len(effects) else ""
    of = "Mean expression" if network == "expression" else f"Degree centrality ({network})"
    what = f"{of} in several studies: the {len(genes)} genes of smallest P"
    studies = list(dict.fromkeys(effects["study"]))
    height = 1.5 + 0.055 * max(len(genes), 4) * (len(studies) + 1)
    figure = new_figure(4.8, height, what, subject)
    axes = figure.subplots()
    if effects.empty:
        say(axes, "No gene was tested in two studies.")
        return figure
    colours = [DARK, *(colour for colour in OKABE_ITO.values() if colour != DARK)]
    places = np.linspace(-HEIGHT / 2, HEIGHT / 2, len(studies))
    handles = []
    for number, study in enumerate(studies):
        own = effects[effects["study"] == study]
        rows = own["gene"].map(genes.index).to_numpy() + places[number]
        colour, first = colours[number % len(colours)], number == 0
        axes.hlines(rows, own["low"], own["high"], color=colour, lw=1.4 if first else 0.7)
        marker = "D" if first else "o"
        axes.scatter(own["effect"], rows, s=11 if first else 7, c=colour, marker=marker, zorder=3)
        handles.append(dot(colour, readable(study, 40), marker))
    axes.axvline(0, color=GREY, lw=0.6, zorder=0)
    axes.set_yticks(range(len(genes)), [readable(gene, 20) for gene in genes])
    axes.set_ylim(len(genes) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    p = effects.drop_duplicates("gene")["heterogeneity_p"]
    beside = axes.secondary_yaxis("right")
    beside.set_yticks(range(len(genes)), [format_p(one) for one in p])
    beside.tick_params(length=0, labelcolor=DARK, labelsize=5)
    beside.spines[:].set_visible(False)
    beside.set_ylabel("heterogeneity", fontsize=5, color=DARK)
    axes.set_xlabel("effect, standard deviations (Hedges' g), with 95 % confidence interval")
    legend_below(figure, handles)
    return figure
