"""Choose the genes of a cell type's networks; samples that came later leave the choice as it is."""

from adapter import logged

from popnet.cells.bins import cells_of_type
from popnet.cells.formats import open_sources
from popnet.cells.genes import (
    Choice,
    read_choice,
    sample_statistics,
    select_genes,
    selection_basis,
)
from popnet.cells.sources import common_genes, read_blocks
from popnet.files import write_table
from popnet.provenance import code_hash


def main(snakemake):
    params, output = snakemake.params, snakemake.output
    cells = cells_of_type(snakemake.input.cells, snakemake.wildcards.cell_type)
    sources = open_sources(cells["source"], params.counts, params.gene_symbols, params.gene_prefix)
    genes, lost = common_genes(list(sources.values()))
    if lost["n_lost"].any():
        print(lost[lost["n_lost"] > 0].to_string(index=False))
    settings = {key: params.genes[key] for key in ("cohort", "sample", "keep")}
    # Changed code chooses anew, too.
    made_by = settings | {"code": code_hash("popnet.cells.genes")}
    samples = selection_basis(cells)
    earlier = read_choice(output.genes, output.basis)
    if earlier and earlier.stands(made_by, samples, genes):
        n_later = len(samples) - len(earlier.samples)
        print(f"{len(earlier.genes)} genes as they were: {n_later} samples came later")
        return

    per_sample = sample_statistics(read_blocks(sources, cells, genes))
    table = select_genes(list(per_sample.values()), **settings, genes=genes)
    print(f"{len(table)} of {len(genes)} genes")
    write_table(table, output.genes)
    Choice(list(table["gene"]), made_by, samples).write(output.basis)


with logged(snakemake.log[0]):
    main(snakemake)
