"""Test the hypotheses of a discovery in its second cohort, those alone."""

import pandas as pd
from adapter import logged

from popnet.associations.replication import (
    GROUP,
    OF_GROUPS,
    common_tests,
    open_sealed,
    rates,
    replicate,
)
from popnet.associations.replication_files import genes_of, of_network, parts_of, read_claims
from popnet.files import read_h5ad, read_table, write_table


def main(snakemake):
    files, params, output = snakemake.input, snakemake.params, snakemake.output
    parts = parts_of(params.frozen, files.gene_sets, params.settings)
    seal = open_sealed(files.table, files.seal, parts)
    claims, fdr = read_claims(files.table), params.settings["statistics"]["fdr"]
    priors = {tuple(one[key] for key in GROUP): one["weights"] for one in seal["priors"]}
    genes = {
        cell_type: genes_of(read_h5ad(path))
        for cell_type, path in zip(params.cell_types, files.summaries, strict=True)
    }
    tables = []
    for asked, path in zip(params.asked, files.second, strict=True):
        phenotype, cell_type, _, analysis = asked
        group = phenotype, cell_type, analysis
        own = claims[(claims[GROUP] == group).all(axis=1)].reset_index(drop=True)
        if own.empty:
            continue
        second = of_network(read_table(path), own["network"].iloc[0], analysis)
        tests = common_tests(analysis, second)
        expressed = genes[cell_type].index[genes[cell_type]["expressed"]]
        expressed = None if analysis in OF_GROUPS else expressed
        tables.append(replicate(own, tests, priors[group], fdr, expressed))
    table = pd.concat(tables, ignore_index=True) if tables else replicate_none(claims)
    print(rates(table).to_string(index=False))
    write_table(table, output.table)
    write_table(rates(table).assign(seal=seal["sha256"]), output.rates)
    counts = [
        (name, len(one), int((~one["expressed"]).sum()), ", ".join(one.index[~one["expressed"]]))
        for name, one in genes.items()
    ]
    columns = ["cell_type", "genes", "not_expressed", "which"]
    write_table(pd.DataFrame(counts, columns=columns), output.genes)


def replicate_none(claims):
    """Return the table of no hypotheses, with all columns."""
    return replicate(claims, common_tests("centrality", claims.assign(gene="")), {"p": [1.0]}, 0.05)


with logged(snakemake.log[0]):
    main(snakemake)
