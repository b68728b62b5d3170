"""Edges of gene sets against a phenotype, connectivity of sets, and consensus networks."""

import numpy as np
import pandas as pd
from adapter import UNIT, logged, read_design, read_phenotype, technical_covariates

from popnet.associations import connectivity as connectivity_tests
from popnet.associations import consensus as consensus_tests
from popnet.associations import edges as edge_tests
from popnet.associations.edges import (
    COMPONENT_COLUMNS,
    annotate_complexes,
    associated_components,
    edges_in_window,
)
from popnet.files import read_h5ad, read_parquet, read_table, write_parquet, write_table
from popnet.networks.connectivity import connectivity
from popnet.networks.consensus import consensus, split_halves
from popnet.networks.edges import edge_matrix, match_density, sparse_edges
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.units import units
from popnet.study.cohort import load_cohort
from popnet.study.gene_sets import resolve_gene_sets

# Edges that nearly all or nearly no units have tell nothing apart; the paper tested all.
PREVALENCE = {"robust": (0.1, 0.9), "paper": (0, 1)}
PAIR = ["gene1", "gene2"]


def main(snakemake):
    files, params, output = snakemake.input, snakemake.params, snakemake.output
    bins = read_h5ad(files.bins)
    genes = bins.var_names[np.isfinite(bins.layers["degree"]).any(axis=0)]
    gene_sets = resolve_gene_sets(load_cohort(files.sheet).gene_sets, genes)
    gene_sets = {name: genes.intersection(members) for name, members in gene_sets.items()}
    complexes = read_table(files.complexes).set_index("gene")["complex"]
    donors, phenotype, binary = read_phenotype(files.samples, params.phenotype)

    if params.preset == "paper":
        edges, rows = observed_edges(files, bins, UNIT[params.preset])
        donors, phenotype = (x.reindex(rows).set_axis(rows.index) for x in (donors, phenotype))
        over = units(rows.index, donors, phenotype, UNIT[params.preset])
        table = test_sets(edges, rows.index, gene_sets, complexes, over, binary)
        components = pd.DataFrame(columns=list(COMPONENT_COLUMNS))
        counts = connectivity(edges, gene_sets, genes, rows.index, complexes)
        connectivity = connectivity_tests.paper(counts, over, binary)
        groups = phenotype.map({1.0: "case", 0.0: "control"}).dropna()
        if not binary:
            middle = np.median(over.phenotype) if len(over.phenotype) else np.nan
            groups = split_halves(phenotype, middle)
        consensus = consensus(edges, groups)
        change = consensus_tests.paper(consensus, edges, genes, groups, donors, UNIT[params.preset])
    else:
        edges, rows = observed_edges(files, bins, UNIT[params.preset])
        design = read_design(files.samples, rows, params, technical_covariates(bins.obs))
        permuted = design, params.statistics["permutations"], params.seed
        pairs, weights = sparse_edges(edges, list(rows))
        columns, values = edges_in_window(weights, design, *PREVALENCE[params.preset])
        pairs_in_window = pairs.iloc[columns].reset_index(drop=True)
        print(f"{len(pairs)} edges, {len(columns)} of them neither in nearly all nor nearly none")
        table = permute_sets(pairs_in_window, values, gene_sets, complexes, *permuted)
        components = associated_components(pairs_in_window, values, *permuted)
        del values
        edges = match_density(edges)
        counts = connectivity(edges, gene_sets, genes, rows.index, complexes)
        connectivity = connectivity_tests.robust(counts, *permuted)
        pairs, weights = sparse_edges(edges, list(rows))
        consensus, change = consensus_tests.robust(pairs, weights, genes, *permuted)

    write_table(table, output.edges)
    write_table(components, output.components)
    write_table(connectivity, output.connectivity)
    counts.insert(0, "value", counts["sample"].map(phenotype))
    counts["sample"] = counts["sample"].map(rows)
    write_table(counts, output.sample_connectivity)
    change["gene_sets"] = [
        ";".join(name for name, members in gene_sets.items() if gene in members)
        for gene in change["gene"]
    ]
    write_table(change, output.consensus)
    write_parquet(consensus.astype({"gene1": str, "gene2": str}), output.consensus_edges)


def observed_edges(files, bins, unit):
    """Return edges by sample (or by bin, as the paper counts) and the sample of each such row."""
    if unit == "donor":
        samples = bins.obs["sample"].astype(str).unique()
        edges = read_parquet(files.edges)
        return edges.astype({"sample": str}), pd.Series(samples, index=samples)
    edges = read_parquet(files.bin_edges).astype({"sample": str})
    edges["sample"] = edges["sample"] + "\t" + edges.pop("bin").astype(str)
    rows = bins.obs["sample"].astype(str).to_numpy()
    labels = rows + "\t" + bins.obs["bin"].astype(str).to_numpy(object)
    return edges.assign(weight=1.0), pd.Series(rows, index=labels)


def test_sets(edges, rows, gene_sets, complexes, observations, binary):
    """Return the tests of all edges within each set, as the paper tests them."""
    tables = []
    for name, members in gene_sets.items():
        pairs, weights = edge_matrix(edges, list(rows), list(members))
        tested = edge_tests.paper(
            observations.average(weights), observations.phenotype, binary, *PREVALENCE["paper"]
        )
        pairs = annotate_complexes(pairs.loc[tested.index], complexes)
        tables.append(pairs.join(tested).assign(gene_set=name))
    table = pd.concat(tables, ignore_index=True)
    # An edge of several sets is one test.
    pair = table.groupby(PAIR, sort=False, observed=True).ngroup()
    first = ~pair.duplicated()
    q = pd.Series(benjamini_hochberg(table.loc[first, "p"].to_numpy()), index=pair[first])
    table["q"] = pair.map(q)
    return ordered(table)


def permute_sets(pairs, values, gene_sets, complexes, design, n_permutations, seed):
    """Return the permutation tests of all edges within each set; an edge of several is one test."""
    first, second = (pairs[gene].astype(object) for gene in PAIR)
    of_set = {
        name: np.flatnonzero(first.isin(members) & second.isin(members))
        for name, members in gene_sets.items()
    }
    tested = np.unique(np.concatenate([np.zeros(0, int), *of_set.values()]))
    table = edge_tests.robust(values[:, tested], design, n_permutations, seed)
    table = annotate_complexes(pairs.loc[tested], complexes).join(table.set_axis(tested))
    tables = [table.loc[rows].assign(gene_set=name) for name, rows in of_set.items()]
    return ordered(pd.concat([table.iloc[:0].assign(gene_set=""), *tables], ignore_index=True))


def ordered(table):
    table["set_q"] = table.groupby("gene_set")["p"].transform(benjamini_hochberg)
    first = ["gene_set", *PAIR]
    return table[first + [column for column in table if column not in first]].sort_values(
        ["gene_set", "p"], ignore_index=True
    )


with logged(snakemake.log[0]):
    main(snakemake)
