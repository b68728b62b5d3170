"""What every analysis of a study found, as a row of findings.tsv."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from popnet import presets
from popnet.associations.expression import MEASURES
from popnet.associations.expression_switch import UNKNOWN
from popnet.associations.modules import COUNTED
from popnet.networks.verdicts import NOT_MEASURABLE, TESTED, VERDICTS, measure_of
from popnet.stats.multiplicity import selected_families, simes, strongest_first

STRONGEST = 5
# Of each analysis: what it tests, in words, and the columns that name a row of its table.
ANALYSES = {
    "axes": ("Map of networks: axes", ["kernel", "axis"]),
    "map": ("Map of networks: whole", ["kernel", "test"]),
    "centrality": ("Degree centrality: genes", ["gene"]),
    "graph_centrality": ("Centrality in the graph: genes", ["measure", "gene"]),
    "gene_sets": ("Centrality: gene sets", ["gene_set"]),
    "genes_in_groups": ("Degree centrality: genes of called sets and modules", ["gene"]),
    "edges": ("Edges: model and correlation agree", ["gene1", "gene2"]),
    "model_edges": ("Edges: by the network alone", ["gene1", "gene2"]),
    "programmes": ("Programmes: variance and coupling", ["programme"]),
    "modules": ("Modules: density and coupling", ["module"]),
    "module_types": ("Modules against themselves in other cell types", ["test"]),
    "components": ("Connected components of edges", ["component"]),
    "connectivity": ("Connectivity of gene sets", ["gene_set", "kind"]),
    "consensus": ("Degree of genes, cases against controls", ["gene"]),
    "expression": ("Expression (positive control)", ["gene"]),
    "detection": ("Detection (positive control)", ["gene"]),
    "composition": ("Composition: shares of cell states", ["state", "name"]),
    "shared": ("Shared by cell types: degree centrality", ["gene"]),
    "differing": ("Differs between cell types: degree centrality", ["gene", "differs_in"]),
    "shared_expression": ("Shared by cell types: expression (positive control)", ["gene"]),
    "differing_expression": (
        "Differs between cell types: expression (positive control)",
        ["gene", "differs_in"],
    ),
    "single": ("mtDNA: single variants", ["variant"]),
    "burden": ("mtDNA: burden of genes", ["gene"]),
    "heteroplasmy": ("mtDNA: heteroplasmy", ["measure"]),
    "genomes": (
        "mtDNA against the wiring of complexes",
        ["gene_set", "kind", "analysis", "measure"],
    ),
}

ANALYSES |= {
    presets.OVERALL + one: (f"{ANALYSES[one][0]}, any level", ["test"]) for one in presets.OF_LEVELS
}
# The tests of expression, which are none of the questions of a study.
POSITIVE_CONTROLS = (
    *(*MEASURES, "shared_expression", "differing_expression"),
    *(presets.OVERALL + one for one in MEASURES),
)
# What is asked of hits alone is no further question of a study.
NO_QUESTIONS = (*POSITIVE_CONTROLS, "genes_in_groups")


def findings_row(
    analysis: str,
    table: pd.DataFrame,
    *,
    cell_type: str,
    phenotype: str,
    network: str,
    preset: str,
    fdr: float,
    measures: pd.DataFrame | None = None,
) -> dict[str, object]:
    """Return the row of an analysis of one cell type and phenotype.

    Parameters
    ----------
    analysis : str
        A key of `ANALYSES`.
    table : DataFrame
        The analysis's table of results.
    cell_type, phenotype : str
    network : str
        Of :data:`popnet.names.NETWORKS`, or a name of the user's; empty for genotypes and for
        expression.
    preset : str
    fdr : float
        Largest q of a hit.
    measures : DataFrame, optional
        measures.tsv of the cell type.

    Returns
    -------
    dict
        phenotype, cell_type, network, what `finding` returns, of_these: what `qualified` says of
        the hits of degree centrality, `explanations` of others; and
        measurable: whether what was tested can be measured. If nothing was tested because it
        cannot, `strongest` says so.
    """
    words, names = ANALYSES[analysis]
    if analysis.startswith(presets.OVERALL):
        analysis = analysis.removeprefix(presets.OVERALL)
        table = _over_levels(table, analysis)
    elif analysis in ("axes", "map"):
        table = table[table["phenotype"] == phenotype]
        table = table[table["kernel"] == presets.main_kernel(preset, table["kernel"])]
        if "test" in table:
            # Tests of the whole map that do not count have no q.
            beside = table["p"].notna() & table["q"].isna()
            whole = (table["test"] != "axis") & ~beside
            table = table[whole if analysis == "map" else table["test"] == "axis"]
    elif analysis == "components":
        table = table.assign(
            p=table["p_family"],
            q=table["p_family"],
            component=table["genes"].map(component_name),
        )
    elif analysis in MEASURES:
        table = table[table["measure"] == analysis]
    elif analysis == "graph_centrality":
        table = table.assign(q=table["q_all"])
    elif analysis == "programmes":
        coupled = table["name1"] + " with " + table["name2"]
        table = table.assign(programme=table["name1"].where(table["kind"] == "variance", coupled))
    elif analysis in ("shared", "shared_expression"):
        table = table.assign(q=table["q"].where(table["shared"].astype(bool), 1.0))
    elif analysis in ("differing", "differing_expression"):
        table = table.assign(p=table["difference_p"], q=table["difference_q"])
    elif analysis == "modules":
        table = table[table["kind"].isin(COUNTED)]
        coupled = table["name1"] + " with " + table["name2"]
        table = table.assign(module=table["name1"].where(table["kind"] == "density", coupled))
    elif analysis == "genes_in_groups":
        # A gene of several groups counts once, by that in which it is called most clearly.
        table = table.assign(q=table["q_within"]).sort_values("q", kind="stable")
        table = table.drop_duplicates("gene")
    elif analysis == "module_types":
        coupled = table["name1"] + " with " + table["name2"]
        test = table["name1"].where(table["kind"] == "density", coupled)
        table = table.assign(test=test + " in " + table["other"])
    elif "agrees" in table:
        table = table[table["gene_set"] == "all"]
        if analysis == "edges":
            # Both tests must call an edge: its q is the larger of the two.
            both = table[["q", "correlation_q"]].max(axis=1)
            table = table.assign(q=both.where(table["agrees"].astype(bool), 1.0))
    about = {"phenotype": phenotype, "cell_type": cell_type, "network": network}
    hits = table[table["q"] <= fdr]
    of_these = ""
    if analysis == "centrality" and "explained_by" in hits:
        of_these = qualified(hits)
    elif "explained_by" in hits:
        of_these = "; ".join(explanations(hits["explained_by"]))
    row = about | finding(words, table, names, fdr) | {"of_these": of_these, "measurable": ""}
    measured = analysis in MEASURES or (network and analysis != "genomes")
    if measures is not None and measured:
        tested = [TESTED[analysis]] if analysis in TESTED else measure_of(table, analysis).unique()
        own = measures[(measures["network"] == network) & measures["measure"].isin(tested)]
        row["measurable"] = measurable(own)
        if not row["tested"] and len(own) and (own["verdict"] == NOT_MEASURABLE).all():
            row["strongest"] = f"not tested: {own['sentence'].iloc[0]}"
    return row


def _over_levels(table: pd.DataFrame, analysis: str) -> pd.DataFrame:
    """Return the rows of an analysis in levels.tsv, with what is tested as `test`."""
    table = table[table["analysis"] == ("edges" if analysis == "model_edges" else analysis)]
    if analysis == "modules":
        table = table[table["measure"].isin(COUNTED)]
    if analysis == "edges":
        both = table[["q", "correlation_q"]].max(axis=1)
        table = table.assign(q=both.where(table["agrees"].eq(True), 1.0))
    measure, second = table["measure"].fillna(""), table["name2"].fillna("")
    link = " - " if "edges" in analysis else " with "
    test = table["name1"].where(second == "", table["name1"] + link + second)
    test = measure + " - " + test if analysis == "graph_centrality" else test
    return table.assign(test=test, measure=measure, kind=measure)


def measurable(measures: pd.DataFrame) -> str:
    """Return the verdict on measures: one word if they share it, else the measures of each.

    Parameters
    ----------
    measures : DataFrame with columns measure, verdict
    """
    of_verdict = measures.groupby("verdict")["measure"].apply(", ".join)
    if len(of_verdict) == 1:
        return str(of_verdict.index[0])
    found = [verdict for verdict in VERDICTS if verdict in of_verdict]
    return "; ".join(f"{verdict}: {of_verdict[verdict]}" for verdict in found)


def headline_first(findings: pd.DataFrame, chosen: Mapping[str, str]) -> pd.DataFrame:
    """Return findings with the headline network first among those of a phenotype and cell type.

    Parameters
    ----------
    findings : DataFrame with columns phenotype, cell_type, network
    chosen : mapping of cell type to str
        The headline network.
    """
    group = findings.groupby(["phenotype", "cell_type"], sort=False).ngroup()
    other = findings["network"] != findings["cell_type"].map(chosen)
    order = pd.DataFrame({"group": group, "other": other})
    return findings.loc[order.sort_values(["group", "other"], kind="stable").index]


def finding(
    analysis: str, table: pd.DataFrame, names: Sequence[str], fdr: float
) -> dict[str, object]:
    """Return what one table of tests found.

    Parameters
    ----------
    analysis : str
        What the table tests, in words.
    table : DataFrame
        With p and q. Tests without p do not count; one that the table has twice (an edge of two
        sets) counts once.
    names : sequence of str
        Columns that name a row.
    fdr : float
        Largest q of a hit.

    Returns
    -------
    dict
        analysis, tested, significant, unexplained (hits that nothing explains, or of which that is
        not asked), strongest (names of the hits of smallest p, those that are explained last, or of
        the single best row in brackets where there is no hit), smallest_q, family_p (Simes's, of
        all tests together), hit_q (tuple of the q of the hits, for :func:`over_the_study`).
    """
    tested = table.dropna(subset=["p"]).drop_duplicates(list(names))
    tested = strongest_first(tested)
    hits = tested[tested["q"] <= fdr]
    explained = is_explained(hits)
    hits = hits.loc[explained.sort_values(kind="stable").index]
    labels = [" - ".join(map(str, row)) for row in hits[list(names)].head(STRONGEST).to_numpy()]
    strongest = ", ".join(labels) + (", …" if len(hits) > STRONGEST else "")
    if hits.empty and len(tested):
        strongest = f"({' - '.join(map(str, tested.iloc[0][list(names)]))})"
    return {
        "analysis": analysis,
        "tested": len(tested),
        "significant": len(hits),
        "unexplained": int((~explained).sum()),
        "strongest": strongest,
        "smallest_q": tested["q"].min(),
        "family_p": max(tested["q"].min(), float(simes(tested["p"].to_numpy())))
        if len(tested)
        else math.nan,
        "hit_q": tuple(sorted(hits["q"])),
    }


def over_the_study(findings: pd.DataFrame, fdr: float) -> pd.DataFrame:
    """Return findings with what stands if all questions of the study are counted together.

    Every row is a family of tests. Positive controls are none of the questions.

    Parameters
    ----------
    findings : DataFrame
        Rows of :func:`findings_row`.
    fdr : float

    Returns
    -------
    DataFrame
        Without hit_q; with family_q and significant_in_study, by
        :func:`popnet.stats.multiplicity.selected_families`. NaN of positive controls and where
        nothing is tested.
    """
    asked = ~findings["analysis"].isin([ANALYSES[one][0] for one in NO_QUESTIONS])
    q, within = selected_families(findings["family_p"].where(asked).to_numpy(float), fdr)
    stands = [
        sum(one <= within for one in hits) if family <= fdr else 0
        for family, hits in zip(q, findings["hit_q"], strict=True)
    ]
    place = list(findings).index("family_p") + 1
    found = findings.drop(columns="hit_q")
    found.insert(place, "family_q", q)
    counts = pd.Series(stands, found.index).where(np.isfinite(q)).astype("Int64")
    found.insert(place + 1, "significant_in_study", counts)
    return found


def of_analysis(counts: pd.DataFrame, analysis: str) -> pd.DataFrame:
    """Return the rows of an analysis in a table of hits by chance, which may be of several."""
    return counts[counts["analysis"] == analysis] if "analysis" in counts else counts


def by_chance(counts: pd.DataFrame) -> dict[str, object]:
    """Return what an analysis calls where there is nothing but chance.

    Parameters
    ----------
    counts : DataFrame
        permutation, tested and significant of every permuted phenotype; no rows where none was
        tested, as with preset paper.

    Returns
    -------
    dict
        by_chance and most_by_chance (mean and largest number of hits, NaN where none was tested),
        permuted_phenotypes (their number).
    """
    called = counts["significant"].astype(float)
    return {
        "by_chance": called.mean(),
        "most_by_chance": called.max(),
        "permuted_phenotypes": len(called),
    }


def component_name(genes: str) -> str:
    """Return how a component of edges is called: its number of genes, and the first three.

    Parameters
    ----------
    genes : str
        Its genes, separated by ";".
    """
    names = str(genes).split(";")
    return f"{len(names)} genes: {', '.join(names[:3])}{', …' if len(names) > 3 else ''}"


def is_explained(hits: pd.DataFrame) -> pd.Series:
    """Return which hits something else explains, by the column explained_by; without it none."""
    if "explained_by" not in hits:
        return pd.Series(False, hits.index)
    return ~hits["explained_by"].fillna("").isin(["", "none", UNKNOWN])


def explanations(explained_by: pd.Series) -> list[str]:
    """Return how many hits something else explains, a phrase for each explanation."""
    counts = explained_by.fillna("none").value_counts()
    explained = counts.drop(["", "none", UNKNOWN], errors="ignore")
    parts = [f"{n} explained by {why}" for why, n in explained.items()]
    if UNKNOWN in counts:
        parts.append(f"of {counts[UNKNOWN]} the expression is unknown")
    return parts


def qualified(hits: pd.DataFrame) -> str:
    """Return how many hits something else explains, and how many are not reliable.

    Parameters
    ----------
    hits : DataFrame with columns explained_by, icc, reliable and optionally stable_share
        Significant rows of centrality.tsv.
    """
    parts = explanations(hits["explained_by"])
    unknown = hits["icc"].isna()
    if unreliable := int((~hits["reliable"].fillna(True).astype(bool) & ~unknown).sum()):
        parts.append(f"{unreliable} not reliable over bins")
    if unknown.any():
        parts.append(f"reliability of {int(unknown.sum())} unknown")
    if "stable_share" in hits and (unstable := int((hits["stable_share"] < 1).sum())):
        parts.append(f"{unstable} not in every run without a sample, donor or batch")
    return "; ".join(parts)
