"""Gather the networks of a cell type by one estimator: edges, centralities, reliability."""

import torch
from adapter import logged

from popnet import presets
from popnet.cells.expression import BinnedExpression
from popnet.cells.halves import halve, one_bin_each
from popnet.files import read_h5ad, read_table, write_h5ad, write_parquet
from popnet.networks.gather import Given, gather, gather_apart, modules_of_bins
from popnet.networks.named import Needed, named


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    files, output, params = snakemake.input, snakemake.output, snakemake.params
    expression, summary = BinnedExpression(files.expression), read_h5ad(files.summary)
    names = ("closest", "central_genes", "neighbours")
    settings = {key: params.networks[key] for key in names}
    robust = presets.PRESETS[params.preset].unit == "donor"
    donors = read_table(files.donors).set_index("sample")["donor"] if robust else None
    given = Given.read(files.graph, files.tested, files.found) if files.graph else None
    network = snakemake.wildcards.network
    needed = Needed.of(files, params, presets.PRESETS[params.preset].relative)
    found = named(network, expression, summary, needed)
    how = settings | {"weigh_pairs": robust, "donors": donors, "seed": params.seed, "given": given}
    networks = gather(found, summary, expression, output.neighbours, **how)
    networks.write(dict(output.items()))
    if robust:
        modules = networks.modules
        print(f"{len(modules.stable)} stable modules of {len(modules.stability)}")
        write_h5ad(modules.to_anndata(), output.module_genes)
        halves, edges = networks.to_anndata()[:0].copy(), networks.bin_edges[:0]
        of_modules = modules_of_bins(modules, found)
        write_h5ad(of_modules, output.modules)
        of_modules = of_modules[:0].copy()
        # What trains a model for each bin would have to train it for each half.
        if one_bin_each(summary.obs) and network != "sivae":
            halved = halve(expression, summary, params.seed)
            of_halves = named(network, *halved, needed)
            halves, edges = gather_apart(of_halves, *halved, **settings)
            of_modules = modules_of_bins(modules, of_halves)
        write_h5ad(halves, output.halves)
        write_h5ad(of_modules, output.half_modules)
        write_parquet(edges, output.half_edges)


with logged(snakemake.log[0]):
    main(snakemake)
