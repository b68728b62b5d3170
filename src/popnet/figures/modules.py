"""Modules of genes against all phenotypes of the study."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from popnet.figures.style import Subject, dot, legend_below, new_figure, readable, say

# Beyond it, colours do not grow: a t of 6 is significant in any study.
LARGEST = 6.0


def module_heatmap(shown: pd.DataFrame, subject: Subject, *, fdr: float) -> Figure:
    """Draw the t of the density of every module with every phenotype; stars are significant.

    Parameters
    ----------
    shown : DataFrame
        From :func:`popnet.findings.shown_networks.modules_by_phenotype`.
    subject : Subject
    fdr : float
    """
    n_significant, n_tested = int(shown["significant"].sum()), int(shown["p"].notna().sum())
    what = (
        f"Density of modules against phenotypes: {n_significant or 'none'} of {n_tested} tests "
        f"significant at FDR {fdr:.0%}"
    )
    modules = shown.drop_duplicates("module")
    phenotypes = list(dict.fromkeys(shown["phenotype"]))
    width = 3.6 + 0.42 * max(len(phenotypes), 2)
    figure = new_figure(width, 1.9 + 0.16 * max(len(modules), 6), what, subject)
    axes = figure.subplots()
    if shown.empty:
        say(axes, "The network has no module that is stable.")
        return figure
    if not n_tested:
        say(axes, "No module could be tested: measures.tsv says whether density can be measured.")
        return figure
    t = shown.pivot(index="module", columns="phenotype", values="t")
    t = t.reindex(index=modules["module"], columns=phenotypes)
    called = shown.pivot(index="module", columns="phenotype", values="significant")
    called = called.reindex(index=t.index, columns=phenotypes).fillna(False).to_numpy(dtype=bool)
    limit = min(LARGEST, max(3.0, float(np.nanmax(np.abs(t.to_numpy())))))
    image = axes.imshow(t, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    beyond = "both" if np.nanmax(np.abs(t.to_numpy())) > limit else "neither"
    scale = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.03, aspect=24, extend=beyond)
    scale.set_label("t of the mixed model (red: denser)")
    scale.outline.set_visible(False)
    rows, columns = np.nonzero(called)
    axes.scatter(columns, rows, marker="*", s=36, c="black", lw=0.6, ec="white", zorder=3)
    texts = [
        f"{module}: {readable(name, 34)}"
        for module, name in zip(modules["module"], modules["name"], strict=True)
    ]
    axes.set_yticks(range(len(modules)), texts)
    axes.set_xticks(range(len(phenotypes)), [readable(one, 24) for one in phenotypes], rotation=90)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if n_significant:
        legend_below(figure, [dot("black", f"q ≤ {fdr:g}", "*", size=6)])
    return figure
