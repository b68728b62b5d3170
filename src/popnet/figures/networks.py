"""The consensus networks of controls and cases around a gene set (the paper's Figure 6f)."""

from __future__ import annotations

import random

import igraph
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
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
    name_points,
    new_figure,
    readable,
    say,
)
from popnet.networks.consensus import MIN_SHARE

IN_SET, NEIGHBOUR, LEADER = OKABE_ITO["blue"], OKABE_ITO["orange"], OKABE_ITO["vermillion"]


def set_networks(
    edges: pd.DataFrame,
    degree: pd.DataFrame,
    subject: Subject,
    *,
    set_name: str,
    groups: tuple[str, str] | None = None,
    min_share: float = MIN_SHARE,
    seed: int = 1,
) -> Figure:
    """Draw both groups' consensus networks in one layout; edges of one group alone stand out.

    Parameters
    ----------
    edges : DataFrame
        From :func:`popnet.findings.shown_associations.set_neighbourhood`.
    degree : DataFrame
        Of its genes, from :func:`popnet.findings.shown_associations.degrees`.
    subject : Subject
    set_name : str
    groups : tuple of str, optional
        Names of controls and cases; by default the halves of a continuous phenotype.
    min_share : float
        Share of a group's samples that makes an edge part of its consensus.
    seed : int
        Of the layout.
    """
    what = (
        f"Edges of the genes of {readable(set_name, 44)} that at least {min_share:.0%} of a "
        "group's samples have"
    )
    figure = new_figure(DOUBLE, 4.9, what, subject)
    if edges.empty:
        say(
            figure.subplots(),
            f"No edge of the set is in {min_share:.0%} of either group's samples.",
        )
        return figure
    genes, member = degree.index, degree["member"].to_numpy()
    change = (degree["case"] - degree["control"])[member]
    leader = change.abs().idxmax() if change.any() else None
    points = _layout(edges, genes, seed)
    ends = np.column_stack([genes.get_indexer(edges["gene1"]), genes.get_indexer(edges["gene2"])])
    colours = np.where(member, IN_SET, NEIGHBOUR)
    panels = figure.subplots(1, 2)
    names = groups or ("lower half", "upper half")
    sizes = []
    for axes, group, name in zip(panels, ("control", "case"), names, strict=True):
        here = edges[f"in_{group}"].to_numpy()
        alone = here & ~(edges["in_case"] & edges["in_control"]).to_numpy()
        for chosen, colour, width in ((here & ~alone, "#BBBBBB", 0.7), (alone, DARK, 0.9)):
            axes.add_collection(
                LineCollection(points[ends[chosen]], colors=colour, linewidths=width, zorder=1)
            )
        count = degree[group].to_numpy()
        linked = count > 0
        size = np.where(linked, np.minimum(14 + 6 * count, 110), 10)
        axes.scatter(
            *points[linked].T, s=size[linked], c=colours[linked], lw=0.4, ec="white", zorder=3
        )
        axes.scatter(*points[~linked].T, s=10, fc="white", ec=colours[~linked], lw=0.7, zorder=3)
        title = f"{readable(name, 30)}: {here.sum()} edges"
        if leader is not None:
            at = genes.get_loc(leader)
            size[at] += 70
            axes.scatter(*points[at], s=size[at], fc="none", ec=LEADER, lw=1.4, zorder=3)
            title += f", {count[at]} of {readable(leader, 20)}"
        axes.set_title(title)
        axes.set_axis_off()
        axes.set_xlim(-0.12, 1.12)
        axes.set_ylim(-0.06, 1.06)
        sizes.append(size)
    handles = [dot(IN_SET, "gene of the set"), dot(NEIGHBOUR, "neighbour")]
    handles.append(dot(GREY, "no edge in this group", hollow=True))
    if leader is not None:
        handles.append(dot(LEADER, "the set's gene that changes most", hollow=True, size=6))
    handles += [
        Line2D([], [], color="#BBBBBB", lw=1, label="edge in both groups"),
        Line2D([], [], color=DARK, lw=1, label="edge in this group alone"),
    ]
    legend_below(figure, handles)
    for axes, size in zip(panels, sizes, strict=True):
        name_points(
            axes,
            points,
            [readable(gene, 14) for gene in genes],
            radius=np.sqrt(size) / 2 + 0.6,
            size=5,
            weights=["bold" if gene == leader else "normal" for gene in genes],
        )
    return figure


def _layout(edges: pd.DataFrame, genes: pd.Index, seed: int) -> np.ndarray:
    """Return the genes' positions in the unit square, from the union of both networks."""
    graph = igraph.Graph(
        n=len(genes),
        edges=np.column_stack(
            [genes.get_indexer(edges["gene1"]), genes.get_indexer(edges["gene2"])]
        ).tolist(),
    )
    igraph.set_random_number_generator(random.Random(seed))
    points = np.array(graph.layout("fr", niter=1000).coords)
    # Half the rank of a coordinate spreads the crowded middle, so that names find room.
    ranks = pd.DataFrame(points).rank().to_numpy() / len(points)
    span = np.ptp(points, axis=0)
    return ((points - points.min(axis=0)) / np.where(span > 0, span, 1) + ranks) / 2
