"""Associate edges, and connected components of edges, with a phenotype."""

import pandas as pd
from adapter import logged

from popnet.associations import edges
from popnet.associations.composition import read_composition
from popnet.associations.designs import read_design
from popnet.associations.expression_switch import switched
from popnet.associations.given_expression import expression_of
from popnet.associations.testing import Testing
from popnet.files import read_h5ad, read_parquet, read_table, resource, write_table
from popnet.networks.centrality import in_graph
from popnet.networks.pairs import read_pairs
from popnet.networks.verdicts import read_measures
from popnet.presets import unit
from popnet.study.gene_sets import read_gene_sets, resolve_gene_sets


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    bins = read_h5ad(files.bins)
    genes = bins.var_names[in_graph(bins)]
    # Pairs of a user's own network need not be of the graph's genes.
    named = bins.var_names
    gene_sets = resolve_gene_sets(read_gene_sets(files.gene_sets), named)
    gene_sets = {name: named.intersection(members) for name, members in gene_sets.items()}
    complexes = read_table(resource("mtdna_genes.tsv")).set_index("gene")["complex"]
    design = read_design(files.design)
    measures = read_measures(snakemake.input.measures)
    about = params.seed, measures, snakemake.wildcards.network
    testing = Testing.from_config(params.statistics, *about)
    asked = gene_sets, complexes, design, testing
    # Not one question: the paper counts bins that have an edge, robust compares its weights.
    if unit(params.preset) == "bin":
        tested = edges.paper(
            edges.observe(read_parquet(files.pairs), bins.obs, genes, "bin"), *asked
        )
    else:
        off = pd.Series(switched(bins.layers["detection_rate"], design), bins.var_names)
        expression = expression_of(bins.layers["mean_expression"], named, design)
        shares = read_composition(files.composition)
        tested = edges.robust(read_pairs(files.pairs), *asked, off, expression, *shares)
    write_table(tested.edges, snakemake.output.edges)
    write_table(tested.components, snakemake.output.components)
    for analysis in ("edges", "model_edges", "components"):
        write_table(testing.by_chance(analysis), getattr(snakemake.output, f"{analysis}_null"))


with logged(snakemake.log[0]):
    main(snakemake)
