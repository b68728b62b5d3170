"""Associate the variance and the coupling of programmes with a phenotype."""

from adapter import logged

from popnet.associations import programmes
from popnet.associations.composition import read_composition
from popnet.associations.designs import read_design
from popnet.associations.testing import Testing
from popnet.files import read_h5ad, read_table, write_table
from popnet.networks.verdicts import read_measures


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    values = read_h5ad(files.programmes)
    columns = values.var.reset_index(drop=True).astype({"kind": str})
    names = read_table(files.names).drop_duplicates("programme").set_index("programme")["name"]
    for number in ("1", "2"):
        columns[f"name{number}"] = columns[f"programme{number}"].map(names)
    measures = read_measures(snakemake.input.measures)
    about = params.seed, measures, "shared"
    testing = Testing.from_config(params.statistics, *about)
    shares = read_composition(files.composition)
    tested = programmes.robust(values.X, columns, read_design(files.design), testing, *shares)
    write_table(tested, snakemake.output.table)
    write_table(testing.by_chance("programmes"), snakemake.output.null)


with logged(snakemake.log[0]):
    main(snakemake)
