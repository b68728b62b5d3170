"""Choose the genes of a cell type's networks."""

from adapter import binned_cells, logged, open_sources
from popnet.cells import common_genes, read_blocks, sample_statistics, select_genes
from popnet.tables import write_table


def main(snakemake):
    cells = binned_cells(snakemake.input.cells, snakemake.wildcards.cell_type)
    sources = open_sources(snakemake.params, cells["source"])
    genes, lost = common_genes(list(sources.values()))
    if lost["n_lost"].any():
        print(lost[lost["n_lost"] > 0].to_string(index=False))
    per_sample = sample_statistics(read_blocks(sources, cells, genes))
    settings = snakemake.params.genes
    table = select_genes(
        list(per_sample.values()), settings["cohort"], settings["sample"], settings["keep"], genes
    )
    print(f"{len(table)} of {len(genes)} genes")
    write_table(table, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
