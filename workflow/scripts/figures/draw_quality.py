"""Draw the cells and depth of a cell type and how reliable its networks are."""

from adapter import logged

from popnet.figures import qc
from popnet.figures.style import Subject, save
from popnet.files import read_h5ad, read_table
from popnet.findings import shown_quality as shown


def main(snakemake):
    files, output = snakemake.input, snakemake.output
    bins = read_h5ad(files.bins)
    name = snakemake.params.caption["cell_type"]
    per_sample = Subject(name, None, n=bins.obs["sample"].nunique())

    if output.get("cells"):
        plan, excluded = read_table(files.plan), read_table(files.excluded)
        cells = shown.cells_per_sample(
            plan[plan["cell_type"] == name], excluded[excluded["cell_type"] == name]
        )
        save(qc.qc_cells(cells, per_sample), cells, output.cells[0])
        depth = shown.depth_of_samples(bins.obs, read_table(files.depths) if files.depths else None)
        save(qc.qc_depth(depth, per_sample), depth, output.depth[0])

    # Values of genes have no graph: all of them are tested.
    of_graph = bins.to_df(layer="degree" if "degree" in bins.layers else None)
    reliability = shown.reliability_of_genes(read_table(files.reliability), of_graph)
    figure = qc.qc_reliability(
        reliability,
        per_sample,
        min_icc=snakemake.params.min_icc,
        sources=read_table(files.variance),
    )
    save(figure, reliability, output.reliability[0])


with logged(snakemake.log[0]):
    main(snakemake)
