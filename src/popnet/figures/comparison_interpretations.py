"""How interpretations of the latent dimensions agree, and how long they take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

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
)

NAMES = {
    "loadings": "siVAE loadings",
    "sivae": "siVAE",
    "sivae-paper": "siVAE, authors' plan",
    "vae": "VAE alone",
    "saliency": "saliency",
    "gradient-input": "gradient × input",
    "saliency-forward": "saliency, forward mode",
    "gradient-input-forward": "gradient × input, forward mode",
    "deeplift": "DeepLIFT",
    "integrated-gradients": "integrated gradients",
    "shapley": "Shapley values",
    "gene-relevance": "Gene Relevance, default",
    "gene-relevance-10": "Gene Relevance, 10",
    "gene-relevance-100": "Gene Relevance, 100",
    "gene-relevance-1000": "Gene Relevance, 1,000",
    "encoder-saliency": "encoder: saliency",
    "encoder-gradient-input": "encoder: gradient × input",
    "encoder-deeplift": "encoder: DeepLIFT",
}
COLOURS = {
    "sivae": OKABE_ITO["vermillion"],
    "sivae-paper": OKABE_ITO["orange"],
    "vae": GREY,
    "saliency": OKABE_ITO["sky"],
    "gradient-input": OKABE_ITO["blue"],
    "deeplift": OKABE_ITO["green"],
    "integrated-gradients": OKABE_ITO["purple"],
    "shapley": OKABE_ITO["black"],
}
MODES = {"training": "-", "reverse": "-", "forward": "--", "at once": ":"}


def agreement_heatmap(
    summary: pd.DataFrame, methods: Sequence[str], subject: Subject, *, n_dimensions: int
) -> Figure:
    """Draw how far every two interpretations agree (the paper's Figure 3a).

    Parameters
    ----------
    summary : DataFrame
        From `popnet.comparisons.explained.summarise_agreement`.
    methods : sequence of str
        Those that were asked for, in order; one without a row failed.
    subject : Subject
    n_dimensions : int
        Active ones, over which the medians are.
    """
    side = 1.5 + 0.26 * len(methods)
    what = f"Agreement of interpretations of {n_dimensions} latent dimensions"
    figure = new_figure(DOUBLE, min(max(side, 2.6), 4.4), what, subject)
    if summary["rho"].notna().sum() == 0:
        say(figure.subplots(), "No two methods could be compared.")
        return figure
    panels = figure.subplots(1, 2, sharey=True)
    columns = {"rho": "|Spearman ρ|", "rho_magnitude": "Spearman ρ of absolute values"}
    names = [NAMES.get(method, readable(method)) for method in methods]
    size = min(5.0, 60 / len(methods))
    for axes, (column, title) in zip(panels, columns.items(), strict=True):
        upper = summary.pivot(index="method1", columns="method2", values=column)
        square = upper.reindex(index=methods, columns=methods).to_numpy(dtype=float)
        square = np.where(np.isfinite(square), square, square.T)
        np.fill_diagonal(square, np.nan)
        image = axes.imshow(square, cmap="cividis", vmin=0, vmax=1, aspect="equal")
        for (row, col), value in np.ndenumerate(square):
            if row == col:
                continue
            text = f"{value:.2f}".replace("0.", ".") if np.isfinite(value) else "·"
            # Dark letters on light colours and the reverse; blank squares are white.
            light = value > 0.6 or not np.isfinite(value)
            colour = "black" if light else "white"
            axes.text(col, row, text, ha="center", va="center", fontsize=size, color=colour)
        axes.set_title(title)
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=5.5)
        axes.set_yticks(range(len(names)), names, fontsize=5.5)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    scale = figure.colorbar(image, ax=panels, shrink=0.6, pad=0.02, aspect=28)
    scale.set_label("median over dimensions")
    scale.outline.set_visible(False)
    return figure


def training_times(times: pd.DataFrame, subject: Subject) -> Figure:
    """Draw how long a VAE and its attributions take beside siVAE (the paper's Figure 3b to d).

    Parameters
    ----------
    times : DataFrame
        From `popnet.comparisons.timing.ratios`, of several sizes.
    subject : Subject
    """
    figure = new_figure(DOUBLE, 5.4, "Time of siVAE and of a VAE that is interpreted", subject)
    if times.empty:
        say(figure.subplots(), "No size could be timed.")
        return figure
    smallest = {name: times[name].min() for name in ("n_genes", "latent")}
    largest = times[times["latent"] == smallest["latent"]]
    largest = largest[largest["n_genes"] == largest["n_genes"].max()]
    bars, lines = figure.subfigures(2, 1, height_ratios=[1.15, 1])
    _ratio_bars(bars.subplots(), largest)
    panels = lines.subplots(1, 2, sharey=True)
    for axes, grown, fixed in zip(
        panels, ("latent", "n_genes"), ("n_genes", "latent"), strict=True
    ):
        shown = times[times[fixed] == smallest[fixed]].sort_values(grown)
        for (method, mode), of_method in shown.groupby(["method", "mode"], sort=False):
            axes.plot(
                of_method[grown],
                of_method["seconds"],
                ls=MODES[mode],
                color=COLOURS[method],
                lw=2.0 if method == "sivae" else 1.0,
                marker="o",
                ms=2.5,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        values = sorted(shown[grown].unique())
        axes.set_xticks(values, [f"{value:,}" for value in values])
        axes.minorticks_off()
        what = {"latent": "latent dimensions", "n_genes": "genes"}
        axes.set_xlabel(f"{what[grown]} ({smallest[fixed]:,} {what[fixed]})")
    panels[0].set_ylabel("seconds of one core")
    panels[0].yaxis.set_major_formatter("{x:,g}")
    handles = [
        dot(colour, NAMES[method])
        for method, colour in COLOURS.items()
        if method in set(times["method"])
    ]
    handles += [
        Line2D([], [], color=DARK, ls=MODES[mode], label=label)
        for mode, label in (
            ("reverse", "one gene after the other (or training)"),
            ("forward", "one dimension after the other"),
            ("at once", "all at once, in closed form"),
        )
    ]
    legend_below(figure, handles)
    return figure


def _ratio_bars(axes, times: pd.DataFrame) -> None:
    """Draw the ratios to siVAE of one size; pale and hatched where they are extrapolated."""
    times = times.sort_values("ratio", kind="stable")
    rows = np.arange(len(times))
    for row, one in zip(rows, times.itertuples(), strict=True):
        axes.barh(
            row,
            one.ratio,
            height=0.72,
            color=COLOURS[one.method],
            alpha=0.45 if one.extrapolated else 1,
            hatch="/////" if one.extrapolated else None,
            lw=0,
        )
        text = f" {one.ratio:,.2g}" if one.ratio < 100 else f" {one.ratio:,.0f}"
        axes.text(one.ratio, row, text, va="center", fontsize=5.5)
    axes.axvline(1, color=DARK, lw=0.6)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,g}")
    names = [
        NAMES[one.method] + ("" if one.mode == "training" else f", {one.mode}")
        for one in times.itertuples()
    ]
    axes.set_yticks(rows, names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(times) - 0.4, -0.6)
    axes.margins(x=0.08)
    size = times.iloc[0]
    axes.set_xlabel(
        f"time relative to training siVAE ({size['n_genes']:,} genes, {size['latent']:,} latent "
        "dimensions); hatched: extrapolated"
    )
