"""Mitochondrial genomes against the wiring of the respiratory complexes of the same donors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from popnet.associations.designs import donor_components
from popnet.associations.testing import BY_CHANCE, Testing
from popnet.genotypes.burden import gene_scores
from popnet.genotypes.carriers import carriers, common
from popnet.genotypes.genomes import heteroplasmy_load
from popnet.genotypes.table import Genotypes
from popnet.stats.designs import Design, make_design

KINDS = ["within_complexes", "between_complexes"]


def associate_genomes(
    genomes: Genotypes, genes: pd.DataFrame, design: Design, testing: Testing
) -> pd.DataFrame:
    """Test all that a genome holds against one outcome: heteroplasmy, burden, single variants.

    Parameters
    ----------
    genomes, genes, design, testing
        As in :func:`popnet.associations.variants.robust`.

    Returns
    -------
    DataFrame
        analysis (heteroplasmy, burden or variant) measure (see `heteroplasmy_load`, a gene or
        "all", a variant) statistic p q (Benjamini-Hochberg within the analysis) p_family (over all
        rows) n_carriers (missing for heteroplasmy) n n_permutations.
    """
    load = heteroplasmy_load(genomes)
    burden = gene_scores(genomes.dosage, genomes.variants, genes)["count"]
    carrier = carriers(genomes.dosage)
    tested = common(carrier)
    variants = pd.DataFrame(carrier[:, tested], columns=genomes.variants.index[tested])
    parts = {"heteroplasmy": load, "burden": burden, "variant": variants}
    values = np.column_stack([part.to_numpy() for part in parts.values()])
    analyses = np.repeat(list(parts), [part.shape[1] for part in parts.values()])
    found = testing.permute("genomes", values, design, resolve=True, families=analyses).table
    found.insert(0, "analysis", analyses)
    found.insert(1, "measure", [name for part in parts.values() for name in part])
    n_carriers = pd.Series((values > 0).sum(axis=0)).where(found["analysis"] != "heteroplasmy")
    found.insert(6, "n_carriers", n_carriers.astype("Int64"))
    return found


def robust(
    counts: pd.DataFrame,
    genotypes: Genotypes,
    genes: pd.DataFrame,
    samples: pd.DataFrame,
    covariates: Sequence[str],
    technical: pd.DataFrame,
    n_components: int,
    testing: Testing,
) -> pd.DataFrame:
    """Test genomes against the edges within and between the complexes of the same donors.

    The outcome is a number of edges, not a phenotype of the sheet: every gene set and kind has a
    design of its own.

    Parameters
    ----------
    counts : DataFrame
        sample gene_set within_complexes between_complexes.
    genotypes : Genotypes
    genes : DataFrame
        gene, start, end.
    samples : DataFrame, indexed by sample
        donor, batch and the covariates.
    covariates : sequence of str
    technical : DataFrame, indexed by sample
        Further covariates, which give way where the cohort is small.
    n_components : int
        Principal components of the variants that are adjusted for.
    testing : Testing

    Returns
    -------
    DataFrame
        gene_set kind, and the columns of :func:`associate_genomes`.
    """
    genomes, components = donor_components(genotypes, samples["donor"], n_components)
    samples = samples.assign(batch=samples["batch"].fillna("")).join([components, technical])
    donor = samples["donor"].fillna(samples.index.to_series())
    # Sums of the same shares in another order differ by rounding, and would not tie.
    counts = counts.assign(
        **{kind: counts[kind].map("{:.6g}".format).astype(float) for kind in KINDS}
    )
    tables, chances = [], []
    for gene_set, rows in counts.dropna(subset=KINDS).groupby("gene_set", sort=False):
        for kind in KINDS:
            outcome = rows.groupby("sample")[kind].mean().reindex(components.index).dropna()
            # One mtDNA per donor: so is one connectivity.
            outcome = outcome.groupby(donor[outcome.index]).transform("mean")
            adjusted = [*technical, *components]
            design = make_design(outcome.index, samples, outcome, False, covariates, adjusted)
            print(f"{gene_set}, {kind}: {design.n} donors; {design.df} degrees of freedom")
            print(*design.remarks, sep="\n")
            table = associate_genomes(genomes.take(design.donors), genes, design, testing)
            chances += [testing.by_chance("genomes")] * design.testable
            table.insert(0, "gene_set", gene_set)
            table.insert(1, "kind", kind)
            tables.append(table)
    # Permutations of the same number move the same donors in all designs.
    n = min(map(len, chances), default=0)
    together = [sum(chance[name].to_numpy()[:n] for chance in chances) for name in BY_CHANCE[1:]]
    testing.put("genomes", *(together if chances else ([], [])))
    # Without edges of complexes there is nothing to test.
    empty = pd.DataFrame(columns=["gene_set", "kind", "analysis", "measure", "statistic", "p", "q"])
    return pd.concat(tables or [empty], ignore_index=True)
