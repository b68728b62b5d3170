"""What two results agree on: two cell types, studies, runs or seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import hypergeom

from popnet.errors import InputError, Problem
from popnet.findings.folder import StudyFolder

# Tables of tests with a row per gene.
TESTED = {"centrality": "effects on centrality", "expression": "effects on expression"}
# Share of the samples that must have an edge of the consensus.
MOST = 0.5


def compare(one: str | Path, other: str | Path, fdr: float = 0.05) -> pd.DataFrame:
    """Return what two results agree on, a row for each cell type, network and question.

    Parameters
    ----------
    one, other : str or Path
        Results of studies, of which the cell types are compared that both have; or of a cell type
        each (``results/<cohort>/<cell type>``).
    fdr : float
        Largest q of a hit.

    Returns
    -------
    DataFrame
        cell_type, network, phenotype, what, n (genes or pairs that both have), r (rank
        correlation), in_one, in_other and in_both (hits, or edges), by_chance (of in_both, if they
        had nothing to do with each other), p (that so many are in both by chance).

    Raises
    ------
    InputError
        If one is not there, or if they have nothing in common.
    """
    rows = list(_rows(one, other, fdr))
    if not rows:
        message = "They have no cell type and network in common"
        remedy = "Name the folders of two cell types: results/<cohort>/<cell type>"
        raise InputError([Problem(str(one), "results", str(other), message, remedy)])
    return pd.DataFrame(rows)


def differing_settings(one: str | Path, other: str | Path) -> dict[str, tuple[Any, Any]]:
    """Return the settings, versions and seeds that two studies do not share, by dotted key."""
    found = [dict(_flat(_opened(path)[0].settings)) for path in (one, other)]
    keys = dict.fromkeys([*found[0], *found[1]])
    left_out = ("samples_kept", "excluded", "bins", "models", "shared_models", "depth_targets")
    return {
        key: (found[0].get(key), found[1].get(key))
        for key in keys
        if found[0].get(key) != found[1].get(key) and key.partition(".")[0] not in left_out
    }


def _opened(path: str | Path) -> tuple[StudyFolder, str | None]:
    """Return the study of a folder, and which of its cell types the folder is."""
    path = Path(path)
    if (path / "networks").is_dir() and not (path / "bins.tsv").is_file():
        return StudyFolder(path.parent), path.name
    return StudyFolder(path), None


def _rows(one: str | Path, other: str | Path, fdr: float) -> Iterator[dict[str, Any]]:
    (first, own), (second, its) = _opened(one), _opened(other)
    pairs = (
        [(own, its)]
        if own and its
        else [(name, name) for name in first.cell_types if name in second.cell_types]
    )
    for here, there in pairs:
        names = dict.fromkeys([first.cell_types.get(str(here)), second.cell_types.get(str(there))])
        about = {"cell_type": " and ".join(str(name) for name in names)}
        sides = (first, str(here)), (second, str(there))
        networks = [one for one in first.networks(str(here)) if one in second.networks(str(there))]
        for network in networks:
            of_network = about | {"network": network}
            yield from _centralities(sides, network, of_network)
            yield from _edges(sides, network, of_network)
        for safe, phenotype in first.phenotypes.items():
            if safe in second.phenotypes:
                yield from _effects(sides, safe, about | {"phenotype": phenotype}, fdr)


Sides = tuple[tuple[StudyFolder, str], tuple[StudyFolder, str]]


def _centralities(sides: Sides, network: str, about: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    tables = []
    for results, cell_type in sides:
        table = results.table(cell_type, "networks", network, "centrality.tsv")
        if table is None:
            return
        tables.append(table.set_index("gene"))
    one, other = tables
    genes = one.index.intersection(other.index)
    means = [table.loc[genes].mean(axis=1) for table in tables]
    row = {"what": "centrality of genes, mean over samples", "n": len(genes)}
    yield dict(about) | row | {"r": means[0].corr(means[1], method="spearman")}
    samples = [sample for sample in one if sample in set(other)]
    if samples:
        # What is left of a sample once the mean of each gene is taken away.
        own, its = (
            table.loc[genes, samples].sub(mean, axis=0)
            for table, mean in zip(tables, means, strict=True)
        )
        r = own.corrwith(its, method="spearman").median()
        what = f"how a sample differs from the mean, median of {len(samples)} samples"
        yield dict(about) | {"what": what, "n": len(genes), "r": r}


def _edges(sides: Sides, network: str, about: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    edges, genes = [], []
    for results, cell_type in sides:
        table = results.table(cell_type, "networks", network, "edges.parquet")
        degree = results.table(cell_type, "networks", network, "degree.tsv")
        if table is None or degree is None:
            return
        share = table.groupby(["gene1", "gene2"], observed=True)["share"].sum() / (
            degree.shape[1] - 1
        )
        edges.append({frozenset(pair) for pair in share.index[share >= MOST]})
        genes.append(set(degree["gene"]))
    shared = genes[0] & genes[1]
    own, its = ({pair for pair in side if pair <= shared} for side in edges)
    what = "edges of half of the samples or more"
    yield dict(about) | {"what": what} | _overlap(own, its, len(shared) * (len(shared) - 1) // 2)


def _effects(
    sides: Sides, phenotype: str, about: Mapping[str, str], fdr: float
) -> Iterator[dict[str, Any]]:
    for name, what in TESTED.items():
        tables = []
        for results, cell_type in sides:
            table = results.table(cell_type, "associations", phenotype, f"{name}.tsv")
            if table is None:
                break
            tables.append(table.dropna(subset=["p"]))
        if len(tables) < 2:
            continue
        key = "network" if name == "centrality" else "measure"
        for value in [one for one in tables[0][key].unique() if one in set(tables[1][key])]:
            own, its = (table[table[key] == value].set_index("gene") for table in tables)
            genes = own.index.intersection(its.index)
            own, its = own.loc[genes], its.loc[genes]
            row = {"network": value if key == "network" else "", "what": what}
            if key == "measure":
                row["what"] = f"effects on {value}"
            r = own["statistic"].corr(its["statistic"], method="spearman")
            hits, others = (set(side.index[side["q"] <= fdr]) for side in (own, its))
            yield dict(about) | row | {"r": r} | _overlap(hits, others, len(genes))


def _overlap(one: set[Any], other: set[Any], n: int) -> dict[str, Any]:
    """Return how many are in both of two subsets of `n`, and how many would be by chance."""
    both = len(one & other)
    found = {"n": n, "in_one": len(one), "in_other": len(other), "in_both": both}
    if not n:
        return found
    p = hypergeom.sf(both - 1, n, len(one), len(other))
    return found | {"by_chance": len(one) * len(other) / n, "p": p}


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, value
