"""Associate every gene's degree centrality with a phenotype."""

import pandas as pd
from adapter import logged

from popnet import presets
from popnet.associations import genes
from popnet.associations.composition import read_composition
from popnet.associations.designs import read_design
from popnet.associations.testing import Testing
from popnet.cells.depth import remaining_depth
from popnet.files import read_h5ad, read_table, write_parquet, write_table
from popnet.networks.verdicts import read_measures


def main(snakemake):
    params, output = snakemake.params, snakemake.output
    bins = read_h5ad(snakemake.input.bins)
    depth = bins.obs["mean_depth"].to_numpy()
    values = genes.BinValues(
        centrality=bins.X,
        mean_expression=bins.layers["mean_expression"],
        detection_rate=bins.layers["detection_rate"],
        depth=remaining_depth(depth) if params.matched else depth,
        genes=bins.var_names,
        icc=read_table(snakemake.input.reliability).set_index("gene")["icc"],
    )
    test = presets.answer(genes, params.preset)
    measures = read_measures(snakemake.input.measures)
    about = params.seed, measures, snakemake.wildcards.network
    testing = Testing.from_config(params.statistics, *about)
    design = read_design(snakemake.input.design)
    shares = read_composition(snakemake.input.composition)
    tested = test(values, design, testing, *shares)
    write_table(tested.table, output.table)
    write_table(testing.by_chance("centrality"), output.null)
    write_table(tested.described, output.design)
    write_parquet(pd.DataFrame({"t": tested.maxima}), output.maxima)


with logged(snakemake.log[0]):
    main(snakemake)
