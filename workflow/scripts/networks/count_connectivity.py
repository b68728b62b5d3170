"""Count the edges within gene sets and from them to other genes, in every sample."""

from adapter import logged

from popnet import presets
from popnet.associations.edges import observe
from popnet.files import read_h5ad, read_parquet, read_table, resource, write_parquet
from popnet.networks.centrality import in_graph
from popnet.networks.connectivity import connectivity
from popnet.networks.edges import match_density
from popnet.study.gene_sets import read_gene_sets, resolve_gene_sets


def main(snakemake):
    files, unit = snakemake.input, presets.unit(snakemake.params.preset)
    bins = read_h5ad(files.bins)
    genes = bins.var_names[in_graph(bins)]
    observed = observe(read_parquet(files.edges), bins.obs, genes, unit)
    edges = match_density(observed.edges) if unit == "donor" else observed.edges
    gene_sets = resolve_gene_sets(read_gene_sets(files.gene_sets), genes)
    gene_sets = {name: genes.intersection(members) for name, members in gene_sets.items()}
    complexes = read_table(resource("mtdna_genes.tsv")).set_index("gene")["complex"]
    counts = connectivity(edges, gene_sets, genes, observed.rows.index, complexes)
    counts = counts.rename(columns={"sample": "row"})
    counts.insert(0, "sample", counts["row"].map(observed.rows))
    write_parquet(counts, snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
