"""Edges among mitochondrial genes in selected samples (the paper's Figure 6d)."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from popnet.figures import (
    COMPLEXES,
    DARK,
    DOUBLE,
    GREY,
    Subject,
    legend_below,
    new_figure,
    readable,
    say,
)

with matplotlib.rc_context():  # the import sets Matplotlib's parameters for the process
    from pycirclize import Circos

FEWEST, MOST = 7, 30  # the paper draws seven


def circos_edges(
    edges: pd.DataFrame,
    sample_edges: pd.DataFrame,
    samples: Sequence[tuple[str, float]],
    complexes: pd.Series,
    *,
    fdr: float,
) -> pd.DataFrame:
    """Return the edges to show in each sample: the significant ones, or the 7 of smallest p.

    Of the significant at most 30, by p.

    Parameters
    ----------
    edges : DataFrame with columns gene1, gene2, statistic, p, q
        One row per tested pair of genes.
    sample_edges : DataFrame with columns sample, gene1, gene2, weight
        `weight` is the share of the sample's bins that have the edge; genes in either order.
    samples : sequence of (sample, phenotype)
    complexes : Series
        Complex by gene; edges between other genes are left out.
    fdr : float

    Returns
    -------
    DataFrame with columns sample, value, gene1, gene2, complex1, complex2, relation ("within" a
    complex or "between" two), statistic, p, q, significant, weight, present
    """
    complexes = complexes[complexes.isin(COMPLEXES)]
    shown = edges.dropna(subset=["p"])
    shown = shown[shown["gene1"].isin(complexes.index) & shown["gene2"].isin(complexes.index)]
    shown = shown.assign(significant=shown["q"] <= fdr).sort_values("p", kind="stable")
    shown = (
        shown[shown["significant"]].head(MOST) if shown["significant"].any() else shown.head(FEWEST)
    )
    ends = [complexes.reindex(shown[gene]).to_numpy() for gene in ("gene1", "gene2")]
    shown = shown.assign(
        complex1=ends[0],
        complex2=ends[1],
        relation=np.where(ends[0] == ends[1], "within", "between"),
    )
    weights = pd.concat(
        [sample_edges, sample_edges.rename(columns={"gene1": "gene2", "gene2": "gene1"})]
    ).drop_duplicates(["sample", "gene1", "gene2"])
    chosen = pd.DataFrame(samples, columns=["sample", "value"])
    table = chosen.merge(shown, how="cross").merge(
        weights[["sample", "gene1", "gene2", "weight"]], how="left", on=["sample", "gene1", "gene2"]
    )
    table["weight"] = table["weight"].fillna(0.0)
    table["present"] = table["weight"] >= 0.5
    columns = ["sample", "value", "gene1", "gene2", "complex1", "complex2", "relation"]
    return table[[*columns, "statistic", "p", "q", "significant", "weight", "present"]]


def mt_circos(
    shown: pd.DataFrame,
    samples: Sequence[tuple[str, str, str]],
    complexes: pd.Series,
    subject: Subject,
    *,
    fdr: float,
) -> Figure:
    """Draw the edges in each sample, genes on a circle by complex; absent edges dotted.

    Parameters
    ----------
    shown : DataFrame
        From `circos_edges`.
    samples : sequence of (sample, role, value)
        Three, from low to high: the identifier, its role such as "lowest", and its phenotype as
        text.
    complexes : Series
        Complex ("I", "III", "IV", "V") by gene: the genes on the circle.
    subject : Subject
    fdr : float
    """
    n_edges = len(shown[["gene1", "gene2"]].drop_duplicates())
    what = f"Edges among mitochondrial genes: {n_edges} associated at FDR {fdr:.0%}"
    if not shown["significant"].any():
        what = (
            f"Edges among mitochondrial genes: none is associated at FDR {fdr:.0%}; "
            f"the {n_edges} with the smallest P"
        )
    elif n_edges == MOST:
        what = f"Edges among mitochondrial genes: the {MOST} most associated at FDR {fdr:.0%}"
    figure = new_figure(DOUBLE, 3.9, what, subject)
    genes = {name: sorted(complexes.index[complexes == name]) for name in COMPLEXES}
    genes = {name: members for name, members in genes.items() if members}
    if shown.empty or not genes:
        say(figure.subplots(), "No edge among mitochondrial genes could be tested.")
        return figure
    panels = figure.subplots(1, len(samples), squeeze=False, subplot_kw={"projection": "polar"})[0]
    for axes, (sample, role, value) in zip(panels, samples, strict=True):
        edges = shown[shown["sample"] == sample]
        circos = _circle(genes, edges)
        circos.plotfig(ax=axes)
        axes.set_anchor("S")
        here = f"{edges['present'].sum()} of {len(edges)} edges"
        axes.set_title(f"{role}: {readable(sample, 24)}\n{value}\n{here}", linespacing=1.3, y=1.13)
    handles = [
        Line2D([], [], color=COMPLEXES[name], lw=3, label=f"complex {name}") for name in genes
    ]
    handles += [
        Line2D([], [], color=DARK, lw=1.4, label="edge between complexes"),
        Line2D([], [], color=GREY, lw=0.8, ls=":", label="absent from this sample"),
    ]
    if (shown["relation"] == "within").any():
        handles.append(
            Line2D([], [], color=COMPLEXES["I"], lw=1.4, label="edge within a complex (its colour)")
        )
    legend_below(figure, handles)
    return figure


def _circle(genes: dict[str, list[str]], edges: pd.DataFrame) -> Circos:
    """Return the circle of genes and its links."""
    place = {
        gene: (name, position + 0.5)
        for name, members in genes.items()
        for position, gene in enumerate(members)
    }
    circos = Circos({name: len(members) for name, members in genes.items()}, space=6)
    for sector in circos.sectors:
        track = sector.add_track((80, 86))
        track.axis(fc=COMPLEXES[sector.name], lw=0)
        members = genes[sector.name]
        track.xticks(
            [place[gene][1] for gene in members],
            [readable(gene, 12) for gene in members],
            label_orientation="vertical",
            label_size=5.5,
            tick_length=1.5,
            line_kws={"lw": 0.4},
        )
    columns = ["gene1", "gene2", "complex1", "relation", "weight", "present"]
    for gene1, gene2, name, relation, weight, present in zip(
        *(edges.sort_values("present")[column] for column in columns), strict=True
    ):
        colour = DARK if relation == "between" else COMPLEXES[name]
        style = {"color": colour, "lw": 0.6 + 1.4 * weight, "zorder": 3}
        if not present:
            style = {"color": GREY, "lw": 0.7, "ls": ":", "zorder": 2}
        circos.link_line(place[gene1], place[gene2], r1=79, r2=79, **style)
    return circos
