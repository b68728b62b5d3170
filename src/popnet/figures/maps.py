"""The map of samples by the similarity of their networks, and the similarities themselves."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from popnet.figures.style import (
    CASE,
    CONTROL,
    DARK,
    DOUBLE,
    GREY,
    MARKERS,
    OKABE_ITO,
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
from popnet.findings.shown_networks import Clustered

NAMED = 40  # up to as many samples, every point has its name; beyond, the outermost ones
NAMED_ROWS = 60
PALETTE = list(OKABE_ITO.values())


def network_map(
    coordinates: pd.DataFrame,
    tests: pd.DataFrame,
    subject: Subject,
    *,
    kernel: str,
    effect: str,
    icc: float = np.nan,
    groups: tuple[str, str] | None = None,
) -> Figure:
    """Draw one point per sample: near samples have similar networks (the paper's Figure 6b, e).

    Samples of one donor are joined, and each batch has its shape where there are at most seven.

    Parameters
    ----------
    coordinates : DataFrame
        Of :func:`popnet.findings.shown_associations.map_points`: sample, donor, batch, PC1, PC2,
        value (the phenotype; for a binary one 1 for cases and 0 for controls; may be missing),
        explained1 and explained2 (shares of the variance along the axes).
    tests : DataFrame with columns axis, statistic, q
        The tests of axes against the phenotype, whose outcome is part of the title.
    subject : Subject
    kernel : str
        Name of the similarity.
    effect : str
        Name of the statistic.
    icc : float
        Reliability of the similarity over bins; NaN where it is not known.
    groups : tuple of str, optional
        Names of controls and cases; makes the phenotype binary.
    """
    outcome = [
        f"{test.axis}: {effect} {test.statistic:.2f}, {format_p(test.q, 'q')}"
        if np.isfinite(test.q)
        else f"{test.axis}: not tested"
        for test in tests.itertuples()
    ]
    outcome.append(f"ICC over bins {icc:.2f}" if np.isfinite(icc) else "ICC over bins unknown")
    side = 4.8 if len(coordinates) <= 20 else 5.6
    what = f"Map of the samples' networks ({kernel})\n{'; '.join(outcome)}"
    figure = new_figure(side, side - 0.2, what, subject)
    axes = figure.subplots()
    points = coordinates[["PC1", "PC2"]].to_numpy(dtype=float)
    value = coordinates["value"].to_numpy(dtype=float)
    known = np.isfinite(value)
    batch = coordinates["batch"].to_numpy()
    batches = sorted(set(batch))
    shapes = dict(zip(batches, MARKERS, strict=False)) if 1 < len(batches) <= len(MARKERS) else {}
    n_joined = _join_donors(axes, points, coordinates["donor"])
    handles: list[Artist] = []
    if groups is None and known.any():
        span = value[known].min(), value[known].max()
        colours = matplotlib.colormaps["viridis"]((value - span[0]) / (span[1] - span[0] or 1))
        scale = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(*span), "viridis")
        scale = figure.colorbar(scale, ax=axes, shrink=0.7, pad=0.02, aspect=28)
        scale.set_label(readable(subject.phenotype or "", 40))
        scale.outline.set_visible(False)
    else:
        colours = np.array([to_rgb(CASE if one == 1 else CONTROL) for one in value])
    if groups is not None:
        for code, colour in ((0, CONTROL), (1, CASE)):
            # Shapes of their own only where no batch has them.
            label = f"{readable(groups[code])} (n = {(value == code).sum()})"
            handles.append(dot(colour, label, "o" if shapes or not code else "^"))
    own = np.where(value == 1, "^", "o") if groups is not None else np.full(len(points), "o")
    shape = np.array([shapes.get(name) or drawn for name, drawn in zip(batch, own, strict=True)])
    for one in dict.fromkeys(shape):
        chosen, unknown = (shape == one) & known, (shape == one) & ~known
        style = {"s": 26, "marker": one, "zorder": 3}
        axes.scatter(*points[chosen].T, fc=colours[chosen], ec=DARK, lw=0.4, **style)
        axes.scatter(*points[unknown].T, fc="none", ec=GREY, lw=0.8, **style)
    if not known.all():
        without = "in neither group" if groups else "no value"
        handles.append(dot(GREY, f"{without} (n = {(~known).sum()})", hollow=True))
    handles += [
        dot(GREY, f"batch {readable(name)}" if name else "no batch", shape)
        for name, shape in shapes.items()
    ]
    if n_joined:
        handles.append(Line2D([], [], color=GREY, lw=0.8, label="samples of one donor"))
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


def _join_donors(axes: Axes, points: np.ndarray, donors: pd.Series) -> int:
    """Join each donor's samples to their middle; return how many donors have several."""
    several = [rows for rows in donors.groupby(donors.to_numpy()).indices.values() if len(rows) > 1]
    lines = [[points[row], points[rows].mean(axis=0)] for rows in several for row in rows]
    axes.add_collection(LineCollection(lines, colors=GREY, lw=0.8, zorder=1))
    return len(several)


def kernel_heatmap(
    clustered: Clustered,
    subject: Subject,
    *,
    kernel: str,
    limits: tuple[float, float],
    within: float,
    samples: pd.DataFrame,
    phenotypes: pd.DataFrame,
    groups: Mapping[str, tuple[str, str]],
) -> Figure:
    """Draw the similarity of every two samples' networks, the tree, and what the samples are.

    Parameters
    ----------
    clustered : Clustered
        Of :func:`popnet.findings.shown_networks.cluster`.
    subject : Subject
    kernel : str
        Name of the similarity.
    limits : tuple of float
        The range of the colours (:func:`popnet.findings.shown_networks.similarity_range`).
    within : float
        Mean similarity of bins of one sample, for comparison; NaN where it is not known.
    samples : DataFrame, indexed by sample, with columns donor and batch
    phenotypes : DataFrame, indexed by sample
        A column per phenotype; for a binary one 1 for cases, 0 for controls.
    groups : mapping of phenotype to (str, str)
        Names of controls and cases of binary phenotypes.
    """
    similarity = clustered.similarity
    order = list(similarity.index)
    matrix = similarity.to_numpy(dtype=float)
    between = matrix[~np.eye(len(matrix), dtype=bool)]
    what = f"Similarity of the samples' networks ({kernel})"
    if between.size:
        what += f": {between.min():.2g} to {between.max():.2g}"
    if np.isfinite(within):
        what += f", bins of one sample {within:.2g}"
    side = 5.2 if len(order) <= 30 else DOUBLE
    rows, handles = _bars(order, samples, phenotypes, groups)
    heights = [0.7, 0.2 * max(len(rows), 1), side - 1.2]
    figure = new_figure(side + 0.2 * (side < DOUBLE), sum(heights) + 0.5, what, subject)
    tree, bars, axes = figure.subplots(3, 1, height_ratios=heights, sharex=True)
    # Heights are differences in similarity.
    tree.add_collection(LineCollection(list(clustered.branches), colors=DARK, lw=0.6))
    top = clustered.branches[..., 1].max() if len(clustered.branches) else 1.0
    tree.set_ylim(-0.05 * top, 1.05 * top)
    tree.set_axis_off()
    if rows:
        bars.imshow(np.array([colours for _, colours in rows]), aspect="auto")
        bars.set_yticks(range(len(rows)), [name for name, _ in rows])
    for part in (bars, axes):
        part.spines[:].set_visible(False)
        part.tick_params(length=0)
    bars.tick_params(labelbottom=False)
    bars.yaxis.set_visible(bool(rows))
    image = axes.imshow(matrix, cmap="cividis", vmin=limits[0], vmax=limits[1], aspect="auto")
    scale = figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02, aspect=28)
    scale.set_label("similarity")
    scale.outline.set_visible(False)
    if len(order) <= NAMED_ROWS:
        names = [readable(sample, 24) for sample in order]
        size = min(6.0, 280 / len(order))
        axes.set_xticks(range(len(order)), names, rotation=90, fontsize=size)
        axes.set_yticks(range(len(order)), names, fontsize=size)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
        of = f" of {subject.n:,}" if len(order) < subject.n else ""
        axes.set_xlabel(f"{len(order):,}{of} samples, clustered")
    legend_below(figure, handles)
    return figure


def _bars(
    order: list[str],
    samples: pd.DataFrame,
    phenotypes: pd.DataFrame,
    groups: Mapping[str, tuple[str, str]],
) -> tuple[list[tuple[str, np.ndarray]], list[Artist]]:
    """Return name and colours, (n_samples, 3), of each bar beside the heatmap, and its legend."""
    rows: list[tuple[str, np.ndarray]] = []
    handles: list[Artist] = []
    unknown = to_rgb("#e6e6e6")
    colours = matplotlib.colormaps["viridis"]
    for name, column in phenotypes.reindex(order).items():
        value = column.to_numpy(dtype=float)
        known = np.isfinite(value)
        of_row = np.tile(unknown, (len(order), 1))
        label = readable(str(name), 24)
        if name in groups:
            of_row[known] = [to_rgb(CASE if one else CONTROL) for one in value[known]]
            handles += [
                bar(colour, f"{label}: {readable(group)}")
                for colour, group in zip((CONTROL, CASE), groups[str(name)], strict=True)
            ]
        elif known.any():
            low, high = value[known].min(), value[known].max()
            of_row[known] = colours((value[known] - low) / (high - low or 1))[:, :3]
            label = f"{label} ({low:.3g} to {high:.3g})"
        rows.append((label, of_row))
    if len(rows) > len(set(groups) & set(phenotypes)):
        handles += [
            bar(colours(at), f"{what} value") for at, what in ((0.0, "lowest"), (1.0, "highest"))
        ]
    about = samples.reindex(order).fillna("").astype(str)
    batches = sorted(set(about["batch"]))
    if len(batches) > 1:
        rows.append(("batch", _in_turn(about["batch"], batches)))
        if len(batches) <= len(PALETTE):
            handles += [
                bar(colour, f"batch {readable(name)}" if name else "no batch")
                for name, colour in zip(batches, PALETTE, strict=False)
            ]
    donors = list(dict.fromkeys(about["donor"]))
    if 1 < len(donors) < len(order):
        rows.append(("donor", _in_turn(about["donor"], donors)))
        if len(donors) > len(PALETTE):
            handles.append(bar("white", "donors: colours come again"))
    return rows, handles


def _in_turn(values: pd.Series, names: list[str]) -> np.ndarray:
    """Return a colour for each value, (n, 3); beyond the seventh name colours come again."""
    code = pd.Categorical(values, names).codes
    return np.array([to_rgb(PALETTE[one % len(PALETTE)]) for one in code])
