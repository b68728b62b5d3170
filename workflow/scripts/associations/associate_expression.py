"""Associate the expression and the detection of every gene with a phenotype."""

from adapter import logged

from popnet.associations import expression
from popnet.associations.designs import read_design
from popnet.associations.testing import Testing
from popnet.files import read_h5ad, write_table
from popnet.networks.verdicts import beside, read_measures


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    bins = read_h5ad(files.summary)
    testing = Testing.from_config(params.statistics, params.seed)
    values = bins.X, bins.layers["detection_rate"], bins.var_names
    tested = expression.robust(*values, read_design(files.design), testing)
    measures = read_measures(files.measures)
    write_table(beside(tested, "expression", "", measures), snakemake.output.table)
    for measure in expression.MEASURES:
        write_table(testing.by_chance(measure), snakemake.output[measure])


with logged(snakemake.log[0]):
    main(snakemake)
