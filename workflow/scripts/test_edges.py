"""Edges of gene sets against a phenotype, connectivity of sets, and consensus networks."""

import anndata as ad
import numpy as np
import pandas as pd
from adapter import UNIT, logged, read_phenotype
from popnet import edges as networks
from popnet.association import benjamini_hochberg, units
from popnet.cohort import load_cohort
from popnet.gene_sets import resolve_gene_sets
from popnet.tables import atomic, read_table, write_table

# Edges that nearly all or nearly no units have tell nothing apart; the paper tested all.
PREVALENCE = {"robust": (0.1, 0.9), "paper": (0, 1)}


def main(snakemake):
    bins = ad.read_h5ad(snakemake.input.bins)
    genes = bins.var_names[np.isfinite(bins.layers["degree"]).any(axis=0)]
    gene_sets = resolve_gene_sets(load_cohort(snakemake.input.sheet).gene_sets, genes)
    gene_sets = {name: genes.intersection(members) for name, members in gene_sets.items()}
    complexes = read_table(snakemake.input.complexes).set_index("gene")["complex"]
    unit = UNIT[snakemake.params.preset]
    donors, phenotype, binary = read_phenotype(snakemake.input.samples, snakemake.params.phenotype)
    edges, rows = observed_edges(snakemake.input, bins, unit)
    donors, phenotype = (
        of_sample.reindex(rows).set_axis(rows.index) for of_sample in (donors, phenotype)
    )
    observations = units(rows.index, donors, phenotype, unit)

    window = PREVALENCE[snakemake.params.preset]
    table = test_sets(edges, rows.index, gene_sets, complexes, observations, binary, window)
    write_table(table, snakemake.output.edges)

    counts = networks.connectivity(edges, gene_sets, genes, rows.index, complexes)
    tested = networks.test_connectivity(counts, observations, binary)
    write_table(tested, snakemake.output.connectivity)
    counts.insert(0, "value", counts["sample"].map(phenotype))
    counts["sample"] = counts["sample"].map(rows)
    write_table(counts, snakemake.output.sample_connectivity)

    groups = phenotype.map({1.0: "case", 0.0: "control"}).dropna()
    if not binary:
        middle = np.median(observations.phenotype) if len(observations.phenotype) else np.nan
        groups = networks.split_halves(phenotype, middle)
    consensus = networks.consensus(edges, groups)
    change = networks.degree_change(consensus, edges, genes, groups, donors, unit)
    change["gene_sets"] = [
        ";".join(name for name, members in gene_sets.items() if gene in members)
        for gene in change["gene"]
    ]
    write_table(change, snakemake.output.consensus)
    with atomic(snakemake.output.consensus_edges) as path:
        consensus.astype({"gene1": str, "gene2": str}).to_parquet(path, index=False)


def observed_edges(files, bins, unit):
    """Return edges by sample (or by bin, as the paper counts) and the sample of each such row."""
    if unit == "donor":
        samples = bins.obs["sample"].astype(str).unique()
        edges = pd.read_parquet(files.edges)
        return edges.astype({"sample": str}), pd.Series(samples, index=samples)
    edges = pd.read_parquet(files.bin_edges).astype({"sample": str})
    edges["sample"] = edges["sample"] + "\t" + edges.pop("bin").astype(str)
    rows = bins.obs["sample"].astype(str).to_numpy()
    labels = rows + "\t" + bins.obs["bin"].astype(str).to_numpy(object)
    return edges.assign(weight=1.0), pd.Series(rows, index=labels)


def test_sets(edges, rows, gene_sets, complexes, observations, binary, window):
    """Return the tests of all edges within each set."""
    tables = []
    for name, members in gene_sets.items():
        pairs, weights = networks.edge_matrix(edges, list(rows), list(members))
        tested = networks.test_edges(
            observations.average(weights), observations.phenotype, binary, *window
        )
        pairs = networks.annotate_complexes(pairs.loc[tested.index], complexes)
        tables.append(pairs.join(tested).assign(gene_set=name))
    table = pd.concat(tables, ignore_index=True)
    # An edge of several sets is one test.
    table["set_q"] = table.groupby("gene_set")["p"].transform(benjamini_hochberg)
    pair = table.groupby(["gene1", "gene2"], sort=False, observed=True).ngroup()
    first = ~pair.duplicated()
    q = pd.Series(benjamini_hochberg(table.loc[first, "p"].to_numpy()), index=pair[first])
    table["q"] = pair.map(q)
    first = ["gene_set", "gene1", "gene2"]
    return table[first + [column for column in table if column not in first]].sort_values(
        ["gene_set", "p"], ignore_index=True
    )


with logged(snakemake.log[0]):
    main(snakemake)
