"""Gather a network, or values of genes, of the user's own: edges, centralities, reliability."""

from dataclasses import replace

from adapter import logged

from popnet.files import read_h5ad, read_table
from popnet.networks import own, own_gathering
from popnet.networks.gather import BinNetworks, gather
from popnet.study.definitions import OwnNetwork


def main(snakemake):
    files, params, output = snakemake.input, snakemake.params, snakemake.output
    network, settings = OwnNetwork(path=files.table, **params.network), dict(params.networks)
    study = read_table(files.samples).set_index("sample")
    # What the sheet names but the study has left out; the rest was refused before any work.
    left_out = set(params.samples) - set(study.index)
    table = own.read_own(network, study.index, left_out, snakemake.wildcards.cell_type)
    summary = read_h5ad(files.summary) if files.get("summary") else None
    depths = read_table(files.depths).set_index("sample") if files.get("depths") else None
    bins, genes = own_gathering.described(table.bins, study["batch"], summary, depths), table.genes
    expression = own_gathering.expression_of(bins, genes, summary)
    if network.form == "values":
        centrality = own_gathering.own_values(bins, genes, table.values())
        networks = BinNetworks(centrality, {}, expression, None, None, None)
    else:
        edges = table.weights()
        del table
        networks = gather(
            own_gathering.own_estimator(bins, genes, *edges),
            expression,
            None,
            output.neighbours,
            weigh_pairs=False,
            **{key: settings[key] for key in ("closest", "central_genes", "neighbours")},
        )
        networks = replace(
            networks,
            pairs=own_gathering.own_pairs(bins["sample"], genes, *edges),
            weights_of_bins=own_gathering.followed_weights(edges[-1]),
        )
    networks.write(dict(output.items()))


with logged(snakemake.log[0]):
    main(snakemake)
