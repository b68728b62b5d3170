"""Associate the density and the coupling of a network's modules with a phenotype."""

from adapter import logged

from popnet.associations import modules
from popnet.associations.composition import read_composition
from popnet.associations.designs import read_design
from popnet.associations.testing import Testing
from popnet.files import read_h5ad, read_table, write_table
from popnet.networks.verdicts import read_measures


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    values, bins = read_h5ad(files.modules), read_h5ad(files.bins)
    columns = values.var.reset_index(drop=True).astype({"kind": str})
    genes = read_table(files.names)
    names = genes.drop_duplicates("module").set_index("module")["name"]
    for number in ("1", "2"):
        columns[f"name{number}"] = columns[f"module{number}"].map(names)
    numbers = columns.loc[columns["kind"] == "density", "module1"].to_numpy()
    expression = modules.module_expression(
        bins.layers["mean_expression"], bins.var_names, genes.set_index("gene")["module"], numbers
    )
    measures = read_measures(files.measures)
    about = params.seed, measures, snakemake.wildcards.network
    testing = Testing.from_config(params.statistics, *about)
    design = read_design(files.design)
    shares = read_composition(files.composition)
    tested = modules.robust(values.X, columns, expression, design, testing, *shares)
    write_table(tested, snakemake.output.table)
    write_table(testing.by_chance("modules"), snakemake.output.null)


with logged(snakemake.log[0]):
    main(snakemake)
