"""What mitochondrial genomes hold against how the complexes of the same donors are wired."""

import pandas as pd
from adapter import logged, read_genomes, technical_covariates

from popnet.associations.variants import permute_genomes
from popnet.files import read_h5ad, read_table, write_table
from popnet.stats.designs import make_design

KINDS = ["within_complexes", "between_complexes"]


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    genes = read_table(files.genes)
    genomes, components = read_genomes(files, params.components)
    categorical = [one["name"] for one in params.covariates if one["type"] == "categorical"]
    samples = read_table(files.samples, text=categorical).set_index("sample")
    samples["batch"] = samples["batch"].fillna("")
    technical = technical_covariates(read_h5ad(files.bins).obs)
    technical = technical[params.statistics["adjust"]]
    samples = samples.join([components, technical])
    donor = samples["donor"].fillna(samples.index.to_series())

    counts = read_table(files.connectivity[0]).dropna(subset=KINDS)
    tables = []
    for gene_set, rows in counts.groupby("gene_set", sort=False):
        for kind in KINDS:
            outcome = rows.groupby("sample")[kind].mean().reindex(components.index).dropna()
            # One mtDNA per donor: so is one connectivity.
            outcome = outcome.groupby(donor[outcome.index]).transform("mean")
            design = make_design(
                outcome.index,
                samples,
                outcome,
                False,
                [one["name"] for one in params.covariates],
                [*technical, *components],
            )
            print(f"{gene_set}, {kind}: {design.n} donors; {design.df} degrees of freedom")
            print(*design.remarks, sep="\n")
            table = permute_genomes(
                genomes.take(design.donors),
                genes,
                design,
                params.statistics["permutations"],
                params.seed,
            )
            table.insert(0, "gene_set", gene_set)
            table.insert(1, "kind", kind)
            tables.append(table)
    # Without edges of complexes there is nothing to test.
    empty = pd.DataFrame(columns=["gene_set", "kind", "analysis", "measure", "statistic", "p", "q"])
    write_table(pd.concat(tables or [empty], ignore_index=True), snakemake.output[0])


with logged(snakemake.log[0]):
    main(snakemake)
