"""Genes whose effect several cell types share, or in whose effect they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from popnet.associations.testing import Testing
from popnet.stats.designs import Design
from popnet.stats.mixed import mixed_t
from popnet.stats.mixed_designs import BOUNDED
from popnet.stats.mixed_model import Model, variance_ratios
from popnet.stats.multiplicity import benjamini_hochberg, simes, strongest_first

# A gene with a smaller p of the difference is not called shared.
DIFFERENCE_ALPHA = 0.05
# What is said of a gene in each cell type.
OF_TYPE = ("estimate", "low", "high", "p")
COLUMNS = (
    *("gene", "n_types", "estimate", "low", "high", "t", "p", "q", "shared"),
    *("differs_in", "difference", "difference_low", "difference_high"),
    *("difference_p", "difference_q", "n"),
)


@dataclass(frozen=True)
class TypeValues:
    """Values of genes in the bins of one cell type.

    Parameters
    ----------
    values : ndarray of shape (n_bins, n_genes)
        NaN if missing.
    genes : Index of shape (n_genes,)
    bin_samples : ndarray of shape (n_bins,)
        Sample of every bin.
    technical : DataFrame, indexed by sample
        Covariates of the samples in this cell type, such as the number of its cells; no columns
        where nothing is adjusted for.
    tested : DataFrame with columns gene and `OF_TYPE`
        Tests of the cell type by itself.
    """

    values: np.ndarray
    genes: pd.Index
    bin_samples: np.ndarray
    technical: pd.DataFrame
    tested: pd.DataFrame


@dataclass(frozen=True)
class _Part:
    """A cell type by observation of the design.

    Parameters
    ----------
    values : ndarray of shape (n, n_genes)
        Less the intercept of each gene, so that cell types can stand in for each other.
    present : bool ndarray of shape (n,)
    bins : ndarray of shape (n,)
        What one bin contributes to the variance: 1 / number of bins of the observation.
    technical : mapping of name to ndarray of shape (n,)
    weight : float
        1 / residual variance of the median gene.
    """

    values: np.ndarray
    present: np.ndarray
    bins: np.ndarray
    technical: Mapping[str, np.ndarray]
    weight: float


def robust(types: Mapping[str, TypeValues], design: Design, testing: Testing) -> pd.DataFrame:
    """Test effects that cell types share, and differences between them, within observations.

    The values of cell types are those of the same donors, so that their effects are not
    independent. Both tests are therefore made of one number per observation and gene, by the mixed
    model: the mean over cell types, weighted by the inverse of the type's residual variance
    (median gene); and the cell type less the mean of the others (of two types, the first less the
    second), which is an interaction of phenotype and cell type. `difference_p` is the Simes p over
    cell types.

    Parameters
    ----------
    types : mapping of cell type to TypeValues
        At least two.
    design : Design
        With one row per sample, of all samples that have one of the cell types.
    testing : Testing

    Returns
    -------
    DataFrame sorted by p, a row per gene that two cell types have
        gene, n_types (that have it; without p where too few observations have two of them);
        estimate (of the mean, in units of the values), its 95 % confidence interval low to high,
        t, p, q; shared (q <= `fdr` and difference_p > 0.05);
        differs_in (the cell type of the smallest p), difference (its effect less that of the
        others), difference_low, difference_high, difference_p, difference_q; n (observations with
        a value), and for each cell type `<cell type>: <column>` for the columns `OF_TYPE`, of its
        own tests.
    """
    names = list(types)
    of_genes = pd.Series([gene for one in types.values() for gene in one.genes], dtype=object)
    n_types = of_genes.value_counts().loc[lambda n: n >= 2].sort_index()
    genes = n_types.index
    table = pd.DataFrame({"gene": genes.to_numpy(object), "n_types": n_types.to_numpy()})
    if design.mixed is None or not design.mixed.model.n or not len(genes):
        return table.reindex(columns=list(COLUMNS))
    parts = [_part(one, genes, design) for one in types.values()]
    apart = [
        _difference(parts, number, design) for number in range(len(parts) if len(parts) > 2 else 1)
    ]
    known = [variance_ratios(*one) for one in apart]
    differences = [
        mixed_t(*one, ratios).assign(differs_in=name)
        for one, ratios, name in zip(apart, known, names, strict=False)
    ]
    each = np.stack([one["p"].to_numpy() for one in differences])
    p = simes(each)
    own = pd.concat(differences, ignore_index=True)
    smallest = np.where(np.isfinite(each), each, 2).argmin(axis=0)
    own = own.iloc[smallest * len(genes) + np.arange(len(genes))].reset_index(drop=True)

    together, model = _mean(parts, design)
    # One cell type alone shares nothing.
    together[:, np.isnan(p)] = np.nan
    ratios = variance_ratios(together, model)
    of_mean = mixed_t(together, model, ratios)
    outcomes = testing.outcomes(_with(design, model), ratios)
    _, mean_p = testing.under_chance(together, _with(design, model), ratios, outcomes)
    needed = max(testing.fdr, DIFFERENCE_ALPHA)
    null = [
        testing.under_chance(values, _with(design, model), ratios, outcomes, needed)[1]
        for (values, model), ratios in zip(apart, known, strict=True)
    ]

    table = table.join(of_mean[["estimate", "low", "high", "t", "p", "n"]])
    table["q"] = benjamini_hochberg(table["p"].to_numpy())
    table["differs_in"] = own["differs_in"].where(own["p"].notna(), "")
    table[["difference", "difference_low", "difference_high"]] = own[["estimate", "low", "high"]]
    table["difference_p"], table["difference_q"] = p, benjamini_hochberg(p)
    table["shared"] = (table["q"] <= testing.fdr) & ~(table["difference_p"] <= DIFFERENCE_ALPHA)
    _count(testing, mean_p, simes(np.stack(null)))
    table = table[list(COLUMNS)]
    for name, one in types.items():
        tested = one.tested.set_index("gene")[list(OF_TYPE)].reindex(genes)
        table[[f"{name}: {column}" for column in OF_TYPE]] = tested.to_numpy()
    return strongest_first(table).reset_index(drop=True)


def _count(testing: Testing, mean_p: np.ndarray, difference_p: np.ndarray) -> None:
    """Put down what is called shared and what differing under each permuted phenotype."""
    q = np.reshape([benjamini_hochberg(row) for row in mean_p], mean_p.shape)
    called = (q <= testing.fdr) & ~(difference_p <= DIFFERENCE_ALPHA)
    testing.put("shared", np.isfinite(q).sum(axis=1), called.sum(axis=1))
    testing.count("differing", difference_p)


def _with(design: Design, model: Model) -> Design:
    assert design.mixed is not None
    return replace(design, mixed=replace(design.mixed, model=model))


def _part(one: TypeValues, genes: pd.Index, design: Design) -> _Part:
    """Return a cell type by observation."""
    over = design.of_model
    samples = pd.Index(over.bin_samples)
    by_sample = pd.DataFrame(one.values, columns=one.genes).groupby(one.bin_samples).mean()
    values = over.average(by_sample.reindex(index=samples, columns=genes).to_numpy())
    n_bins = pd.Series(one.bin_samples).value_counts().reindex(samples).to_numpy(float)
    has = np.isfinite(n_bins).astype(float)
    weights = over.weights.tocsr()
    share = weights @ has
    with np.errstate(invalid="ignore", divide="ignore"):
        bins = (weights**2 @ np.where(has, 1 / n_bins, 0)) / share**2
    technical = {
        str(name): over.average(column.reindex(samples).to_numpy(float)[:, None])[:, 0]
        for name, column in one.technical.items()
    }
    assert design.mixed is not None
    values, variance = _without_intercept(values, design.mixed.model.outcome)
    known = variance[np.isfinite(variance) & (variance > 0)]
    weight = 1 / float(np.median(known)) if len(known) else 1.0
    return _Part(values, share > 0, bins, technical, weight)


def _without_intercept(values: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return columns less their intercept in a regression on y, and the residual variances.

    Where observations lack a cell type, its mean over the others would depend on their phenotype.
    """
    present = np.isfinite(values)
    n = np.maximum(present.sum(0), 1)
    filled = np.where(present, values, 0)
    centre, mean = (present * y[:, None]).sum(0) / n, filled.sum(0) / n
    cause = np.where(present, y[:, None] - centre, 0)
    size = (cause**2).sum(0)
    slope = (cause * filled).sum(0) / np.where(size > 0, size, 1)
    left = np.where(present, values - mean - slope * cause, 0)
    variance = np.where(n > 2, (left**2).sum(0) / np.maximum(n - 2, 1), np.nan)
    return values - (mean - slope * centre), variance


def _weighted(parts: Sequence[_Part]) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted mean of cell types, (n, n_genes), and their shares, (n, n_types)."""
    total, sums = np.zeros((2, *parts[0].values.shape))
    for part in parts:
        known = np.isfinite(part.values)
        total += part.weight * known
        sums += np.where(known, part.weight * part.values, 0)
    share = np.column_stack([part.weight * part.present for part in parts])
    whole = share.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return sums / total, share / np.where(whole > 0, whole, 1)


def _mean(parts: Sequence[_Part], design: Design) -> tuple[np.ndarray, Model]:
    """Return the mean of cell types, and its model."""
    values, share = _weighted(parts)
    return values, _model(design, parts, share, [share])


def _difference(parts: Sequence[_Part], number: int, design: Design) -> tuple[np.ndarray, Model]:
    """Return a cell type less the mean of the others, and its model."""
    others = [part for place, part in enumerate(parts) if place != number]
    values, share = _weighted(others)
    own = parts[number]
    whole = np.column_stack([own.present, share])
    model = _model(
        design,
        [own, *others],
        whole,
        [np.eye(1, len(parts)) + 0 * whole, whole * (np.arange(len(parts)) > 0)],
    )
    return own.values - values, model


def _model(
    design: Design, parts: Sequence[_Part], share: np.ndarray, slopes: Sequence[np.ndarray]
) -> Model:
    """Return the design's model with the bins and technical covariates of what is combined.

    Parameters
    ----------
    design : Design
    parts : sequence of _Part
    share : ndarray of shape (n, n_types)
        Of every cell type in the value.
    slopes : sequence of ndarray of shape (n, n_types)
        Of every cell type in covariates that have slopes of their own.
    """
    assert design.mixed is not None
    model = design.mixed.model
    random = {name: columns for name, columns in model.random.items() if name != "bins"}
    bins = np.nansum([part.bins * of**2 for part, of in zip(parts, share.T, strict=True)], axis=0)
    # Of fewer cell types, or of others, the variance is another.
    noise = (share**2 / [part.weight for part in parts]).sum(axis=1)
    for name, variance in (("bins", bins), ("types", noise)):
        if np.ptp(variance) > 1e-9 * variance.max():
            random[name] = np.diag(np.sqrt(variance / variance.max()))
    bounded = []
    for name in sorted(set.intersection(*(set(part.technical) for part in parts))):
        for number, shares in enumerate(slopes):
            known = [part.technical[name] - np.nanmean(part.technical[name]) for part in parts]
            column = np.nansum(np.column_stack(known) * shares, axis=1)
            if np.ptp(column) > 1e-9:
                key = f"{name} {number}"
                random[key] = ((column - column.mean()) / column.std())[:, None]
                bounded += [key] if name in BOUNDED else []
    return replace(model, random=random, bounded=tuple(bounded))
