"""Variance and coupling of programmes against a phenotype."""

from __future__ import annotations

import numpy as np
import pandas as pd

from popnet.associations.groups import cases, group_means
from popnet.associations.testing import Testing, with_equivalence
from popnet.networks.reliability import icc
from popnet.stats.designs import Design
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.permutation import permutation_test

KINDS = ("variance", "coupling")
# From the scale that is tested to the one that is read: variances, and correlations.
READ_AS = {"variance": np.exp, "coupling": np.tanh}


def robust(
    values: np.ndarray, columns: pd.DataFrame, design: Design, testing: Testing
) -> pd.DataFrame:
    """Test the variance of every programme, and the coupling of every two.

    Variances and couplings are two families of tests: each has a mixed model and a
    Benjamini-Hochberg correction of its own. Permutation of ranks, which assumes less and can find
    less in few observations, stands beside as a check.

    Parameters
    ----------
    values : ndarray of shape (n_bins, m)
        Log variances, and couplings as Fisher's z of the correlation, of
        :func:`popnet.networks.programmes.programme_values`.
    columns : DataFrame of m rows
        kind ("variance" or "coupling"), programme1, programme2, name1, name2; of a variance
        programme2 and name2 are the same as programme1 and name1.
    design : Design
        Over the bins.
    testing : Testing

    Returns
    -------
    DataFrame, variances first, sorted by p
        kind programme1 programme2 name1 name2 estimate (cases minus controls, or per standard
        deviation of the phenotype's normal scores, of the logarithm or Fisher's z) low high (its
        95 % confidence interval) statistic (partial correlation) t p q p_adjusted [equivalence_p
        equivalence_q] p_permutation n
        icc (ICC(1,k) over bins) mean mean_case mean_control (variance or correlation; cases of a
        continuous phenotype are its upper half).
    """
    averaged = design.units.average(values)
    permuted = permutation_test(averaged, design, testing.permutations, testing.seed).table
    reliability = icc(values, design.units.bin_samples)["icc"].to_numpy()
    p_by_chance, families, tables = [], [], []
    for kind in KINDS:
        at = np.flatnonzero(columns["kind"] == kind)
        of_kind = design.untested(testing.untested.get(f"programme {kind}"))
        observed = of_kind.of_model.average(values[:, at])
        tested, ratios = testing.by_model(observed, of_kind)
        by_chance = testing.under_chance(observed, of_kind, ratios)[1]
        if len(by_chance):
            p_by_chance.append(by_chance)
            families += [kind] * len(at)
        table = columns.iloc[at].reset_index(drop=True)
        table = table[["kind", "programme1", "programme2", "name1", "name2"]]
        table = table.join(tested[["estimate", "low", "high", "statistic", "t", "p"]])
        table["q"] = benjamini_hochberg(table["p"].to_numpy())
        table["p_adjusted"] = tested["p_adjusted"]
        table = with_equivalence(table, tested)
        table["p_permutation"] = permuted["p"].to_numpy()[at] if of_kind.testable else np.nan
        table["n"], table["icc"] = tested["n"], reliability[at]
        table = table.join(group_means(averaged[:, at], cases(design)).apply(READ_AS[kind]))
        tables.append(table.sort_values("p", kind="stable"))
    if p_by_chance:
        testing.count("programmes", np.concatenate(p_by_chance, axis=1), np.array(families))
    return pd.concat(tables, ignore_index=True)
