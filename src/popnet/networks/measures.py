"""What of a network can be measured: reliability over bins, before any phenotype is looked at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from popnet.networks.centrality import MEASURES, comparable, in_graph
from popnet.networks.maps import bin_graphs, gram_matrix
from popnet.networks.verdicts import IN_PART, MAP, MEASURABLE, NOT_MEASURABLE, UNKNOWN
from popnet.seeds import derive_seed
from popnet.stats.components import (
    MIN_DF,
    Bins,
    agreement,
    components,
    cosine,
    degrees_of_freedom,
    describe_bins,
    kernel_components,
    p_of_kernel,
    p_of_values,
    spearman_brown,
)

if TYPE_CHECKING:
    from anndata import AnnData

# Largest p at which bins of a sample are alike beyond chance, and least p at which they are not: to
# leave out a test may cost a finding, to make it costs little.
ALPHA, HOPELESS = 0.05, 0.2
# Bins that are looked at: more say next to nothing of reliability, and pairs grow with the square.
MOST_BINS = 2000
COLUMNS = (
    *("network", "measure", "n_samples", "n_bins", "cells_per_bin", "cells_per_sample"),
    *("icc_bin", "icc_sample", "lower_quartile", "upper_quartile", "reliable_share"),
    *("adjusted_for", "within", "between", "auroc", "p", "fingerprint", "chance", "other_seed"),
    *("verdict", "needed_cells", "sentence"),
)


@dataclass(frozen=True)
class Judging:
    """How reliability is judged.

    Parameters
    ----------
    min_icc : float
        Least ICC of a sample's mean that is called measurable.
    seed : int
        Of random relabellings of the bins.
    adjust : sequence of {"depth", "batch"}
        What ICC and agreement are adjusted for, the most important first.
    equal_depth : bool
        Whether all samples have the same depth (:func:`popnet.networks.centrality.comparable`).
    """

    min_icc: float
    seed: int
    adjust: Sequence[str] = ("depth", "batch")
    equal_depth: bool = False


def of_network(
    network: str,
    bins: AnnData,
    edges: pd.DataFrame | None,
    kernels: Sequence[str],
    how: Judging,
    halves: bool = False,
    other_seed: Mapping[str, float] | None = None,
) -> list[dict[str, object]]:
    """Return the reliability of all that is measured of a network: rows of measures.tsv.

    Values are those that are tested: graph centralities are divided by their mean over the genes of
    the bin's graph. Of more than `MOST_BINS` bins those of random samples are looked at.

    Parameters
    ----------
    network : str
    bins : AnnData of shape (n_bins, n_genes)
        Of :meth:`popnet.networks.gather.BinNetworks.to_anndata`.
    edges : DataFrame or None
        sample, bin, gene1, gene2; None of values of genes alone.
    kernels : sequence of str
        Of the map.
    how : Judging
    halves : bool
        See `Bins`.
    other_seed : mapping of measure to float, optional
        Of :func:`popnet.networks.other_seed.seed_agreement`.
    """
    bins = bins[some_bins(bins.obs, how.seed)]
    described = describe_bins(bins.obs, how.adjust, halves)
    own = bins.layers["mean_expression"]
    own = own if np.isfinite(own).any() else None
    rows = [of_values(bins.X, described, how, own)]
    if edges is None:
        return [{"network": network, "measure": "centrality"} | rows[0]]
    measures = [name for name in MEASURES if name in bins.layers]
    genes = in_graph(bins)
    layers = {name: bins.layers[name][:, genes] for name in measures}
    for name in measures:
        values = comparable(layers, name, how.equal_depth)
        rows.append(of_values(values, described, how, own if own is None else own[:, genes]))
    rows.append(of_values(bins.obsm["pairs"], described, how))
    names = ["centrality", *measures, "edges", *(MAP + kernel for kernel in kernels)]
    graphs, n_genes = bin_graphs(bins, edges)
    # Without two bins of one sample nothing is compared.
    compared = described.sizes.max(initial=0) > 1
    for kernel in kernels:
        gram = gram_matrix(kernel, graphs, n_genes, bins.X) if compared else np.eye(len(bins))
        rows.append(of_kernel(gram, described, how))
    seeds = dict(other_seed or {})
    seeds[MAP + "edge_jaccard"] = seeds.get("edges", math.nan)
    return [
        row | {"network": network, "measure": name, "other_seed": seeds.get(name, math.nan)}
        for name, row in zip(names, rows, strict=True)
    ]


def some_bins(bins: pd.DataFrame, seed: int) -> np.ndarray:
    """Return which bins are looked at, (n_bins,): all, or those of random samples.

    Parameters
    ----------
    bins : DataFrame of n_bins rows
        sample.
    seed : int
    """
    sizes = bins["sample"].astype(str).value_counts().sort_index()
    order = np.random.default_rng(derive_seed(seed, "samples that are looked at"))
    sizes = sizes.iloc[order.permutation(len(sizes))]
    chosen = sizes.index[sizes.cumsum() <= max(MOST_BINS, sizes.iloc[0])]
    mask: np.ndarray = bins["sample"].astype(str).isin(chosen).to_numpy()
    return mask


def of_values(
    values: np.ndarray, bins: Bins, how: Judging, own: np.ndarray | None = None
) -> dict[str, object]:
    """Return the reliability of a measure of genes: a row of measures.tsv without its names.

    Bins are compared by the cosine of their values, standardised gene by gene given the covariates.

    Parameters
    ----------
    values : ndarray of shape (n_bins, n_genes)
    bins : Bins
    how : Judging
    own : ndarray of shape (n_bins, n_genes), optional
        Each gene's mean expression in the bins.
    """
    found = components(values, bins, own)
    deviation = np.sqrt((found.residuals**2).mean(axis=0))
    profiles = found.residuals / np.where(deviation > 0, deviation, 1)
    names = (*bins.adjusted_for, *(() if own is None else ("mean expression",)))
    alike = agreement(cosine(profiles @ profiles.T), bins, how.seed)
    alike["p"] = p_of_values(found, bins, how.seed)
    return _row(found.icc, alike, bins, names, how)


def of_kinds(
    network: str, group: str, values: AnnData, how: Judging, halves: bool = False
) -> list[dict[str, object]]:
    """Return the reliability of every kind of value of groups of genes: rows of measures.tsv.

    Parameters
    ----------
    network : str
    group : str
        What a group is called; the measures are `<group> <kind>`.
    values : AnnData of shape (n_bins, n_values)
        var has kind.
    how : Judging
    halves : bool
        See `Bins`.
    """
    values = values[some_bins(values.obs, how.seed)]
    bins = describe_bins(values.obs, how.adjust, halves)
    return [
        {"network": network, "measure": f"{group} {kind}"}
        | of_values(np.asarray(values.X)[:, columns], bins, how)
        for kind, columns in values.var.groupby("kind", observed=True).indices.items()
    ]


def of_kernel(gram: np.ndarray, bins: Bins, how: Judging) -> dict[str, object]:
    """Return the reliability of a kernel: a row of measures.tsv without its names.

    `within` and `between` are of the kernel itself, all else of the kernel given the covariates.

    Parameters
    ----------
    gram : ndarray of shape (n_bins, n_bins)
    bins, how
        As of :func:`of_values`.
    """
    icc, left = kernel_components(gram, bins)
    alike = agreement(cosine(left), bins, how.seed)
    alike["p"] = p_of_kernel(left, bins, how.seed)
    first, second = np.triu_indices(len(gram), 1)
    same = bins.samples[first] == bins.samples[second]
    for name, rows in (("within", same), ("between", ~same)):
        alike[name] = float(gram[first[rows], second[rows]].mean()) if rows.any() else math.nan
    return _row(np.array([icc]), alike, bins, bins.adjusted_for, how)


def _row(
    icc: np.ndarray,
    alike: Mapping[str, object],
    bins: Bins,
    adjusted_for: Sequence[str],
    how: Judging,
) -> dict[str, object]:
    known = icc[np.isfinite(icc)]
    k, n_samples = float(np.median(bins.sizes)), len(bins.sizes)
    cells = float(np.median(np.bincount(bins.samples, bins.n_cells)))
    row: dict[str, object] = {
        "n_samples": n_samples,
        "n_bins": len(bins.samples),
        "cells_per_bin": float(np.median(bins.n_cells)),
        "cells_per_sample": cells,
        "icc_bin": math.nan,
        "icc_sample": math.nan,
        "lower_quartile": math.nan,
        "upper_quartile": math.nan,
        "reliable_share": math.nan,
        "adjusted_for": ";".join(adjusted_for),
        **alike,
        "other_seed": math.nan,
    }
    if len(known):
        of_mean = spearman_brown(known, k)
        row["icc_bin"] = float(np.median(known))
        row["icc_sample"] = float(np.median(of_mean))
    if len(known) > 1:
        row["lower_quartile"], row["upper_quartile"] = np.quantile(of_mean, [0.25, 0.75])
        row["reliable_share"] = float((of_mean >= how.min_icc).mean())
    df = degrees_of_freedom(bins.samples, bins.fixed)
    return row | judge(row, df, how.min_icc, bins.halves)


def judge(
    row: Mapping[str, object], df: tuple[int, int], min_icc: float, halves: bool
) -> dict[str, object]:
    """Return whether a measure can be measured: verdict, needed_cells and sentence.

    It is `measurable` if the ICC of a sample's mean (median gene) is `min_icc` or more and bins of
    a sample are alike beyond chance (p <= 0.05); `in part` if they are, though the ICC is lower:
    some genes, or strong differences, can be seen; `not measurable` if the ICC is lower and p is
    above 0.2; `unknown` if there are not enough bins to say, or if chance may have made what one
    sees.

    Parameters
    ----------
    row : mapping
        icc_sample, p, cells_per_sample; n_bins and n_samples where the cells are not known.
    df : tuple of int
        Degrees of freedom between samples and within them.
    min_icc : float
    halves : bool
        See `Bins`.
    """
    icc, p = (float(row[name]) for name in ("icc_sample", "p"))  # type: ignore[arg-type]
    cells, unit = float(row["cells_per_sample"]), "cells"  # type: ignore[arg-type]
    if math.isnan(cells):
        cells, unit = float(row["n_bins"]) / float(row["n_samples"]), "bins"  # type: ignore[arg-type]
    needed = math.nan
    if 0 < icc < 1 and min_icc < 1:
        needed = cells * (min_icc / (1 - min_icc)) / (icc / (1 - icc))
    n = f"{cells:,.0f} {unit} per sample"
    more = "no number of cells is in sight that would do"
    if math.isfinite(needed) and needed > cells:
        more = f"about {_two_digits(needed):,} would be needed"
    if not math.isfinite(icc) or min(df) < MIN_DF:
        why = "one bin per sample" if df[1] < 1 else "too few samples with several bins"
        if min(df) >= MIN_DF:
            why = "it does not vary"
        verdict, sentence = UNKNOWN, f"unknown: {why}"
    elif p <= ALPHA and icc >= min_icc:
        verdict, sentence = MEASURABLE, f"measurable with {n}"
    elif p <= ALPHA:
        verdict = IN_PART
        sentence = (
            f"in part: with {n} bins tell their sample, but an ICC of {icc:.2f} is below "
            f"{min_icc:g}; {more}"
        )
    elif icc >= min_icc or p <= HOPELESS:
        verdict = UNKNOWN
        sentence = f"unknown: bins of one sample may agree by chance (p = {p:.2g})"
    else:
        verdict, sentence = NOT_MEASURABLE, f"not measurable with {n}; {more}"
    if halves and verdict != UNKNOWN:
        sentence += " (one bin per sample: by halves of its cells)"
    in_cells = needed if unit == "cells" else math.nan
    return {"verdict": verdict, "needed_cells": in_cells, "sentence": sentence}


def _two_digits(number: float) -> int:
    digits = 1 - math.floor(math.log10(number))
    return int(round(number, digits))
