"""The map of samples by the similarity of their networks, and the similarities themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from popnet.figures.style import (
    CASE,
    CONTROL,
    DARK,
    DOUBLE,
    GREY,
    Subject,
    bar,
    dot,
    format_p,
    legend_below,
    name_points,
    new_figure,
    readable,
    ticks,
)

NAMED = 40  # up to as many samples, every point has its name; beyond, the outermost ones
NAMED_ROWS = 60


def network_map(
    coordinates: pd.DataFrame,
    tests: pd.DataFrame,
    subject: Subject,
    *,
    kernel: str,
    effect: str,
    groups: tuple[str, str] | None = None,
) -> Figure:
    """Draw one point per sample: near samples have similar networks (the paper's Figure 6b, e).

    Parameters
    ----------
    coordinates : DataFrame with columns sample, PC1, PC2, explained1, explained2, value
        `explained1` and `explained2` are the shares of the variance along the axes. `value` is
        the phenotype; for a binary one 1 for cases and 0 for controls; may be missing.
    tests : DataFrame with columns axis, statistic, q
        The tests of axes against the phenotype, whose outcome is part of the title.
    subject : Subject
    kernel : str
        Name of the similarity.
    effect : str
        Name of the statistic.
    groups : tuple of str, optional
        Names of controls and cases; makes the phenotype binary.
    """
    outcome = "; ".join(
        f"{test.axis}: {effect} {test.statistic:.2f}, {format_p(test.q, 'q')}"
        if np.isfinite(test.q)
        else f"{test.axis}: not tested"
        for test in tests.itertuples()
    )
    side = 4.8 if len(coordinates) <= 20 else 5.6
    what = f"Map of the samples' networks ({kernel})\n{outcome}"
    figure = new_figure(side, side - 0.2, what, subject)
    axes = figure.subplots()
    points = coordinates[["PC1", "PC2"]].to_numpy(dtype=float)
    value = coordinates["value"].to_numpy(dtype=float)
    known = np.isfinite(value)
    style = {"s": 26, "linewidths": 0.4, "edgecolors": DARK, "zorder": 3}
    handles = []
    if groups is None:
        if known.any():
            drawn = axes.scatter(*points[known].T, c=value[known], cmap="viridis", **style)
            scale = figure.colorbar(drawn, ax=axes, shrink=0.7, pad=0.02, aspect=28)
            scale.set_label(readable(subject.phenotype or "", 40))
            scale.outline.set_visible(False)
    else:
        for code, colour, marker in ((0, CONTROL, "o"), (1, CASE, "^")):
            chosen = value == code
            axes.scatter(*points[chosen].T, c=colour, marker=marker, **style)
            name = f"{readable(groups[code])} (n = {chosen.sum()})"
            handles.append(dot(colour, name, marker))
    if not known.all():
        axes.scatter(*points[~known].T, s=26, linewidths=0.8, facecolors="none", edgecolors=GREY)
        without = "in neither group" if groups else "no value"
        handles.append(dot(GREY, f"{without} (n = {(~known).sum()})", hollow=True))
    legend_below(figure, handles)
    for number, axis in enumerate((axes.xaxis, axes.yaxis), start=1):
        share = coordinates[f"explained{number}"].iloc[0]
        axis.set_label_text(f"PC{number} ({share:.0%} of the variance)")
        axis.set_major_locator(ticks(5))
    axes.margins(0.16)
    if len(points) > NAMED:
        spread = np.abs((points - points.mean(axis=0)) / np.maximum(points.std(axis=0), 1e-12))
        chosen = np.sort(np.argsort(-spread.max(axis=1), kind="stable")[:12])
    else:
        chosen = np.arange(len(points))
    names = [readable(coordinates["sample"].iloc[index], 24) for index in chosen]
    name_points(axes, points[chosen], names, obstacles=points)
    return figure


def kernel_heatmap(
    similarity: pd.DataFrame,
    subject: Subject,
    *,
    kernel: str,
    value: pd.Series | None = None,
    groups: tuple[str, str] | None = None,
) -> Figure:
    """Draw the similarity of every two samples' networks, in the order given.

    Parameters
    ----------
    similarity : DataFrame of shape (n_samples, n_samples)
        Rows and columns are samples; :func:`popnet.findings.shown_networks.cluster_order` puts
        similar ones side by side.
    subject : Subject
    kernel : str
        Name of the similarity.
    value : Series, optional
        Phenotype by sample, drawn as a strip above; for a binary one 1 for cases, 0 for controls.
    groups : tuple of str, optional
        Names of controls and cases; makes the phenotype binary.
    """
    samples = list(similarity.index)
    side = 5.2 if len(samples) <= 30 else DOUBLE
    figure = new_figure(
        side + 0.2 * (side < DOUBLE),
        side,
        f"Similarity of the samples' networks ({kernel})",
        subject,
    )
    strip, axes = figure.subplots(2, 1, height_ratios=[1, 24], sharex=True)
    matrix = similarity.to_numpy(dtype=float)
    between = matrix[~np.eye(len(matrix), dtype=bool)]
    limits = (between.min(), between.max()) if between.size else (0, 1)
    # The colours span the similarity of different samples: a sample's own would stretch them.
    image = axes.imshow(matrix, cmap="cividis", vmin=limits[0], vmax=limits[1], aspect="auto")
    scale = figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02, aspect=28)
    scale.set_label("similarity")
    scale.outline.set_visible(False)
    axes.spines[:].set_visible(False)
    if len(samples) <= NAMED_ROWS:
        names = [readable(sample, 24) for sample in samples]
        size = min(6.0, 280 / len(samples))
        axes.set_xticks(range(len(samples)), names, rotation=90, fontsize=size)
        axes.set_yticks(range(len(samples)), names, fontsize=size)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel(f"{len(samples):,} samples, clustered")
    axes.tick_params(length=0)
    strip.tick_params(length=0, labelbottom=False)
    strip.spines[:].set_visible(False)
    if value is None:
        strip.set_visible(False)
        return figure
    shown = value.reindex(samples).to_numpy(dtype=float)[None, :]
    colours = "viridis" if groups is None else ListedColormap([CONTROL, CASE])
    coloured = strip.imshow(shown, cmap=colours, aspect="auto")
    strip.set_yticks([0], [readable(subject.phenotype or "", 24)])
    if groups is None:
        scale = figure.colorbar(coloured, ax=axes, shrink=0.6, pad=0.02, aspect=28)
        scale.set_label(readable(subject.phenotype or "", 40))
        scale.outline.set_visible(False)
    else:
        coloured.set_clim(0, 1)
        legend_below(figure, [bar(CONTROL, readable(groups[0])), bar(CASE, readable(groups[1]))])
    return figure
