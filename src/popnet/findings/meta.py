"""What several studies have in common, in numbers."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from popnet.findings.rows import finding
from popnet.stats.meta import NORMAL

# Genes that a forest plot shows, and what it calls the studies combined.
MOST, TOGETHER = 15, "together"


def forest(table: pd.DataFrame) -> pd.DataFrame:
    """Return what a forest plot shows: the effects of the genes of smallest p.

    Parameters
    ----------
    table : DataFrame
        As of :func:`meta_rows`; its first network is shown.

    Returns
    -------
    DataFrame with columns network, gene, q, heterogeneity_p, study, effect, low, high
        A row per gene and study, and one of the fixed effects estimate (`TOGETHER`); the 95 %
        confidence interval.
    """
    first = table[table["network"].isin(table["network"].head(1))].dropna(subset=["p"])
    first = first.sort_values("p", kind="stable").head(MOST)
    about = first[["network", "gene", "q", "heterogeneity_p"]]
    parts = [
        about.assign(study=TOGETHER, effect=first["estimate"], low=first["low"], high=first["high"])
    ]
    for column in first.columns[first.columns.str.endswith(": effect")]:
        study = column.removesuffix(": effect")
        effect, half = first[column], NORMAL * first[f"{study}: error"]
        parts.append(
            about.assign(study=study, effect=effect, low=effect - half, high=effect + half)
        )
    shown = pd.concat(parts).dropna(subset=["effect"])
    return shown.sort_index(kind="stable").reset_index(drop=True)


def meta_rows(table: pd.DataFrame, fdr: float) -> Iterator[dict[str, object]]:
    """Yield what the studies found together, a row per network.

    Parameters
    ----------
    table : DataFrame
        Of :func:`popnet.associations.studies.studies_combined`, with a column network.
    fdr : float
        Largest q of a hit.

    Yields
    ------
    dict
        network, n_studies (most of a gene), tested, significant, strongest, smallest_q (of q);
        random (hits of random_q), heterogeneous (of heterogeneity_q), replicated (hits of q that
        have one direction in all studies, and heterogeneity_p above 0.05), median_i2.
    """
    for network, own in table.groupby("network", sort=False):
        hits = own["q"] <= fdr
        alike = (own["same_direction"] == own["n_studies"]) & (own["heterogeneity_p"] > 0.05)
        found = finding("", own, ["gene"], fdr)
        for column in ("analysis", "unexplained", "family_p", "hit_q"):
            del found[column]
        yield {
            "network": network,
            "n_studies": int(own["n_studies"].max()),
            **found,
            "replicated": int((hits & alike).sum()),
            "random": int((own["random_q"] <= fdr).sum()),
            "heterogeneous": int((own["heterogeneity_q"] <= fdr).sum()),
            "median_i2": own["i2"].median(),
        }
