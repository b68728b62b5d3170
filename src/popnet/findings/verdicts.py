"""What a study found for one phenotype in one cell type: a verdict, and sentences with numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from popnet import presets
from popnet.associations.expression_switch import UNKNOWN
from popnet.associations.genes import HALVES, HALVES_OF_EXPRESSION
from popnet.findings.rows import ANALYSES, NO_QUESTIONS, is_explained
from popnet.findings.sentences import MANY

FOUND, DOUBT, NOTHING, UNTESTED = "found", "in doubt", "nothing found", "cannot be said"
NAMED = 4
RELIABLE_EFFECT = "detectable effect, reliable genes"
# A set of genes is named where so many of its genes, and this share of them, are hits.
GENES_OF_SET, SHARE_OF_SET = 3, 0.5
# The weaker claim of pairs, which says nothing more where the stronger one is tested.
AGREE, ALONE = ANALYSES["edges"][0], ANALYSES["model_edges"][0]
# Edges that the connectivity of a gene set counts.
EDGES_OF_SETS = {
    "within": "among themselves",
    "to_others": "to other genes",
    "within_complexes": "within complexes of the respiratory chain",
    "between_complexes": "between complexes of the respiratory chain",
}
# What is no question about networks.
CONTROLS = {ANALYSES[one][0] for one in (*NO_QUESTIONS, "composition", "overall_composition")}


@dataclass(frozen=True)
class Verdict:
    """What was found for a phenotype in a cell type.

    Parameters
    ----------
    light : str
        `FOUND`, `DOUBT`, `NOTHING` or `UNTESTED`.
    reason : str
        Why, in a sentence.
    sentences : tuple of str
        What was found, with numbers.
    missed : tuple of str
        What could not have been found.
    """

    light: str
    reason: str
    sentences: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compared:
    """What networks are compared with: how sentences speak of a phenotype.

    Parameters
    ----------
    name : str
    case, control : str
        Of a binary phenotype, empty of a continuous one.
    """

    name: str
    case: str = ""
    control: str = ""

    @property
    def across(self) -> str:
        """Where a value is higher or lower."""
        if self.case:
            return f"in {self.case} (against {self.control})"
        return f"with higher {self.name}"

    @property
    def by(self) -> str:
        """What networks differ by."""
        return f"between {self.case} and {self.control}" if self.case else f"with {self.name}"


def light(findings: pd.DataFrame, fdr: float) -> tuple[str, str]:
    """Return the verdict on the findings of one phenotype, cell type and network, and why.

    Parameters
    ----------
    findings : DataFrame
        Rows of findings.tsv.
    fdr : float
    """
    asked = findings[~findings["analysis"].isin(CONTROLS)]
    tested = asked[asked["tested"] > 0]
    if AGREE in set(tested["analysis"]):
        tested = tested[tested["analysis"] != ALONE]
    if tested.empty:
        return UNTESTED, "No question could be tested: what cannot be measured is left out."
    hits = tested[tested["significant"] > 0]
    if hits.empty:
        return (
            NOTHING,
            f"None of {len(tested)} analyses has a hit at a false discovery rate of {fdr:.0%}.",
        )
    in_study = hits["significant_in_study"]
    # Genes within called sets are no question of the study.
    asked_of_hits, stands = in_study.isna(), in_study.gt(0).fillna(False).astype(bool)
    lost = ~stands & ~asked_of_hits
    chance = hits["by_chance"] > MANY * fdr * hits["significant"]
    explained = hits["unexplained"] == 0
    good = hits[stands & ~chance & ~explained]
    if len(good):
        names = _listed([_in_text(one) for one in good["analysis"]], len(good))
        return FOUND, (
            f"{len(good)} of {len(tested)} analyses {_have(len(good))} hits that stand when all "
            "questions of the study are counted together, and have no other known explanation: "
            f"{names}."
        )
    reasons = [
        (
            asked_of_hits,
            "are of sets and modules that were called first, and no question by themselves",
        ),
        (lost, "are no longer significant when all questions of the study are counted together"),
        (stands & chance, "are hardly more than the same tests call with permuted phenotypes"),
        (stands & ~chance & explained, "are explained by expression, depth or composition"),
    ]
    parts = [
        f"those of {_listed([_in_text(one) for one in hits.loc[rows, 'analysis']], NAMED)} {why}"
        for rows, why in reasons
        if rows.any()
    ]
    return DOUBT, f"There are hits, but {'; '.join(parts)}."


def sentences(
    tables: Mapping[str, pd.DataFrame],
    sets: Mapping[str, Sequence[str]],
    about: Compared,
    preset: str,
    fdr: float,
) -> list[str]:
    """Return what one network's tests of a phenotype found, the strongest claims first.

    Parameters
    ----------
    tables : mapping of analysis to DataFrame
        Rows of the network; analyses that the study has not are absent.
    sets : mapping of name to genes
        The gene sets.
    about : Compared
    preset : str
    fdr : float
    """
    said = []
    if "gene_sets" in tables and "centrality" in tables:
        said += _of_sets(tables["gene_sets"], tables["centrality"], sets, about, fdr)
    if "connectivity" in tables:
        said += _between_genes_of_sets(tables["connectivity"], about, fdr)
    if "centrality" in tables:
        said += _of_genes(tables["centrality"], about, fdr)
    for name, words in (("programmes", "programme"), ("modules", "module")):
        if name in tables:
            said += _of_groups(tables[name], words, about, fdr)
    if "graph_centrality" in tables:
        said += _in_graph(tables["graph_centrality"], about, fdr)
    if "edges" in tables:
        said += _of_edges(tables["edges"], about, fdr)
    if "map" in tables:
        said += _of_map(tables["map"], about, preset, fdr)
    return said


def beside(tables: Mapping[str, pd.DataFrame], about: Compared, fdr: float) -> list[str]:
    """Return what expression and composition do, which networks are held against.

    Parameters
    ----------
    tables : mapping of analysis to DataFrame
        expression.tsv and composition.tsv, where the study has them.
    about : Compared
    fdr : float
    """
    said = []
    if "expression" in tables:
        means = tables["expression"].query("measure == 'expression'").dropna(subset=["p"])
        n = int((means["q"] <= fdr).sum())
        said.append(
            f"Mean expression, the positive control, changes in {n:,} of {len(means):,} genes."
        )
    if "composition" in tables:
        states = tables["composition"].dropna(subset=["p"])
        hits = states[states["q"] <= fdr]
        if len(hits):
            said.append(
                f"The share of {len(hits)} of {len(states)} cell states changes too "
                f"({_listed(hits['name'], NAMED)}): part of a change of networks may be one of the "
                "mix of cells."
            )
    return said


def halves(items: Mapping[str, str]) -> list[str]:
    """Return how far effects agree in two halves of the donors.

    Parameters
    ----------
    items : mapping
        design.tsv, item to value.
    """
    if HALVES not in items:
        return []
    text = f"Effects on centrality in two halves of the donors correlate with r = {items[HALVES]}"
    if HALVES_OF_EXPRESSION in items:
        text += f"; those on mean expression with r = {items[HALVES_OF_EXPRESSION]}"
    return [f"{text}."]


def missed(items: Mapping[str, str], binary: bool) -> list[str]:
    """Return which effects would probably have been missed.

    Parameters
    ----------
    items : mapping
        design.tsv, item to value.
    binary : bool
    """
    if "detectable effect" not in items:
        return []
    what = "rank-biserial correlation" if binary else "correlation"
    icc = float(items.get("reliability (median gene)", "nan"))
    given = f" of the median gene (ICC {icc:.2f})" if np.isfinite(icc) else ""
    limits = [(given, "detectable effect")]
    if "reliable genes" in items:
        n, icc = int(items["reliable genes"]), float(items["reliability (reliable genes)"])
        genes = f"{n:,} reliable genes, median ICC" if n > 1 else "1 reliable gene, ICC"
        limits.insert(0, (f" of a reliable gene ({genes} {icc:.2f})", RELIABLE_EFFECT))
    found = [_limit(items, what, *limit) for limit in limits]
    each = items.get("each is a", "sample")
    start = f"Centrality of single genes: with {items['observations']} observations (each a {each})"
    last = "(power 80 %). No hit is no proof that nothing changes."
    return [f"{start}, {'; '.join(found)} {last}"]


def _limit(items: Mapping[str, str], what: str, given: str, effect: str) -> str:
    one, many = float(items[effect]), float(items[f"{effect}, all tests"])
    if not np.isfinite(one):
        return f"even the largest effect{given} would probably be missed"
    after = f"below {many:.2f}" if np.isfinite(many) else "of any size"
    return (
        f"a {what} below {one:.2f} would probably have been missed in a single test{given}, and "
        f"{after} in one of all genes, after correction for their number"
    )


def _of_sets(
    table: pd.DataFrame,
    genes: pd.DataFrame,
    sets: Mapping[str, Sequence[str]],
    about: Compared,
    fdr: float,
) -> list[str]:
    hits = table[table["q"] <= fdr]
    known = genes.dropna(subset=["p"]).set_index("gene")
    said = []
    for row in hits.head(NAMED).to_dict("records"):
        members = known.loc[known.index.isin(list(sets.get(row["gene_set"], ())))]
        found = members[members["q"] <= fdr]
        numbers = f"q of the set {row['q']:.2g}"
        if icc := _median(found.get("icc")):
            numbers += f", ICC {icc}"
        why = row.get("explained_by") or ""
        numbers += f", explained by {why}" if why not in ("", "none") else ""
        if len(found) >= GENES_OF_SET and len(found) >= SHARE_OF_SET * len(members):
            n_down = int((found["statistic"] < 0).sum())
            up = len(found) - n_down
            way = "lose" if n_down > up else "gain"
            said.append(
                f"{max(n_down, up)} of {len(members)} genes of {row['gene_set']} {way} centrality "
                f"{about.across} ({numbers})."
            )
        else:
            score = row.get("estimate")
            score = row["nes"] if score is None or pd.isna(score) else score
            way = "higher" if score > 0 else "lower"
            said.append(
                f"The gene set {row['gene_set']} has {way} centrality {about.across} as a whole "
                f"({len(found)} of its {len(members)} genes by themselves; {numbers})."
            )
    if len(hits) > NAMED:
        said.append(f"{len(hits) - NAMED:,} more gene sets are significant.")
    return said


def _between_genes_of_sets(table: pd.DataFrame, about: Compared, fdr: float) -> list[str]:
    hits = table[table["q"] <= fdr]
    free = hits[~is_explained(hits)]
    said = []
    for row in free.head(NAMED).to_dict("records"):
        way = "more" if row["statistic"] > 0 else "fewer"
        high, low = f"{row['mean_case']:.3g}", f"{row['mean_control']:.3g}"
        means = f"{high} against {low}" if about.case else f"upper half {high}, lower half {low}"
        said.append(
            f"The genes of {row['gene_set']} have {way} edges {EDGES_OF_SETS[row['kind']]} "
            f"{about.across} (on average {means}; q {row['q']:.2g})."
        )
    left = len(hits) - len(said)
    if left:
        said.append(
            f"{left:,} {'more ' * bool(said)}{'number' if left == 1 else 'numbers'} of edges of "
            f"gene sets {'is' if left == 1 else 'are'} significant, {len(hits) - len(free):,} of "
            "which something else explains."
        )
    return said


def _of_genes(table: pd.DataFrame, about: Compared, fdr: float) -> list[str]:
    tested = table.dropna(subset=["p"])
    hits = tested[tested["q"] <= fdr]
    if hits.empty:
        return [] if tested.empty else [f"None of {len(tested):,} genes changes in centrality."]
    free = hits[~is_explained(hits)]
    parts = [f"smallest q {hits['q'].min():.2g}"]
    if icc := _median(hits.get("icc")):
        parts.append(f"median ICC {icc}")
    parts.append(_explained(hits, "expression, dropout, depth or composition"))
    low = int((hits["statistic"] < 0).sum())
    return [
        f"{len(hits):,} of {len(tested):,} genes change in centrality, {low:,} lower and "
        f"{len(hits) - low:,} higher {about.across} ({'; '.join(parts)}): "
        f"{_listed((free if len(free) else hits)['gene'], NAMED)}."
    ]


def _of_groups(table: pd.DataFrame, word: str, about: Compared, fdr: float) -> list[str]:
    """Programmes and modules: the value of each by itself, and the coupling of two."""
    said = []
    for kind, rows in table.dropna(subset=["p"]).groupby("kind", sort=False):
        hits = rows[rows["q"] <= fdr]
        if hits.empty or kind not in ("variance", "density", "coupling"):
            continue
        free = hits[~is_explained(hits)]
        first = (free if len(free) else hits).iloc[0]
        way = "higher" if first["estimate"] > 0 else "lower"
        of = first["name1"] if kind != "coupling" else f"{first['name1']} with {first['name2']}"
        which = f"{word}s" if kind != "coupling" else f"pairs of {word}s"
        n_explained = len(hits) - len(free)
        number = "all" if n_explained == len(hits) > 1 else f"{n_explained:,}"
        explained = f", {number} explained by expression or composition" if n_explained else ""
        if n_explained == len(hits) == 1:
            explained = ", explained by expression or composition"
        said.append(
            f"{len(hits):,} of {len(rows):,} {which} {'change' if len(hits) > 1 else 'changes'} in "
            f"{kind}{explained}. First: {of}, {way} {about.across} (q {first['q']:.2g})."
        )
    return said


def _in_graph(table: pd.DataFrame, about: Compared, fdr: float) -> list[str]:
    """Strength, which compares no gene with others; else the measure with most unexplained hits."""
    hits = table[table["q"] <= fdr]
    if hits.empty:
        return []
    free = hits[~is_explained(hits)]
    counts = (free if len(free) else hits)["measure"].value_counts()
    chosen = "strength" if "strength" in counts else counts.index[0]
    own, tested = hits[hits["measure"] == chosen], table["measure"] == chosen
    free = own[~is_explained(own)]
    low = int((own["statistic"] < 0).sum())
    words = str(chosen).replace("_", " ")
    return [
        f"{len(own):,} of {int((tested & table['p'].notna()).sum()):,} genes change in {words} (of "
        f"their edges in the graph), {low:,} lower and {len(own) - low:,} higher {about.across} ("
        f"{_explained(own, 'expression, composition or edges of other genes')}): "
        f"{_listed((free if len(free) else own)['gene'], NAMED)}."
    ]


def _of_edges(table: pd.DataFrame, about: Compared, fdr: float) -> list[str]:
    if "agrees" not in table:
        return []
    tested = table[(table["gene_set"] == "all") & table["p"].notna()]
    agree = tested["agrees"].fillna(False).astype(bool)
    alone = tested["agrees"].isna().all()
    hits = tested[tested["q"] <= fdr] if alone else tested[agree]
    if hits.empty:
        return []
    low = int((hits["statistic"] < 0).sum())
    by = "" if alone else ", by the network and by plain correlation"
    return [
        f"{len(hits):,} of {len(tested):,} candidate pairs of genes change in weight{by}: {low:,} "
        f"lower and {len(hits) - low:,} higher {about.across} "
        f"({_explained(hits, 'expression or composition')})."
    ]


def _of_map(table: pd.DataFrame, about: Compared, preset: str, fdr: float) -> list[str]:
    own = table[table["kernel"] == presets.main_kernel(preset, table["kernel"])]
    hits = own[own["q"] <= fdr]
    if hits.empty:
        return []
    return [
        f"The networks of samples as a whole differ {about.by} (smallest q {hits['q'].min():.2g})."
    ]


def _explained(hits: pd.DataFrame, what: str) -> str:
    """Return how many hits nothing explains, in words; of some that may not be known."""
    if "explained_by" not in hits:
        return f"whether {what} explain it was not asked"
    unknown = int((hits["explained_by"] == UNKNOWN).sum())
    if unknown == len(hits):
        return f"whether {what} explain it is not known"
    free = int((~is_explained(hits)).sum()) - unknown
    asked = f"{free:,} not explained by {what}"
    return f"{asked}; of {unknown:,} it is not known" if unknown else asked


def _median(values: pd.Series | None) -> str:
    if values is None or values.dropna().empty:
        return ""
    return f"{values.median():.2f}"


def _listed(names: Iterable[object], most: int) -> str:
    texts = list(map(str, names))
    return ", ".join(texts[:most]) + (", and others" if len(texts) > most else "")


def _in_text(analysis: str) -> str:
    """Return the words of an analysis inside a sentence."""
    return analysis if analysis.startswith("mtDNA") else analysis[0].lower() + analysis[1:]


def _have(n: int) -> str:
    return "has" if n == 1 else "have"
