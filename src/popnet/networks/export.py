"""Networks in the form of other tools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from popnet.networks.centrality import MEASURES, in_graph

if TYPE_CHECKING:
    import igraph
    from anndata import AnnData


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


def cohort_networks(
    bins: AnnData, sheet: pd.DataFrame, complexes: pd.Series, kernels: pd.DataFrame
) -> AnnData:
    """Return the networks of a cell type in one object, samples x genes.

    Parameters
    ----------
    bins : AnnData of shape (n_bins, n_genes)
        Of :meth:`popnet.networks.gather.BinNetworks.to_anndata`.
    sheet : DataFrame indexed by sample
        What the study knows about samples: donor, batch, phenotypes, covariates.
    complexes : Series, gene -> complex
    kernels : DataFrame
        kernel, sample1, sample2, similarity; each pair once.

    Returns
    -------
    AnnData of shape (n_samples, n_genes)
        X is siVAE degree centrality and layers what else is known of genes, means over a sample's
        bins; obs the sheet, n_bins and mean_depth; obsp the kernels.
    """
    from anndata import AnnData

    per_bin = bins.obs["sample"].astype(str).to_numpy()
    samples = pd.unique(per_bin)
    obs = sheet.reindex(samples)
    # An h5ad holds text with missing values, such as an unknown batch, only as categories.
    obs = obs.astype(dict.fromkeys(obs.select_dtypes(object), "category"))

    def sample_means(values: np.ndarray) -> np.ndarray:
        means = pd.DataFrame(values).groupby(per_bin, sort=False).mean()
        return means.to_numpy(np.float32)

    cohort = AnnData(
        sample_means(bins.X),
        obs=obs.assign(
            n_bins=pd.Series(per_bin).value_counts(),
            mean_depth=bins.obs["mean_depth"].groupby(per_bin).mean(),
        ),
        var=bins.var.assign(complex=complexes.reindex(bins.var_names).fillna("").to_numpy()),
        layers={name: sample_means(layer) for name, layer in bins.layers.items()},
        uns={"X": "siVAE degree centrality, mean over a sample's bins"},
    )
    for kernel, pairs in kernels.groupby("kernel", sort=False):
        upper = pairs.pivot(index="sample1", columns="sample2", values="similarity")
        upper = upper.reindex(index=samples, columns=samples)
        cohort.obsp[str(kernel)] = upper.combine_first(upper.T).loc[samples, samples].to_numpy()
    return cohort


def sample_graphs(cohort: AnnData, edges: pd.DataFrame) -> Iterator[tuple[str, igraph.Graph]]:
    """Yield each sample and its network, with what is known of the genes as vertex attributes.

    Parameters
    ----------
    cohort : AnnData of shape (n_samples, n_genes)
        Of :func:`cohort_networks`.
    edges : DataFrame
        sample, gene1, gene2, weight.
    """
    edges = edges.astype({"sample": str, "gene1": str, "gene2": str})
    shown = in_graph(cohort)
    layers = [name for name in ("mean_expression", *MEASURES) if name in cohort.layers]
    groups = dict(list(edges.groupby("sample")))
    for row, sample in enumerate(cohort.obs_names):
        attributes = cohort.var[shown].assign(
            centrality=cohort.X[row, shown],
            **{layer: cohort.layers[layer][row, shown] for layer in layers},
        )
        yield sample, to_graph(groups.get(sample, edges.iloc[:0]), attributes)
