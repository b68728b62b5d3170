"""Gene sets and their connectivity against a phenotype."""

from __future__ import annotations

from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from popnet.figures.style import (
    CASE,
    CONTROL,
    DARK,
    GREY,
    OKABE_ITO,
    Subject,
    bar,
    dot,
    draw_bars,
    format_p,
    legend_below,
    new_figure,
    readable,
    say,
    ticks,
)

MEASURES = {
    "within_complexes": "edges within complexes",
    "between_complexes": "edges between complexes",
    "within": "edges within the set",
    "to_others": "edges to other genes",
}


def gene_set_bars(gene_sets: pd.DataFrame, subject: Subject, *, fdr: float) -> Figure:
    """Draw the enrichment of gene sets, of their expression beside it, their q and size.

    Parameters
    ----------
    gene_sets : DataFrame
        From :func:`popnet.findings.shown_associations.top_gene_sets`; expression_nes may be absent.
    subject : Subject
    fdr : float
    """
    n_significant = int(gene_sets["significant"].sum())
    what = "Gene sets whose genes' centrality is associated with the phenotype"
    if len(gene_sets):
        what += (
            f": {len(gene_sets)} of smallest P shown, {n_significant or 'none'} significant at "
            f"FDR {fdr:.0%}"
        )
    figure = new_figure(6.2, 1.3 + 0.16 * max(len(gene_sets), 5), what, subject)
    axes = figure.subplots()
    if gene_sets.empty:
        say(axes, "No gene set has enough genes to be tested.")
        return figure
    colours = [OKABE_ITO["blue"]] * len(gene_sets)
    draw_bars(axes, gene_sets["nes"], colours, gene_sets["significant"])
    rows = range(len(gene_sets))
    axes.set_yticks(rows, [readable(name, 44) for name in gene_sets["gene_set"]])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(ticks(5))
    axes.set_xlabel("normalised enrichment score\n← less central · more central →")
    beside = axes.secondary_yaxis("right")
    texts = [
        f"{format_p(q, 'q')}, {int(n)} genes" for q, n in gene_sets[["q", "n_genes"]].to_numpy()
    ]
    beside.set_yticks(rows, texts)
    beside.tick_params(length=0, labelcolor=DARK)
    beside.spines[:].set_visible(False)
    handles = [bar(OKABE_ITO["blue"], "centrality")]
    if n_significant < len(gene_sets):
        handles.append(bar(OKABE_ITO["blue"], f"q > {fdr:g}", hatched=True))
    if "expression_nes" in gene_sets and gene_sets["expression_nes"].notna().any():
        expression = gene_sets["expression_nes"].to_numpy(dtype=float)
        style = {"s": 12, "facecolors": "white", "edgecolors": DARK, "lw": 0.6, "zorder": 3}
        axes.scatter(expression, rows, marker="D", **style)
        handles.append(dot("white", "mean expression (of significant sets)", "D", size=3.2))
    legend_below(figure, handles)
    return figure


def connectivity_scatter(
    connectivity: pd.DataFrame,
    tests: pd.DataFrame,
    subject: Subject,
    *,
    set_name: str,
    groups: tuple[str, str] | None = None,
) -> Figure:
    """Draw the number of a set's edges per unit against the phenotype, a panel per kind of edge.

    Parameters
    ----------
    connectivity : DataFrame with columns sample, value and one per kind of edge
        `value` is the phenotype; for a binary one 1 for cases and 0 for controls.
    tests : DataFrame with columns kind, statistic, q
        One row per kind of edge that was tested, of `MEASURES`.
    subject : Subject
    set_name : str
    groups : tuple of str, optional
        Names of controls and cases; makes the phenotype binary.
    """
    what = f"Edges of the genes of {readable(set_name, 44)} against the phenotype"
    tests = tests.set_index("kind")
    measures = {kind: label for kind, label in MEASURES.items() if kind in tests.index}
    # Two panels side by side: four would be shrunk on a page until nobody can read them.
    n_columns = min(len(measures), 2) or 1
    n_rows = -(-len(measures) // 2) or 1
    figure = new_figure(max(2.5 * n_columns, 3.5), 0.5 + 2.4 * n_rows, what, subject)
    if not measures:
        say(figure.subplots(), "None of its genes is in the graph.")
        return figure
    value = connectivity["value"].to_numpy(dtype=float)
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes in panels[len(measures) :]:
        axes.set_axis_off()
    for axes, (column, label) in zip(panels, measures.items(), strict=False):
        count = connectivity[column].to_numpy(dtype=float)
        if groups is None:
            axes.plot(
                value,
                count,
                ls="",
                marker="o",
                ms=4 if len(value) < 200 else 2,
                mfc=GREY,
                mec=DARK,
                mew=0.4,
            )
            axes.set_xlabel(readable(subject.phenotype or "", 30))
            axes.xaxis.set_major_locator(ticks(4))
        else:
            _draw_groups(axes, value, count, groups)
        axes.set_ylabel("\n".join(wrap(label, 34)))
        axes.yaxis.set_major_locator(ticks(5))
        statistic, q = tests.loc[column, ["statistic", "q"]]
        # Without a value, as where no unit has such an edge.
        tested = np.isfinite(statistic)
        alike = len(np.unique(count[np.isfinite(count)])) <= 1
        why_not = "no test: samples do not differ" if alike else "no test"
        found = f"effect {statistic:.2f}, {format_p(q, 'q')}" if tested else why_not
        axes.set_title(found, loc="left")
        axes.margins(0.08)
        if not np.nan_to_num(count).any():
            axes.set_ylim(-0.08, 1)
    return figure


def _draw_groups(
    axes: Axes, value: np.ndarray, heights: np.ndarray, groups: tuple[str, str]
) -> None:
    """Draw one column of points per group, spread by rank, with its median.

    Parameters
    ----------
    axes : Axes
    value : ndarray of shape (n,)
        1 for cases and 0 for controls; others are not drawn.
    heights : ndarray of shape (n,)
    groups : tuple of str
        Names of controls and cases.
    """
    for code, colour, marker in ((0, CONTROL, "o"), (1, CASE, "^")):
        column = np.sort(heights[value == code])
        # A fixed irregular sequence spreads the points without a random number.
        across = code + 0.5 * (np.arange(len(column)) * 0.618034 % 1 - 0.5)
        size = 4 if len(column) < 100 else 2
        axes.plot(across, column, ls="", marker=marker, ms=size, mfc=colour, mec=DARK, mew=0.4)
        if np.isfinite(column).any():
            middle = np.nanmedian(column)
            axes.plot([code - 0.34, code + 0.34], [middle, middle], color="black", lw=1.4)
    names = [
        f"{readable(name, 16)}\n(n = {(value == code).sum()})" for code, name in enumerate(groups)
    ]
    axes.set_xticks([0, 1], names)
    axes.set_xlim(-0.6, 1.6)
