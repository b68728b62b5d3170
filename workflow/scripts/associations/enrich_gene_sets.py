"""Test gene sets: are the centralities of their genes associated with a phenotype?"""

from adapter import logged

from popnet.associations import sets
from popnet.associations.composition import read_composition
from popnet.associations.designs import read_design
from popnet.associations.testing import Testing
from popnet.files import read_h5ad, write_table
from popnet.networks.verdicts import read_measures
from popnet.presets import unit
from popnet.study.gene_sets import read_gene_sets, resolve_gene_sets


def main(snakemake):
    params = snakemake.params
    bins = read_h5ad(snakemake.input.bins)
    gene_sets = resolve_gene_sets(read_gene_sets(snakemake.input.gene_sets), bins.var_names)
    measures = read_measures(snakemake.input.measures)
    about = params.seed, measures, snakemake.wildcards.network
    testing = Testing.from_config(params.statistics, *about)
    design = read_design(snakemake.input.design)
    asked = bins.X, bins.var_names, gene_sets, design, testing
    # Not one question: the paper has no controls of sets.
    if unit(params.preset) == "bin":
        table = sets.paper(*asked)
    else:
        shares = read_composition(snakemake.input.composition)
        table = sets.robust(*asked, bins.layers["mean_expression"], *shares)
    print(f"{len(table)} of {len(gene_sets)} sets tested")
    write_table(table, snakemake.output.table)
    write_table(testing.by_chance("gene_sets"), snakemake.output.null)


with logged(snakemake.log[0]):
    main(snakemake)
