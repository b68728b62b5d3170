"""Name the modules of a network by their hubs and the gene set that is nearest."""

from adapter import logged

from popnet.files import read_h5ad, write_table
from popnet.networks.modules import Modules, describe
from popnet.study.gene_sets import read_gene_sets, resolve_gene_sets


def main(snakemake):
    modules = Modules.from_anndata(read_h5ad(snakemake.input.genes))
    sets = resolve_gene_sets(read_gene_sets(snakemake.input.gene_sets), modules.genes)
    write_table(describe(modules, sets), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
