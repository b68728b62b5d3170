"""The consensus networks of controls and cases around a gene set (the paper's Figure 6f)."""

from __future__ import annotations

import random
from collections.abc import Collection

import igraph
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import rankdata

from popnet.figures import (
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

MOST_GENES = 60
IN_SET, NEIGHBOUR, LEADER = OKABE_ITO["blue"], OKABE_ITO["orange"], OKABE_ITO["vermillion"]


def set_neighbourhood(edges: pd.DataFrame, set_genes: Collection[str]) -> pd.DataFrame:
    """Return the consensus edges that touch the set's genes, at most 60 genes in all.

    Beyond 60, the genes with the most edges that only one group has are kept, then those with the
    most edges.

    Parameters
    ----------
    edges : DataFrame with columns gene1, gene2, case_share, control_share, in_case, in_control
        Shares of each group's samples that have the edge, and whether the group's consensus has it.
    set_genes : collection of str

    Returns
    -------
    DataFrame with the columns of `edges`, and in_set1, in_set2
    """
    shown = edges.assign(
        in_set1=edges["gene1"].isin(set_genes),
        in_set2=edges["gene2"].isin(set_genes),
        in_case=edges["in_case"].astype(bool),
        in_control=edges["in_control"].astype(bool),
    )
    shown = shown[(shown["in_set1"] | shown["in_set2"]) & (shown["in_case"] | shown["in_control"])]
    degree = _degree(shown)
    if len(degree) > MOST_GENES:
        ordered = degree.sort_values(["changed", "total"], ascending=False, kind="stable")
        kept = ordered.index[:MOST_GENES]
        shown = shown[shown["gene1"].isin(kept) & shown["gene2"].isin(kept)]
    return shown.reset_index(drop=True)


def _degree(edges: pd.DataFrame) -> pd.DataFrame:
    """Return the number of edges of each gene: case, control, changed, total."""
    ends = edges.melt(["in_case", "in_control"], ["gene1", "gene2"], value_name="gene")
    ends["changed"] = ends["in_case"] != ends["in_control"]
    degree = ends.groupby("gene").agg(
        case=("in_case", "sum"),
        control=("in_control", "sum"),
        changed=("changed", "sum"),
        total=("changed", "size"),
    )
    return degree.astype(int)


def set_networks(
    edges: pd.DataFrame,
    subject: Subject,
    *,
    set_name: str,
    groups: tuple[str, str],
    min_share: float,
    seed: int = 1,
) -> Figure:
    """Draw both groups' consensus networks in one layout; edges of one group alone stand out.

    Parameters
    ----------
    edges : DataFrame
        From `set_neighbourhood`.
    subject : Subject
    set_name : str
    groups : tuple of str
        Names of controls and cases.
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
    degree = _degree(edges)
    genes = degree.index
    members = set(edges.loc[edges["in_set1"], "gene1"]) | set(edges.loc[edges["in_set2"], "gene2"])
    change = (degree["case"] - degree["control"]).loc[genes.isin(members)]
    leader = change.abs().idxmax() if change.any() else None
    points = _layout(edges, genes, seed)
    ends = np.column_stack([genes.get_indexer(edges["gene1"]), genes.get_indexer(edges["gene2"])])
    colours = np.where(genes.isin(members), IN_SET, NEIGHBOUR)
    panels = figure.subplots(1, 2)
    sizes = []
    for axes, group, name in zip(panels, ("control", "case"), groups, strict=True):
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
    ranks = rankdata(points, axis=0) / len(points)
    span = np.ptp(points, axis=0)
    return ((points - points.min(axis=0)) / np.where(span > 0, span, 1) + ranks) / 2
