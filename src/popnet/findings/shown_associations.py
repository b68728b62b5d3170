"""What the figures of a phenotype's associations show of the tables of results."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from scipy.stats import beta, chi2

from popnet import presets
from popnet.stats.multiplicity import strongest_first

ENOUGH, FIRST = 10, 20
MOST_GENES = 60
# The paper's circle has seven edges.
FEWEST_EDGES, MOST_EDGES = 7, 30
# Complexes of the respiratory chain with a subunit that mtDNA encodes.
COMPLEXES = ("I", "III", "IV", "V")
MITOCHONDRIAL = "MT"


def units_of_tests(association: pd.DataFrame, preset: str) -> tuple[int, str]:
    """Return how many units a phenotype's tests of centrality compare, and of which kind.

    Parameters
    ----------
    association : DataFrame with columns n_units, n_donors
        centrality.tsv.
    preset : str

    Returns
    -------
    int
    {"bins", "samples", "donors"}
    """
    n_units = int(association["n_units"].max())
    if presets.unit(preset) == "bin":
        return n_units, "bins"
    return n_units, "donors" if n_units == association["n_donors"].max() else "samples"


def top_genes(
    association: pd.DataFrame, complexes: pd.Series, *, fdr: float, top: int = 30
) -> pd.DataFrame:
    """Return the genes to show, the smallest p first.

    These are the `top` first of the significant genes; where fewer than 10 are significant, the 20
    with the smallest p.

    Parameters
    ----------
    association : DataFrame with columns gene, statistic, p, q, mean_statistic, explained_by
        `explained_by` may be absent.
    complexes : Series
        Complex ("I", "III", "IV", "V") by gene; other genes are absent.
    fdr : float
    top : int

    Returns
    -------
    DataFrame with the columns of `association`, complex and significant
    """
    tested = with_complexes(association, complexes, fdr=fdr)
    n_significant = int(tested["significant"].sum())
    n_shown = min(top, n_significant) if n_significant >= ENOUGH else FIRST
    return strongest_first(tested).head(n_shown).reset_index(drop=True)


def with_complexes(association: pd.DataFrame, complexes: pd.Series, *, fdr: float) -> pd.DataFrame:
    """Return the genes that were tested, with their complex and whether they are significant.

    Parameters as of :func:`top_genes`.
    """
    tested = association.dropna(subset=["statistic", "p", "q"])
    return tested.assign(
        complex=complexes.reindex(tested["gene"]).to_numpy(), significant=tested["q"] <= fdr
    )


def volcano_points(genes: pd.DataFrame) -> pd.DataFrame:
    """Return effect, p and q of every tested gene, the smallest p first.

    Parameters
    ----------
    genes : DataFrame
        Of :func:`with_complexes`. Its effect is `estimate` or, where it has none, `statistic`.
    """
    effect = "estimate" if "estimate" in genes else "statistic"
    shown = strongest_first(genes).rename(columns={effect: "effect"})
    return shown[["gene", "effect", "p", "q", "significant", "complex"]].reset_index(drop=True)


def quadrant_points(
    genes: pd.DataFrame, expression: pd.DataFrame | None = None, *, fdr: float
) -> pd.DataFrame:
    """Return the associations of centrality and of mean expression, and which is significant.

    Parameters
    ----------
    genes : DataFrame
        Of :func:`with_complexes`, with mean_statistic and mean_q.
    expression : DataFrame, optional
        expression.tsv. Its test of mean expression, the same as that of centrality, then stands in
        place of the one in `genes`, which is by permutation and has less power.
    fdr : float

    Returns
    -------
    DataFrame with columns gene, statistic, p, q, mean_statistic, mean_q, found
        `found` is "both", "centrality alone", "expression alone" or "neither"; the smallest p
        first.
    """
    if expression is not None:
        means = expression[expression["measure"] == "expression"].set_index("gene")
        own = means[["statistic", "q"]].reindex(genes["gene"]).to_numpy()
        genes = genes.assign(mean_statistic=own[:, 0], mean_q=own[:, 1])
    shown = strongest_first(genes.dropna(subset=["mean_statistic"]))
    central, expressed = shown["significant"], shown["mean_q"] <= fdr
    found = np.select(
        [central & expressed, central, expressed],
        ["both", "centrality alone", "expression alone"],
        "neither",
    )
    columns = ["gene", "statistic", "p", "q", "mean_statistic", "mean_q"]
    return shown[columns].assign(found=found).reset_index(drop=True)


def qq_points(tests: pd.DataFrame) -> pd.DataFrame:
    """Return p in the order of their size beside what is expected without any association.

    Parameters
    ----------
    tests : DataFrame with column p
        With p_permutation beside it, p is that of the mixed model.

    Returns
    -------
    DataFrame with columns source, inflation, expected, observed, low, high
        `expected` is the median and `low` and `high` the 2.5 and 97.5 % points of the p of this
        rank among as many independent tests; `inflation` the median chi-square of one degree of
        freedom over its expectation. Of many p all of the 500 smallest are kept, and 1,000 others.
    """
    sources = {"p": "all genes"}
    if "p_permutation" in tests:
        sources = {"p": "mixed model", "p_permutation": "permutation"}
    parts = []
    for column, source in sources.items():
        p = np.sort(tests[column].dropna().to_numpy(dtype=float))
        n = len(p)
        if not n:
            continue
        ranks = np.arange(1, n + 1)
        if n > 1500:
            ranks = np.unique(np.r_[ranks[:500], np.linspace(501, n, 1000).astype(int)])
        expected, low, high = (beta.ppf(at, ranks, n + 1 - ranks) for at in (0.5, 0.025, 0.975))
        inflation = chi2.isf(np.median(p), 1) / chi2.isf(0.5, 1)
        columns = {"expected": expected, "observed": p[ranks - 1], "low": low, "high": high}
        parts.append(pd.DataFrame({"source": source, "inflation": inflation} | columns))
    names = ["source", "inflation", "expected", "observed", "low", "high"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names)


def top_gene_sets(gene_sets: pd.DataFrame, *, fdr: float, top: int = 20) -> pd.DataFrame:
    """Return the `top` gene sets with a column significant, the smallest p first.

    Parameters
    ----------
    gene_sets : DataFrame with columns gene_set, nes, p, q, n_genes
    fdr : float
    top : int
    """
    tested = gene_sets.dropna(subset=["nes", "p", "q"])
    shown = strongest_first(tested.assign(significant=tested["q"] <= fdr)).head(top)
    return shown.reset_index(drop=True)


def map_points(
    coordinates: pd.DataFrame, phenotype: pd.Series, samples: pd.DataFrame, kernel: str
) -> pd.DataFrame:
    """Return the map of one kernel with donor, batch and phenotype (value) of every sample.

    Parameters
    ----------
    coordinates : DataFrame with columns kernel, sample, PC1, PC2
    phenotype : Series
        By sample.
    samples : DataFrame, indexed by sample
        donor and batch.
    kernel : str
    """
    points = coordinates[coordinates["kernel"] == kernel]
    about = samples[["donor", "batch"]].reindex(points["sample"]).fillna("").astype(str)
    donor = about["donor"].to_numpy()
    # A sample without a donor is its own donor.
    donor = np.where(donor == "", points["sample"], donor)
    value = points["sample"].map(phenotype)
    return points.assign(donor=donor, batch=about["batch"].to_numpy(), value=value)


def map_tests(tests: pd.DataFrame, phenotype: str, kernel: str) -> pd.DataFrame:
    """Return the rows of map/tests.tsv of one phenotype and kernel."""
    return tests[(tests["kernel"] == kernel) & (tests["phenotype"] == phenotype)]


def example_samples(phenotype: pd.Series, samples: Collection[str]) -> pd.Series:
    """Return the samples with the lowest, the middle and the highest phenotype.

    Parameters
    ----------
    phenotype : Series
        By sample; missing values are left out.
    samples : collection of str
        Those that have a network.

    Returns
    -------
    Series
        The phenotype of at most three samples, the lowest first.
    """
    known = phenotype[phenotype.index.isin(samples)].dropna().sort_values(kind="stable")
    return known.iloc[sorted({0, len(known) // 2, len(known) - 1})] if len(known) else known


def mitochondrial_edges(
    tests: pd.DataFrame,
    edges: pd.DataFrame,
    examples: pd.Series,
    complexes: pd.Series,
    *,
    fdr: float,
) -> pd.DataFrame:
    """Return the mitochondrial edges to show in each sample: significant ones, or the first by p.

    Of the significant edges at most 30 are shown, by p; where none is significant, 7.

    Parameters
    ----------
    tests : DataFrame with columns gene1, gene2, statistic, p, q and optionally gene_set, agrees
        Significant is what agrees, where tests say that, or else q <= `fdr`. One row per tested
        pair of genes; of several gene sets, that of mitochondrial genes counts.
    edges : DataFrame with columns sample, gene1, gene2, weight
        `weight` is the share of the sample's bins that have the edge; genes in either order.
    examples : Series
        Phenotype by sample, of the samples to show.
    complexes : Series
        Complex by gene; edges between other genes are left out.
    fdr : float

    Returns
    -------
    DataFrame with columns sample, value, gene1, gene2, complex1, complex2, relation ("within" a
    complex or "between" two), statistic, p, q, significant, weight, present
    """
    if "gene_set" in tests:
        tests = tests[tests["gene_set"] == MITOCHONDRIAL]
    # Only what is drawn: all edges of a large cohort would fill the memory.
    drawn = edges["sample"].isin(examples.index)
    for gene in ("gene1", "gene2"):
        drawn &= edges[gene].isin(complexes.index)
    edges = edges[drawn].astype({"sample": str, "gene1": str, "gene2": str})

    complexes = complexes[complexes.isin(COMPLEXES)]
    shown = tests.dropna(subset=["p"])
    shown = shown[shown["gene1"].isin(complexes.index) & shown["gene2"].isin(complexes.index)]
    agreed = "agrees" in shown and shown["agrees"].notna().any()
    significant = shown["agrees"].astype(bool) if agreed else shown["q"] <= fdr
    shown = strongest_first(shown.assign(significant=significant))
    if shown["significant"].any():
        shown = shown[shown["significant"]].head(MOST_EDGES)
    else:
        shown = shown.head(FEWEST_EDGES)
    ends = [complexes.reindex(shown[gene]).to_numpy() for gene in ("gene1", "gene2")]
    shown = shown.assign(
        complex1=ends[0],
        complex2=ends[1],
        relation=np.where(ends[0] == ends[1], "within", "between"),
    )
    turned = edges.rename(columns={"gene1": "gene2", "gene2": "gene1"})
    keys = ["sample", "gene1", "gene2"]
    weights = pd.concat([edges, turned]).drop_duplicates(keys)[[*keys, "weight"]]
    chosen = pd.DataFrame({"sample": examples.index, "value": examples.to_numpy()})
    table = chosen.merge(shown, how="cross").merge(weights, how="left", on=keys)
    table["weight"] = table["weight"].fillna(0.0)
    table["present"] = table["weight"] >= 0.5
    columns = ["sample", "value", "gene1", "gene2", "complex1", "complex2", "relation"]
    return table[[*columns, "statistic", "p", "q", "significant", "weight", "present"]]


def drawn_set(gene_sets: pd.DataFrame, connectivity: pd.DataFrame) -> str:
    """Return the gene set whose network is drawn: the first by enrichment that has edges.

    Parameters
    ----------
    gene_sets : DataFrame with column gene_set
        gene_sets.tsv, the smallest p first.
    connectivity : DataFrame with column gene_set
        connectivity.tsv.
    """
    in_graph = list(dict.fromkeys(connectivity["gene_set"]))
    tested = [name for name in gene_sets["gene_set"] if name in in_graph]
    return next(iter(tested or in_graph), MITOCHONDRIAL)


def connectivity_set(gene_sets: pd.DataFrame, connectivity: pd.DataFrame) -> str:
    """Return the gene set whose connectivity is drawn: mitochondrial genes where they are tested.

    Parameters as of `drawn_set`.
    """
    if (connectivity["gene_set"] == MITOCHONDRIAL).any():
        return MITOCHONDRIAL
    return drawn_set(gene_sets, connectivity)


def genes_of_set(consensus: pd.DataFrame, gene_set: str) -> list[str]:
    """Return the genes of a set, by the names of sets in consensus.tsv ("A;B")."""
    members = consensus["gene_sets"].fillna("").str.split(";")
    return [gene for gene, sets in zip(consensus["gene"], members, strict=True) if gene_set in sets]


def set_neighbourhood(edges: pd.DataFrame, set_genes: Collection[str]) -> pd.DataFrame:
    """Return the consensus edges that touch the set's genes, at most 60 genes in all.

    Beyond 60, the genes with the most edges that only one group has are kept, then those with the
    most edges.

    Parameters
    ----------
    edges : DataFrame with columns gene1, gene2, case_share, control_share, in_case, in_control
        Shares of each group's samples that have the edge, and whether the group's consensus has it.
    set_genes : collection of str

    Returns
    -------
    DataFrame with the columns of `edges`, and in_set1, in_set2
    """
    shown = edges.assign(
        in_set1=edges["gene1"].isin(set_genes),
        in_set2=edges["gene2"].isin(set_genes),
        in_case=edges["in_case"].astype(bool),
        in_control=edges["in_control"].astype(bool),
    )
    shown = shown[(shown["in_set1"] | shown["in_set2"]) & (shown["in_case"] | shown["in_control"])]
    degree = degrees(shown)
    if len(degree) > MOST_GENES:
        ordered = degree.sort_values(["changed", "total"], ascending=False, kind="stable")
        kept = ordered.index[:MOST_GENES]
        shown = shown[shown["gene1"].isin(kept) & shown["gene2"].isin(kept)]
    return shown.reset_index(drop=True)


def degrees(edges: pd.DataFrame) -> pd.DataFrame:
    """Return the number of edges of each gene in the consensus networks of both groups.

    Parameters
    ----------
    edges : DataFrame
        Of `set_neighbourhood`.

    Returns
    -------
    DataFrame, indexed by gene
        case, control, changed (edges that only one group has), total, and member: whether the
        gene is in the set.
    """
    ends = edges.melt(["in_case", "in_control"], ["gene1", "gene2"], value_name="gene")
    ends["changed"] = ends["in_case"] != ends["in_control"]
    degree = ends.groupby("gene").agg(
        case=("in_case", "sum"),
        control=("in_control", "sum"),
        changed=("changed", "sum"),
        total=("changed", "size"),
    )
    members = {*edges.loc[edges["in_set1"], "gene1"], *edges.loc[edges["in_set2"], "gene2"]}
    return degree.astype(int).assign(member=degree.index.isin(members))
