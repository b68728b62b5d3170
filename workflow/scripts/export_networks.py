"""Write the cohort's networks for other tools: one AnnData, and a GraphML file per sample."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from adapter import logged

from popnet.files import atomic, read_h5ad, read_parquet, read_table
from popnet.names import safe_name
from popnet.networks.centrality import MEASURES
from popnet.networks.export import to_graph


def main(snakemake):
    bins = read_h5ad(snakemake.input.bins)
    per_bin = bins.obs["sample"].astype(str).to_numpy()
    samples = pd.unique(per_bin)
    sheet = read_table(snakemake.input.samples).set_index("sample").reindex(samples)
    # An h5ad holds text with gaps, such as a batch that nobody gave, only as categories.
    sheet = sheet.astype(dict.fromkeys(sheet.select_dtypes(object), "category"))
    complexes = read_table(snakemake.input.complexes).set_index("gene")["complex"]

    def sample_means(values):
        table = pd.DataFrame(values, columns=bins.var_names)
        return table.groupby(per_bin, sort=False).mean().to_numpy(np.float32)

    cohort = ad.AnnData(
        sample_means(bins.X),
        obs=sheet.assign(
            n_bins=pd.Series(per_bin).value_counts(),
            mean_depth=bins.obs["mean_depth"].groupby(per_bin).mean(),
        ),
        var=bins.var.assign(complex=complexes.reindex(bins.var_names).fillna("").to_numpy()),
        layers={name: sample_means(layer) for name, layer in bins.layers.items()},
        uns={"X": "siVAE degree centrality, mean over a sample's bins"},
    )
    kernels = read_table(snakemake.input.kernel)
    for kernel, pairs in kernels.groupby("kernel", sort=False):
        upper = pairs.pivot(index="sample1", columns="sample2", values="similarity")
        upper = upper.reindex(index=samples, columns=samples)
        cohort.obsp[str(kernel)] = upper.combine_first(upper.T).loc[samples, samples].to_numpy()
    with atomic(snakemake.output[0]) as path:
        cohort.write_h5ad(path)

    edges = read_parquet(snakemake.input.edges).astype({"sample": str, "gene1": str, "gene2": str})
    in_graph = np.isfinite(cohort.layers["degree"]).any(axis=0)
    groups = dict(list(edges.groupby("sample")))
    for row, sample in enumerate(samples):
        attributes = cohort.var[in_graph].assign(
            centrality=cohort.X[row, in_graph],
            **{
                layer: cohort.layers[layer][row, in_graph]
                for layer in ("mean_expression", *MEASURES)
            },
        )
        graph = to_graph(groups.get(sample, edges.iloc[:0]), attributes)
        target = Path(snakemake.output[0]).with_name(f"{safe_name(sample)}.graphml")
        with atomic(target) as path:
            graph.write_graphml(str(path))
    print(f"{len(samples)} samples, {int(in_graph.sum())} genes in the graphs")


with logged(snakemake.log[0]):
    main(snakemake)
