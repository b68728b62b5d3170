"""Say how the counts of a cell type are thinned to the same depth in all samples."""

from adapter import logged

from popnet.cells.bins import cells_of_type
from popnet.cells.depth import match_depth, read_target
from popnet.cells.formats import open_sources
from popnet.cells.sources import common_genes, read_depth
from popnet.files import write_parquet, write_table
from popnet.provenance import code_hash


def main(snakemake):
    params, output = snakemake.params, snakemake.output
    cells = cells_of_type(snakemake.input.cells, snakemake.wildcards.cell_type)
    sources = open_sources(cells["source"], params.counts, params.gene_symbols, params.gene_prefix)
    genes, _ = common_genes(list(sources.values()))
    matched = match_depth(
        cells.assign(depth=read_depth(sources, cells, genes)),
        str(cells["cell_type"].iloc[0]),
        params.seed,
        code_hash("popnet.cells.depth"),
        read_target(output.target),
        read_target(snakemake.input.discovery) if snakemake.input.discovery else None,
    )
    print(matched.remark or "target made from all samples")
    shown = matched.samples
    print(
        f"share of counts kept: {shown['share_kept'].min():.2f} to {shown['share_kept'].max():.2f}"
    )
    print(*(f"{sample}: shallow" for sample in shown.loc[shown["shallow"], "sample"]), sep="\n")
    write_parquet(matched.cells, output.cells)
    write_table(shown, output.samples)
    matched.target.write(output.target)


with logged(snakemake.log[0]):
    main(snakemake)
