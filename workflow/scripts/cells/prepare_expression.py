"""Normalise, scale and store the expression of a cell type, sample by sample."""

from adapter import logged

from popnet.cells.bins import cells_of_type
from popnet.cells.expression import prepare_sample, write_expression
from popnet.cells.formats import open_sources
from popnet.cells.genes import absent_genes, with_absent
from popnet.cells.sources import common_genes, read_samples
from popnet.files import atomic, read_table, resource
from popnet.seeds import derive_seed


def main(snakemake):
    params = snakemake.params
    cells = cells_of_type(snakemake.input.cells, snakemake.wildcards.cell_type)
    selected = list(read_table(snakemake.input.genes)["gene"])
    sources = open_sources(cells["source"], params.counts, params.gene_symbols, params.gene_prefix)
    genes, _ = common_genes(list(sources.values()))
    # Those of a discovery, which a second cohort may lack.
    absent = absent_genes(selected, genes)
    if len(absent):
        print(f"{len(absent)} of {len(selected)} genes are absent and count as not expressed")
    every = genes.append(absent)
    cell_cycle = read_table(resource("cell_cycle_genes.tsv"))

    def samples():
        for rows, counts, depth in read_samples(sources, cells, genes):
            sample = rows["sample"].iloc[0]
            seed = derive_seed(params.seed, "cell cycle", sample)
            regress = params.regress, cell_cycle, seed
            counts = with_absent(counts, len(absent))
            yield prepare_sample(counts, depth, rows, every, selected, *regress, params.keep_counts)
            print(f"{sample}: {len(rows)} cells")

    summary = write_expression(snakemake.output.expression, samples(), selected)
    with atomic(snakemake.output.summary) as path:
        summary.write_h5ad(path, compression="gzip")


with logged(snakemake.log[0]):
    main(snakemake)
