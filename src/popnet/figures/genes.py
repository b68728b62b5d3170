"""Genes against a phenotype: effects, expression beside centrality, and their p-values."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from popnet.figures.style import (
    COMPLEXES,
    DARK,
    DOUBLE,
    GREY,
    OKABE_ITO,
    SINGLE,
    Subject,
    bar,
    dot,
    draw_bars,
    legend_below,
    name_points,
    new_figure,
    readable,
    say,
    ticks,
)

NAMED = 12
FOUND = {
    "both": OKABE_ITO["purple"],
    "centrality alone": OKABE_ITO["blue"],
    "expression alone": OKABE_ITO["orange"],
    "neither": GREY,
}
SOURCES = (OKABE_ITO["blue"], OKABE_ITO["orange"])


def gene_effects(
    genes: pd.DataFrame, subject: Subject, *, effect: str, fdr: float, binary: bool
) -> Figure:
    """Draw each gene's change in centrality, and its correlation beside that of its expression.

    Parameters
    ----------
    genes : DataFrame
        From :func:`popnet.findings.shown_associations.top_genes`. Without a column estimate, which
        only the mixed model gives, the correlations are drawn alone.
    subject : Subject
    effect : str
        Name of the statistic, such as "Spearman ρ" or "rank-biserial correlation".
    fdr : float
    binary : bool
        Whether the phenotype has two groups.
    """
    n_significant = int(genes["significant"].sum())
    what = "Degree centrality of genes against the phenotype"
    if n_significant == len(genes) > 0:
        what += f": the {len(genes)} of smallest P, all significant at FDR {fdr:.0%}"
    elif len(genes):
        what += (
            f": {len(genes)} of smallest P shown, {n_significant or 'none'} significant at "
            f"FDR {fdr:.0%}"
        )
    modelled = "estimate" in genes and bool(genes["estimate"].notna().any())
    figure = new_figure(DOUBLE if modelled else 5.0, 1.6 + 0.15 * max(len(genes), 6), what, subject)
    if genes.empty:
        say(figure.subplots(), "No gene could be tested.")
        return figure
    panels = figure.subplots(1, 1 + modelled, squeeze=False, sharey=True)[0]
    colours = [COMPLEXES.get(name, GREY) for name in genes["complex"]]
    _draw_correlations(panels[-1], genes, colours, effect)
    if modelled:
        _draw_estimates(panels[0], genes, colours)
        panels[0].set_xlabel(f"{change(binary)},\n95 % confidence interval")
    panels[0].set_yticks(range(len(genes)), [readable(gene, 20) for gene in genes["gene"]])
    panels[-1].tick_params(axis="y", length=0)
    _write_columns(panels[-1], genes)
    found = set(genes["complex"].dropna())
    handles = [bar(c, f"complex {name}") for name, c in COMPLEXES.items() if name in found]
    handles.append(bar(GREY, "other gene" if found else "gene"))
    if n_significant < len(genes):
        handles.append(bar(GREY, f"q > {fdr:g}", hatched=True))
    handles.append(dot("white", "its mean expression", "D", size=3.2))
    legend_below(figure, handles)
    return figure


def change(binary: bool) -> str:
    """Return what the mixed model estimates: of two groups, or of a continuous phenotype."""
    per = "(cases − controls)" if binary else "per SD of the phenotype (normal scores)"
    return f"change in centrality {per}"


def _draw_estimates(axes: Axes, genes: pd.DataFrame, colours: list[str]) -> None:
    """Draw estimates and their intervals; those that are not significant are hollow."""
    rows = np.arange(len(genes))
    axes.axvline(0, color=DARK, lw=0.6)
    if "low" in genes:
        axes.hlines(rows, genes["low"], genes["high"], color=GREY, lw=1, zorder=2)
    fill = np.where(genes["significant"], colours, "white")
    axes.scatter(genes["estimate"], rows, s=18, c=fill, edgecolors=colours, lw=0.9, zorder=3)
    axes.xaxis.set_major_locator(ticks(4))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.08)


def _draw_correlations(axes: Axes, genes: pd.DataFrame, colours: list[str], effect: str) -> None:
    """Draw the correlation of centrality as bars, and that of mean expression as diamonds."""
    draw_bars(axes, genes["statistic"], colours, genes["significant"])
    rows, mean = np.arange(len(genes)), genes["mean_statistic"].to_numpy(dtype=float)
    axes.scatter(
        mean, rows, marker="D", s=11, facecolors="white", edgecolors=DARK, lw=0.6, zorder=3
    )
    limit = max(1e-3, np.nanmax(np.abs([genes["statistic"].to_numpy(dtype=float), mean])))
    axes.set_xlim(-1.08 * limit, 1.08 * limit)
    axes.xaxis.set_major_locator(ticks(4, symmetric=True))
    axes.set_xlabel(f"{effect}\n← less central · more central →")


def _write_columns(axes: Axes, genes: pd.DataFrame) -> None:
    """Write q, reliability and explanation of every gene at the right of the axes."""
    columns = [("q", [f"{q:.2g}" if q >= 1e-3 else f"{q:.0e}" for q in genes["q"]], 9)]
    if "icc" in genes and genes["icc"].notna().any():
        iccs = [f"{icc:.2f}" if np.isfinite(icc) else "" for icc in genes["icc"]]
        columns.append(("ICC", iccs, 7))
    if "explained_by" in genes:
        why = genes["explained_by"].fillna("").astype(str).replace("none", "")
        if why.ne("").any():
            columns.append(("explained by", [readable(text, 26) for text in why], 0))
    offset = 6
    for title, texts, width in columns:
        for row, text in enumerate([title, *texts], start=-1):
            axes.annotate(
                text,
                (1, row if row >= 0 else -0.85),
                xytext=(offset, 0),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                va="center",
                color=DARK,
                fontsize=6,
                fontweight="bold" if row < 0 else "normal",
            )
        offset += 3.6 * width


def volcano(genes: pd.DataFrame, subject: Subject, *, effect: str, fdr: float) -> Figure:
    """Draw the p of every tested gene against its effect; the strongest are named.

    Parameters
    ----------
    genes : DataFrame
        From :func:`popnet.findings.shown_associations.volcano_points`.
    subject : Subject
    effect : str
        What the effect is.
    fdr : float
    """
    n_significant = int(genes["significant"].sum())
    what = (
        f"Centrality of all {len(genes):,} tested genes against the phenotype: "
        f"{n_significant or 'none'} significant at FDR {fdr:.0%}"
    )
    figure = new_figure(4.6, 4.2, what, subject)
    axes = figure.subplots()
    if genes.empty:
        say(axes, "No gene could be tested.")
        return figure
    height = -np.log10(np.clip(genes["p"].to_numpy(dtype=float), 1e-300, None))
    points = np.column_stack([genes["effect"].to_numpy(dtype=float), height])
    called = genes["significant"].to_numpy(dtype=bool)
    axes.axvline(0, color=GREY, lw=0.6)
    small = {"s": 7, "lw": 0, "zorder": 2, "rasterized": len(genes) > 3000}
    axes.scatter(*points[~called].T, c=GREY, **small)
    colours = np.array([COMPLEXES.get(name, OKABE_ITO["vermillion"]) for name in genes["complex"]])
    axes.scatter(*points[called].T, c=colours[called], s=14, lw=0.3, ec=DARK, zorder=3)
    handles = [dot(GREY, f"q > {fdr:g} (n = {(~called).sum():,})")]
    found = set(genes.loc[called, "complex"].dropna())
    handles += [dot(c, f"complex {name}") for name, c in COMPLEXES.items() if name in found]
    if genes.loc[called, "complex"].isna().any():
        handles.append(dot(OKABE_ITO["vermillion"], "other significant gene"))
    if called.any():
        line = height[called].min()
        axes.axhline(line, color=DARK, lw=0.6, ls="--")
        label = f"largest P with q ≤ {fdr:g}"
        handles.append(Line2D([], [], color=DARK, lw=0.6, ls="--", label=label))
    legend_below(figure, handles)
    axes.set_xlabel(f"{effect}\n← less central · more central →")
    axes.set_ylabel("−log₁₀ P")
    limit = 1.15 * max(1e-6, np.abs(points[:, 0]).max())
    axes.set_xlim(-limit, limit)
    axes.set_ylim(0, 1.15 * max(1.0, height.max()))
    axes.xaxis.set_major_locator(ticks(5, symmetric=True))
    axes.yaxis.set_major_locator(ticks(5))
    named = np.arange(min(NAMED, n_significant) or min(3, len(genes)))
    names = [readable(genes["gene"].iloc[index], 16) for index in named]
    name_points(axes, points[named], names, obstacles=points)
    return figure


def quadrants(genes: pd.DataFrame, subject: Subject, *, effect: str, fdr: float) -> Figure:
    """Draw the association of every gene's centrality against that of its mean expression.

    Parameters
    ----------
    genes : DataFrame
        From :func:`popnet.findings.shown_associations.quadrant_points`.
    subject : Subject
    effect : str
        Name of the statistic.
    fdr : float
    """
    n = genes["found"].value_counts()
    what = (
        f"Centrality against mean expression: {n.get('centrality alone', 0)} genes are "
        f"significant in centrality alone, {n.get('both', 0)} in both, at FDR {fdr:.0%}"
    )
    figure = new_figure(4.6, 4.4, what, subject)
    axes = figure.subplots()
    if genes.empty:
        say(axes, "No gene could be tested in both.")
        return figure
    points = genes[["mean_statistic", "statistic"]].to_numpy(dtype=float)
    axes.axhline(0, color=GREY, lw=0.6)
    axes.axvline(0, color=GREY, lw=0.6)
    for name, colour in reversed(FOUND.items()):
        chosen = (genes["found"] == name).to_numpy()
        size = {"s": 7, "lw": 0} if name == "neither" else {"s": 14, "lw": 0.3, "ec": DARK}
        axes.scatter(*points[chosen].T, c=colour, zorder=3, rasterized=len(genes) > 3000, **size)
    handles = [dot(c, f"{name} (n = {n.get(name, 0):,})") for name, c in FOUND.items()]
    legend_below(figure, handles)
    axes.set_xlabel(f"mean expression: {effect}")
    axes.set_ylabel(f"centrality: {effect}")
    limits = 1.15 * np.maximum(1e-3, np.abs(points).max(axis=0))
    axes.set_xlim(-limits[0], limits[0])
    axes.set_ylim(-limits[1], limits[1])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(ticks(5, symmetric=True))
    named = np.flatnonzero(genes["found"].isin(["both", "centrality alone"]))[:NAMED]
    names = [readable(genes["gene"].iloc[index], 16) for index in named]
    name_points(axes, points[named], names, obstacles=points)
    return figure


def quantiles_of_p(points: pd.DataFrame, subject: Subject) -> Figure:
    """Draw p-values against those expected without any association.

    Parameters
    ----------
    points : DataFrame
        From :func:`popnet.findings.shown_associations.qq_points`, of at most two sources.
    subject : Subject
    """
    what = "P values of the genes' centrality, against those expected by chance"
    figure = new_figure(SINGLE + 0.3, 3.6, what, subject)
    axes = figure.subplots()
    if points.empty:
        say(axes, "No gene could be tested.")
        return figure
    handles = []
    for (source, part), colour in zip(points.groupby("source", sort=False), SOURCES, strict=False):
        expected, observed, low, high = (
            -np.log10(np.clip(part[name].to_numpy(dtype=float), 1e-300, None))
            for name in ("expected", "observed", "low", "high")
        )
        if not handles:
            axes.fill_between(expected, high, low, color=GREY, alpha=0.25, lw=0, zorder=1)
        axes.scatter(expected, observed, s=7, c=colour, lw=0, zorder=3)
        label = f"{source}: inflation {part['inflation'].iloc[0]:.2f}"
        handles.append(dot(colour, label))
    axes.axline((0, 0), slope=1, color=DARK, lw=0.6, ls="--", zorder=2)
    handles.append(bar("#e0e0e0", "95 % of independent tests"))
    axes.set_xlim(0, None)
    axes.set_ylim(0, None)
    axes.set_xlabel("expected −log₁₀ P")
    axes.set_ylabel("observed −log₁₀ P")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(ticks(5))
    legend_below(figure, handles)
    return figure
