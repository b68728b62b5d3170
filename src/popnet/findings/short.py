"""What a study found, in a few lines for a terminal."""

from __future__ import annotations

import pandas as pd

NAMED = 3


def in_short(findings: pd.DataFrame) -> list[str]:
    """Return a line per phenotype and cell type, and one for each analysis that found something.

    Of networks, the headline counts: the first that findings.tsv has of a phenotype and cell type.

    Parameters
    ----------
    findings : DataFrame
        findings.tsv.
    """
    lines = []
    for (phenotype, cell_type), rows in findings.groupby(["phenotype", "cell_type"], sort=False):
        of_networks = rows["network"].replace("", pd.NA).dropna()
        chosen = [*of_networks.head(1), ""]
        rows = rows[rows["network"].fillna("").isin(chosen) & (rows["tested"] > 0)]
        hits = rows[rows["significant"] > 0]
        network = f" ({chosen[0]})" if len(chosen) > 1 else ""
        about = f"{phenotype} in {cell_type}{network}"
        if rows.empty:
            lines.append(f"{about}: nothing could be tested")
        elif hits.empty:
            lines.append(f"{about}: nothing found in {len(rows)} analyses")
        else:
            lines.append(f"{about}: {len(hits)} of {len(rows)} analyses found something")
        lines += [f"  {_line(row)}" for row in hits.to_dict("records")]
    return lines


def _line(row: dict[str, object]) -> str:
    """Return what one analysis found."""
    names = str(row["strongest"]).split(", ")
    more = ", ..." if len(names) > NAMED else ""
    text = (
        f"{row['analysis']}: {row['significant']:,} of {row['tested']:,}, smallest q "
        f"{row['smallest_q']:.2g}: {', '.join(names[:NAMED])}{more}"
    )
    return text + (f" ({row['of_these']})" if row["of_these"] else "")
