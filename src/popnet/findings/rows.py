"""What an analysis found, as a row."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

STRONGEST = 5


def finding(
    analysis: str, table: pd.DataFrame, names: Sequence[str], fdr: float
) -> dict[str, object]:
    """Return one row of the findings.

    Parameters
    ----------
    analysis : str
        What the table tests, in words.
    table : DataFrame
        With p and q; tests without p do not count, and one that stands twice (an edge of two
        sets) counts once.
    names : sequence of str
        Columns that name a row.
    fdr : float
        Largest q of a hit.

    Returns
    -------
    dict
        analysis, tested, significant, strongest (names of the hits of smallest p, or of the
        single best row in brackets where there is no hit), smallest_q.
    """
    tested = table.dropna(subset=["p"]).drop_duplicates(list(names))
    tested = tested.sort_values("p", kind="stable")
    hits = tested[tested["q"] <= fdr]
    labels = [" - ".join(map(str, row)) for row in hits[list(names)].head(STRONGEST).to_numpy()]
    strongest = ", ".join(labels) + (", …" if len(hits) > STRONGEST else "")
    if hits.empty and len(tested):
        strongest = f"({' - '.join(map(str, tested.iloc[0][list(names)]))})"
    return {
        "analysis": analysis,
        "tested": len(tested),
        "significant": len(hits),
        "strongest": strongest,
        "smallest_q": tested["q"].min(),
    }
