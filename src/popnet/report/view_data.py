"""What a browser needs to draw the networks of two groups: nodes, links and their places."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from popnet.findings.shown_groups import Groups
from popnet.names import NETWORKS

# Sets that the filter offers, those with the most genes of the view, and the fewest genes of one.
MOST_SETS, LEAST_GENES = 100, 2
SIDE = 1000


def network_view(
    cell_type: str,
    phenotype: str,
    programmes: Mapping[str, Any] | None,
    genes: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the view of a cell type and phenotype, as JSON can hold it.

    Parameters
    ----------
    cell_type, phenotype : str
    programmes : mapping, optional
        Of :func:`programme_view`; None where the study has none.
    genes : mapping, optional
        Of :func:`gene_view`; None of a network without edges.
    """
    return {
        "cell_type": cell_type,
        "phenotype": phenotype,
        "programmes": programmes,
        "genes": genes,
    }


def programme_view(
    programmes: pd.DataFrame, couplings: pd.DataFrame, groups: Groups, fdr: float
) -> dict[str, Any]:
    """Return programmes as nodes and couplings as links.

    Parameters
    ----------
    programmes, couplings : DataFrame
        Of :func:`popnet.findings.shown_groups.shown_programmes`.
    groups : Groups
    fdr : float
        Largest q of a hit.
    """
    place = {programme: at for at, programme in enumerate(programmes["programme"])}
    nodes = [
        {
            "label": f"P{row.programme}",
            "name": row.name,
            "set": row.gene_set,
            "genes": [[gene, _short(loading)] for gene, loading in row.genes],
            **_values(row, fdr),
        }
        for row in programmes.itertuples(index=False)
    ]
    links = [
        {"ends": [place[row.programme1], place[row.programme2]], **_values(row, fdr)}
        for row in couplings.itertuples(index=False)
    ]
    turn = 2 * np.pi * np.arange(len(nodes)) / max(len(nodes), 1) - np.pi / 2
    at = SIDE / 2 * (1 + np.column_stack([np.cos(turn), np.sin(turn)]))
    at = at.round().astype(int).tolist()
    return {"groups": _named(groups), "nodes": nodes, "links": links, "at": at}


def gene_view(
    network: str,
    edges: pd.DataFrame,
    n_edges: int,
    centrality: pd.DataFrame,
    modules: pd.DataFrame | None,
    gene_sets: Mapping[str, Sequence[str]],
    groups: Groups,
    fdr: float,
) -> dict[str, Any]:
    """Return the genes of the shown edges as nodes, and the edges as links.

    Parameters
    ----------
    network : str
        Its name.
    edges : DataFrame
        Of :func:`popnet.findings.shown_groups.shown_edges`.
    n_edges : int
        How many edges there are in all.
    centrality : DataFrame
        centrality.tsv: gene statistic q.
    modules : DataFrame, optional
        modules.tsv: module name gene.
    gene_sets : mapping of name to genes
    groups : Groups
    fdr : float
    """
    genes = pd.Index(pd.unique(edges[["gene1", "gene2"]].to_numpy().ravel()))
    ends = np.column_stack([genes.get_indexer(edges[gene]) for gene in ("gene1", "gene2")])
    tested = centrality.drop_duplicates("gene").set_index("gene").reindex(genes)
    view = {
        "groups": _named(groups),
        "network": NETWORKS.get(network, f"your table {network}"),
        "n_links": n_edges,
        "nodes": [
            {"name": gene, "change": _short(row.statistic), "q": _short(row.q), "hit": row.q <= fdr}
            for gene, row in zip(genes, tested.itertuples(index=False), strict=True)
        ],
        "links": [
            {
                "ends": pair,
                "negative": bool(row.negative),
                **_values(row, fdr),
                "hit": bool(row.called),
            }
            for pair, row in zip(ends.tolist(), edges.itertuples(index=False), strict=True)
        ],
        "at": layout(ends, len(genes)),
        "modules": [],
        "sets": _members(genes, gene_sets)[:MOST_SETS],
    }
    if modules is not None:
        of_module = {
            f"{module}: {name}": rows["gene"]
            for (module, name), rows in modules.groupby(["module", "name"])
        }
        view["modules"] = _members(genes, of_module)
    return view


def layout(ends: np.ndarray, n: int, seed: int = 1) -> list[list[int]]:
    """Return the places of nodes in a square of side 1000, near each other where they are linked.

    Parameters
    ----------
    ends : ndarray of int, of shape (n_links, 2)
    n : int
        Number of nodes.
    seed : int
    """
    import igraph

    if not n:
        return []
    graph = igraph.Graph(n=n, edges=ends.tolist())
    generator = random.Random(seed)
    start = [[generator.random(), generator.random()] for _ in range(n)]
    points = np.array(graph.layout_fruchterman_reingold(seed=start, niter=1000, grid=False).coords)
    # Half the rank of a coordinate spreads the crowded middle, so that names find room.
    ranks = pd.DataFrame(points).rank().to_numpy() / n
    span = np.ptp(points, axis=0)
    spread = ((points - points.min(axis=0)) / np.where(span > 0, span, 1) + ranks) / 2
    return (SIDE * spread).round().astype(int).tolist()


def _named(groups: Groups) -> dict[str, Any]:
    members = zip(groups.names, (groups.control, groups.case), strict=True)
    return {"unit": groups.unit, "of": [[name, int(rows.sum())] for name, rows in members]}


def _members(genes: pd.Index, groups: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Return the places of the genes of each group, the group with most of them first."""
    found = [
        {"name": name, "nodes": np.flatnonzero(genes.isin(list(of_group))).tolist()}
        for name, of_group in groups.items()
    ]
    found = [one for one in found if len(one["nodes"]) >= LEAST_GENES]
    return sorted(found, key=lambda one: -len(one["nodes"]))


def _values(row: Any, fdr: float) -> dict[str, Any]:
    """Return what both groups have, the change, and whether a test calls it."""
    values = {name: _short(getattr(row, name)) for name in ("control", "case", "change", "q")}
    explained = getattr(row, "explained_by", "")
    return values | {"hit": bool(row.q <= fdr)} | ({"explained": explained} if explained else {})


def _short(value: float) -> float | None:
    """Return a number with three digits; None of a missing one."""
    return float(f"{value:.3g}") if np.isfinite(value) else None
