"""Why preset robust differs from the paper: the measured differences, on simulated null cohorts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from popnet.associations.sets import enrich_phenotype, enrich_ranking
from popnet.networks import kernels
from popnet.networks.edges import closest_pairs
from popnet.simulation.tables import TableSettings, simulate_tables
from popnet.stats.designs import make_design
from popnet.stats.permutation import permutation_test
from popnet.stats.ranks import correlate, partial_correlate
from popnet.stats.units import units

N_PERMUTATIONS = 199


def paper_p(cohort, values=None, binary=False):
    """P of every gene with bins as observations."""
    phenotype = cohort.samples["phenotype"]
    over = units(cohort.bins["sample"], cohort.samples["donor"], phenotype, "bin")
    values = cohort.centrality if values is None else values
    return correlate(over.average(values), over.phenotype, binary)["p"].to_numpy()


def design_of(cohort, technical=("depth",), binary=False):
    """What preset robust compares."""
    depth = cohort.bins.groupby("sample")["mean_depth"].mean()
    samples = cohort.samples.assign(depth=depth)
    return make_design(
        cohort.bins["sample"], samples, samples["phenotype"], binary, technical=technical
    )


def robust_p(cohort, technical=("depth",), values=None):
    design = design_of(cohort, technical)
    values = cohort.centrality if values is None else values
    test = permutation_test(design.units.average(values), design, N_PERMUTATIONS, seed=1)
    return test.table["p"].to_numpy()


def cohorts(n, **settings):
    return [simulate_tables(TableSettings(**settings), seed) for seed in range(n)]


def false_positives(shares):
    """Mean over cohorts of the share of p <= 0.05, and its upper bound if the truth is 5 %."""
    shares = np.array([(p <= 0.05).mean() for p in shares])
    return shares.mean(), 0.05 + 3 * shares.std(ddof=1) / np.sqrt(len(shares))


def test_unit_bins_are_not_independent():
    null = cohorts(20, n_samples=41, n_bins=4)
    found, _ = false_positives(map(paper_p, null))
    assert 0.15 <= found <= 0.32
    found, bound = false_positives(map(robust_p, null))
    assert found <= bound


def test_unit_bins_of_one_donor_least_of_all():
    """Two samples per donor: neither bins nor samples are independent."""
    null = cohorts(20, n_samples=24, n_bins=4, structure="repeats")
    sample_p = []
    for cohort in null:
        alone = pd.Series(cohort.samples.index, cohort.samples.index)
        over = units(cohort.bins["sample"], alone, cohort.samples["phenotype"], "donor")
        sample_p.append(correlate(over.average(cohort.centrality), over.phenotype, False)["p"])
    by_bin, _ = false_positives(map(paper_p, null))
    by_sample, _ = false_positives(sample_p)
    by_donor, bound = false_positives(map(robust_p, null))
    assert by_bin > 0.15
    assert by_sample > 0.08
    assert by_donor <= bound


def test_kernel_of_degrees_knows_no_gene():
    """All genes renamed: the paper's kernel sees the same network, those of robust another."""
    cohort = simulate_tables(TableSettings(n_samples=1, n_bins=1, n_dimensions=4), seed=1)
    gene1, gene2 = closest_pairs(cohort.loadings[0], 0.01)
    new = np.random.default_rng(1).permutation(len(cohort.genes)).astype(gene1.dtype)
    renamed = np.sort([new[gene1], new[gene2]], axis=0)
    graphs = [(gene1, gene2), (renamed[0], renamed[1])]
    n = len(cohort.genes)
    assert kernels.weisfeiler_lehman(graphs, n, "degree")[0, 1] == pytest.approx(1, abs=1e-12)
    assert kernels.weisfeiler_lehman(graphs, n, "gene")[0, 1] < 0.4
    assert kernels.edge_jaccard(graphs)[0, 1] < 0.05


@pytest.fixture(scope="module")
def enrichment_shares():
    """Shares of null sets of co-expressed genes with p <= 0.05, by what is permuted."""
    shares = {"signed": [], "absolute": [], "phenotypes": []}
    for seed, cohort in enumerate(cohorts(15, n_samples=41, n_bins=1)):
        design = design_of(cohort, technical=())
        values = design.units.average(cohort.centrality)
        statistic = correlate(values, design.units.phenotype, False)["statistic"]
        ranking = pd.Series(statistic.to_numpy(), cohort.genes)
        options = {"permutations": N_PERMUTATIONS, "seed": seed, "min_size": 3}
        tables = {
            "signed": enrich_ranking(ranking, cohort.modules, **options),
            "absolute": enrich_ranking(ranking, cohort.modules, absolute=True, **options),
            "phenotypes": enrich_phenotype(values, design, cohort.genes, cohort.modules, **options),
        }
        for name, table in tables.items():
            shares[name].append(table["p"].to_numpy())
    return shares


def test_gsea_by_genes_calls_null_sets(enrichment_shares):
    signed, _ = false_positives(enrichment_shares["signed"])
    absolute, _ = false_positives(enrichment_shares["absolute"])
    by_phenotype, bound = false_positives(enrichment_shares["phenotypes"])
    assert signed > 0.2
    assert 0.05 < absolute < signed
    assert by_phenotype <= bound


def test_depth_moves_centrality():
    """Depth associated with the phenotype makes hits of null genes unless it is adjusted for."""
    null = cohorts(20, n_samples=41, n_bins=4, depth_effect=0.5, depth_phenotype=0.5)
    unadjusted, _ = false_positives(robust_p(cohort, technical=()) for cohort in null)
    adjusted, bound = false_positives(map(robust_p, null))
    assert unadjusted > 0.1
    assert adjusted <= bound


def test_batches_move_centrality():
    """Pools whose share of cases differs: the same, unless permuted within pools."""
    null = cohorts(20, n_samples=41, n_batches=3, batch_effect=1.0, batch_phenotype=0.5)
    pooled = []
    for cohort in null:
        samples = cohort.samples.assign(batch="")
        design = make_design(cohort.bins["sample"], samples, samples["phenotype"], False)
        values = design.units.average(cohort.centrality)
        pooled.append(permutation_test(values, design, N_PERMUTATIONS, 1).table["p"])
    unadjusted, _ = false_positives(pooled)
    adjusted, bound = false_positives(map(robust_p, null))
    assert unadjusted > 0.1
    assert adjusted <= bound


def test_mean_expression_of_other_cells_explains_less():
    """A mean of the same bins takes a network's difference away; of other cells it leaves some.

    Centrality of a null gene follows its mean expression, which alone is associated with the
    phenotype.
    """
    rng = np.random.default_rng(4)
    left = {"same cells": [], "other cells": []}
    for cohort in cohorts(20, n_samples=41, n_bins=2, n_planted=200, effect=0.7):
        same = cohort.centrality
        noise = rng.normal(size=(2, *same.shape))
        centrality = same + 0.5 * noise[0]
        sample = cohort.bins.groupby("sample", sort=False).ngroup().to_numpy()
        other = (same.reshape(-1, 2, same.shape[1]).mean(1))[sample] + noise[1]
        for name, mean in (("same cells", same), ("other cells", other)):
            left[name].append(partial_p(cohort, centrality, mean))
    found, bound = false_positives(left["same cells"])
    assert found <= bound
    assert false_positives(left["other cells"])[0] > 0.2


def partial_p(cohort, centrality, mean):
    """P of every gene given its mean expression."""
    design = design_of(cohort, technical=())
    average = design.units.average
    found = partial_correlate(average(centrality), design.units.phenotype, [average(mean)])
    return found["p"].to_numpy()
