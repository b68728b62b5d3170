"""Associate the shares of cell states with a phenotype."""

from adapter import logged

from popnet.associations import composition
from popnet.associations.designs import read_design
from popnet.associations.testing import Testing
from popnet.files import write_table


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    testing = Testing.from_config(params.statistics, params.seed)
    (shares,) = composition.read_composition(files.composition)
    tested = composition.robust(shares, read_design(files.design), testing)
    write_table(tested, snakemake.output.table)
    write_table(testing.by_chance("composition"), snakemake.output.null)


with logged(snakemake.log[0]):
    main(snakemake)
