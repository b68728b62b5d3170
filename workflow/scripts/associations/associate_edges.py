"""Associate edges within gene sets, and connected components of edges, with a phenotype."""

from adapter import logged

from popnet import presets
from popnet.associations import edges
from popnet.associations.designs import read_design
from popnet.associations.testing import Testing
from popnet.files import read_h5ad, read_parquet, read_table, resource, write_table
from popnet.networks.centrality import in_graph
from popnet.study.gene_sets import read_gene_sets, resolve_gene_sets


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    bins = read_h5ad(files.bins)
    genes = bins.var_names[in_graph(bins)]
    unit = presets.unit(params.preset)
    observed = edges.observe(read_parquet(files.edges), bins.obs, genes, unit)
    gene_sets = resolve_gene_sets(read_gene_sets(files.gene_sets), genes)
    gene_sets = {name: genes.intersection(members) for name, members in gene_sets.items()}
    complexes = read_table(resource("mtdna_genes.tsv")).set_index("gene")["complex"]
    test = presets.answer(edges, params.preset)
    testing = Testing.from_config(params.statistics, params.seed)
    tested = test(observed, gene_sets, complexes, read_design(files.design), testing)
    write_table(tested.edges, snakemake.output.edges)
    write_table(tested.components, snakemake.output.components)


with logged(snakemake.log[0]):
    main(snakemake)
