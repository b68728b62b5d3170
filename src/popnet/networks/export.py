"""Networks in the form of other tools: AnnData for scanpy, GraphML for Cytoscape and Gephi."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pandas as pd

from popnet.networks.centrality import MEASURES, in_graph

if TYPE_CHECKING:
    from anndata import AnnData

# What var has of the tests of centrality, behind the name of the phenotype.
OF_GENES = ("statistic", "estimate", "low", "high", "p", "q", "explained_by")
GRAPHML = (
    "<?xml version='1.0' encoding='UTF-8'?>\n"
    '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
)
# By kind of dtype.
TYPES = {"b": "boolean", "i": "long", "u": "long", "f": "double"}
# XML has no place for these characters.
CONTROL = dict.fromkeys(set(range(32)) - {9, 10, 13})


def graphml(name: str, edges: pd.DataFrame, attributes: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of a network in GraphML, whose nodes have the names of the genes.

    Parameters
    ----------
    name : str
        Of the graph, such as the sample.
    edges : DataFrame with columns gene1, gene2, weight
    attributes : DataFrame indexed by gene
        One node per row, isolated genes included, and one attribute per column (centrality, mean
        expression, complex); missing numbers are left out. Nodes also have the attributes `name`,
        which Cytoscape and igraph show, and `label`, which Gephi shows.

    Raises
    ------
    ValueError
        If an edge's gene is not in `attributes`, or a gene is there twice.
    """
    if not attributes.index.is_unique:
        raise ValueError("attributes has a gene twice")
    ends = [pd.Index(edges[column]) for column in ("gene1", "gene2")]
    if not all(genes.isin(attributes.index).all() for genes in ends):
        raise ValueError("attributes lacks a gene that edges holds")
    named = attributes.assign(name=attributes.index, label=attributes.index)
    yield GRAPHML
    for number, column in enumerate(named):
        kind = TYPES.get(named[column].dtype.kind, "string")
        yield f'<key id="v{number}" for="node" attr.name={_quoted(column)} attr.type="{kind}"/>\n'
    yield '<key id="weight" for="edge" attr.name="weight" attr.type="double"/>\n'
    yield f'<graph id={_quoted(name)} edgedefault="undirected">\n'
    columns = [_data(named[column], f"v{number}") for number, column in enumerate(named)]
    for gene, *data in zip(attributes.index, *columns, strict=True):
        yield f"<node id={_quoted(gene)}>{''.join(data)}</node>\n"
    for first, second, weight in zip(*ends, _data(edges["weight"], "weight"), strict=True):
        yield f"<edge source={_quoted(first)} target={_quoted(second)}>{weight}</edge>\n"
    yield "</graph>\n</graphml>\n"


def _quoted(text: object) -> str:
    return quoteattr(str(text).translate(CONTROL))


def _data(values: pd.Series, key: str) -> Iterator[str]:
    """Yield the data elements of nodes or edges; nothing of a missing value."""
    for value in values.tolist():
        if isinstance(value, float):
            text = "" if np.isnan(value) else f"{value:.7g}"
        elif isinstance(value, bool):
            text = str(value).lower()
        else:
            text = escape(str(value).translate(CONTROL))
        yield f'<data key="{key}">{text}</data>' if text or isinstance(value, str) else ""


def cohort_networks(
    bins: AnnData,
    sheet: pd.DataFrame,
    complexes: pd.Series,
    similarity: AnnData,
    coordinates: pd.DataFrame,
    tests: Mapping[str, Mapping[str, pd.DataFrame]],
) -> AnnData:
    """Return the networks of a cell type in one object, samples x genes, with their tests.

    Parameters
    ----------
    bins : AnnData of shape (n_bins, n_genes)
        Of :meth:`popnet.networks.gather.BinNetworks.to_anndata`.
    sheet : DataFrame indexed by sample
        What the study knows about samples: donor, batch, phenotypes, covariates.
    complexes : Series, gene -> complex
    similarity : AnnData of n_samples observations
        Of :func:`popnet.networks.maps.to_anndata`.
    coordinates : DataFrame
        kernel, sample, PC1 and so on.
    tests : mapping of analysis to mapping of phenotype to DataFrame
        Tables of tests. Those of `centrality` have the column gene.

    Returns
    -------
    AnnData of shape (n_samples, n_genes)
        X is degree centrality and layers what else is known of genes, means over a sample's
        bins; obs the sheet, n_bins and mean_depth; obsp the kernels, obsm the map by each as
        ``X_map_<kernel>``. var has the tests of centrality as ``<phenotype>: <column>`` for the
        columns `OF_GENES`; uns["tests"] the other tables, one for each analysis, with a column
        phenotype.
    """
    from anndata import AnnData

    per_bin = bins.obs["sample"].astype(str).to_numpy()
    samples = pd.unique(per_bin)
    obs = _storable(sheet.reindex(samples))

    def sample_means(values: np.ndarray) -> np.ndarray:
        means = pd.DataFrame(values).groupby(per_bin, sort=False).mean()
        return means.to_numpy(np.float32)

    var = bins.var.assign(complex=complexes.reindex(bins.var_names).fillna("").to_numpy())
    for phenotype, table in tests.get("centrality", {}).items():
        of_genes = table.set_index("gene").reindex(bins.var_names)
        for column in (name for name in OF_GENES if name in of_genes):
            var[f"{phenotype}: {column}"] = of_genes[column]
    cohort = AnnData(
        sample_means(bins.X),
        obs=obs.assign(
            n_bins=pd.Series(per_bin).value_counts(),
            mean_depth=bins.obs["mean_depth"].groupby(per_bin).mean(),
        ),
        var=_storable(var),
        layers={name: sample_means(layer) for name, layer in bins.layers.items()},
        uns={"X": "degree centrality, mean over a sample's bins", "tests": _joined(tests)},
    )
    places = similarity.obs_names.get_indexer(samples)
    for name in similarity.obsp:
        cohort.obsp[str(name)] = similarity.obsp[name][np.ix_(places, places)]
    for kernel, table in coordinates.groupby("kernel", sort=False):
        axes = table.set_index("sample").filter(regex=r"^PC\d+$").reindex(samples)
        cohort.obsm[f"X_map_{kernel!s}"] = axes.to_numpy(float)
    return cohort


def _joined(tests: Mapping[str, Mapping[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """Return one table of every analysis but centrality, with the phenotype first."""
    joined = {}
    for analysis, tables in tests.items():
        if analysis != "centrality" and tables:
            parts = [table.assign(phenotype=phenotype) for phenotype, table in tables.items()]
            table = pd.concat(parts, ignore_index=True)
            table = table[["phenotype", *table.columns.drop("phenotype")]]
            joined[analysis] = _storable(table).rename(index=str)
    return joined


def _storable(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table as an h5ad can hold it: text with missing values as categories of text."""
    texts = {
        str(name): table[name].map(str, na_action="ignore").astype("category")
        for name in table.select_dtypes(object)
    }
    return table.assign(**texts)


def sample_graphs(cohort: AnnData, edges: pd.DataFrame) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield each sample and its network in GraphML, with what is known of the genes.

    Parameters
    ----------
    cohort : AnnData of shape (n_samples, n_genes)
        Of :func:`cohort_networks`; columns of var about tests are left out.
    edges : DataFrame
        sample, gene1, gene2, weight.
    """
    edges = edges.astype({"sample": str, "gene1": str, "gene2": str})
    shown = in_graph(cohort)
    layers = [name for name in ("mean_expression", *MEASURES) if name in cohort.layers]
    groups = dict(list(edges.groupby("sample")))
    for row, sample in enumerate(cohort.obs_names):
        attributes = cohort.var.loc[shown, ["complex"]].assign(
            centrality=cohort.X[row, shown],
            **{layer: cohort.layers[layer][row, shown] for layer in layers},
        )
        yield sample, graphml(sample, groups.get(sample, edges.iloc[:0]), attributes)
