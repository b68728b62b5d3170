"""Pages of tables in HTML."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd

LONG_NUMBER = re.compile(r"-?\d+\.\d{4,}(e[+-]\d+)?|-?\d(\.\d+)?e-\d+")


def page(
    findings: pd.DataFrame,
    title: str,
    remarks: Sequence[str],
    warnings: Sequence[str] = (),
    sections: Mapping[str, pd.DataFrame] | None = None,
) -> str:
    """Return the findings as a page of HTML; identifiers are escaped.

    Parameters
    ----------
    findings : DataFrame
        Rows of :func:`finding`, with phenotype and cell type.
    title : str
    remarks, warnings : sequence of str
        Warnings come first.
    sections : mapping of heading to DataFrame, optional
        Further tables.
    """
    shown = findings.map(_short)
    shown.columns = [column.replace("_", " ") for column in shown.columns]
    warned = ""
    if warnings:
        warned = f'<div class="warning"><b>Before you believe anything</b>{_list(warnings)}</div>'
    further = "".join(
        f"<h2>{escape(heading)}</h2>{_table(table.map(_short))}"
        for heading, table in (sections or {}).items()
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>
body {{ font: 15px/1.5 "DejaVu Sans", sans-serif; margin: 2em auto; max-width: 75em; color: #222; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .35em .8em; border-bottom: 1px solid #ddd; }}
th {{ border-bottom: 2px solid #444; vertical-align: bottom; }}
h2 {{ font-size: 1.2em; margin-top: 2em; }}
h2 + table {{ display: block; overflow-x: auto; font-size: .85em; }}
.warning {{ background: #fdf1dc; border-left: 4px solid #c77700; padding: .6em 1em; }}
</style></head><body><h1>{escape(title)}</h1>{warned}{_list(remarks)}
{_table(shown)}{further}
</body></html>
"""


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _table(table: pd.DataFrame) -> str:
    return table.to_html(index=False, border=0, na_rep="", escape=True)


def _short(value: object) -> object:
    """Return a number, or text that is a long one, with three digits; nothing for a missing one.

    Short text may as well be the name of something.
    """
    if isinstance(value, str) and not LONG_NUMBER.fullmatch(value):
        return value
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return value
    if math.isnan(number):
        return ""
    whole = number.is_integer() or abs(number) >= 1000
    return f"{number:,.0f}" if whole and abs(number) < 1e9 else f"{number:.3g}"
