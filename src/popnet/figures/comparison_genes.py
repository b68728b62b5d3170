"""Genes in the space of the loadings, and whether other methods' networks agree with siVAE's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
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

COLOURS = [OKABE_ITO[name] for name in ("blue", "orange", "green", "purple", "sky", "vermillion")]
MARKERS = ("o", "^", "s", "D")


def symbols(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return a colour and a marker for every name: the colours first, then again as triangles."""
    return {
        name: (COLOURS[place % len(COLOURS)], MARKERS[place // len(COLOURS) % len(MARKERS)])
        for place, name in enumerate(names)
    }


def community_maps(points: pd.DataFrame, found: pd.DataFrame, subject: Subject) -> Figure:
    """Draw the simulated network and, beside it, its genes as each method places them.

    Parameters
    ----------
    points : DataFrame
        method community (-1: isolated) hub dimension1 dimension2; the genes of every method in one
        order.
    found : DataFrame
        method silhouette purity auroc_isolated.
    subject : Subject
    """
    methods = list(dict.fromkeys(points["method"]))
    n_columns = 3
    n_rows = -(-(1 + len(methods)) // n_columns)
    what = "Genes of a simulated network, and where methods place them"
    figure = new_figure(DOUBLE, 0.7 + 2.4 * n_rows, what, subject)
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes in panels[1 + len(methods) :]:
        axes.set_axis_off()
    if not methods:
        say(panels[0], "No method ran.")
        return figure
    genes = points[points["method"] == methods[0]]
    community, hub = genes["community"].to_numpy(), genes["hub"].to_numpy(dtype=bool)
    colours = np.array([*COLOURS[: community.max() + 1], GREY], dtype=object)[community]
    places = network_layout(community, hub)
    for number in range(community.max() + 1):
        spokes = places[(community == number) & ~hub]
        centre = places[(community == number) & hub][0]
        panels[0].plot(
            *np.stack([np.broadcast_to(centre, spokes.shape), spokes]).transpose(2, 0, 1),
            color=COLOURS[number],
            lw=0.4,
            zorder=1,
        )
    panels[0].set_axis_off()
    panels[0].set_aspect("equal")
    panels[0].set_title("the network")
    for axes, method in zip(panels[1:], methods, strict=False):
        own = points[points["method"] == method]
        numbers = found[found["method"] == method].iloc[0]
        axes.set_title(
            f"{method}: silhouette {numbers['silhouette']:.2f}, purity {numbers['purity']:.2f},\n"
            f"isolated at the origin {numbers['auroc_isolated']:.2f} (AUROC)",
            fontsize=6,
        )
        axes.axhline(0, color=GREY, lw=0.4, zorder=0)
        axes.axvline(0, color=GREY, lw=0.4, zorder=0)
        axes.set_xlabel("loading 1")
        axes.set_ylabel("loading 2")
        axes.xaxis.set_major_locator(ticks(4))
        axes.yaxis.set_major_locator(ticks(4))
        _scatter_genes(axes, own[["dimension1", "dimension2"]].to_numpy(), colours, hub)
    _scatter_genes(panels[0], places, colours, hub)
    handles = [dot(COLOURS[i], f"community {i + 1}") for i in range(community.max() + 1)]
    legend_below(
        figure, [*handles, dot(GREY, "isolated"), dot("white", "hub (any colour)", "*", size=7)]
    )
    return figure


def network_layout(community: np.ndarray, hub: np.ndarray) -> np.ndarray:
    """Return where to draw the genes of the simulated network, (n_genes, 2).

    Communities are wheels around their hubs, in a circle around the isolated genes.
    """
    places = np.zeros((len(community), 2))
    n = community.max() + 1
    for number in range(n):
        centre = 2.6 * _circle(np.array([np.pi / 2 + 2 * np.pi * number / n]))
        spokes = np.flatnonzero((community == number) & ~hub)
        places[(community == number) & hub] = centre
        places[spokes] = centre + _circle(np.linspace(0, 2 * np.pi, len(spokes), endpoint=False))
    isolated = np.flatnonzero(community < 0)
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(len(isolated))
    radius = np.sqrt((np.arange(len(isolated)) + 0.5) / max(len(isolated), 1))
    places[isolated] = 1.1 * radius[:, None] * _circle(turn)
    return places


def _circle(angles: np.ndarray) -> np.ndarray:
    return np.column_stack([np.cos(angles), np.sin(angles)])


def _scatter_genes(axes, points: np.ndarray, colours: np.ndarray, hub: np.ndarray) -> None:
    rest = ~hub
    axes.scatter(*points[rest].T, s=6, c=list(colours[rest]), lw=0, alpha=0.8, zorder=2)
    axes.scatter(*points[hub].T, s=70, marker="*", c=list(colours[hub]), ec=DARK, lw=0.6, zorder=3)


def marker_maps(points: pd.DataFrame, found: pd.DataFrame, subject: Subject) -> Figure:
    """Draw cells by type, genes by the type that they mark, and whether directions agree.

    Parameters
    ----------
    points : DataFrame
        kind ("cell" or "gene"), cell_type (empty: marks none), dimension1, dimension2.
    found : DataFrame
        cell_type cosine n_markers, of :func:`popnet.comparisons.gene_embedding.marker_agreement`.
    subject : Subject
    """
    what = "Cells by their type, and genes by the type that they mark (siVAE)"
    cells, genes = points[points["kind"] == "cell"], points[points["kind"] == "gene"]
    figure = new_figure(DOUBLE, 3.3, what, subject)
    if points.empty:
        say(figure.subplots(), "No markers: the cells are of one type, or siVAE did not train.")
        return figure
    types = list(cells["cell_type"].value_counts().index)
    symbol = symbols(types)
    left, middle, right = figure.subplots(1, 3, width_ratios=[3, 3, 1.6])
    # Cells in random order, so that no type hides another.
    shuffled = cells.sample(frac=1, random_state=0)
    markers = shuffled["cell_type"].map(lambda name: symbol[name][1])
    for marker, own in shuffled.groupby(markers):
        left.scatter(
            own["dimension1"],
            own["dimension2"],
            s=3 if marker == "o" else 6,
            c=[symbol[name][0] for name in own["cell_type"]],
            marker=marker,
            lw=0,
            alpha=0.6,
            rasterized=True,
        )
    rest = genes[~genes["cell_type"].isin(types)]
    middle.scatter(rest["dimension1"], rest["dimension2"], s=3, c="#DDDDDD", lw=0)
    for name in types:
        own = genes[genes["cell_type"] == name]
        colour, marker = symbol[name]
        middle.scatter(
            own["dimension1"], own["dimension2"], s=12, c=colour, marker=marker, ec=DARK, lw=0.3
        )
    for axes, kind in ((left, "score"), (middle, "loading")):
        axes.axhline(0, color=GREY, lw=0.4, zorder=0)
        axes.axvline(0, color=GREY, lw=0.4, zorder=0)
        axes.set_xlabel(f"{kind} 1")
        axes.set_ylabel(f"{kind} 2")
        axes.xaxis.set_major_locator(ticks(4))
        axes.yaxis.set_major_locator(ticks(4))
    left.set_title("cells")
    middle.set_title("genes")
    found = found.set_index("cell_type").reindex(
        [name for name in types if name in set(found["cell_type"])]
    )
    right.barh(range(len(found)), found["cosine"], color=[symbol[name][0] for name in found.index])
    right.axvline(0, color=DARK, lw=0.6)
    for row, name in enumerate(found.index):
        colour, marker = symbol[name]
        right.scatter(-1.2, row, s=14, c=colour, marker=marker, ec=DARK, lw=0.4)
    right.set_xlim(-1.35, 1.05)
    right.set_xticks([-1, 0, 1])
    right.set_yticks([])
    right.set_ylim(max(len(found), 5) - 0.4, -0.6)
    right.spines["left"].set_visible(False)
    right.set_xlabel("cosine of mean score\nand mean loading")
    right.set_title("direction")
    legend_below(figure, [dot(*_colour_label(symbol, name)) for name in types])
    return figure


def _colour_label(symbol: dict[str, tuple[str, str]], name: str) -> tuple[str, str, str]:
    colour, marker = symbol[name]
    return colour, readable(name), marker


def agreement_strips(agreement: pd.DataFrame, subject: Subject) -> Figure:
    """Draw the agreement of methods with siVAE in every sample, and with themselves between bins.

    Parameters
    ----------
    agreement : DataFrame
        method and the columns of :func:`popnet.comparisons.agreement.agreement`; method "sivae" has
        the repeats alone.
    subject : Subject
    """
    methods = list(dict.fromkeys(agreement["method"]))
    what = "Do other methods agree with siVAE's networks of the same cells?"
    figure = new_figure(DOUBLE, 1.6 + 0.36 * max(len(methods), 3), what, subject)
    if agreement.empty:
        say(figure.subplots(), "No method ran.")
        return figure
    colours = {"with siVAE": OKABE_ITO["vermillion"], "with itself": OKABE_ITO["sky"]}
    rng = np.random.default_rng(0)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, kind, label in (
        (panels[0], "rho", "centrality: Spearman ρ over genes"),
        (panels[1], "jaccard", "edges: Jaccard index"),
    ):
        for row, method in enumerate(methods):
            own = agreement[agreement["method"] == method]
            for shift, column, colour in zip(
                (-0.17, 0.17), (kind, f"repeat_{kind}"), colours.values(), strict=True
            ):
                values = own[column].dropna().to_numpy()
                heights = row + shift + rng.uniform(-0.1, 0.1, len(values))
                axes.scatter(values, heights, s=5, c=colour, lw=0, alpha=0.6)
                if len(values):
                    middle = np.median(values)
                    axes.plot([middle] * 2, row + shift + np.array([-0.15, 0.15]), c=DARK, lw=1.2)
        axes.set_xlabel(label)
        axes.axvline(0, color=DARK, lw=0.4)
        axes.xaxis.set_major_locator(ticks(5))
    chance = agreement["jaccard_chance"].median()
    if np.isfinite(chance):
        panels[1].axvline(chance, color=GREY, lw=0.8, ls="--")
    panels[0].set_yticks(range(len(methods)), methods)
    panels[0].set_ylim(len(methods) - 0.5, -0.5)
    handles = [
        dot(colours["with siVAE"], "a sample: the method and siVAE"),
        dot(colours["with itself"], "a sample: two of its bins, by the method"),
    ]
    legend_below(figure, handles)
    return figure


def hit_dots(
    shown: pd.DataFrame, subject: Subject, *, methods: Sequence[str], effect: str, n_hits: int
) -> Figure:
    """Draw each hit's statistic by siVAE and by the other methods; hollow where not significant.

    Parameters
    ----------
    shown : DataFrame
        From :func:`popnet.findings.shown_comparisons.shown_hits`.
    subject : Subject
    methods : sequence of str
        Other than siVAE.
    effect : str
        What the statistic is called.
    n_hits : int
        Genes that are hits of any method.
    """
    of = f" ({len(shown)} of {n_hits})" if len(shown) < n_hits else ""
    what = f"Genes whose centrality is associated with the phenotype, by method{of}"
    figure = new_figure(DOUBLE * 0.75, 1.4 + 0.13 * max(len(shown), 5), what, subject)
    axes = figure.subplots()
    if shown.empty:
        say(axes, "No method has a hit.")
        return figure
    seen = shown["seen_by"].str.split(";")
    rows = np.arange(len(shown))
    handles = []
    looks = {"sivae": (DARK, "D")} | symbols(methods)
    for method, (colour, marker) in looks.items():
        values = shown["statistic" if method == "sivae" else f"{method}_statistic"].to_numpy()
        hit = np.array([method in names for names in seen])
        axes.scatter(
            values, rows, s=16, marker=marker, fc=np.where(hit, colour, "none"), ec=colour, lw=0.7
        )
        handles.append(dot(colour, f"{method}: {hit.sum()} of {len(shown)}", marker))
    only = np.array([names == ["sivae"] for names in seen])
    axes.set_yticks(rows, [readable(gene, 20) for gene in shown["gene"]])
    for label, alone in zip(axes.get_yticklabels(), only, strict=True):
        label.set_fontweight("bold" if alone else "normal")
    axes.axvline(0, color=DARK, lw=0.6)
    axes.set_ylim(max(len(shown), 5) - 0.4, -0.6)
    axes.set_xlabel(effect)
    legend_below(figure, handles)
    return figure
