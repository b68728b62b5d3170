"""Networks of two groups of samples side by side: programmes and couplings, genes and edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from popnet.associations.edges import EVERY_PAIR, PAIR, ObservedEdges
from popnet.associations.groups import cases
from popnet.networks.consensus import MIN_SHARE
from popnet.networks.edges import match_density, sparse_edges
from popnet.stats.designs import Design

# Genes that a programme is shown with.
TOP_GENES = 25
# Edges that a browser draws without delay.
MOST_EDGES = 1200
COUPLED = ["programme1", "programme2"]


@dataclass(frozen=True)
class Groups:
    """Two groups of observations: controls and cases, or outer thirds of a continuous phenotype.

    Parameters
    ----------
    control, case : bool ndarray of shape (n_units,)
    names : tuple of str
        What the two are called.
    unit : str
        What an observation is: bin, sample or donor.
    """

    control: np.ndarray
    case: np.ndarray
    names: tuple[str, str]
    unit: str

    @classmethod
    def of(cls, design: Design, phenotype: Mapping[str, Any]) -> Groups:
        """Return the groups of a design.

        Halves stand in for thirds where these share a value, as with a phenotype of two values.

        Parameters
        ----------
        design : Design
        phenotype : mapping
            case and control of the sheet's phenotype.
        """
        values = design.units.phenotype
        if design.binary:
            names = f"{phenotype['control']}", f"{phenotype['case']}"
            return cls(values == 0, values == 1, names, design.units.kind)
        low, high = np.quantile(values, [1 / 3, 2 / 3]) if len(values) else (0.0, 0.0)
        if low < high:
            names = "lower third", "upper third"
            return cls(values <= low, values >= high, names, design.units.kind)
        upper = cases(design)
        return cls(~upper, upper, ("lower half", "upper half"), design.units.kind)

    def means(self, values: np.ndarray | sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
        """Return the means of columns (n_units, m) over controls, and over cases; NaN of nobody."""
        missing = np.full(values.shape[1], np.nan)
        control, case = (
            values[rows].mean(axis=0) if rows.any() else missing
            for rows in (self.control, self.case)
        )
        return control, case


def shown_programmes(
    values: np.ndarray,
    columns: pd.DataFrame,
    described: pd.DataFrame,
    tests: pd.DataFrame,
    design: Design,
    groups: Groups,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return programmes and couplings with their values in both groups.

    Parameters
    ----------
    values : ndarray of shape (n_bins, m)
        Log variances, and couplings as Fisher's z.
    columns : DataFrame of m rows
        kind, programme1, programme2.
    described : DataFrame
        programmes.tsv of the networks: programme name gene_set gene loading.
    tests : DataFrame
        programmes.tsv of the associations: kind programme1 programme2 q explained_by.
    design : Design
        Over the bins.
    groups : Groups

    Returns
    -------
    programmes : DataFrame
        programme name gene_set genes (lists of gene and loading) control case (variance) change
        (logarithm to base 2 of case / control) q explained_by.
    couplings : DataFrame
        programme1 programme2 control case (correlation) change (case - control) q explained_by.
    """
    control, case = groups.means(design.units.average(values))
    table = columns[["kind", *COUPLED]].assign(control=control, case=case)
    tested = tests[["kind", *COUPLED, "q", "explained_by"]]
    table = table.merge(tested, how="left", on=["kind", *COUPLED]).fillna({"explained_by": ""})

    variance = table[table["kind"] == "variance"].rename(columns={"programme1": "programme"})
    variance["change"] = (variance["case"] - variance["control"]) / np.log(2)
    variance[["control", "case"]] = np.exp(variance[["control", "case"]])
    names = described.drop_duplicates("programme")[["programme", "name", "gene_set"]]
    variance = variance.merge(names.fillna({"gene_set": ""}), on="programme")
    top = described.groupby("programme").head(TOP_GENES)
    genes = {
        programme: list(zip(rows["gene"], rows["loading"], strict=True))
        for programme, rows in top.groupby("programme")
    }
    variance["genes"] = variance["programme"].map(genes)

    coupling = table[table["kind"] == "coupling"].copy()
    coupling[["control", "case"]] = np.tanh(coupling[["control", "case"]])
    coupling["change"] = coupling["case"] - coupling["control"]
    shown = ["control", "case", "change", "q", "explained_by"]
    programmes = variance[["programme", "name", "gene_set", "genes", *shown]]
    return programmes.reset_index(drop=True), coupling[[*COUPLED, *shown]].reset_index(drop=True)


def shown_edges(
    observed: ObservedEdges,
    sign: pd.Series,
    tests: pd.DataFrame,
    design: Design,
    groups: Groups,
    fdr: float,
    most: int = MOST_EDGES,
) -> tuple[pd.DataFrame, int]:
    """Return the edges of the consensus networks of both groups, the strongest ones.

    Parameters
    ----------
    observed : ObservedEdges
    sign : Series, (gene1, gene2) -> float
        Mean weight of the edge.
    tests : DataFrame
        edges.tsv: gene_set gene1 gene2 q, and agrees where a second test confirms the first.
    design : Design
        Over the same observations.
    groups : Groups
    fdr : float
    most : int

    Returns
    -------
    edges : DataFrame
        gene1 gene2 control case (share of the group that has the edge) change (case - control)
        negative (whether its mean weight is) q called (by all stages of the test). Edges that a
        fifth of either group has: called ones first, then those with the largest share.
    n : int
        How many there are in all.
    """
    labels = list(observed.rows.index)
    pairs, weights = sparse_edges(match_density(observed.edges), labels)
    units = design.units if design.units.kind == "bin" else design.units.over(labels)
    control, case = groups.means(sparse.csr_array(units.weights @ weights))
    table = pairs.astype(str).assign(control=np.clip(control, 0, 1), case=np.clip(case, 0, 1))
    table["change"] = table["case"] - table["control"]
    strength = table[["control", "case"]].max(axis=1)
    table = table[strength >= MIN_SHARE - 1e-9]
    tested = tests[tests["gene_set"] == EVERY_PAIR] if "agrees" in tests else tests
    tested = tested.drop_duplicates(PAIR).set_index(PAIR)
    ends = pd.MultiIndex.from_frame(table[PAIR])
    table["negative"] = (sign.reindex(ends) < 0).to_numpy()
    table["q"] = tested["q"].reindex(ends).to_numpy(float)
    agrees = tested.get("agrees", pd.Series(True, tested.index)).fillna(True).astype(bool)
    table["called"] = ((tested["q"] <= fdr) & agrees).reindex(ends, fill_value=False).to_numpy()
    order = np.lexsort((-strength[table.index].to_numpy(), ~table["called"].to_numpy()))
    return table.iloc[order[:most]].reset_index(drop=True), len(table)
