"""Compare the consensus networks of cases and controls, or of a phenotype's two halves."""

from adapter import logged

from popnet import presets
from popnet.associations import consensus
from popnet.associations.designs import read_design
from popnet.associations.edges import observe
from popnet.associations.given_strength import by_other_genes
from popnet.associations.testing import Testing
from popnet.files import read_h5ad, read_parquet, write_parquet, write_table
from popnet.networks.centrality import in_graph
from popnet.networks.verdicts import read_measures
from popnet.study.gene_sets import read_gene_sets, resolve_gene_sets


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    bins = read_h5ad(files.bins)
    genes = bins.var_names[in_graph(bins)]
    unit = presets.unit(params.preset)
    observed = observe(read_parquet(files.edges), bins.obs, genes, unit)
    test = presets.answer(consensus, params.preset)
    measures = read_measures(snakemake.input.measures)
    about = params.seed, measures, snakemake.wildcards.network
    testing, design = Testing.from_config(params.statistics, *about), read_design(files.design)
    tested = test(observed, design, testing)
    change = tested.change
    if params.equal_depth:
        own = [[gene] for gene in change["gene"]]
        hits = (change["q"] <= testing.fdr).to_numpy()
        strength = bins[:, genes].layers["strength"]
        by = by_other_genes(hits, own, strength, genes, design, testing)
        change = change.assign(explained_by=by)
    gene_sets = resolve_gene_sets(read_gene_sets(files.gene_sets), genes)
    of_gene = [
        ";".join(name for name, members in gene_sets.items() if gene in members)
        for gene in change["gene"]
    ]
    write_table(change.assign(gene_sets=of_gene), snakemake.output.consensus)
    networks = tested.networks.astype({"gene1": str, "gene2": str})
    write_parquet(networks, snakemake.output.consensus_edges)
    write_table(testing.by_chance("consensus"), snakemake.output.null)


with logged(snakemake.log[0]):
    main(snakemake)
