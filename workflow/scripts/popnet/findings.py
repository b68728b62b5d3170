"""What a study found, in one table: per analysis how much was tested, and what stands out."""

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


def page(findings: pd.DataFrame, title: str, remarks: Sequence[str]) -> str:
    """Return the findings as a page of HTML; identifiers are escaped."""
    from html import escape

    shown = findings.assign(
        smallest_q=[f"{q:.2g}" if pd.notna(q) else "" for q in findings["smallest_q"]]
    )
    shown.columns = [column.replace("_", " ") for column in shown.columns]
    notes = "".join(f"<li>{escape(remark)}</li>" for remark in remarks)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>
body {{ font: 15px/1.5 "DejaVu Sans", sans-serif; margin: 2em auto; max-width: 75em; color: #222; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .35em .8em; border-bottom: 1px solid #ddd; }}
th {{ border-bottom: 2px solid #444; }}
</style></head><body><h1>{escape(title)}</h1><ul>{notes}</ul>
{shown.to_html(index=False, border=0, na_rep="", escape=True)}
</body></html>
"""
