"""Associate numbers of edges within gene sets, and from them to other genes, with a phenotype."""

from adapter import logged

from popnet import presets
from popnet.associations import connectivity
from popnet.associations.designs import read_design
from popnet.associations.given_strength import by_other_genes
from popnet.associations.testing import Testing
from popnet.files import read_h5ad, read_parquet, read_table, write_table
from popnet.networks.centrality import in_graph
from popnet.networks.verdicts import read_measures
from popnet.stats.units import columns_of, encoded
from popnet.study.gene_sets import read_gene_sets, resolve_gene_sets


def main(snakemake):
    params, output = snakemake.params, snakemake.output
    counts = read_parquet(snakemake.input.connectivity)
    by_row = counts.drop(columns="sample").rename(columns={"row": "sample"})
    test = presets.answer(connectivity, params.preset)
    measures = read_measures(snakemake.input.measures)
    about = params.seed, measures, snakemake.wildcards.network
    testing = Testing.from_config(params.statistics, *about)
    design = read_design(snakemake.input.design)
    table = test(by_row, design, testing)
    if params.equal_depth:
        bins = read_h5ad(snakemake.input.bins)
        bins = bins[:, in_graph(bins)]
        sets = resolve_gene_sets(read_gene_sets(snakemake.input.gene_sets), bins.var_names)
        of_row = [sets.get(name, ()) for name in table["gene_set"]]
        hits, strength = (table["q"] <= testing.fdr).to_numpy(), bins.layers["strength"]
        by = by_other_genes(hits, of_row, strength, bins.var_names, design, testing)
        table = table.assign(explained_by=by)
    write_table(table, output.connectivity)
    write_table(testing.by_chance("connectivity"), output.null)

    samples = read_table(snakemake.input.phenotype, text=columns_of(params.phenotype))
    values = encoded(samples.set_index("sample"), params.phenotype)
    counts["row"] = counts["sample"].map(values)
    counts = counts.rename(columns={"row": "value"})
    first = ["value", "sample"]
    write_table(counts[[*first, *counts.columns.drop(first)]], output.sample_connectivity)


with logged(snakemake.log[0]):
    main(snakemake)
