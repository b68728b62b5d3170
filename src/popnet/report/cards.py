"""What the page knows of every gene, set and module: a card each, drawn when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from popnet.names import NETWORKS
from popnet.report.embedding import packed, short
from popnet.report.neighbourhoods import ego_networks, groups_of
from popnet.report.results import FEWEST_HIDDEN, Results
from popnet.report.sections import Section
from popnet.report.tables import FIRST

# Above so many samples, or values in all, cards show quantiles by group and no points.
MOST_SAMPLES, MOST_VALUES = 300, 6_000_000
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
# Nearest genes that a card lists, and tested pairs that cards can name, of all cell types.
NEIGHBOURS, MOST_PAIRS = 10, 20_000
# Above so many numbers, cards leave out centralities in the graph of all networks but the headline.
MOST_NUMBERS = 3_000_000
# What a card says of each test.
NUMBERS = ("estimate", "statistic", "p", "q")
OF_GENES = {
    "centrality": "degree centrality",
    "graph_centrality": "",
    "expression": "",
    "consensus": "mean degree, cases against controls",
}
OF_SETS = {"gene_sets": "centrality of its genes", "connectivity": "number of edges"}


def section(results: Results) -> Section | None:
    """Return the cards; None of a study without genes."""
    n_values = 0
    for cell_type in results.cell_types:
        table = results.table(results.of_network(cell_type, "centrality.tsv"))
        n_values += 0 if table is None else 3 * table.shape[0] * (table.shape[1] - 1)
    data = {
        "fdr": results.fdr,
        "min_icc": results.study["min_icc"],
        "hidden": results.hides_donors,
        "quantiles": QUANTILES,
        "phenotypes": [
            {
                **{key: one[key] for key in ("name", "type", "case", "control")},
                "folder": folder,
            }
            for folder, one in results.phenotypes.items()
        ],
        "cell_types": [
            found
            for cell_type in results.cell_types
            if (found := _cell_type(results, cell_type, n_values))
        ],
        "variants": _variants(results),
    }
    if not data["cell_types"]:
        return None
    counts = {
        "genes": max(len(one["genes"]) for one in data["cell_types"]),
        "sets": max(len(one["sets"]) for one in data["cell_types"]),
        "modules": max(len(one["modules"]) for one in data["cell_types"]),
        "points": all(one["samples"] is not None for one in data["cell_types"]),
        "hidden": results.hides_donors,
        "fewest": FEWEST_HIDDEN,
    }
    return Section(
        "cards", "Genes, sets, modules", "cards.html.j2", counts, data, ("charts.js", "cards.js")
    )


def _cell_type(results: Results, cell_type: str, n_values: int) -> dict[str, Any] | None:
    network = results.headlines[cell_type]
    centrality = results.table(results.of_network(cell_type, "centrality.tsv"))
    if centrality is None:
        return None
    centrality = centrality.set_index("gene")
    genes = centrality.index.astype(str)
    phenotypes = {
        folder: results.values_of(folder).reindex(centrality.columns)
        for folder in results.phenotypes
    }
    measures = {"centrality": centrality.to_numpy(float)}
    measures |= _of_bins(results, cell_type, genes, list(centrality.columns))
    place = {gene: number for number, gene in enumerate(genes)}
    pointed = len(centrality.columns) <= MOST_SAMPLES and n_values <= MOST_VALUES
    pointed = pointed and not results.hides_donors
    sets = results.gene_sets(list(genes))
    modules = _modules(results, cell_type, place)
    edges = results.table(results.of_network(cell_type, "edges.parquet"))
    fewest = FEWEST_HIDDEN if results.hides_donors else 1
    groups = {
        folder: groups_of(one, results.phenotypes[folder]["type"] == "binary", fewest)
        for folder, one in phenotypes.items()
    }
    return {
        "folder": cell_type,
        "name": results.cell_types[cell_type],
        "network": network,
        "network_name": NETWORKS.get(network, network),
        "file": results.of_network(cell_type, "centrality.tsv"),
        "genes": list(genes),
        "n_samples": len(centrality.columns),
        "samples": list(centrality.columns) if pointed else None,
        "values": {name: packed(one, 8) for name, one in measures.items()} if pointed else None,
        "phenotypes": {name: [short(v) for v in one] for name, one in phenotypes.items()}
        if pointed
        else None,
        "summaries": None if pointed else _summaries(measures, groups),
        "icc": _reliability(results, cell_type, genes),
        "tests": _tests(results, cell_type, place),
        "neighbours": _neighbours(results, cell_type, place),
        "ego": {
            folder: ego_networks(edges, one, place)
            for folder, one in groups.items()
            if edges is not None
        },
        "pairs": _pairs(results, cell_type, place),
        "sets": [
            {"name": name, "genes": [place[gene] for gene in members]}
            for name, members in sets.items()
        ],
        "set_tests": _named_tests(results, cell_type, OF_SETS, "gene_set"),
        "modules": modules,
        "module_tests": _module_tests(results, cell_type),
    }


def _of_bins(
    results: Results, cell_type: str, genes: pd.Index, samples: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return mean expression and detection rate of every gene, means over a sample's bins."""
    bins = results.cells(results.of_network(cell_type, "bins.h5ad"))
    if bins is None:
        return {}
    of_sample = bins.obs["sample"].astype(str).to_numpy()
    found = {}
    for name, layer in (("expression", "mean_expression"), ("detection", "detection_rate")):
        if layer in bins.layers:
            values = pd.DataFrame(np.asarray(bins.layers[layer]), columns=bins.var_names)
            means = (
                values.groupby(of_sample).mean().reindex(index=list(samples), columns=list(genes))
            )
            if means.notna().any(axis=None):
                found[name] = means.to_numpy(float).T
    return found


def _summaries(
    measures: Mapping[str, np.ndarray], groups: Mapping[str, pd.Series]
) -> dict[str, Any]:
    """Return quantiles of genes in each group: genes x (groups x quantiles)."""
    found: dict[str, Any] = {}
    for folder, group in groups.items():
        names = sorted(group.dropna().unique())
        if not names:
            continue
        found[folder] = {
            "groups": names,
            "n": [int((group == name).sum()) for name in names],
            "values": {
                measure: packed(
                    np.hstack(
                        [
                            np.nanquantile(
                                values[:, (group == name).to_numpy()], QUANTILES, axis=1
                            ).T
                            for name in names
                        ]
                    )
                )
                for measure, values in measures.items()
            },
        }
    return found


def _reliability(results: Results, cell_type: str, genes: pd.Index) -> dict[str, Any] | None:
    table = results.table(results.of_network(cell_type, "reliability.tsv"))
    if table is None:
        return None
    return packed(table.set_index("gene")["icc"].reindex(genes).to_numpy(float))


def _tests(results: Results, cell_type: str, place: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the tests of all genes: of every phenotype, table, network and measure an array."""
    found = []
    n_tests = len(results.cell_types) * len(results.phenotypes) * 7 * len(results.networks)
    all_fit = n_tests * len(NUMBERS) * len(place) <= MOST_NUMBERS
    for folder in results.phenotypes:
        for name, words in OF_GENES.items():
            table = results.tests(cell_type, folder, name)
            if table is None:
                continue
            if name == "graph_centrality" and not all_fit:
                table = table[table["network"] == results.headlines[cell_type]]
            keys = [key for key in ("network", "measure") if key in table]
            parts = table.groupby(keys, sort=False) if keys else [((), table)]
            for values, rows in parts:
                of = dict(zip(keys, values, strict=True))
                numbers = {key: rows[key].to_numpy(float) for key in NUMBERS if key in rows}
                rows_of = rows["gene"].map(place)
                known = rows_of.notna().to_numpy()
                laid = {}
                for key, own in numbers.items():
                    column = np.full(len(place), np.nan)
                    column[rows_of[known].astype(int)] = own[known]
                    laid[key] = packed(_logarithm(column) if key in ("p", "q") else column)
                why = rows["explained_by"] if "explained_by" in rows else pd.Series(dtype=str)
                explained = {
                    str(place[gene]): text
                    for gene, text in zip(rows["gene"], why, strict=False)
                    if text and gene in place
                }
                found.append(
                    {
                        "phenotype": folder,
                        "what": of.get("measure", "") or words,
                        "network": of.get("network", ""),
                        "numbers": laid,
                        "explained_by": explained,
                    }
                )
    return found


def _logarithm(p: np.ndarray) -> np.ndarray:
    """Return -log10: small numbers keep their digits in an array of few bytes."""
    with np.errstate(divide="ignore"):
        return np.minimum(-np.log10(p), 320)


def _neighbours(results: Results, cell_type: str, place: Mapping[str, int]) -> list[list[int]]:
    """Return the genes that are most often among a gene's nearest over the samples."""
    path = results.of_network(cell_type, "neighbours.parquet")
    found: list[list[int]] = [[] for _ in place]
    # A large study has tens of millions of rows: counted before they are a table of text.
    table = results.columns(path, ["gene", "neighbour"], [("rank", "<=", NEIGHBOURS)])
    if table is None:
        return found
    # Parts of the file may number the same genes in two ways.
    counts = table.unify_dictionaries().group_by(["gene", "neighbour"])
    counts = counts.aggregate([([], "count_all")]).to_pandas()
    counts = counts[counts["gene"].isin(place) & counts["neighbour"].isin(place)]
    counts = counts.sort_values(["count_all", "neighbour"], ascending=[False, True], kind="stable")
    for gene, rows in counts.groupby("gene", sort=False, observed=True):
        found[place[str(gene)]] = [place[one] for one in rows["neighbour"].head(NEIGHBOURS)]
    return found


def _pairs(results: Results, cell_type: str, place: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the tested pairs of the headline network, those of smallest p."""
    network, found = results.headlines[cell_type], []
    most = MOST_PAIRS // (len(results.phenotypes) * len(results.cell_types))
    for folder in results.phenotypes:
        table = results.tests(cell_type, folder, "edges")
        if table is None or "network" not in table:
            continue
        own = table[(table["network"] == network) & table["p"].notna()]
        own = own[own["gene1"].isin(place) & own["gene2"].isin(place)]
        own = own.drop_duplicates(["gene1", "gene2"]).nsmallest(most, "p")
        if own.empty:
            continue
        score = "estimate" if "estimate" in own else "statistic"
        agrees = own["agrees"] if "agrees" in own else pd.Series(np.nan, own.index)
        found.append(
            {
                "phenotype": folder,
                "gene1": [place[gene] for gene in own["gene1"]],
                "gene2": [place[gene] for gene in own["gene2"]],
                "change": [short(value, 3) for value in own[score]],
                "p": [short(value, 2) for value in own["p"]],
                "q": [short(value, 2) for value in own["q"]],
                "agrees": [None if pd.isna(one) else int(bool(one)) for one in agrees],
            }
        )
    return found


def _named_tests(
    results: Results, cell_type: str, tables: Mapping[str, str], by: str
) -> list[dict[str, Any]]:
    """Return the tests of sets, row by row."""
    found = []
    for folder, defined in results.phenotypes.items():
        for name, words in tables.items():
            table = results.tests(cell_type, folder, name)
            if table is None or by not in table:
                continue
            for row in table[table[by].notna()].to_dict("records"):
                what = f"{words}: {row['kind'].replace('_', ' ')}" if "kind" in row else words
                found.append(_row(row, str(row[by]), defined["name"], what))
    return found


def _module_tests(results: Results, cell_type: str) -> list[dict[str, Any]]:
    network, found = results.headlines[cell_type], []
    for folder, defined in results.phenotypes.items():
        table = results.tests(cell_type, folder, "modules")
        if table is None:
            continue
        for row in table[table["network"] == network].to_dict("records"):
            ends = [row["name1"], row["name2"]] if row["kind"] == "coupling" else [row["name1"]]
            for number, name in enumerate(ends):
                other = f" with {ends[1 - number]}" if len(ends) > 1 else ""
                what = str(row["kind"]).replace("_", " ") + other
                found.append(_row(row, name, defined["name"], what))
    return found


def _row(row: Mapping[Any, Any], name: str, phenotype: str, what: str) -> dict[str, Any]:
    score = row.get("estimate", np.nan)
    score = row.get("nes", row.get("statistic", np.nan)) if pd.isna(score) else score
    return {
        "name": name,
        "phenotype": phenotype,
        "network": row.get("network", "") or "",
        "what": what,
        "estimate": short(float(score), 3),
        "p": short(float(row.get("p", np.nan)), 3),
        "q": short(float(row.get("q", np.nan)), 3),
        "explained_by": row.get("explained_by", "") or "",
    }


def _modules(results: Results, cell_type: str, place: Mapping[str, int]) -> list[dict[str, Any]]:
    table = results.table(results.of_network(cell_type, "modules.tsv"))
    if table is None:
        return []
    found = []
    for number, rows in table[table["gene"].isin(place)].groupby("module", sort=False):
        first = rows.iloc[0]
        found.append(
            {
                "number": int(str(number)),
                "name": str(first["name"]),
                "gene_set": str(first.get("gene_set") or ""),
                "stability": short(float(first["stability"]), 3),
                "stable": bool(first["stable"]),
                "genes": [place[gene] for gene in rows["gene"]],
            }
        )
    return found


def _variants(results: Results) -> dict[str, list[dict[str, Any]]]:
    """Return the tests of the variants of each gene."""
    found: dict[str, list[dict[str, Any]]] = {}
    for folder, defined in results.phenotypes.items():
        for kind in ("burden", "single"):
            table = results.table(f"variants/{folder}/{kind}.tsv")
            if table is None or "gene" not in table:
                continue
            for row in table[table["p"].notna() & table["gene"].notna()].to_dict("records"):
                kept = {key: row[key] for key in FIRST if key in row and key != "gene"}
                what = f"variant {kept['variant']}" if "variant" in kept else "burden of variants"
                of_gene = found.setdefault(str(row["gene"]), [])
                of_gene.append(_row(row, str(row["gene"]), defined["name"], what))
    return found
