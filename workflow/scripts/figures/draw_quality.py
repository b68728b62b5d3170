"""Draw the cells and depth of a cell type and how reliable its networks are."""

from adapter import logged

from popnet.figures import qc
from popnet.figures.style import Subject, save
from popnet.files import read_h5ad, read_table
from popnet.findings import shown_quality as shown
from popnet.findings.shown_samples import names_of_groups, read_traits
from popnet.networks.verdicts import headline, read_measures


def main(snakemake):
    files, output, params = snakemake.input, snakemake.output, snakemake.params
    network = headline(read_measures(files.measures), params.networks)
    place = params.networks.index(network)
    bins = read_h5ad(files.bins[place])
    name, n_samples = params.caption["cell_type"], bins.obs["sample"].nunique()
    per_sample = Subject(name, None, n=n_samples)

    if output.get("cells"):
        plan, excluded = read_table(files.plan), read_table(files.excluded)
        cells = shown.cells_per_sample(
            plan[plan["cell_type"] == name], excluded[excluded["cell_type"] == name]
        )
        save(qc.qc_cells(cells, per_sample), cells, output.cells[0])
        depth = shown.depth_of_samples(bins.obs, read_table(files.depths) if files.depths else None)
        _, phenotypes = read_traits(files.phenotypes, params.phenotypes)
        figure = qc.qc_depth(
            depth,
            per_sample,
            phenotypes=phenotypes,
            groups=names_of_groups(params.phenotypes),
            associations=shown.depth_by_phenotype(depth, phenotypes),
        )
        table = depth.join(phenotypes.add_prefix("phenotype "), on="sample")
        save(figure, table, output.depth[0])

    # Values of genes have no graph: all of them are tested.
    of_graph = bins.to_df(layer="degree" if "degree" in bins.layers else None)
    reliability = shown.reliability_of_genes(read_table(files.reliability[place]), of_graph)
    figure = qc.qc_reliability(
        reliability,
        Subject(name, None, n_samples, network=network),
        min_icc=params.min_icc,
        sources=read_table(files.variance[place]),
    )
    save(figure, reliability, output.reliability[0])


with logged(snakemake.log[0]):
    main(snakemake)
