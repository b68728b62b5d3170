"""Normalise, scale and store the expression of a cell type, sample by sample."""

from adapter import binned_cells, logged, open_sources

from popnet.cells import (
    common_genes,
    prepare_sample,
    read_samples,
    write_expression,
)
from popnet.files import atomic, read_table
from popnet.seeds import derive_seed


def main(snakemake):
    cells = binned_cells(snakemake.input.cells, snakemake.wildcards.cell_type)
    selected = list(read_table(snakemake.input.genes)["gene"])
    sources = open_sources(snakemake.params, cells["source"])
    genes, _ = common_genes(list(sources.values()))
    cell_cycle = read_table(snakemake.input.cell_cycle)

    def samples():
        for rows, counts, depth in read_samples(sources, cells, genes):
            sample = rows["sample"].iloc[0]
            seed = derive_seed(snakemake.params.seed, "cell cycle", sample)
            regress = snakemake.params.regress
            yield prepare_sample(counts, depth, rows, genes, selected, regress, cell_cycle, seed)
            print(f"{sample}: {len(rows)} cells")

    summary = write_expression(snakemake.output.expression, samples(), selected)
    with atomic(snakemake.output.summary) as path:
        summary.write_h5ad(path, compression="gzip")


with logged(snakemake.log[0]):
    main(snakemake)
