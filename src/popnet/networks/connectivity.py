"""Numbers of edges within gene sets and from them to other genes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from popnet.networks.edges import annotate_complexes, gene_numbers


def connectivity(
    edges: pd.DataFrame,
    gene_sets: Mapping[str, Sequence[str]],
    genes: Sequence[str],
    samples: Sequence[str],
    complexes: pd.Series | None = None,
) -> pd.DataFrame:
    """Count each sample's edges within a gene set and from it to other genes of the graph.

    Parameters
    ----------
    edges : DataFrame
        sample gene1 gene2 weight; edges count by their weight.
    gene_sets : mapping of name to genes
    genes : sequence of str
        Genes of the graph; sets with none of them are left out.
    samples : sequence of str
        A sample without edges counts zero.
    complexes : Series, gene -> complex, optional
        Sets of which half of the graph's genes or more are in complexes are also counted
        within and between complexes.

    Returns
    -------
    DataFrame
        sample gene_set within to_others within_complexes between_complexes; the last two NaN
        for sets without complexes.
    """
    edges = edges[edges["sample"].isin(samples)]
    rows = pd.Index(samples).get_indexer(pd.Index(edges["sample"]))
    weight = edges["weight"].to_numpy(dtype=float)
    index = pd.Index(genes)
    first, second = (gene_numbers(index, edges[gene]) for gene in ("gene1", "gene2"))
    relation = None
    if complexes is not None:
        relation = annotate_complexes(edges, complexes)["relation"].to_numpy()

    def count(mask: np.ndarray) -> np.ndarray:
        return np.bincount(rows[mask], weight[mask], minlength=len(samples))

    tables = []
    for name, members in gene_sets.items():
        member = np.isin(np.asarray(genes, dtype=object), list(members))
        if not member.any():
            continue
        one, two = member[first], member[second]
        table = pd.DataFrame({"sample": list(samples), "gene_set": name})
        table["within"] = count(one & two)
        table["to_others"] = count(one ^ two)
        table[["within_complexes", "between_complexes"]] = np.nan
        if complexes is not None and index[member].isin(complexes.index).mean() >= 0.5:
            for kind in ("within", "between"):
                table[f"{kind}_complexes"] = count(one & two & (relation == kind))
        tables.append(table)
    columns = ["sample", "gene_set", "within", "to_others", "within_complexes", "between_complexes"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
