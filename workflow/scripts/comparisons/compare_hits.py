"""Test the centralities of other methods against a phenotype as siVAE's are tested."""

from adapter import logged

from popnet import presets
from popnet.associations.designs import read_design
from popnet.associations.testing import Testing
from popnet.comparisons import hits
from popnet.comparisons.agreement import compare_hits
from popnet.files import read_h5ad, read_table, write_table


def main(snakemake):
    params = snakemake.params
    centrality = read_h5ad(snakemake.input.centrality)
    test = presets.answer(hits, params.preset)
    testing = Testing.from_config(params.statistics, params.seed)
    tested = test(centrality.layers, read_design(snakemake.input.design), testing)
    found = {method: table.assign(gene=centrality.var_names) for method, table in tested.items()}
    compared = compare_hits(read_table(snakemake.input.study), found, testing.fdr)
    write_table(compared, snakemake.output[0])
    print(compared.loc[compared["seen_by"] != "", "seen_by"].value_counts().to_string())


with logged(snakemake.log[0]):
    main(snakemake)
