"""Genes, gene sets and connectivity against a phenotype."""

from __future__ import annotations

from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from popnet.figures.style import (
    CASE,
    COMPLEXES,
    CONTROL,
    DARK,
    GREY,
    OKABE_ITO,
    Subject,
    bar,
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


def centrality_bars(genes: pd.DataFrame, subject: Subject, *, effect: str, fdr: float) -> Figure:
    """Draw each gene's association of degree centrality, and of its mean expression beside it.

    Parameters
    ----------
    genes : DataFrame
        From :func:`popnet.findings.shown_associations.top_genes`.
    subject : Subject
    effect : str
        Name of the statistic, such as "Spearman ρ" or "rank-biserial correlation".
    fdr : float
    """
    n_significant = int(genes["significant"].sum())
    what = "Degree centrality of genes against the phenotype"
    if n_significant == len(genes) > 0:
        what += f": the {len(genes)} strongest at FDR {fdr:.0%}"
    elif len(genes):
        what += (
            f": {len(genes)} of smallest P shown, {n_significant or 'none'} significant at "
            f"FDR {fdr:.0%}"
        )
    figure = new_figure(4.2, 1.5 + 0.145 * max(len(genes), 6), what, subject)
    axes = figure.subplots()
    if genes.empty:
        say(axes, "No gene could be tested.")
        return figure
    rows = np.arange(len(genes))
    colours = [COMPLEXES.get(name, GREY) for name in genes["complex"]]
    draw_bars(axes, genes["statistic"], colours, genes["significant"])
    mean = genes["mean_statistic"].to_numpy(dtype=float)
    axes.scatter(
        mean, rows, marker="D", s=11, facecolors="white", edgecolors="black", lw=0.7, zorder=3
    )
    limit = max(1e-3, np.nanmax(np.abs([genes["statistic"].to_numpy(dtype=float), mean])))
    axes.set_xlim(-1.08 * limit, 1.08 * limit)
    axes.xaxis.set_major_locator(ticks(5, symmetric=True))
    axes.set_xlabel(f"{effect} with {readable(subject.phenotype or '', 30)}")
    axes.set_yticks(rows, [readable(gene, 20) for gene in genes["gene"]])
    axes.tick_params(axis="y", length=0)
    if "explained_by" in genes:
        why = genes["explained_by"].fillna("").astype(str).replace("none", "")
        if why.ne("").any():
            beside = axes.secondary_yaxis("right")
            beside.set_yticks(rows, [readable(text, 22) for text in why])
            beside.tick_params(length=0, labelcolor=DARK, labelsize=5)
            beside.spines[:].set_visible(False)
            beside.set_ylabel("explained by", fontsize=5, color=DARK)
    found = set(genes["complex"].dropna())
    handles = [bar(c, f"complex {name}") for name, c in COMPLEXES.items() if name in found]
    handles.append(bar(GREY, "other gene" if found else "gene"))
    if n_significant < len(genes):
        handles.append(bar(GREY, f"q > {fdr:g}", hatched=True))
    handles.append(
        Line2D(
            [],
            [],
            ls="",
            marker="D",
            ms=3.2,
            mfc="white",
            mec="black",
            mew=0.7,
            label="its mean expression",
        )
    )
    legend_below(figure, handles)
    return figure


def gene_set_bars(gene_sets: pd.DataFrame, subject: Subject, *, fdr: float) -> Figure:
    """Draw the normalised enrichment score of gene sets, their q and size beside the bars.

    Parameters
    ----------
    gene_sets : DataFrame
        From :func:`popnet.findings.shown_associations.top_gene_sets`.
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
    figure = new_figure(5.6, 1.2 + 0.16 * max(len(gene_sets), 5), what, subject)
    axes = figure.subplots()
    if gene_sets.empty:
        say(axes, "No gene set could be tested.")
        return figure
    colours = [OKABE_ITO["blue"]] * len(gene_sets)
    draw_bars(axes, gene_sets["nes"], colours, gene_sets["significant"])
    rows = range(len(gene_sets))
    axes.set_yticks(rows, [readable(name, 44) for name in gene_sets["gene_set"]], fontsize=5.5)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(ticks(5))
    axes.set_xlabel("normalised enrichment score")
    beside = axes.secondary_yaxis("right")
    texts = [
        f"{format_p(q, 'q')}, {int(n)} genes" for q, n in gene_sets[["q", "n_genes"]].to_numpy()
    ]
    beside.set_yticks(rows, texts)
    beside.tick_params(length=0, labelcolor=DARK, labelsize=5.5)
    beside.spines[:].set_visible(False)
    if n_significant < len(gene_sets):
        legend_below(figure, [bar(OKABE_ITO["blue"], f"q > {fdr:g}", hatched=True)])
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
    figure = new_figure(max(2.4 * len(measures), 3.5), 2.9, what, subject)
    if not measures:
        say(figure.subplots(), "None of its genes is in the graph.")
        return figure
    value = connectivity["value"].to_numpy(dtype=float)
    for axes, (column, label) in zip(
        figure.subplots(1, len(measures), squeeze=False)[0], measures.items(), strict=True
    ):
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
            _strip(axes, value, count, groups)
        axes.set_ylabel("\n".join(wrap(label, 34)))
        axes.yaxis.set_major_locator(ticks(5))
        statistic, q = tests.loc[column, ["statistic", "q"]]
        # Without a value, as where no unit has such an edge.
        found = f"{statistic:.2f}, {format_p(q, 'q')}" if np.isfinite(statistic) else "no test"
        axes.set_title(found, fontsize=6, loc="left")
        axes.margins(0.08)
    return figure


def _strip(axes: Axes, value: np.ndarray, count: np.ndarray, groups: tuple[str, str]) -> None:
    """Draw one column of points per group, spread by rank, with its median."""
    for code, colour, marker in ((0, CONTROL, "o"), (1, CASE, "^")):
        counts = np.sort(count[value == code])
        # A fixed irregular sequence spreads the points without a random number.
        across = code + 0.5 * (np.arange(len(counts)) * 0.618034 % 1 - 0.5)
        axes.plot(
            across,
            counts,
            ls="",
            marker=marker,
            ms=4 if len(counts) < 100 else 2,
            mfc=colour,
            mec=DARK,
            mew=0.4,
        )
        if np.isfinite(counts).any():
            middle = np.nanmedian(counts)
            axes.plot([code - 0.34, code + 0.34], [middle, middle], color="black", lw=1.4)
    names = [
        f"{readable(name, 16)}\n(n = {(value == code).sum()})" for code, name in enumerate(groups)
    ]
    axes.set_xticks([0, 1], names)
    axes.set_xlim(-0.6, 1.6)
