"""Methods of dimension reduction side by side: figures 2a to 2d of the paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
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

# What classifies cells, in words.
LABELS = {"cell_type": "cell types", "batch": "batches", "sample": "samples"}
SINGULAR = {"cell_type": "cell type", "batch": "batch", "sample": "sample"}
# More than Okabe and Ito have: the muted ones of Paul Tol.
COLOURS = [
    *(colour for name, colour in OKABE_ITO.items() if name != "black"),
    *("#332288", "#882255", "#F0E442", "#44AA99", "#661100", "#999933"),
]
PALETTES = {"cell_type": COLOURS, "batch": COLOURS[4:] + COLOURS[:4]}
MARKERS = "o^s"
ENDS = {"linear": "siVAE-\nlinear", "pca": "PCA"}
SIVAE, OTHER = OKABE_ITO["vermillion"], OKABE_ITO["blue"]


def embedding_accuracy(
    shown: pd.DataFrame, subject: Subject, *, failed: Sequence[str], chance: float
) -> Figure:
    """Draw how well each method's embedding separates cells, one panel per latent size.

    Parameters
    ----------
    shown : DataFrame
        From :func:`popnet.findings.shown_comparisons.accuracies`.
    subject : Subject
    failed : sequence of str
        Methods that failed.
    chance : float
        Balanced accuracy by chance.
    """
    what = "How well embeddings separate cells"
    if shown.empty:
        figure = new_figure(DOUBLE, 2, what, subject)
        say(figure.subplots(), "No method embedded the cells.")
        return figure
    what = f"How well embeddings separate {LABELS[shown['label'].iloc[0]]}"
    methods = [*dict.fromkeys(shown["method"]), *failed]
    latents = sorted(shown["latent"].unique())
    figure = new_figure(DOUBLE, 1.3 + 0.2 * max(len(methods), 5), what, subject)
    panels = figure.subplots(1, len(latents), sharex=True, sharey=True, squeeze=False)[0]
    rows = {method: row for row, method in enumerate(methods)}
    sizes = sorted(shown["k"].unique(), reverse=True)
    for axes, latent in zip(panels, latents, strict=True):
        axes.axvline(chance, color=GREY, lw=0.8, ls="--", zorder=1)
        for number, k in enumerate(sizes):
            part = shown[(shown["latent"] == latent) & (shown["k"] == k)]
            at = part["method"].map(rows).to_numpy() + (number - (len(sizes) - 1) / 2) * 0.3
            colours = [_colour(method) for method in part["method"]]
            axes.hlines(at, part["lowest"], part["highest"], color=GREY, lw=1.2, zorder=2)
            axes.scatter(
                part["mean"],
                at,
                s=18,
                c=["white"] * len(part) if number else colours,
                edgecolors=colours if number else DARK,
                linewidths=0.9 if number else 0.4,
                zorder=3,
            )
        axes.set_title(_dimensions(latent))
        axes.set_xlabel("balanced accuracy")
        axes.xaxis.set_major_locator(ticks(3))
        axes.tick_params(axis="y", length=0)
    for method in failed:
        panels[0].text(chance, rows[method], " failed", va="center", fontsize=5.5, color=DARK)
    panels[0].set_yticks(range(len(methods)), [readable(name) for name in methods])
    panels[0].set_ylim(len(methods) - 0.4, -0.6)
    handles: list[Artist] = [dot(SIVAE, "siVAE"), dot(OTHER, "other methods")]
    handles += [dot(DARK, f"{k} neighbours", hollow=bool(n)) for n, k in enumerate(sizes)]
    handles.append(dot(GREY, "dashed: chance", marker="_"))
    legend_below(figure, handles)
    return figure


def recall_table(shown: pd.DataFrame, subject: Subject, *, most: int = 40) -> Figure:
    """Draw the share of each type's held-out cells that are classified correctly, by method.

    Parameters
    ----------
    shown : DataFrame
        From :func:`popnet.findings.shown_comparisons.recalls`.
    subject : Subject
    most : int
        Types that are drawn at most, the most frequent.
    """
    if shown.empty:
        figure = new_figure(DOUBLE, 2, "Cells classified correctly, by type", subject)
        say(figure.subplots(), "No method embedded the cells.")
        return figure
    first = shown.iloc[0]
    what = (
        f"Held-out cells that {first['k']} neighbours classify correctly in "
        f"{_dimensions(first['latent'])}, by {SINGULAR[first['label']]}"
    )
    sizes = shown.groupby("type")["n"].first().sort_values(ascending=False, kind="stable")
    types = list(sizes.index[:most])
    grid = shown.pivot(index="method", columns="type", values="recall")
    grid = grid.loc[list(dict.fromkeys(shown["method"])), types]
    figure = new_figure(DOUBLE, 1.9 + 0.22 * len(grid), what, subject)
    axes = figure.subplots()
    drawn = axes.imshow(grid.to_numpy(), vmin=0, vmax=1, cmap="viridis", aspect="auto")
    axes.set_xticks(
        range(len(types)),
        [f"{readable(name, 18)} ({sizes[name]:,})" for name in types],
        rotation=45,
        ha="right",
        rotation_mode="anchor",
    )
    axes.set_yticks(range(len(grid)), [readable(name) for name in grid.index])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if len(types) <= 16:
        for (row, column), value in np.ndenumerate(grid.to_numpy()):
            colour = "black" if value > 0.6 else "white"
            axes.text(
                column, row, f"{value:.2f}", ha="center", va="center", fontsize=5, color=colour
            )
    scale = figure.colorbar(drawn, ax=axes, pad=0.02, aspect=24)
    scale.set_label("share classified correctly")
    scale.outline.set_visible(False)
    return figure


def embedding_maps(points: pd.DataFrame, subject: Subject) -> Figure:
    """Draw cells in the two dimensions that each method has for them (figure 2a).

    Parameters
    ----------
    points : DataFrame with columns method, cell, label, type, heldout, x, y
    subject : Subject
    """
    if points.empty:
        figure = new_figure(DOUBLE, 2, "Cells in two dimensions", subject)
        say(figure.subplots(), "The config compares no embedding of two dimensions.")
        return figure
    methods = list(dict.fromkeys(points["method"]))
    what = f"Cells in two dimensions, by {SINGULAR[points['label'].iloc[0]]}"
    columns = min(4, len(methods))
    rows = -(-len(methods) // columns)
    figure = new_figure(DOUBLE, 1.1 + 1.65 * rows, what, subject)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    styles = _styles(points["type"])
    for axes, method in zip(panels, methods, strict=False):
        part = points[points["method"] == method]
        _draw_cells(axes, part[["x", "y"]].to_numpy(), part["type"], styles)
        axes.set_title(readable(method))
    for axes in panels[len(methods) :]:
        axes.set_axis_off()
    legend_below(figure, _legend(styles))
    return figure


def gamma_sweep(table: pd.DataFrame, means: pd.DataFrame, subject: Subject) -> Figure:
    """Draw accuracy and error of siVAE as the weight of its interpretability term grows.

    Parameters
    ----------
    table : DataFrame
        setting ("0", "0.05", ..., "linear", "pca"), repeat, k, label, balanced_accuracy,
        heldout_error, linear_error; settings in the order in which they are drawn.
    means : DataFrame
        From :func:`popnet.findings.shown_comparisons.gamma_means`.
    subject : Subject
    """
    figure = new_figure(
        DOUBLE,
        2.6,
        "siVAE by weight of its interpretability term, and linear models",
        subject,
    )
    if table.empty:
        say(figure.subplots(), "No siVAE was trained.")
        return figure
    settings = list(dict.fromkeys(table["setting"]))
    place = {name: at for at, name in enumerate(settings)}
    left, right = figure.subplots(1, 2)
    sizes = sorted(table["k"].unique(), reverse=True)
    series = [
        (left, k, "balanced_accuracy", colour, f"{k} neighbours")
        for k, colour in zip(sizes, (SIVAE, OTHER), strict=False)
    ]
    series += [
        (right, sizes[0], "heldout_error", OKABE_ITO["green"], "of the model"),
        (right, sizes[0], "linear_error", OKABE_ITO["purple"], "of scores × loadings alone"),
    ]
    for axes, k, column, colour, label in series:
        part = table[table["k"] == k]
        axes.scatter(
            part["setting"].map(place), part[column], s=8, color=colour, alpha=0.5, lw=0, zorder=2
        )
        mean = means[means["k"] == k].dropna(subset=[column])
        at = mean["setting"].map(place)
        style = {"color": colour, "marker": "o", "ms": 4, "mec": DARK, "mew": 0.4}
        swept = ~mean["setting"].isin(ENDS)
        axes.plot(at[swept], mean.loc[swept, column], label=label, **style)
        axes.plot(at[~swept], mean.loc[~swept, column], ls="", **style)
    left.set_ylabel(f"balanced accuracy, {LABELS[table['label'].iloc[0]]}")
    right.set_ylabel("squared error of held-out cells\n(1: as the mean)")
    for axes in (left, right):
        axes.set_xticks(range(len(settings)), [ENDS.get(name, name) for name in settings])
        axes.set_xlabel("weight γ of the interpretability term")
        axes.legend(loc="best")
    return figure


def batch_maps(points: pd.DataFrame, subject: Subject, *, mixing: pd.DataFrame) -> Figure:
    """Draw cells before and after batch correction, by type and by batch (figures 2c and 2d).

    Parameters
    ----------
    points : DataFrame with columns view ("before", "after"), x, y, cell_type, batch
    subject : Subject
    mixing : DataFrame with columns method, other_batches, same_type
        Rows "pca", "sivae" and "sivae-batch", if present.
    """
    views = [view for view in ("before", "after") if view in set(points["view"])]
    figure = new_figure(DOUBLE, 6.6, "Cells before and after batch correction", subject)
    if not views:
        say(figure.subplots(), "No method embedded the cells.")
        return figure
    titles = {
        "before": ("UMAP of the expression", "pca"),
        "after": ("t-SNE of batch-corrected siVAE", "sivae-batch"),
    }
    of = mixing.set_index("method")
    panels = figure.subplots(2, len(views), squeeze=False)
    for column, view in enumerate(views):
        part = points[points["view"] == view]
        title, method = titles[view]
        if method in of.index:
            row = of.loc[method]
            title += (
                f"\nneighbours: other batches {row['other_batches']:.2f} of expected, "
                f"own type {row['same_type']:.2f}"
            )
        panels[0, column].set_title(title)
        for axes, by in zip(panels[:, column], ("cell_type", "batch"), strict=True):
            styles = _styles(points[by], PALETTES[by])
            _draw_cells(axes, part[["x", "y"]].to_numpy(), part[by], styles)
            axes.set_ylabel("by " + by.replace("_", " ") if column == 0 else "")
    for row, by in enumerate(("cell_type", "batch")):
        styles = _styles(points[by], PALETTES[by])
        panels[row, -1].legend(
            handles=_legend(styles), loc="center left", bbox_to_anchor=(1, 0.5), handlelength=1
        )
    return figure


def other_data(
    images: pd.DataFrame, measures: pd.DataFrame, points: pd.DataFrame, subject: Subject
) -> Figure:
    """Draw siVAE beside a VAE on images, and siVAE on simulated open chromatin.

    Parameters
    ----------
    images : DataFrame
        From :func:`popnet.findings.shown_comparisons.accuracies`.
    measures, points : DataFrame
        From `popnet.comparisons.other_data.recover_chromatin`.
    subject : Subject
    """
    what = "siVAE on images and on simulated chromatin accessibility"
    figure = new_figure(DOUBLE, 2.9, what, subject)
    left, *planted = figure.subplots(1, 3)
    if images.empty:
        say(left, "No method embedded the images.")
    latents = sorted(images["latent"].unique())
    series = (("sivae", SIVAE), ("sivae-gamma0", OKABE_ITO["orange"]), ("vae", OTHER))
    for (method, colour), shift in zip(series, (-0.04, 0, 0.04), strict=True):
        part = images[images["method"] == method]
        if part.empty:
            continue
        at = np.array([latents.index(size) for size in part["latent"]]) + shift
        left.vlines(at, part["lowest"], part["highest"], color=GREY, lw=1.2)
        left.plot(at, part["mean"], color=colour, marker="o", ms=4, mec=DARK, mew=0.4, label=method)
    if len(images):
        left.set_xticks(range(len(latents)), latents)
        left.set_xlabel("latent dimensions")
        left.set_ylabel("balanced accuracy of held-out images")
        left.legend(loc="lower right")
    values = measures.set_index("measure")
    styles = _styles(points["planted"][points["planted"] != "none"])
    for axes, kind, measure, text in (
        (planted[0], "cell", "groups", "cells: {:.2f} of held-out cells correct"),
        (planted[1], "region", "modules", "regions: {:.2f} of nearest 20 in same module"),
    ):
        part = points[points["kind"] == kind]
        if part.empty:
            say(axes, "No siVAE was trained.")
            continue
        none = (part["planted"] == "none").to_numpy()
        axes.scatter(*part.loc[none, ["x", "y"]].to_numpy().T, s=3, color=GREY, lw=0, alpha=0.5)
        _draw_cells(axes, part.loc[~none, ["x", "y"]].to_numpy(), part["planted"][~none], styles)
        value, chance = values.loc[measure, ["value", "chance"]]
        axes.set_title(f"{text.format(value)}\n(chance {chance:.2f})")
    legend_below(
        figure,
        [
            *(dot(colour, f"group or module {name}") for name, (colour, _) in styles.items()),
            dot(GREY, "no module"),
        ]
        if len(points)
        else [],
    )
    return figure


def _dimensions(latent: int) -> str:
    return f"{latent} dimensions" if latent > 1 else "1 dimension"


def _colour(method: str) -> str:
    return SIVAE if method.startswith("sivae") else OTHER


def _styles(labels: pd.Series, colours: Sequence[str] = COLOURS) -> dict[str, tuple[str, str]]:
    """Return colour and marker of the most frequent labels, as many as can be told apart."""
    styles = [(colour, marker) for marker in MARKERS for colour in colours]
    counts = labels.astype(str).value_counts()
    named = sorted(counts.index[: len(styles)])
    return dict(zip(named, styles, strict=False))


def _legend(styles: dict[str, tuple[str, str]]) -> list[Artist]:
    return [dot(colour, readable(name), marker) for name, (colour, marker) in styles.items()]


def _draw_cells(
    axes: Axes, points: np.ndarray, labels: pd.Series, styles: dict[str, tuple[str, str]]
) -> None:
    """Draw cells by label in an order in which none hides the others; unnamed labels are grey."""
    labels = labels.astype(str).to_numpy()
    size = float(np.clip(4000 / max(len(points), 1), 1.5, 8))
    order = np.random.default_rng(0).permutation(len(points))
    unnamed = ~np.isin(labels, list(styles))
    axes.scatter(*points[unnamed].T, s=size, color=GREY, lw=0, rasterized=True)
    # One call for each marker: within it, cells of all labels lie in random order.
    for marker in MARKERS:
        chosen = [i for i in order if not unnamed[i] and styles[labels[i]][1] == marker]
        if chosen:
            colours = [styles[labels[i]][0] for i in chosen]
            axes.scatter(*points[chosen].T, s=size, c=colours, marker=marker, lw=0, rasterized=True)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
