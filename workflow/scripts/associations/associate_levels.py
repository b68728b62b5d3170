"""Test whether any levels of a categorical phenotype differ, in everything that a network says."""

import pandas as pd
from adapter import logged

from popnet.associations import overall
from popnet.associations.composition import read_composition
from popnet.associations.designs import technical_covariates
from popnet.associations.testing import Testing
from popnet.files import read_h5ad, read_table, write_table
from popnet.networks.centrality import in_graph
from popnet.networks.pairs import read_pairs
from popnet.networks.verdicts import read_measures
from popnet.study.gene_sets import read_gene_sets, resolve_gene_sets


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    bins = read_h5ad(files.bins)
    samples = read_table(files.phenotype, text=[params.phenotype["name"], *params.categorical])
    technical = technical_covariates(bins.obs)
    design = overall.levels_design_of(
        bins.obs["sample"].astype(str).to_numpy(),
        samples.set_index("sample"),
        params.phenotype,
        params.covariates,
        technical[[name for name in params.adjust if name in technical]],
    )
    network, sets = snakemake.wildcards.get("network", ""), {}
    about = read_measures(files.measures), network, params.equal_depth
    testing = Testing.from_config(params.statistics, params.seed, *about)
    if network:
        sets = resolve_gene_sets(read_gene_sets(files.gene_sets), bins.var_names)
        families = of_network(bins, files, testing)
    else:
        families = of_cells(bins, files, design)
    table = overall.robust(families, design, testing, sets)
    write_table(table, snakemake.output.table)
    chance = [one.assign(analysis=name) for name, one in testing.chance.items()]
    columns = ["analysis", "permutation", "tested", "significant"]
    write_table(pd.concat([pd.DataFrame(columns=columns), *chance])[columns], snakemake.output.null)


def of_network(bins, files, testing):
    """Return the values of a network, of those kinds that it has."""
    families = [overall.of_genes("centrality", "", bins.var_names, bins.X)]
    if "degree" in bins.layers:
        graph = bins[:, in_graph(bins)]
        families.append(overall.of_graph(graph.layers, graph.var_names, testing))
    for analysis, group in (("programmes", "programme"), ("modules", "module")):
        if path := files.get(analysis):
            values = read_h5ad(path)
            names = read_table(files[f"{group}_names"]).drop_duplicates(group)
            names = names.set_index(group)["name"]
            families.append(overall.of_groups(analysis, group, values.var, names, values.X))
    return families + ([overall.of_pairs(read_pairs(files.pairs))] if files.get("pairs") else [])


def of_cells(bins, files, design):
    """Return expression, detection and the shares of cell states."""
    rate = bins.layers["detection_rate"]
    families = [
        overall.of_genes("expression", "expression", bins.var_names, bins.X),
        overall.of_genes("detection", "detection", bins.var_names, rate),
    ]
    for shares in read_composition(files.composition):
        odds = shares.log_odds(design.units.bin_samples)
        names = shares.names[: odds.shape[1]]
        families.append(overall.of_genes("composition", "", names, odds))
    return families


with logged(snakemake.log[0]):
    main(snakemake)
