"""Gene sets whose centralities are associated with a phenotype."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from popnet.associations.composition import Composition, given_composition, joined
from popnet.associations.expression_switch import UNKNOWN
from popnet.associations.given_expression import MEAN_EXPRESSION
from popnet.associations.testing import Testing
from popnet.seeds import derive_seed
from popnet.stats.designs import Design
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.permutation import (
    correlations_at,
    observed_correlations,
    permuted_correlations,
    prepare,
)
from popnet.stats.power import ALPHA
from popnet.stats.ranks import MIN_PRESENT, correlate
from popnet.study.definitions import MT_PREFIX

COLUMNS = (
    "gene_set",
    "es",
    "nes",
    "p",
    "q",
    "gene_permutation_p",
    "n_genes",
    "set_size",
    "leading_edge",
    "n_permutations",
)


# Fewest tested genes of a set.
MIN_SIZE = 3
# The same in the paper.
PAPER_MIN_SIZE = 1
# Of tests by phenotype permutation: tested genes in all, mitochondrially encoded ones of the set,
# and the p of the set without these.
MT_COLUMNS = ("n_background", "n_mt", "p_without_mt")
# Random sets that say with the sets what the variance ratios are.
SETS_FOR_RATIOS = 50
# The set as a whole by the mixed model.
MODEL_COLUMNS = ("estimate", "low", "high", "t", "model_p", "model_q")
# Of significant sets: the same test of their mean expression, of centrality given it, and of the
# set as a whole given the shares of cell states.
GIVEN_COLUMNS = (
    *("expression_nes", "expression_p", "given_expression_p"),
    *("given_composition_p", "explained_by"),
)


def _membership(
    gene_sets: Mapping[str, Sequence[str]], genes: pd.Index, min_size: int
) -> dict[str, np.ndarray]:
    """Return the sets with `min_size` or more of the genes, but not all, as bool masks."""
    masks = {name: genes.isin(list(members)) for name, members in gene_sets.items()}
    return {name: mask for name, mask in masks.items() if min_size <= mask.sum() < len(genes)}


def _shuffled(genes: pd.Index, seed: int) -> np.ndarray:
    """An order of the genes in which ties are broken: seeded, and the same for every test."""
    return np.random.default_rng(seed).permutation(len(genes))


def enrichment_score(statistics: np.ndarray, membership: np.ndarray) -> np.ndarray:
    """Enrichment score of gene sets in rankings, weighted by the statistic (GSEA, weight 1).

    Parameters
    ----------
    statistics : ndarray of shape (n_rankings, n_genes)
        Genes are ranked from the largest down; ties keep the order of the columns.
    membership : bool ndarray of shape (n_sets, n_genes)

    Returns
    -------
    ndarray of shape (n_rankings, n_sets)
        NaN where all genes of a set have a statistic of 0.

    References
    ----------
    Subramanian et al. 2005, PNAS 102:15545.
    """
    n_genes = statistics.shape[1]
    order = np.argsort(-statistics, axis=1, kind="stable")
    position = np.empty_like(order)
    np.put_along_axis(position, order, np.arange(n_genes)[None], axis=1)
    weight = np.abs(np.take_along_axis(statistics, order, axis=1))
    scores = np.empty((len(statistics), len(membership)))
    for number, members in enumerate(membership):
        # The running sum peaks at a hit and is lowest just before one.
        at = np.sort(position[:, members], axis=1)
        hit = np.take_along_axis(weight, at, axis=1)
        climbed = np.cumsum(hit, axis=1)
        size = at.shape[1]
        with np.errstate(invalid="ignore", divide="ignore"):
            total = climbed[:, -1:]
            misses = (at - np.arange(size)) / (n_genes - size)
            top = (climbed / total - misses).max(axis=1)
            bottom = ((climbed - hit) / total - misses).min(axis=1)
        scores[:, number] = np.where(top > -bottom, top, bottom)
    return scores


def _p_and_nes(es: float, null: np.ndarray, counted: int = 1) -> tuple[float, float]:
    """P by the null scores of the same sign, and ES over their mean.

    The observed score is `counted` beside them where it is not among them.
    """
    if np.isnan(es):
        return np.nan, np.nan
    same = np.abs(null[(null >= 0) if es >= 0 else (null < 0)])
    p = (np.count_nonzero(same >= abs(es) - 1e-9) + counted) / (len(same) + counted)
    return p, es / same.mean() if len(same) else np.nan


def paper(
    centrality: np.ndarray,
    genes: pd.Index,
    gene_sets: Mapping[str, Sequence[str]],
    design: Design,
    testing: Testing,
) -> pd.DataFrame:
    """Rank genes by their correlation with the phenotype and permute genes, as the paper does.

    Parameters
    ----------
    centrality : ndarray of shape (n_bins, n_genes)
    genes : Index of shape (n_genes,)
    gene_sets : mapping of name to genes
    design : Design
    testing : Testing

    Returns
    -------
    DataFrame sorted by p
        Of :func:`enrich_ranking`, by the absolute statistic, and n_units.
    """
    values = design.units.average(centrality)
    statistic = correlate(values, design.units.phenotype, design.binary)["statistic"]
    table = enrich_ranking(
        pd.Series(statistic.to_numpy(), index=genes),
        gene_sets,
        testing.permutations,
        testing.seed,
        min_size=PAPER_MIN_SIZE,
        absolute=True,
    )
    return table.assign(n_units=len(design.units.labels))


def robust(
    centrality: np.ndarray,
    genes: pd.Index,
    gene_sets: Mapping[str, Sequence[str]],
    design: Design,
    testing: Testing,
    mean_expression: np.ndarray | None = None,
    composition: Composition | None = None,
) -> pd.DataFrame:
    """Test gene sets by permuting the phenotype, which keeps the correlation between genes.

    Parameters
    ----------
    centrality, genes, gene_sets, design, testing
        As in :func:`paper`.
    mean_expression : ndarray of shape (n_bins, n_genes), optional
    composition : Composition, optional
        Of the same cells; they may explain a significant set.

    Returns
    -------
    DataFrame sorted by p
        Of :func:`enrich_phenotype` and :func:`whole_sets`, n_units, and of sets with q <= `fdr` the
        enrichment of mean expression (expression_nes, expression_p), and of what regression on
        expression, gene by gene, leaves of centrality (given_expression_p). explained_by is
        ``mean expression`` where the first has p <= 0.05 and the second has not, else ``none``, and
        ``expression unknown`` where it is. given_composition_p
        (:func:`popnet.associations.composition.given_composition`) is of the set as a whole, where
        its model_p is at most 0.05. Names and sizes alone if centrality is not tested.
    """
    if "centrality" in testing.untested:
        masks = _membership(gene_sets, genes, MIN_SIZE)
        sizes = {
            "gene_set": list(masks),
            "n_genes": [int(mask.sum()) for mask in masks.values()],
            "set_size": [len(set(gene_sets[name])) for name in masks],
        }
        columns = [*COLUMNS, *MT_COLUMNS, *MODEL_COLUMNS, *GIVEN_COLUMNS]
        table = pd.DataFrame(sizes).reindex(columns=columns)
        return table.assign(n_units=design.n)
    values = design.units.average(centrality)
    about = list(genes), testing.permutations, testing.seed
    table = enrich_phenotype(
        values,
        design,
        about[0],
        gene_sets,
        *about[1:],
        phenotypes=testing.phenotypes(design),
        watch=partial(testing.count, "gene_sets"),
    )
    of_sets, as_whole, ratios = whole_sets(centrality, genes, gene_sets, design, testing)
    table = table.join(of_sets, on="gene_set")
    significant = list(table.loc[table["q"] <= testing.fdr, "gene_set"])
    table["expression_nes"] = table["expression_p"] = table["given_expression_p"] = np.nan
    table["explained_by"] = np.where(table["gene_set"].isin(significant), UNKNOWN, "").astype(
        object
    )
    if significant and mean_expression is not None and np.isfinite(mean_expression).any():
        expression = design.units.average(mean_expression)
        given = _given(values, expression, design)
        chosen = {name: gene_sets[name] for name in significant}
        of_expression, of_rest = (
            enrich_phenotype(columns, design, about[0], chosen, *about[1:]).set_index("gene_set")
            for columns in (expression, given)
        )
        names = table["gene_set"]
        for column, found in (
            ("expression_nes", of_expression["nes"]),
            ("expression_p", of_expression["p"]),
            ("given_expression_p", of_rest["p"].where(of_expression["p"].notna())),
        ):
            table[column] = found.reindex(names).to_numpy(float)
        by_expression = (table["expression_p"] <= ALPHA) & ~(table["given_expression_p"] <= ALPHA)
        table["explained_by"] = np.select(
            [~names.isin(significant), table["expression_p"].isna(), by_expression],
            ["", UNKNOWN, MEAN_EXPRESSION],
            default="none",
        ).astype(object)
    place = of_sets.index.get_indexer(pd.Index(table["gene_set"]))
    as_whole = np.column_stack([as_whole, np.full(len(as_whole), np.nan)])[:, place]
    # Of a set that is called for genes that move in both directions, its mean says nothing.
    hits = (table["gene_set"].isin(significant) & (table["model_p"] <= ALPHA)).to_numpy()
    given, shares = given_composition(hits, as_whole, composition, design, ratios)
    by = joined(table.pop("explained_by").to_numpy(object), shares)
    return table.assign(given_composition_p=given, explained_by=by, n_units=design.n)


def whole_sets(
    centrality: np.ndarray,
    genes: pd.Index,
    gene_sets: Mapping[str, Sequence[str]],
    design: Design,
    testing: Testing,
) -> tuple[pd.DataFrame, np.ndarray, dict[str, float]]:
    """Test by the mixed model whether the genes of a set move, on average, against all others.

    A gene is standardised over the observations, and a set's value is the mean of its genes less
    that of the other tested genes. Genes of a set that move in opposite directions cancel. The
    correlation between genes needs no estimate, since the value is tested over observations. Few
    sets say little of the variance ratios: random sets of the same sizes say it with them.

    Parameters
    ----------
    centrality, genes, gene_sets, design, testing
        As in :func:`robust`.

    Returns
    -------
    table : DataFrame, indexed by gene set
        `MODEL_COLUMNS`: estimate (cases minus controls, or per standard deviation of the
        phenotype's normal scores, in standard deviations of a gene), low and high (its 95 %
        confidence interval), t, model_p and model_q (Benjamini-Hochberg over the sets).
    values : ndarray of shape (n, n_sets)
        What is tested, by observation of the model.
    ratios : dict
        The variance ratios of the model.
    """
    observed = design.of_model.average(centrality)
    names, own, others = set_values(observed, genes, gene_sets, testing.seed)
    table, ratios = testing.by_model(own, design, np.column_stack([own, others]))
    table = table.set_axis(names)
    table["model_p"], table["model_q"] = table["p"], benjamini_hochberg(table["p"].to_numpy())
    return table[list(MODEL_COLUMNS)], own, ratios


def set_values(
    observed: np.ndarray, genes: pd.Index, gene_sets: Mapping[str, Sequence[str]], seed: int
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the mean of each set's standardised genes, less that of the other tested genes.

    Parameters
    ----------
    observed : ndarray of shape (n, n_genes)
        By observation.
    genes : Index of shape (n_genes,)
    gene_sets : mapping of name to genes
    seed : int

    Returns
    -------
    names : list of str
        The sets with enough tested genes.
    own : ndarray of shape (n, n_sets)
    others : ndarray of shape (n, `SETS_FOR_RATIOS`)
        Of random sets of the same sizes.
    """
    present = np.isfinite(observed)
    n = np.maximum(present.sum(0), 1)
    centred = np.where(present, observed - np.where(present, observed, 0).sum(0) / n, 0)
    spread = np.sqrt((centred**2).sum(0) / n)
    tested = (present.mean(0) >= MIN_PRESENT if len(present) else present.any(0)) & (spread > 0)
    scaled = centred[:, tested] / spread[tested]
    masks = _membership(gene_sets, genes[tested], MIN_SIZE)
    rng = np.random.default_rng(derive_seed(seed, "random sets"))
    sizes = np.resize([mask.sum() for mask in masks.values()], SETS_FOR_RATIOS if masks else 0)
    random = [np.isin(rng.permutation(scaled.shape[1]), np.arange(size)) for size in sizes]
    own, others = (
        np.array([scaled[:, mask].mean(1) - scaled[:, ~mask].mean(1) for mask in of])
        .reshape(len(of), len(observed))
        .T
        for of in (list(masks.values()), random)
    )
    return list(masks), own, others


def _given(values: np.ndarray, control: np.ndarray, design: Design) -> np.ndarray:
    """Return what regression of each column on the same column of another table leaves of it.

    Both without what blocks and covariates of the design say. A gene without a control stays.
    """
    both = np.isfinite(values) & np.isfinite(control)
    n = np.maximum(both.sum(0), 1)
    filled = (
        np.where(both, columns, np.where(both, columns, 0).sum(0) / n)
        for columns in (values, control)
    )
    y, x = (design.residuals(columns) for columns in filled)
    size = (x**2).sum(0)
    slope = np.where(size > 0, (x * y).sum(0) / np.where(size > 0, size, 1), 0)
    return np.where(both, values - slope * x, values)


def enrich_ranking(
    ranking: pd.Series,
    gene_sets: Mapping[str, Sequence[str]],
    permutations: int,
    seed: int,
    min_size: int = MIN_SIZE,
    absolute: bool = False,
    threads: int = 1,
) -> pd.DataFrame:
    """Enrichment of gene sets at the ends of a ranking, genes permuted (GSEA prerank).

    gseapy gives the scores and the null; p is (b + 1) / (n + 1) of the n permutations whose
    score has the sign of the observed one.

    Parameters
    ----------
    ranking : Series, gene -> statistic
        Missing ones are dropped; ties are ordered by `seed`.
    gene_sets : mapping of name to genes
        Only genes of the ranking count.
    permutations, seed : int
    min_size : int
        Fewest tested genes of a set (paper: 1).
    absolute : bool
        Rank by the absolute statistic, as the paper did.
    threads : int

    Returns
    -------
    DataFrame of `COLUMNS`, sorted by p
        q is Benjamini-Hochberg over sets; n_genes are tested genes of the set's set_size;
        leading_edge joins genes by ``;``.
    """
    if not ranking.index.is_unique:
        raise ValueError("ranking names a gene twice")
    ranking = ranking.dropna().astype(float).round(12)
    ranking = (ranking.abs() if absolute else ranking).iloc[_shuffled(ranking.index, seed)]
    ranking = ranking.sort_values(ascending=False, kind="stable")
    names = np.array([f"G{number}" for number in range(len(ranking))], dtype=object)
    masks = _membership(gene_sets, ranking.index, min_size)
    if not masks:
        return pd.DataFrame(columns=list(COLUMNS))

    # The engine of gseapy.prerank, which hides the null scores and changes the case of names.
    from gseapy.gse import prerank_rs

    labels = dict(zip((f"S{number}" for number in range(len(masks))), masks, strict=True))
    result = prerank_rs(
        list(names),
        ranking.tolist(),
        {label: list(names[masks[name]]) for label, name in labels.items()},
        1.0,
        1,
        len(names),
        permutations,
        threads,
        seed,
    )
    rows = []
    for found in result.summaries:
        name = labels[found.term]
        p, nes = _p_and_nes(found.es, np.asarray(found.esnull))
        running, hits = np.asarray(found.run_es), np.flatnonzero(masks[name])
        edge = hits[hits <= running.argmax()] if found.es >= 0 else hits[hits >= running.argmin()]
        rows.append(
            {
                "gene_set": name,
                "es": found.es,
                "nes": nes,
                "p": p,
                "gene_permutation_p": p,
                "n_genes": len(hits),
                "set_size": len(set(gene_sets[name])),
                "leading_edge": ";".join(map(str, ranking.index[edge])),
                "n_permutations": permutations,
            }
        )
    return _finish(pd.DataFrame(rows))


def _finish(table: pd.DataFrame, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    table["q"] = benjamini_hochberg(table["p"].to_numpy())
    table = table.assign(strength=-table["nes"].abs())
    return table.sort_values(["p", "strength", "gene_set"], ignore_index=True)[list(columns)]


def enrich_phenotype(
    values: np.ndarray,
    design: Design,
    genes: Sequence[str],
    gene_sets: Mapping[str, Sequence[str]],
    permutations: int,
    seed: int,
    min_size: int = MIN_SIZE,
    threads: int = 1,
    phenotypes: np.ndarray | None = None,
    watch: Callable[[np.ndarray], None] | None = None,
) -> pd.DataFrame:
    """Enrichment of gene sets among genes associated with the phenotype, phenotypes permuted.

    Genes are ranked by their signed correlation with the phenotype given the design's covariates.
    Permuting the observations keeps the correlation between genes, which permuting genes does not.

    Parameters
    ----------
    values : ndarray of shape (n_observations, n_genes)
        Genes that most observations lack, or of only one value, are left out; elsewhere a missing
        value is neutral.
    design : Design
    genes : sequence of shape (n_genes,)
    gene_sets, permutations, seed, min_size, threads
        As in :func:`enrich_ranking`.
    phenotypes : ndarray of int, shape (n_phenotypes, n_observations), optional
        Of :meth:`popnet.stats.designs.Design.permuted`. Their scores have the null distribution of
        the observed ones (:func:`popnet.stats.permutation.permutation_test` says why).
    watch : callable, optional
        Called with the p of every set with each permuted phenotype, (n_phenotypes, n_sets).

    Returns
    -------
    DataFrame of `COLUMNS` and `MT_COLUMNS`, sorted by p
        p, q and nes by phenotype permutation, gene_permutation_p beside them. n_mt are the set's
        tested mitochondrially encoded genes; p_without_mt is of the set without them, where it has
        both.
    """
    columns = [*COLUMNS, *MT_COLUMNS]
    prepared = prepare(values, design)
    index = pd.Index(np.asarray(genes, dtype=object))[prepared.tested]
    shuffle = _shuffled(index, seed)
    masks = _membership(gene_sets, index[shuffle], min_size)
    if not masks:
        return pd.DataFrame(columns=columns)

    residuals = prepared.residuals[:, prepared.tested]
    ranking = pd.Series(observed_correlations(prepared, design)[prepared.tested], index=index)
    observed = enrich_ranking(ranking, gene_sets, permutations, seed, min_size, threads=threads)
    observed = observed.set_index("gene_set")
    mt = index[shuffle].str.upper().str.startswith(MT_PREFIX)
    nuclear = {
        name: mask & ~mt
        for name, mask in masks.items()
        if (mask & mt).any() and (mask & ~mt).sum() >= min_size
    }
    membership = np.array([*masks.values(), *nuclear.values()])
    arrangements = design.arrangements(permutations, seed)
    ordered = residuals[:, shuffle]
    null = np.concatenate(
        [
            enrichment_score(np.round(r, 12), membership)
            for r in permuted_correlations(ordered, design, arrangements)
        ]
    )
    own = np.round(ranking.to_numpy()[shuffle], 12)[None]
    scores = dict(zip([*masks], null.T[: len(masks)], strict=True))
    # All arrangements hold the observed one; random ones do not.
    counted = 0 if arrangements.exact else 1
    for name in observed.index:
        observed.loc[name, ["p", "nes"]] = _p_and_nes(
            observed.loc[name, "es"], scores[name], counted
        )
        observed.loc[name, "n_mt"] = (masks[name] & mt).sum()
    observed["p_without_mt"] = np.nan
    for name, mask, of_set in zip(nuclear, nuclear.values(), null.T[len(masks) :], strict=True):
        es = float(enrichment_score(own, mask[None])[0, 0])
        observed.loc[name, "p_without_mt"] = _p_and_nes(es, of_set, counted)[0]
    if phenotypes is not None and watch is not None:
        moved = correlations_at(phenotypes, ordered, design)
        found = enrichment_score(np.round(moved, 12), membership[: len(masks)])
        p = [
            [_p_and_nes(es, scores[name], counted)[0] for es, name in zip(row, masks, strict=True)]
            for row in found
        ]
        watch(np.array(p).reshape(found.shape))
    observed["n_permutations"] = arrangements.n
    observed["n_background"] = len(index)
    return _finish(observed.reset_index(), columns)
