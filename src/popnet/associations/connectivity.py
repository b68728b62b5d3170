"""Numbers of edges of gene sets against a phenotype."""

from __future__ import annotations

import numpy as np
import pandas as pd

from popnet.associations.groups import cases, group_means
from popnet.associations.testing import Testing
from popnet.stats.designs import Design
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.ranks import correlate
from popnet.stats.units import Units


def paper(connectivity: pd.DataFrame, design: Design, testing: Testing) -> pd.DataFrame:
    """Test the edges within each gene set, from it to others and by complex.

    Parameters
    ----------
    connectivity : DataFrame
        Of :func:`popnet.networks.connectivity.connectivity`; its rows are bins, in the order of
        the design's.
    design : Design
        Over bins. Binary phenotypes are tested by Mann-Whitney's U, continuous ones by
        Spearman's correlation.
    testing : Testing

    Returns
    -------
    DataFrame
        gene_set kind statistic p q n mean mean_case mean_control, where cases of a continuous
        phenotype are its upper half; q is Benjamini-Hochberg over the whole table.
    """
    units = design.units
    table, values = _laid_out(connectivity, units)
    tested = correlate(values, units.phenotype, design.binary)
    table[["statistic", "p", "n"]] = tested[["statistic", "p", "n"]]
    table.insert(4, "q", benjamini_hochberg(table["p"].to_numpy()))
    return table.join(group_means(values, cases(design)))


def robust(connectivity: pd.DataFrame, design: Design, testing: Testing) -> pd.DataFrame:
    """Test the edges within each gene set, from it to others and by complex, by permutation.

    Parameters
    ----------
    connectivity : DataFrame
        Of :func:`popnet.networks.connectivity.connectivity`.
    design : Design
        Over its samples.
    testing : Testing

    Returns
    -------
    DataFrame
        As :func:`paper`, and p_family (family-wise over the table) n_permutations.
    """
    if not connectivity.empty:
        design = design.over(list(connectivity["sample"].unique()))
    design = design.untested(testing.untested.get("degree"))
    table, values = _laid_out(connectivity, design.units)
    tested = testing.permute("connectivity", values, design).table
    table = table.join(tested[["statistic", "p", "q", "n"]])
    table = table.join(group_means(values, cases(design)))
    return table.join(tested[["p_family", "n_permutations"]])


def _laid_out(connectivity: pd.DataFrame, units: Units) -> tuple[pd.DataFrame, np.ndarray]:
    """Return gene_set and kind of what is counted, and the counts by unit, (n_units, n_counts)."""
    if connectivity.empty:
        return pd.DataFrame(columns=["gene_set", "kind"]), np.zeros((len(units.labels), 0))
    wide = connectivity.pivot(index="gene_set", columns="sample").stack(level=0, future_stack=True)
    wide = wide.dropna(how="all")[connectivity["sample"].unique()]
    table = wide.index.set_names(["gene_set", "kind"]).to_frame(index=False)
    return table, units.average(wide.to_numpy(dtype=float).T)
