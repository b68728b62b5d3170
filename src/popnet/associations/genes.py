"""Genes whose centrality is associated with a phenotype."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import sparse

from popnet.associations.composition import Composition, given_composition, joined
from popnet.associations.expression_switch import UNKNOWN, explanation, switched
from popnet.associations.testing import Testing
from popnet.seeds import derive_seed
from popnet.stats.designs import Design
from popnet.stats.mixed import remainder
from popnet.stats.mixed_model import variance_ratios
from popnet.stats.multiplicity import benjamini_hochberg, strongest_first
from popnet.stats.permutation import (
    Permuted,
    Prepared,
    observed_correlations,
    permutation_test,
    prepare,
)
from popnet.stats.power import ALPHA, power
from popnet.stats.ranks import correlate, correlation_p, partial_correlate
from popnet.stats.split_half import MIN_DONORS, split_half

# A control explains a hit where its own p is at most this and the partial p is not.
CONTROL_ALPHA = 0.05
# Genes that are tried without each sample, donor and batch: the hits, and at least so many.
TRIED = 20
# What may explain a hit, by the prefix of its columns.
CONTROLS = {"mean": "mean expression", "dropout": "dropout rate", "depth": "depth"}
LEAVE_OUT_PERMUTATIONS = 999
# Items of the description: agreement of halves of the donors, each the mean of so many divisions.
HALVES, HALVES_OF_EXPRESSION = "halves of the donors", "halves of the donors, mean expression"
SPLITS = 20
# Item of the description of a phenotype with a margin.
UNCHANGED = "equivalence"


@dataclass(frozen=True)
class BinValues:
    """What a network says of every gene in every bin, and what may explain a difference.

    Parameters
    ----------
    centrality, mean_expression, detection_rate : ndarray of shape (n_bins, n_genes)
        The last two of the same cells; NaN where they are not known.
    depth : ndarray of shape (n_bins,)
        Mean log10 total counts of the bin's cells.
    genes : Index of shape (n_genes,)
    icc : Series, gene -> intraclass correlation over bins
    """

    centrality: np.ndarray
    mean_expression: np.ndarray
    detection_rate: np.ndarray
    depth: np.ndarray
    genes: pd.Index
    icc: pd.Series


@dataclass(frozen=True)
class GeneTests:
    """The tests of all genes.

    Parameters
    ----------
    table : DataFrame sorted by p, a row per gene
    described : DataFrame
        item and value: what was compared, and what could be found.
    maxima : ndarray
        Largest |t| over the genes in every permutation; empty where nothing was permuted.
    """

    table: pd.DataFrame
    described: pd.DataFrame
    maxima: np.ndarray


def paper(values: BinValues, design: Design, testing: Testing) -> GeneTests:
    """Associate the centrality of every gene with the phenotype, every bin an observation.

    A control (the gene's mean expression in the same cells, or sequencing depth) explains a
    hit (q <= `fdr`) where the association given that control has p > 0.05, or nothing is left
    to associate, and the control itself is associated with the phenotype (p <= 0.05).

    Parameters
    ----------
    values : BinValues
    design : Design
        Binary phenotypes are tested by Mann-Whitney's U, continuous ones by Spearman's
        correlation; the partial associations are Spearman's.
    testing : Testing

    Returns
    -------
    GeneTests
        Columns gene statistic p q mean_statistic mean_p mean_q mean_partial_statistic
        mean_partial_p depth_partial_statistic depth_partial_p (given mean expression, given depth)
        icc reliable n_units n_samples n_donors [n_case n_control] explained_by. The last is empty
        for what is no hit, ``none`` where no control explains the hit, otherwise the controls
        joined by ``;``.
    """
    units, binary, genes = design.units, design.binary, values.genes
    phenotype = units.phenotype
    own_values, means = units.average(values.centrality), units.average(values.mean_expression)
    depths = units.average(np.reshape(values.depth, (-1, 1)))
    own, mean, with_depth = (correlate(x, phenotype, binary) for x in (own_values, means, depths))
    given_mean = partial_correlate(own_values, phenotype, [means])
    given_depth = partial_correlate(own_values, phenotype, [depths])
    table = pd.DataFrame(
        {
            "gene": np.asarray(genes, dtype=object),
            "statistic": own["statistic"],
            "p": own["p"],
            "q": benjamini_hochberg(own["p"].to_numpy()),
            "mean_statistic": mean["statistic"],
            "mean_p": mean["p"],
            "mean_q": benjamini_hochberg(mean["p"].to_numpy()),
            "mean_partial_statistic": given_mean["statistic"],
            "mean_partial_p": given_mean["p"],
            "depth_partial_statistic": given_depth["statistic"],
            "depth_partial_p": given_depth["p"],
            "icc": values.icc.reindex(genes).to_numpy(dtype=float),
        }
    )
    table["reliable"] = _reliable(table["icc"], testing.min_icc)
    table["n_units"] = own["n"]
    table["n_samples"], table["n_donors"] = units.n_samples, units.n_donors
    if binary:
        table[["n_case", "n_control"]] = own[["n_case", "n_control"]]
    by_mean = ~(table["mean_partial_p"] <= CONTROL_ALPHA) & (table["mean_p"] <= CONTROL_ALPHA)
    by_depth = ~(table["depth_partial_p"] <= CONTROL_ALPHA) & (with_depth["p"][0] <= CONTROL_ALPHA)
    table["explained_by"] = np.select(
        [~(table["q"] <= testing.fdr), by_mean & by_depth, by_mean, by_depth],
        ["", "mean expression;depth", "mean expression", "depth"],
        default="none",
    )
    described = {
        "observations": len(units.labels),
        "each is a": units.kind,
        "samples": units.n_samples,
        "donors": units.n_donors,
        "adjusted for": "nothing",
    }
    return GeneTests(
        strongest_first(table).reset_index(drop=True),
        pd.DataFrame(
            [(item, str(value)) for item, value in described.items()], columns=["item", "value"]
        ),
        np.zeros(0),
    )


def robust(
    values: BinValues, design: Design, testing: Testing, composition: Composition | None = None
) -> GeneTests:
    """Test the centrality of every gene by permutation: what explains it, is it stable.

    A control explains a hit (q <= `fdr`) where the association given the control has p > 0.05
    and the control itself is associated with the phenotype (p <= 0.05). Before that, a gene that a
    group hardly expresses has no network there: its hit is no change of wiring. Of a network of
    the user's own the expression may be unknown: then a hit is neither explained nor unexplained.

    Parameters
    ----------
    values : BinValues
    design : Design
    testing : Testing
    composition : Composition, optional
        Of the same cells.

    Returns
    -------
    GeneTests
        Columns gene; statistic, p and q (of the mixed model, if the design has one), p_family, of
        the model also `OF_MODEL`; per control its own <control>_statistic, _p
        and _q and the association given it, <control>_partial_statistic and _partial_p, the
        association given all of them, partial_statistic and partial_p, icc reliable, of the tried
        genes effect_low effect_high (range of the statistic without a sample, donor or batch) and
        stable_share (of these runs that have its sign and p <= 0.05), n_units n_samples n_donors
        [n_case n_control] n_permutations [equivalence_p equivalence_q] switched
        (:func:`popnet.associations.expression_switch.switched`) given_composition_p
        (:func:`popnet.associations.composition.given_composition`) explained_by. The last is empty
        for what is no hit, ``none`` where nothing explains the hit, ``expression switched on or
        off`` or ``hardly expressed`` for a gene that is switched, otherwise the controls joined by
        ``;``, or ``all together``, and ``composition``; ``expression unknown`` where nothing was
        found and `mean_expression` has no value.
    """
    controls = {
        "mean": values.mean_expression,
        "dropout": 1 - values.detection_rate,
        "depth": np.reshape(values.depth, (-1, 1)),
    }
    n_permutations, seed, genes = testing.permutations, testing.seed, values.genes
    why = testing.untested.get("centrality")
    asked, design = design, design.untested(why and f"degree centrality is not tested: {why}")
    centrality = design.units.average(values.centrality)
    tested, table, ratios = testing.both("centrality", values.centrality, design)
    own = prepare(centrality, design)
    table = table.drop(columns=["n", "n_permutations"])
    table.insert(0, "gene", np.asarray(genes, dtype=object))
    prepared = []
    explains = []
    for name, by_bin in controls.items():
        known = np.isfinite(by_bin).any(axis=0)
        # Of what is not known of any gene, one column says as much.
        control = design.units.average(by_bin if known.any() else by_bin[:, :1])
        # Mean expression is tested also where centrality is not.
        ready = prepare(control, asked)
        # What is adjusted for already has nothing left: by itself it may be associated with it.
        alone = asked if ready.tested.any() else asked.without_covariates()
        found = permutation_test(control, alone, n_permutations, seed).table
        prepared.append(ready)
        given = partial(own, [ready], design)
        given.loc[np.broadcast_to(~known, len(given))] = np.nan
        for column in ("statistic", "p", "q"):
            # One control for all genes is one row.
            table[f"{name}_{column}"] = np.broadcast_to(found[column], len(table))
        table[[f"{name}_partial_statistic", f"{name}_partial_p"]] = given
        explains.append(~(given["p"] <= CONTROL_ALPHA) & (table[f"{name}_p"] <= CONTROL_ALPHA))
    together = partial(own, prepared, design)
    table[["partial_statistic", "partial_p"]] = together
    table["icc"] = values.icc.reindex(genes).to_numpy(dtype=float)
    table["reliable"] = _reliable(table["icc"], testing.min_icc)

    hit = (table["q"] <= testing.fdr).to_numpy()
    order = table["p"].to_numpy().argsort(kind="stable")
    tried = order[: max(TRIED, hit.sum())]
    tried = tried[np.isfinite(tested.table["p"].to_numpy()[tried])]
    table[["effect_low", "effect_high", "stable_share"]] = np.nan
    stability = leave_out(values.centrality[:, tried], design, own, tried, seed)
    table.loc[tried, ["effect_low", "effect_high", "stable_share"]] = stability

    over = design.units if design.mixed is None else design.mixed.units
    present = np.isfinite(over.average(values.centrality))
    table["n_units"] = present.sum(0)
    table["n_samples"] = len({sample for unit in over.samples() for sample in unit})
    table["n_donors"] = len(set(design.donors)) if design.mixed is None else over.n_donors
    if design.binary:
        for column, code in (("n_case", 1), ("n_control", 0)):
            table[column] = present[over.phenotype == code].sum(0)
    table["n_permutations"] = tested.table["n_permutations"]
    named = [
        np.where(explained, CONTROLS[name], "")
        for name, explained in zip(controls, explains, strict=True)
    ]
    by = np.array([";".join(filter(None, row)) for row in zip(*named, strict=True)], dtype=object)
    jointly = ~(together["p"] <= CONTROL_ALPHA).to_numpy()
    table["switched"] = switched(values.detection_rate, design)
    expression = explanation(table["switched"].to_numpy())
    unknown = ~np.isfinite(values.mean_expression).any(axis=0)
    others = np.select(
        [~hit, expression != "", by != "", jointly, unknown],
        ["", expression, by, "all together", UNKNOWN],
        default="none",
    )
    observed = design.of_model.average(values.centrality)
    given_p, shares = given_composition(hit, observed, composition, design, ratios)
    table["given_composition_p"], table["explained_by"] = given_p, joined(others, shares)
    return GeneTests(
        strongest_first(table).reset_index(drop=True),
        describe(
            design,
            tested,
            testing.fdr,
            testing.reliability.get("centrality", math.nan),
            ratios,
            in_other_donors(values, design, testing, ratios) | unchanged(table, design, testing),
            table.loc[table["reliable"].fillna(False), "icc"].to_numpy(),
        ),
        tested.maxima,
    )


def _reliable(icc: pd.Series, least: float) -> pd.Series:
    """Return whether genes are reliable; missing where it is not known, as with one bin."""
    return (icc >= least).astype("boolean").mask(icc.isna())


def in_other_donors(
    values: BinValues, design: Design, testing: Testing, ratios: Mapping[str, float] | None
) -> dict[str, str]:
    """Return how far the effects of genes agree between halves of the donors.

    Parameters
    ----------
    values : BinValues
    design : Design
        Without a mixed model nothing is said.
    testing : Testing
    ratios : mapping of name to float, optional
        Variance ratios of centrality by the mixed model, if the design has one.

    Returns
    -------
    dict
        Item of the design's description -> the mean correlation of t over genes, and that with
        permuted phenotypes: mean and largest.
    """
    found: dict[str, str] = {}
    if design.mixed is None or design.mixed.units.n_donors < 2 * MIN_DONORS:
        return found
    model, seed = design.mixed.model, derive_seed(testing.seed, "halves of the donors")
    for item, by_bin, known in (
        (HALVES, values.centrality, ratios),
        (HALVES_OF_EXPRESSION, values.mean_expression, None),
    ):
        observed = design.of_model.average(by_bin)
        shared = variance_ratios(observed, model) if known is None else known
        outcomes = testing.outcomes(design, shared)
        own, *permuted = split_half(observed, model, shared, outcomes, SPLITS, seed)
        if np.isfinite([own, *permuted]).all() and permuted:
            found[item] = (
                f"{own:.2f} ({np.mean(permuted):.2f} with permuted phenotypes, at most "
                f"{np.max(permuted):.2f})"
            )
    return found


def unchanged(table: pd.DataFrame, design: Design, testing: Testing) -> dict[str, str]:
    """Return, of a phenotype with a margin, how many genes change less than it says."""
    if "equivalence_q" not in table:
        return {}
    n_equal = int((table["equivalence_q"] <= testing.fdr).sum())
    n_tested = int(table["equivalence_p"].notna().sum())
    margin = f"{design.margin:g} standard deviations (q <= {testing.fdr:g})"
    said = f"{n_equal:,} of {n_tested:,} genes are shown to change by less than {margin}"
    return {UNCHANGED: said}


def partial(own: Prepared, controls: Sequence[Prepared], design: Design) -> pd.DataFrame:
    """Return each gene's association given controls of its own, beside blocks and covariates.

    Parameters
    ----------
    own : Prepared
        Of n_genes columns.
    controls : sequence of Prepared
        Of n_genes columns, or one.
    design : Design

    Returns
    -------
    DataFrame of n_genes rows
        statistic (partial correlation of the scores) and p by the t distribution: permutations
        of thousands of designs would cost much to say nearly the same.
    """
    gene = own.residuals
    size = np.sqrt((design.residual**2).sum()) or 1.0
    outcome = np.repeat(design.residual[:, None] / size, gene.shape[1], axis=1)
    df = np.full(gene.shape[1], design.df)
    basis: list[np.ndarray] = []
    for control in controls:
        direction = np.broadcast_to(control.residuals, gene.shape)
        direction, left = remainder(direction, basis)
        basis.append(direction)
        df = df - left
    gene, kept = remainder(gene, basis)
    outcome, kept_outcome = remainder(outcome, basis)
    r = np.where(own.tested & kept & kept_outcome, (gene * outcome).sum(0), np.nan)
    r = np.clip(r, -1, 1)
    return pd.DataFrame({"statistic": r, "p": correlation_p(r, df, design.n)})


def samples_of(design: Design) -> np.ndarray:
    """Return the sample of every bin that an observation of the design holds."""
    used = np.unique(design.units.weights.tocsr().indices)
    return design.units.bin_samples[used]


def leave_out(
    centrality: np.ndarray, design: Design, own: Prepared, columns: np.ndarray, seed: int
) -> np.ndarray:
    """Return lowest and highest effect without a sample, donor or batch, and the stable share.

    Parameters
    ----------
    centrality : ndarray of shape (n_bins, n_genes)
    design : Design
    own : Prepared
        Of all genes, for the sign of the effect.
    columns : ndarray of int
        Which of them the genes are.
    seed : int

    Returns
    -------
    ndarray of shape (n_genes, 3)
        The last is the share of runs with the effect's sign and p <= 0.05.
    """
    sign = np.sign(observed_correlations(own, design)[columns])
    effects, stable = [], []
    for part in _leaving_out(design):
        if not part.testable:
            continue
        found = permutation_test(
            part.units.average(centrality), part, LEAVE_OUT_PERMUTATIONS, seed
        ).table
        effect = found["statistic"].to_numpy()
        effects.append(effect)
        stable.append((np.sign(effect) == sign) & (found["p"].to_numpy() <= ALPHA))
    if not effects:
        return np.full((len(columns), 3), np.nan)
    return np.column_stack([np.min(effects, 0), np.max(effects, 0), np.mean(stable, 0)])


def _leaving_out(design: Design) -> Iterator[Design]:
    """Yield the design without each sample, each donor of several samples and each batch."""
    samples = samples_of(design)
    for sample in dict.fromkeys(samples):
        keep = (design.units.bin_samples != sample).astype(float)
        weights = (design.units.weights @ sparse.diags_array(keep)).tocsr()
        total = weights.sum(1)
        left = total > 0
        scaled = sparse.diags_array(1 / np.where(left, total, 1)) @ weights
        part = replace(design, units=replace(design.units, weights=scaled.tocsr()))
        yield part.subset(left)
    several = len(set(samples)) > len(set(design.donors)) or design.paired
    if several:
        for donor in dict.fromkeys(design.donors):
            yield design.subset(design.donors != donor)
    if len(set(design.batches)) > 1:
        for batch in dict.fromkeys(design.batches):
            yield design.subset(design.batches != batch)


def describe(
    design: Design,
    tested: Permuted,
    fdr: float,
    reliability: float = math.nan,
    ratios: Mapping[str, float] | None = None,
    halves: Mapping[str, str] | None = None,
    reliable: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return what was compared and what could be found, as items and values.

    Items called "warning" belong at the top of a report.

    Parameters
    ----------
    design : Design
    tested : Permuted
    fdr : float
    reliability : float
        Of the measure: ICC of a sample's mean (median gene).
    ratios : mapping of name to float, optional
        Variances of the mixed model over its residual variance, where it gives p: p then has no
        floor.
    halves : mapping of item to str, optional
        Of :func:`in_other_donors`.
    reliable : ndarray, optional
        The ICC of each gene that is reliable, in which more can be found than in the median gene.
    """
    n_tests = int(tested.table["p"].notna().sum())
    smallest_p = tested.smallest_p if ratios is None else 0.0
    found = power(design, smallest_p, n_tests, fdr, reliability)
    arrangements = len(tested.maxima)
    how = "all there are" if tested.exact else "random"
    several = len(np.unique(design.blocks)) > 1
    within = "donors" if design.paired else "batches" if several else "cohort"
    items = {
        "observations": design.n,
        "each is a": design.units.kind if not design.paired else "donor at one value",
        "samples": len(set(samples_of(design))),
        "donors": len(set(design.donors)),
        "permuted within": f"{len(np.unique(design.blocks))} {within}",
        "adjusted for": ", ".join(design.covariates["covariate"]) or "nothing",
        "degrees of freedom": design.df,
        "VIF": round(design.vif, 3),
        "p by": "permutation" if ratios is None else "mixed model",
        **({} if ratios is None else {"variance ratios": _listed(ratios)}),
        "permutations": f"{arrangements} ({how})",
        "smallest p": found.smallest_p,
        "genes tested": n_tests,
        "genes needed at smallest p": found.n_at_smallest_p,
        "reliability (median gene)": round(reliability, 3),
        "detectable effect": found.effect,
        "detectable effect, all tests": found.effect_of_many,
        **(halves or {}),
    }
    if reliable is not None and len(reliable):
        icc = float(np.median(reliable))
        of_these = power(design, smallest_p, n_tests, fdr, icc)
        items |= {
            "reliable genes": len(reliable),
            "reliability (reliable genes)": round(icc, 3),
            "detectable effect, reliable genes": of_these.effect,
            "detectable effect, reliable genes, all tests": of_these.effect_of_many,
        }
    if design.binary:
        items |= {
            "cases": int((design.units.phenotype == 1).sum()),
            "controls": int((design.units.phenotype == 0).sum()),
        }
    # The mixed model keeps them.
    kept = "left out" if ratios is None else "left out of tests by permutation"
    warnings = [remark.replace("left out", kept) for remark in design.remarks]
    if design.testable and found.smallest_p > ALPHA:
        warnings.append(
            f"no test can be significant: with {design.n} observations p is at least "
            f"{found.smallest_p:.2g}"
        )
    elif design.testable and n_tests and found.n_at_smallest_p > n_tests:
        warnings.append(
            f"no gene can pass the false discovery rate of {fdr:g}: p is at least "
            f"{found.smallest_p:.2g}, even if all {n_tests:,} genes reached it"
        )
    elif design.testable and found.n_at_smallest_p > 1:
        warnings.append(
            f"p is at least {found.smallest_p:.2g}: at least {found.n_at_smallest_p:,} of "
            f"{n_tests:,} genes must reach it for one to pass"
        )
    rows = [*items.items(), *(("warning", warning) for warning in warnings)]
    return pd.DataFrame([(item, str(value)) for item, value in rows], columns=["item", "value"])


def _listed(ratios: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {ratio:.2g}" for name, ratio in ratios.items()) or "none"
