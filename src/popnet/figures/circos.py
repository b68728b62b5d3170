"""Edges among mitochondrial genes in selected samples (the paper's Figure 6d)."""

from __future__ import annotations

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from popnet.figures.style import (
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
from popnet.findings.shown_associations import MOST_EDGES

with matplotlib.rc_context():  # the import sets Matplotlib's parameters for the process
    from pycirclize import Circos


def mt_circos(
    shown: pd.DataFrame,
    examples: pd.Series,
    complexes: pd.Series,
    subject: Subject,
    *,
    fdr: float,
    groups: tuple[str, str] | None = None,
) -> Figure:
    """Draw the edges in each sample, genes on a circle by complex; absent edges dotted.

    Parameters
    ----------
    shown : DataFrame
        From :func:`popnet.findings.shown_associations.mitochondrial_edges`.
    examples : Series
        Phenotype by sample, at most three, from low to high; for a binary phenotype 1 for cases
        and 0 for controls.
    complexes : Series
        Complex ("I", "III", "IV", "V") by gene: the genes on the circle.
    subject : Subject
    fdr : float
    groups : tuple of str, optional
        Names of controls and cases; makes the phenotype binary.
    """
    n_edges = len(shown[["gene1", "gene2"]].drop_duplicates())
    what = f"Edges among mitochondrial genes: {n_edges} associated at FDR {fdr:.0%}"
    if not shown["significant"].any():
        what = (
            f"Edges among mitochondrial genes: none is associated at FDR {fdr:.0%}; "
            f"the {n_edges} with the smallest P"
        )
    elif n_edges == MOST_EDGES:
        what = f"Edges among mitochondrial genes: the {MOST_EDGES} most associated at FDR {fdr:.0%}"
    figure = new_figure(DOUBLE, 3.9, what, subject)
    genes = {name: sorted(complexes.index[complexes == name]) for name in COMPLEXES}
    genes = {name: members for name, members in genes.items() if members}
    if shown.empty or not genes:
        say(figure.subplots(), "No edge among mitochondrial genes could be tested.")
        return figure
    panels = figure.subplots(1, len(examples), squeeze=False, subplot_kw={"projection": "polar"})[0]
    roles = ("lowest", "middle", "highest")
    for axes, role, (sample, value) in zip(panels, roles, examples.items(), strict=False):
        kind = role if groups is None else groups[int(value)]
        text = f"{value:.3g}" if groups is None else subject.phenotype
        edges = shown[shown["sample"] == sample]
        circos = _circle(genes, edges)
        circos.plotfig(ax=axes)
        axes.set_anchor("S")
        here = f"{edges['present'].sum()} of {len(edges)} edges"
        axes.set_title(f"{kind}: {readable(sample, 24)}\n{text}\n{here}", linespacing=1.3, y=1.13)
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
            tick_length=0,
            label_margin=1.5,
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
