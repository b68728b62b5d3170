"""Weigh the modules of all cell types in the bins of one, by the genes that both have."""

import torch
from adapter import logged

from popnet import presets
from popnet.cells.expression import BinnedExpression
from popnet.files import read_h5ad, write_h5ad
from popnet.networks.modules import Modules
from popnet.networks.modules_across import across_types
from popnet.networks.named import Needed, named


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    files, params = snakemake.input, snakemake.params
    needed = Needed.of(files, params, presets.PRESETS[params.preset].relative)
    expression, summary = BinnedExpression(files.expression), read_h5ad(files.summary)
    modules = {
        name: Modules.from_anndata(read_h5ad(path))
        for name, path in zip(params.cell_types, files.modules, strict=True)
    }
    found = named(snakemake.wildcards.network, expression, summary, needed)
    values = across_types(modules, params.own, found)
    print(f"{values.n_vars} values of modules of {len(modules)} cell types in {values.n_obs} bins")
    write_h5ad(values, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
