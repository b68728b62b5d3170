"""Networks in the form of other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import igraph


def to_graph(edges: pd.DataFrame, attributes: pd.DataFrame) -> igraph.Graph:
    """Return one sample's network for export, e.g. with ``Graph.write_graphml``.

    Parameters
    ----------
    edges : DataFrame with columns gene1, gene2, weight
    attributes : DataFrame indexed by gene
        One vertex per row, isolated genes included, and one vertex attribute per column
        (centrality, mean expression, membership of a set); GraphML leaves NaN out.

    Returns
    -------
    igraph.Graph

    Raises
    ------
    ValueError
        If an edge's gene is not in `attributes`.
    """
    import igraph

    ends = [attributes.index.get_indexer(pd.Index(edges[column])) for column in ("gene1", "gene2")]
    if any((end < 0).any() for end in ends):
        raise ValueError("attributes lacks a gene that edges holds")
    # tolist: igraph knows Python's own types only.
    return igraph.Graph(
        n=len(attributes),
        edges=np.column_stack(ends).tolist(),
        vertex_attrs={"name": attributes.index.tolist()}
        | {str(column): values.tolist() for column, values in attributes.items()},
        edge_attrs={"weight": edges["weight"].tolist()},
    )
