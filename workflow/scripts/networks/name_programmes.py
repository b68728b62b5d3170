"""Name the programmes of a cell type by their genes and the gene set that is nearest."""

from adapter import logged

from popnet.files import read_h5ad, write_table
from popnet.networks.programmes import Programmes, describe
from popnet.study.gene_sets import read_gene_sets, resolve_gene_sets


def main(snakemake):
    loadings = read_h5ad(snakemake.input.loadings)
    sets = resolve_gene_sets(read_gene_sets(snakemake.input.gene_sets), loadings.obs_names)
    table = describe(Programmes.from_anndata(loadings), loadings.obs_names, sets)
    write_table(table, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
