"""Compare the effects of a phenotype between cell types of the same donors."""

import numpy as np
from adapter import logged

from popnet.associations import cell_types
from popnet.associations.designs import design_of, technical_covariates
from popnet.associations.testing import Testing
from popnet.files import read_h5ad, read_table, write_table
from popnet.networks.verdicts import not_measurable, read_measures
from popnet.stats.units import columns_of


def main(snakemake):
    params, output = snakemake.params, snakemake.output
    network = snakemake.wildcards.get("network")
    measures = snakemake.input.get("measures") or [[]] * len(params.cell_types)
    types = {}
    files = snakemake.input.bins, snakemake.input.tests, measures
    for name, bins, tests, measured in zip(params.cell_types, *files, strict=True):
        if why := untested(measured, network, params.statistics):
            print(f"{name} is not compared: {why}")
            continue
        types[name] = values_of(read_h5ad(bins), read_table(tests), network, params.adjust)
    text = [*columns_of(params.phenotype), *params.categorical]
    samples = read_table(snakemake.input.phenotype, text=text).set_index("sample")
    rows = list(dict.fromkeys(np.concatenate([[], *(one.bin_samples for one in types.values())])))
    design = design_of(rows, samples, params.phenotype, params.covariates, "donor")
    if len(types) < 2:
        design = design.untested("fewer than two cell types can be compared")
    testing = Testing.from_config(params.statistics, params.seed)
    write_table(cell_types.robust(types, design, testing), output.table)
    for analysis in ("shared", "differing"):
        write_table(testing.by_chance(analysis), output[analysis])


def untested(measured, network, statistics):
    """Return why the centrality of a cell type is not tested, if it is not."""
    table = read_measures(measured)
    if table is None or network is None or statistics["test_unmeasurable"]:
        return None
    return not_measurable(table, network).get("centrality")


def values_of(bins, tested, network, adjust):
    """Return the values of a cell type: centrality, or expression where there is no network."""
    if network is None:
        tested = tested[tested["measure"] == "expression"]
    technical = technical_covariates(bins.obs)
    return cell_types.TypeValues(
        bins.X,
        bins.var_names,
        bins.obs["sample"].astype(str).to_numpy(object),
        technical[[name for name in adjust if name in technical]],
        tested,
    )


with logged(snakemake.log[0]):
    main(snakemake)
