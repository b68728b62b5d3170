"""Mitochondrial variants against a phenotype."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from popnet.figures.style import (
    COMPLEXES,
    DARK,
    DOUBLE,
    GREY,
    Subject,
    bar,
    complex_colours,
    draw_bars,
    format_p,
    legend_below,
    name_points,
    new_figure,
    readable,
    say,
    ticks,
)

MT_LENGTH = 16569  # of the revised Cambridge reference sequence


def burden_bars(burden: pd.DataFrame, subject: Subject, *, effect: str, fdr: float) -> Figure:
    """Draw the association of each gene's variant burden, in the order of the table.

    Parameters
    ----------
    burden : DataFrame with columns gene, complex, statistic, p, q, n_variants, n_carriers
        A gene without a test has a missing statistic and no bar.
    subject : Subject
    effect : str
        Name of the statistic.
    fdr : float
    """
    significant = (burden["q"] <= fdr).to_numpy()
    tested = burden["statistic"].notna().to_numpy()
    what = (
        f"Variants per mitochondrial gene against the phenotype: "
        f"{significant.sum() or 'none'} of {tested.sum()} tests significant at FDR {fdr:.0%}"
    )
    figure = new_figure(4.8, 1.3 + 0.16 * max(len(burden), 5), what, subject)
    axes = figure.subplots()
    if not tested.any():
        say(axes, "No gene could be tested.")
        return figure
    colours = [COMPLEXES.get(name, GREY) for name in burden["complex"]]
    statistic = burden["statistic"].to_numpy(dtype=float)
    draw_bars(axes, np.nan_to_num(statistic), colours, significant)
    rows = range(len(burden))
    axes.set_yticks(rows, [readable(gene, 16) for gene in burden["gene"]])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(ticks(5))
    limit = 1.08 * max(1e-3, np.nanmax(np.abs(statistic)))
    axes.set_xlim(-limit, limit)
    axes.set_xlabel(f"{effect} with {readable(subject.phenotype or '', 30)}")
    beside = axes.secondary_yaxis("right")
    texts = [
        (format_p(q, "q") if used else "not tested")
        + f", {variants:g} variants, {carriers:g} carriers"
        for used, q, variants, carriers in zip(
            tested, burden["q"], burden["n_variants"], burden["n_carriers"], strict=True
        )
    ]
    beside.set_yticks(rows, texts)
    beside.tick_params(length=0, labelcolor=DARK, labelsize=5.5)
    beside.spines[:].set_visible(False)
    found = set(burden["complex"].dropna())
    handles = [bar(c, f"complex {name}") for name, c in COMPLEXES.items() if name in found]
    if not significant[tested].all():
        handles.append(bar(GREY, f"q > {fdr:g}", hatched=True))
    legend_below(figure, handles)
    return figure


def variant_manhattan(
    single: pd.DataFrame, genes: pd.DataFrame, subject: Subject, *, fdr: float
) -> Figure:
    """Draw every tested variant along the mitochondrial genome, its genes below.

    Parameters
    ----------
    single : DataFrame with columns pos, ref, alt, p, q, gene
        `pos` in base pairs, from 1; gene is missing between genes.
    genes : DataFrame with columns gene, start, end, complex
    subject : Subject
    fdr : float
    """
    tested = single.dropna(subset=["p"]).reset_index(drop=True)
    significant = (tested["q"] <= fdr).to_numpy()
    what = "Single mitochondrial variants against the phenotype"
    if len(tested):
        what += (
            f": {significant.sum() or 'none'} of {len(tested):,} tests significant at FDR {fdr:.0%}"
        )
    figure = new_figure(DOUBLE, 3.3, what, subject)
    axes, lane = figure.subplots(2, 1, height_ratios=[5, 1], sharex=True)
    complexes = genes.set_index("gene")["complex"]
    lane.barh(
        0,
        genes["end"] - genes["start"],
        left=genes["start"],
        height=0.8,
        color=[COMPLEXES.get(name, GREY) for name in genes["complex"]],
        lw=0.4,
        ec="white",
    )
    # Names alternate between three rows: neighbouring genes are narrower than their names.
    middles = genes.set_index("gene")[["start", "end"]].mean(axis=1).sort_values()
    for order, (gene, middle) in enumerate(middles.items()):
        lane.annotate(
            readable(str(gene).removeprefix("MT-"), 10),
            (middle, -0.4),
            xytext=(0, -3 - 7 * (order % 3)),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=5.5,
        )
    lane.set_xlim(-150, MT_LENGTH + 150)
    lane.set_ylim(-2.6, 0.5)
    lane.set_yticks([])
    lane.spines[["left", "bottom"]].set_visible(False)
    lane.tick_params(axis="x", length=0, labelbottom=False)
    axes.tick_params(axis="x", labelbottom=True)
    axes.set_xticks(range(0, MT_LENGTH, 2000), [f"{kb}" for kb in range(0, 17, 2)])
    axes.set_xlabel("position in the mitochondrial genome (kb)")
    axes.set_ylabel("−log₁₀ P")
    handles = [bar(c, f"complex {name}") for name, c in COMPLEXES.items() if name in set(complexes)]
    handles.append(bar(GREY, "outside of these genes"))
    if significant.any():
        ring = Line2D([], [], ls="", marker="o", ms=4, mfc=GREY, mec="black", label=f"q ≤ {fdr:g}")
        limit = Line2D([], [], color=DARK, lw=0.6, ls="--", label=f"largest P with q ≤ {fdr:g}")
        handles += [ring, limit]
    legend_below(figure, handles)
    if tested.empty:
        axes.text(
            0.5,
            0.5,
            "No variant has enough carriers to be tested.",
            ha="center",
            transform=axes.transAxes,
        )
        axes.set_yticks([])
        return figure
    height = -np.log10(np.clip(tested["p"].to_numpy(dtype=float), 1e-300, None))
    points = np.column_stack([tested["pos"].to_numpy(dtype=float), height])
    colours = np.array(complex_colours(tested["gene"], complexes))
    for chosen, edge in ((~significant, "none"), (significant, "black")):
        axes.scatter(*points[chosen].T, s=14, c=colours[chosen], lw=0.7, ec=edge, zorder=3)
    if significant.any():
        line = height[significant].min()
        axes.axhline(line, color=DARK, lw=0.6, ls="--")
    axes.set_ylim(0, 1.2 * max(1.0, height.max()))
    first = np.argsort(-height, kind="stable")[:3]
    names = [
        f"{tested['pos'].iloc[i]:,} {readable(tested['ref'].iloc[i], 6)}>"
        f"{readable(tested['alt'].iloc[i], 6)} ({format_p(tested['q'].iloc[i], 'q')})"
        for i in first
    ]
    name_points(axes, points[first], names, obstacles=points)
    return figure
