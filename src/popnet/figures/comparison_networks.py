"""Hubs and neighbours of networks by different methods."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from popnet.figures.style import (
    DARK,
    DOUBLE,
    GREY,
    OKABE_ITO,
    SINGLE,
    Subject,
    bar,
    dot,
    legend_below,
    new_figure,
    readable,
    say,
    ticks,
)

NAMES = {
    "correlation": "correlation",
    "cs-core": "CS-CORE",
    "clr": "CLR",
    "mrnet": "MRNET",
    "aracne": "ARACNE",
    "grnboost2": "GRNBoost2",
    "sivae": "siVAE",
    "ldvae": "LDVAE",
    "scetm": "scETM",
    "sivae-gamma0": "siVAE γ=0",
}
COLOURS = {
    "dimension reduction": OKABE_ITO["blue"],
    "network inference on cells that siVAE sampled": OKABE_ITO["sky"],
    "network inference": OKABE_ITO["orange"],
    "random genes": GREY,
}


def method_name(method: str, hubs: bool = False) -> str:
    """Return what figures call a method; as a judge of hubs siVAE has no distances."""
    if method.endswith("-euc"):
        model = NAMES.get(method.removesuffix("-euc"), method)
        return model if hubs else f"{model}-Euc"
    if method.startswith("sivae-"):
        inferred = method.removeprefix("sivae-")
        return f"siVAE-{NAMES.get(inferred, inferred)}"
    return NAMES.get(method, method)


def method_kind(method: str) -> str:
    """Return what kind of method it is, a key of `COLOURS`."""
    reduction, sampled, inferred, chance = COLOURS
    if method == "random":
        return chance
    if method.endswith("-euc"):
        return reduction
    return sampled if method.startswith("sivae-") else inferred


def hub_centrality(points: pd.DataFrame, hubs: pd.DataFrame, subject: Subject) -> Figure:
    """Draw predicted against true centrality, a panel for each method.

    Parameters
    ----------
    points : DataFrame
        From :func:`popnet.findings.shown_comparisons.centrality_points`.
    hubs : DataFrame
        Of `popnet.comparisons.hubs.hub_accuracy`.
    subject : Subject
    """
    methods = list(points["method"].unique())
    n_rows = max(1, -(-len(methods) // 4))
    figure = new_figure(
        DOUBLE, 0.9 + 1.55 * n_rows, "Predicted against true degree centrality", subject
    )
    panels = figure.subplots(n_rows, 4, squeeze=False, sharex=True).ravel()
    if not methods:
        for panel in panels[1:]:
            panel.remove()
        say(panels[0], "No method gave centralities.")
        return figure
    rho = hubs.set_index("method")["rho"]
    for panel, method in zip(panels, methods, strict=False):
        part = points[points["method"] == method]
        for is_hub, colour, size in ((False, GREY, 3), (True, OKABE_ITO["vermillion"], 7)):
            chosen = part[part["hub"] == is_hub]
            panel.scatter(
                chosen["truth"], chosen["predicted"], s=size, c=colour, lw=0, rasterized=True
            )
        panel.set_title(f"{method_name(method, hubs=True)}, ρ = {rho[method]:.2f}")
        panel.xaxis.set_major_locator(ticks(4))
        panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        panel.yaxis.set_major_locator(ticks(4))
    for panel in panels[len(methods) :]:
        panel.remove()
    for panel in panels[max(0, len(methods) - 4) : len(methods)]:
        panel.tick_params(axis="x", labelbottom=True)
        panel.set_xlabel("true centrality")
    figure.supylabel("degree centrality that the method predicts", fontsize=7)
    most = int(points.loc[points["method"] == methods[0], "hub"].sum())
    legend_below(
        figure,
        [
            dot(OKABE_ITO["vermillion"], f"the {most} most central genes by the method"),
            dot(GREY, "other genes"),
        ],
    )
    return figure


def hub_accuracy(hubs: pd.DataFrame, subject: Subject) -> Figure:
    """Draw how well methods find the truly central genes.

    Parameters
    ----------
    hubs : DataFrame
        Of `popnet.comparisons.hubs.hub_accuracy`.
    subject : Subject
    """
    shown = hubs.sort_values("rho", ascending=False)
    what = "How well each method finds the truly central genes"
    figure = new_figure(DOUBLE, 1.3 + 0.16 * max(len(shown), 5), what, subject)
    if shown.empty:
        say(figure.subplots(), "No method gave centralities.")
        return figure
    panels = figure.subplots(1, 3, sharey=True)
    labels = {
        "rho": "Spearman ρ with true centrality",
        "truth_top20": "true centrality, its top 20 genes",
        "truth_top50": "true centrality, its top 50 genes",
    }
    for panel, (column, label) in zip(panels, labels.items(), strict=True):
        _bars(panel, shown["method"], shown[column])
        panel.set_xlabel(label)
        if column != "rho":
            panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
            panel.axvline(shown[f"largest{column[-2:]}"].iloc[0], color=DARK, lw=0.8, ls=":")
    panels[0].set_yticks(
        range(len(shown)), [readable(method_name(name, hubs=True)) for name in shown["method"]]
    )
    legend_below(figure, _kinds(shown["method"]))
    return figure


def neighbour_prediction(neighbours: pd.DataFrame, subject: Subject) -> Figure:
    """Draw how much of the common hubs each method's neighbours explain.

    Parameters
    ----------
    neighbours : DataFrame
        method, variance_explained, se.
    subject : Subject
    """
    shown = neighbours.sort_values("variance_explained", ascending=False)
    k = neighbours["n_neighbours"].iloc[0]
    what = f"Variance of common hubs that their {k} neighbours explain"
    figure = new_figure(SINGLE * 1.35, 1.3 + 0.16 * max(len(shown), 5), what, subject)
    panel = figure.subplots()
    _bars(panel, shown["method"], shown["variance_explained"], shown["se"])
    panel.set_yticks(range(len(shown)), [readable(method_name(name)) for name in shown["method"]])
    panel.set_xlabel("variance explained in held-out cells, mean over hubs")
    panel.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    legend_below(figure, _kinds(shown["method"]))
    return figure


def _bars(panel, methods, values, error=None) -> None:
    """Draw horizontal bars, coloured by the kind of method."""
    colours = [COLOURS[method_kind(method)] for method in methods]
    rows = np.arange(len(values))
    panel.barh(rows, values, height=0.72, color=colours, lw=0)
    if error is not None:
        panel.hlines(rows, values - error, values + error, color=DARK, lw=0.8)
    panel.axvline(0, color=DARK, lw=0.6)
    panel.xaxis.set_major_locator(ticks(5))
    panel.tick_params(axis="y", length=0)
    panel.set_ylim(max(len(values), 5) - 0.4, -0.6)
    panel.spines["left"].set_visible(False)


def _kinds(methods) -> list:
    """Return the legend of the kinds of methods that are there."""
    present = {method_kind(method) for method in methods}
    return [bar(colour, kind) for kind, colour in COLOURS.items() if kind in present]


def neighbour_similarity(
    similarity: pd.DataFrame, what: str, label: str, subject: Subject
) -> Figure:
    """Draw a matrix of methods as a heat map, in the order that it has.

    Parameters
    ----------
    similarity : DataFrame, methods x methods
    what, label : str
        Of the figure and of its colour bar.
    subject : Subject
    """
    n_methods = len(similarity)
    side = 0.3 * max(n_methods, 5)
    figure = new_figure(max(SINGLE, 1.7 + side), 1.5 + side, what, subject)
    panel = figure.subplots()
    if not n_methods:
        say(panel, "No method gave a network.")
        return figure
    values = similarity.to_numpy()
    apart = values[~np.eye(n_methods, dtype=bool)]
    top = float(apart.max()) if len(apart) else 1.0
    image = panel.imshow(values, cmap="viridis", vmin=min(0.0, float(values.min())), vmax=top)
    for row, column in np.ndindex(values.shape):
        red, green, blue, _ = image.cmap(image.norm(values[row, column]))
        light = 0.3 * red + 0.6 * green + 0.1 * blue > 0.5
        text = f"{values[row, column]:.2f}".removeprefix("0")
        colour = "black" if light else "white"
        panel.text(column, row, text, ha="center", va="center", fontsize=5, color=colour)
    names = [readable(method_name(method)) for method in similarity.index]
    panel.set_xticks(range(n_methods), names, rotation=90)
    panel.set_yticks(range(n_methods), names)
    kinds = [COLOURS[method_kind(method)] for method in similarity.index]
    rows = np.arange(n_methods)
    panel.scatter(np.full(n_methods, -0.75), rows, s=12, c=kinds, marker="s", clip_on=False)
    panel.set_xlim(-1, n_methods - 0.5)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    figure.colorbar(image, ax=panel, shrink=0.7, aspect=25, label=label)
    legend_below(figure, _kinds(similarity.index))
    return figure
