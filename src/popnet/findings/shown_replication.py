"""What the page and the figure of a replication show."""

from __future__ import annotations

import pandas as pd

from popnet.findings.rows import ANALYSES

HEADING = "Replication in the second cohort"
WORDS = {name: words for name, (words, _) in ANALYSES.items()} | {
    "gene_sets": "Centrality: gene sets as a whole",
    "enrichment": "Centrality: enrichment of gene sets",
}
# Points of a panel: the hypotheses of smallest p.
MOST_POINTS = 300


def effects(replicated: pd.DataFrame, cell_type: str, phenotype: str) -> pd.DataFrame:
    """Return the effects in both cohorts, of one cell type and phenotype.

    Parameters
    ----------
    replicated : DataFrame
        replication.tsv.
    cell_type, phenotype : str

    Returns
    -------
    DataFrame
        analysis (in words), measure, name1, name2, estimate, second_estimate, second_low,
        second_high, p_one_sided, replicated: the tested hypotheses, at most 300 of an analysis.
    """
    own = replicated[
        (replicated["cell_type"] == cell_type)
        & (replicated["phenotype"] == phenotype)
        & replicated["p_one_sided"].notna()
    ]
    own = own.groupby("analysis", sort=False).head(MOST_POINTS)
    columns = ["analysis", "measure", "name1", "name2", "estimate", "second_estimate"]
    columns += ["second_low", "second_high", "p_one_sided", "replicated"]
    shown = own[columns].reset_index(drop=True)
    shown["analysis"] = shown["analysis"].map(WORDS)
    return shown.astype({"replicated": bool})


def shown_rates(rates: pd.DataFrame) -> pd.DataFrame:
    """Return the rates of a replication as the page of the study shows them.

    Parameters
    ----------
    rates : DataFrame
        replication_rates.tsv.
    """
    table = pd.DataFrame(
        {
            "phenotype": rates["phenotype"],
            "cell type": rates["cell_type"],
            "analysis": rates["analysis"].map(WORDS),
            "hypotheses": rates["hypotheses"],
            "tested": rates["tested"],
            "replicated (p ≤ 0.05)": _of(rates["replicated"], rates["rate"]),
            "expected": [_percent(value) for value in rates["expected"]],
            "expected at most": [_percent(value) for value in rates["expected_at_most"]],
            "confirmed (q)": rates["confirmed"],
            "same sign": _of(rates["same_sign"], rates["sign_share"]),
            "p of signs": rates["sign_p"],
            "π₁": rates["pi1"],
        }
    )
    return table


def replication_remarks(rates: pd.DataFrame, genes: pd.DataFrame) -> list[str]:
    """Return sentences about a replication.

    Parameters
    ----------
    rates, genes : DataFrame
        replication_rates.tsv and replication_genes.tsv.
    """
    if rates.empty:
        return ["Nothing was found that the second cohort could replicate."]
    lines = [
        "Replication: the second cohort tests what is found here and nothing else, one-sided, in "
        "the networks of this cohort's genes, model and settings. Expected is the share of "
        "hypotheses that its power predicts, given all tests here; expected at most takes the "
        "estimates for the truth, which those of hits exceed. By chance 5 % are replicated, and "
        "half have the same sign. P of signs and π₁ take hypotheses for independent, and genes "
        f"of one network are not. The hypotheses have the seal {str(rates['seal'].iloc[0])[:12]}."
    ]
    for _, row in genes.iterrows():
        if row["not_expressed"]:
            lines.append(
                f"{row['cell_type']}: {row['not_expressed']} of {row['genes']} genes are not "
                "expressed in the second cohort, and hypotheses about them are not tested."
            )
    return lines


def _of(count: pd.Series, share: pd.Series) -> list[str]:
    return [
        f"{n} ({_percent(value)})" if pd.notna(value) else str(n)
        for n, value in zip(count, share, strict=True)
    ]


def _percent(value: float) -> str:
    return f"{value:.0%}" if pd.notna(value) else ""
