"""Quality of a cohort's cells, training and networks."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import SymmetricalLogLocator

from popnet.figures.style import (
    DARK,
    DOUBLE,
    GREY,
    MARKERS,
    OKABE_ITO,
    SINGLE,
    Subject,
    bar,
    dot,
    legend_below,
    name_points,
    new_figure,
    readable,
    say,
    ticks,
)

NAMED_ROWS = 80
TERMS = {
    "reconstruction": "reconstruction",
    "kl_cells": "KL of cells",
    "kl_features": "KL of genes",
    "interpretability": "interpretability",
}


def qc_cells(cells: pd.DataFrame, subject: Subject) -> Figure:
    """Draw the cells of each sample: in bins, left over, and of samples without a bin.

    Parameters
    ----------
    cells : DataFrame
        From :func:`popnet.findings.shown_quality.cells_per_sample`.
    subject : Subject
    """
    n_excluded = int(cells["excluded"].sum())
    what = (
        f"Cells per sample: {cells['in_bins'].sum():,} in {cells['n_bins'].sum():,} bins; "
        f"{n_excluded} of {len(cells)} samples without a bin"
    )
    named = len(cells) <= NAMED_ROWS
    height = 1.1 + (0.125 * max(len(cells), 6) if named else 2.6)
    figure = new_figure(DOUBLE if named else 5.2, height, what, subject)
    axes = figure.subplots()
    if cells.empty:
        say(axes, "No sample has a cell of this type.")
        return figure
    used, rest = OKABE_ITO["blue"], OKABE_ITO["sky"]
    rows = np.arange(len(cells))
    inside, outside = cells["in_bins"].to_numpy(), cells["left_over"].to_numpy()
    lost = cells["excluded"].to_numpy()
    tail_colours = np.where(lost, GREY, rest)
    handles = [bar(used, "in bins"), bar(rest, "left over (incomplete bin)")]
    if n_excluded:
        handles.append(bar(GREY, "sample without a bin"))
    if named:
        axes.barh(rows, inside, height=0.78, color=used)
        axes.barh(rows, outside, left=inside, height=0.78, color=tail_colours)
        for row in np.flatnonzero(lost):
            axes.annotate(
                readable(cells["reason"].iloc[row], 60),
                (outside[row], row),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=5,
                color=DARK,
            )
        axes.set_yticks(rows, [readable(sample, 28) for sample in cells["sample"]], fontsize=5.5)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(cells) - 0.4, -0.6)
        axes.set_xlabel("cells")
        number, axis = axes.xaxis, "x"
    else:
        axes.bar(rows, inside, width=1, color=used)
        axes.bar(rows, outside, bottom=inside, width=1, color=tail_colours)
        axes.set_xlim(-0.5, len(cells) - 0.5)
        axes.set_xticks([])
        axes.set_xlabel("samples, in the order of the table beside this figure")
        axes.set_ylabel("cells")
        number, axis = axes.yaxis, "y"
    number.set_major_locator(ticks(5, integer=True))
    number.set_major_formatter("{x:,.0f}")
    axes.grid(axis=axis, lw=0.3, color="white", zorder=4)
    legend_below(figure, handles)
    return figure


def qc_losses(losses: pd.DataFrame, medians: pd.DataFrame, subject: Subject) -> Figure:
    """Draw the loss of every model over each stage of training, and the median of its terms.

    Parameters
    ----------
    losses : DataFrame with columns sample, bin, repeat (optional), stage, step, total, and terms
        Terms are reconstruction, kl_cells, kl_features, interpretability; a stage without a term
        has missing values. Stages are drawn in the order of their first row.
    medians : DataFrame
        From :func:`popnet.findings.shown_quality.loss_medians`.
    subject : Subject
    """
    stages = list(dict.fromkeys(losses["stage"]))
    one = subject.unit.removesuffix("s")
    keys = [key for key in ("sample", "bin", "repeat") if key in losses]
    figure = new_figure(DOUBLE, 4.2, f"Loss of each {one} over the stages of training", subject)
    if not stages:
        say(figure.subplots(), "No loss was recorded.")
        return figure
    colours = dict(
        zip(TERMS, (OKABE_ITO[c] for c in ("blue", "orange", "green", "purple")), strict=True)
    )
    drawn = []
    for column, stage in zip(figure.subplots(2, len(stages), squeeze=False).T, stages, strict=True):
        top, bottom = column
        here = losses[losses["stage"] == stage]
        lines = [
            model[["step", "total"]].to_numpy(dtype=float)
            for _, model in here.groupby(keys, sort=False)
        ]
        # Many lines make a vector file slow to open.
        top.add_collection(
            LineCollection(lines, colors=GREY, lw=0.4, alpha=0.6, rasterized=len(lines) > 200)
        )
        middle = medians[medians["stage"] == stage].set_index("step").drop(columns="stage")
        top.plot(middle.index, middle["total"], color="black", lw=1.2)
        top.autoscale_view()
        top.set_title(readable(stage, 26))
        bottom.set_xlabel("step")
        for term in middle.columns.drop("total"):
            if middle[term].notna().any():
                bottom.plot(middle.index, middle[term], color=colours[term], lw=1.2)
                drawn.append(term)
        # The first steps of a few bins would flatten all the others.
        low, high = np.nanpercentile(here["total"], [0, 98])
        top.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        bottom.set_yscale("symlog", linthresh=1)
        bottom.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=[1, 3]))
        bottom.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        for axes in column:
            axes.xaxis.set_major_locator(ticks(4, integer=True))
            axes.xaxis.set_major_formatter("{x:,.0f}")
        top.yaxis.set_major_locator(ticks(5))
        top.yaxis.set_major_formatter("{x:,.4g}")
        if stage == stages[0]:
            top.set_ylabel("total loss")
            bottom.set_ylabel("term of the loss (median)")
    handles = [
        Line2D([], [], color=GREY, lw=0.6, label=f"one {one}"),
        Line2D([], [], color="black", lw=1.2, label=f"median of the {subject.unit}"),
    ]
    handles += [
        Line2D([], [], color=colours[term], lw=1.2, label=label)
        for term, label in TERMS.items()
        if term in drawn
    ]
    legend_below(figure, handles)
    return figure


def qc_depth(
    samples: pd.DataFrame,
    subject: Subject,
    *,
    phenotypes: pd.DataFrame,
    groups: Mapping[str, tuple[str, str]],
    associations: pd.DataFrame,
) -> Figure:
    """Draw the depth of each sample against its number of cells and against the phenotypes.

    Parameters
    ----------
    samples : DataFrame with columns sample, batch, mean_depth, n_cells
        `mean_depth` is the mean of log10 total counts over the sample's cells; batch may be
        missing. With columns sequenced_depth, the depth before counts were thinned, and
        share_kept, a line joins it to `mean_depth`.
    subject : Subject
    phenotypes : DataFrame, indexed by sample
        A column per phenotype; for a binary one 1 for cases, 0 for controls.
    groups : mapping of phenotype to (str, str)
        Names of controls and cases of binary phenotypes.
    associations : DataFrame with columns phenotype, rho, rho_before
        Of :func:`popnet.findings.shown_quality.depth_by_phenotype`.
    """
    n_panels = 1 + phenotypes.shape[1]
    n_columns = min(n_panels, 3)
    n_rows = -(-n_panels // n_columns)
    size = max(2.4 * n_columns, 3.6), 0.6 + 2.3 * n_rows
    figure = new_figure(
        *size, "Sequencing depth, number of cells and phenotypes of samples", subject
    )
    panels = figure.subplots(n_rows, n_columns, squeeze=False, sharey=True).ravel()
    for axes in panels[n_panels:]:
        axes.set_axis_off()
    handles = _draw_depths(panels[0], samples["n_cells"].to_numpy(dtype=float), samples)
    panels[0].set_xlabel("cells in bins")
    panels[0].xaxis.set_major_formatter("{x:,.0f}")
    found = associations.set_index("phenotype")
    for axes, name in zip(panels[1:], phenotypes, strict=False):
        value = phenotypes[name].reindex(samples["sample"]).to_numpy(dtype=float)
        rho, before = found.loc[name, ["rho", "rho_before"]].to_numpy(dtype=float)
        shown = {"before": before, "after thinning": rho} if np.isfinite(before) else {"": rho}
        texts = [f"{one:.2f} {when}".strip() for when, one in shown.items() if np.isfinite(one)]
        axes.set_title(f"ρ {', '.join(texts)}" if texts else "ρ unknown", loc="left")
        if name in groups:
            # Both depths of a sample stand in one column.
            across = value + 0.5 * (np.arange(len(value)) * 0.618034 % 1 - 0.5)
            _draw_depths(axes, across, samples)
            axes.set_xticks([0, 1], [readable(group, 16) for group in groups[name]])
            axes.set_xlim(-0.6, 1.6)
            axes.set_xlabel(readable(name, 30))
        else:
            _draw_depths(axes, value, samples)
            axes.set_xlabel(readable(name, 30))
            axes.xaxis.set_major_locator(ticks(4))
    for axes in panels[::n_columns]:
        axes.set_ylabel("depth: mean log₁₀ counts per cell")
        axes.yaxis.set_major_locator(ticks(5))
    panels[0].xaxis.set_major_locator(ticks(3, integer=True))
    legend_below(figure, handles)
    return figure


def _draw_depths(axes: Axes, across: np.ndarray, samples: pd.DataFrame) -> list[Artist]:
    """Draw the depths of samples, before and after thinning, by batch; return the legend."""
    thinned = "sequenced_depth" in samples
    after = samples["mean_depth"].to_numpy(dtype=float)
    shown = samples["sequenced_depth" if thinned else "mean_depth"].to_numpy(dtype=float)
    handles: list[Artist] = []
    if thinned:
        axes.vlines(across, after, shown, color=GREY, lw=0.6, zorder=1)
        axes.scatter(across, after, s=16, c=DARK, marker="_", lw=0.8, zorder=2)
    batch = samples["batch"].fillna("").astype(str)
    batches = sorted(set(batch))
    coloured = 1 < len(batches) <= len(MARKERS)
    palette = list(OKABE_ITO.values())
    size = 16 if len(samples) < 200 else 6
    for index, name in enumerate(batches if coloured else [""]):
        chosen = (batch == name).to_numpy() if coloured else np.ones(len(samples), dtype=bool)
        colour, marker = (palette[index], MARKERS[index]) if coloured else (GREY, "o")
        style = {"s": size, "c": colour, "marker": marker, "lw": 0.4, "ec": DARK, "zorder": 3}
        axes.scatter(across[chosen], shown[chosen], **style)
        if coloured:
            label = readable(name, 30) or "no batch"
            handles.append(dot(colour, f"{label} (n = {chosen.sum()})", marker))
    if thinned:
        low, high = samples["share_kept"].min(), samples["share_kept"].max()
        label = f"after thinning ({low:.0%} to {high:.0%} of the counts kept)"
        handles.append(Line2D([], [], color=DARK, lw=0.8, label=label))
    axes.margins(0.1)
    return handles


def qc_reliability(
    reliability: pd.DataFrame,
    subject: Subject,
    *,
    min_icc: float,
    sources: pd.DataFrame | None = None,
) -> Figure:
    """Draw how reliable each gene's centrality is over the bins of a sample.

    Parameters
    ----------
    reliability : DataFrame with columns gene, icc, central, and optionally icc_seeds, n_repeats
        Intraclass correlation of the bins, missing where no sample has two bins, and of a bin's
        models of several seeds, whose median is named; `central`: whether the gene is in a graph.
    subject : Subject
    min_icc : float
        Below it a gene's association is not to be trusted.
    sources : DataFrame with columns source, share, lower_quartile, upper_quartile, optional
        Shares of the genes' variance, of which the batch's is named.
    """
    known = reliability.dropna(subset=["icc"])
    icc = known["icc"].astype(float)
    what = "Reliability of degree centrality over the bins of a sample"
    figure = new_figure(SINGLE, 2.8, what, subject)
    batch = None if sources is None else sources.set_index("source").loc["batch"]
    of_seeds = reliability.reindex(columns=["icc_seeds", "n_repeats"]).astype(float).median()
    seeds = ""
    if np.isfinite(of_seeds["icc_seeds"]):
        n_models = f"{of_seeds['n_repeats']:.3g} models of a bin"
        seeds = f"seeds: ICC {of_seeds['icc_seeds']:.2f} over {n_models} (median of genes)"
    axes = figure.subplots()
    if icc.empty:
        texts = ["No sample has two bins, so reliability is unknown", seeds]
        say(axes, f"{'; '.join(filter(None, texts))}.")
        return figure
    chosen = known["central"].fillna(False).astype(bool)
    edges = np.linspace(min(-0.2, np.floor(icc.min() * 10) / 10), 1, 41)
    axes.hist(icc, edges, color=GREY)
    handles = [bar(GREY, f"all genes: {(icc >= min_icc).mean():.0%} of {len(icc):,} above")]
    if chosen.any():
        axes.hist(icc[chosen], edges, color=OKABE_ITO["blue"])
        share = (icc[chosen] >= min_icc).mean()
        handles.append(
            bar(OKABE_ITO["blue"], f"central genes: {share:.0%} of {chosen.sum():,} above")
        )
    axes.axvline(min_icc, color=OKABE_ITO["vermillion"], lw=1, ls="--")
    handles.append(
        Line2D([], [], color=OKABE_ITO["vermillion"], lw=1, ls="--", label=f"ICC {min_icc:g}")
    )
    if batch is not None and np.isfinite(batch["share"]):
        quartiles = f"{batch['lower_quartile']:.0%} to {batch['upper_quartile']:.0%}"
        text = f"batch: {batch['share']:.0%} of a gene's variance (quartiles {quartiles})"
        handles.append(Line2D([], [], lw=0, label=text))
    if seeds:
        handles.append(Line2D([], [], lw=0, label=seeds))
    axes.set_xlabel("intraclass correlation (ICC)")
    if icc.min() < 0:
        # The statistic has no lower end; reliability.tsv cuts it.
        axes.set_xticks([-1, -0.5, 0, 0.5, 1], ["≤ −1", "−0.5", "0", "0.5", "1"])
        axes.set_xlim(edges[0] - 0.05, 1.05)
        text = f"below 0 ({(icc < 0).mean():.0%} of all genes): samples differ no more than bins"
        handles.append(Line2D([], [], lw=0, label=text))
    axes.set_ylabel("genes")
    axes.yaxis.set_major_locator(ticks(5, integer=True))
    legend_below(figure, handles)
    return figure


def qc_training(training: pd.DataFrame, subject: Subject, *, latent: int) -> Figure:
    """Draw errors, active dimensions, time and memory of each model; name those to look at.

    Parameters
    ----------
    training : DataFrame
        From :func:`popnet.findings.shown_quality.training_of_bins`.
    subject : Subject
        Its unit is what each model is called: "bins", or "models" where a bin has several.
    latent : int
        Dimensions of the embeddings.
    """
    done = training[training["status"] == "trained"]
    what = f"Training: {len(done):,} of {len(training):,} {subject.unit} trained"
    figure = new_figure(DOUBLE, 4.6, what, subject)
    (errors, dimensions), (cost, listed) = figure.subplots(2, 2)
    active = done["active_dimensions"].to_numpy(dtype=float)
    _draw_dimensions(dimensions, active, latent, subject.unit)
    _draw_cost(cost, done, subject.unit)
    _list_models(listed, training[training["look_at"] != ""], subject.unit)
    legend_below(
        figure,
        [
            Line2D([], [], color=GREY, lw=0.8, ls="--", label="equal errors"),
            Line2D(
                [], [], color=OKABE_ITO["vermillion"], lw=1, label="error 1: as the genes' means"
            ),
            Line2D([], [], color="black", lw=1, label=f"median of the {subject.unit}"),
            Line2D([], [], color=OKABE_ITO["vermillion"], lw=1, ls="--", label="half of it"),
        ],
    )
    _draw_errors(errors, done)
    return figure


def _draw_errors(axes: Axes, done: pd.DataFrame) -> None:
    shown = done.dropna(subset=["reconstruction_error", "heldout_error"])
    if shown.empty:
        say(axes, "No cell was held out.")
        return
    points = shown[["reconstruction_error", "heldout_error"]].to_numpy(dtype=float)
    axes.scatter(*points.T, c=OKABE_ITO["blue"], **_points(len(points)))
    axes.axline((points.min(), points.min()), slope=1, color=GREY, lw=0.8, ls="--", zorder=1)
    # At 1 a model predicts a gene no better than its mean does.
    axes.axhline(1, color=OKABE_ITO["vermillion"], lw=1, zorder=1)
    axes.set_xlabel("error on trained cells (mean over genes)")
    axes.set_ylabel("error on held-out cells")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(ticks(5))
    axes.margins(0.12)
    worst = np.argsort(points[:, 0] - points[:, 1], kind="stable")[:3]
    name_points(axes, points[worst], [_model_name(shown.iloc[i]) for i in worst], obstacles=points)


def _draw_dimensions(axes: Axes, active: np.ndarray, latent: int, unit: str) -> None:
    if not len(active):
        say(axes, f"No {unit.removesuffix('s')} trained.")
        return
    width = max(1, -(-latent // 40))
    axes.hist(
        active,
        np.arange(0, latent + width + 1, width) - 0.5,
        color=OKABE_ITO["blue"],
        ec="white",
        lw=0.3,
    )
    middle = np.median(active)
    for place, colour, style in (
        (middle, "black", "-"),
        (middle / 2, OKABE_ITO["vermillion"], "--"),
    ):
        axes.axvline(place, color=colour, lw=1, ls=style)
    axes.set_xlim(-0.5, latent + 0.5)
    axes.set_xlabel(f"active latent dimensions of {latent}")
    axes.set_ylabel(unit)
    axes.xaxis.set_major_locator(ticks(6, integer=True))
    axes.yaxis.set_major_locator(ticks(5, integer=True))
    axes.yaxis.set_major_formatter("{x:,.0f}")


def _draw_cost(axes: Axes, done: pd.DataFrame, unit: str) -> None:
    if done.empty:
        say(axes, f"No {unit.removesuffix('s')} trained.")
        return
    colours = [OKABE_ITO[name] for name in ("blue", "orange", "green", "purple")]
    kinds = list(done.groupby(["device", "precision"], sort=True))
    for index, ((device, precision), part) in enumerate(kinds):
        axes.scatter(
            part["seconds"],
            part["peak_memory_mb"],
            c=colours[index % len(colours)],
            label=f"{device}, {precision} (n = {len(part):,})",
            **_points(len(done)),
        )
    axes.set_xlabel(f"seconds per {unit.removesuffix('s')}")
    axes.set_ylabel("peak memory (MB)")
    axes.set_xlim(-0.03 * done["seconds"].max(), 1.1 * done["seconds"].max())
    axes.set_ylim(0, 1.35 * done["peak_memory_mb"].max())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(ticks(5))
        axis.set_major_formatter("{x:,g}")
    axes.legend(loc="upper left", handletextpad=0.2)


def _list_models(axes: Axes, chosen: pd.DataFrame, unit: str, most: int = 3) -> None:
    axes.set_axis_off()
    failed = chosen["status"] != "trained"
    lines = []
    for kind, part in (("failed", chosen[failed]), ("collapsed", chosen[~failed])):
        lines.append(f"{len(part):,} {unit.removesuffix('s') if len(part) == 1 else unit} {kind}")
        for _, row in part.head(most).iterrows():
            # What helps is for the table to say.
            why = readable(row["look_at"].removeprefix(f"{kind}: ").split(";")[0], 80)
            lines += wrap(
                f"{_model_name(row)}: {why}", 62, initial_indent="  ", subsequent_indent="    "
            )
        if len(part) > most:
            lines.append(f"  and {len(part) - most:,} more, see the table")
    axes.text(
        0,
        1,
        "\n".join(lines),
        va="top",
        color=DARK,
        fontsize=6,
        linespacing=1.4,
        transform=axes.transAxes,
        in_layout=False,
    )


def _points(n: int) -> dict[str, float | str | bool]:
    """How to draw n points: thousands are small and pale, and a bitmap in vector files."""
    if n <= 200:
        return {"s": 14, "lw": 0.3, "ec": DARK, "zorder": 3}
    return {"s": 4, "lw": 0, "alpha": 0.4, "zorder": 3, "rasterized": True}


def _model_name(row: pd.Series) -> str:
    again = f", repeat {row['repeat']}" if row.get("repeat", 1) > 1 else ""
    return f"{readable(row['sample'], 20)}, bin {row['bin']}{again}"
