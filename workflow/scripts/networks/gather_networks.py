"""Gather the models of a cell type into centralities, adjacency, neighbours and reliability."""

from adapter import logged

from popnet.files import atomic, read_h5ad, write_parquet, write_table
from popnet.networks.gather import gather
from popnet.networks.trained import trained_models
from popnet.presets import PRESETS


def main(snakemake):
    params, output = snakemake.params, snakemake.output
    summary = read_h5ad(snakemake.input.summary)
    models = trained_models(
        snakemake.input.trained, summary.obs, params.models, params.max_failed_bins
    )
    relative = PRESETS[params.preset].relative
    networks = gather(models, summary, output.neighbours, relative=relative, **params.networks)

    with atomic(output.bins) as path:
        networks.to_anndata().write_h5ad(path, compression="gzip")
    write_parquet(networks.bin_edges, output.bin_edges)
    write_parquet(networks.edges, output.edges)
    for name, table in networks.sample_means().items():
        write_table(table, output[name])
    write_table(networks.centrality.reliability(), output.reliability)
    write_parquet(models.losses(), output.losses)


with logged(snakemake.log[0]):
    main(snakemake)
