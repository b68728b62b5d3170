"""Associate numbers of edges within gene sets, and from them to other genes, with a phenotype."""

from adapter import logged

from popnet import presets
from popnet.associations import connectivity
from popnet.associations.designs import read_design
from popnet.associations.testing import Testing
from popnet.files import read_parquet, read_table, write_table
from popnet.networks.verdicts import read_measures
from popnet.stats.units import columns_of, encoded


def main(snakemake):
    params, output = snakemake.params, snakemake.output
    counts = read_parquet(snakemake.input.connectivity)
    by_row = counts.drop(columns="sample").rename(columns={"row": "sample"})
    test = presets.answer(connectivity, params.preset)
    measures = read_measures(snakemake.input.measures)
    about = params.seed, measures, snakemake.wildcards.network
    testing = Testing.from_config(params.statistics, *about)
    write_table(test(by_row, read_design(snakemake.input.design), testing), output.connectivity)
    write_table(testing.by_chance("connectivity"), output.null)

    samples = read_table(snakemake.input.phenotype, text=columns_of(params.phenotype))
    values = encoded(samples.set_index("sample"), params.phenotype)
    counts["row"] = counts["sample"].map(values)
    counts = counts.rename(columns={"row": "value"})
    first = ["value", "sample"]
    write_table(counts[[*first, *counts.columns.drop(first)]], output.sample_connectivity)


with logged(snakemake.log[0]):
    main(snakemake)
