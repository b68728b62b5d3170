"""Pages of tables in HTML, from the templates beside this module."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jinja2
import pandas as pd

TEMPLATE = "page.html.j2"
LONG_NUMBER = re.compile(r"-?\d+\.\d{4,}(e[+-]\d+)?|-?\d(\.\d+)?e-\d+")


class Shown(NamedTuple):
    """A table as a template shows it: headings, and rows of text."""

    columns: list[str]
    rows: list[list[str]]


def page(
    table: pd.DataFrame,
    title: str,
    remarks: Sequence[str],
    warnings: Sequence[str] = (),
    sections: Mapping[str, pd.DataFrame] | None = None,
    before: Mapping[str, pd.DataFrame] | None = None,
) -> str:
    """Return a page of HTML: warnings, remarks, the table, and further tables below headings.

    Names from the data are escaped.

    Parameters
    ----------
    table : DataFrame
        Underscores in the names of its columns are shown as blanks.
    title : str
    remarks, warnings : sequence of str
    sections : mapping of heading to DataFrame, optional
        Further tables.
    before : mapping of heading to DataFrame, optional
        Tables that come first; `table` then has the heading "Findings".
    """
    return (
        templates()
        .get_template(TEMPLATE)
        .render(
            title=title,
            warnings=warnings,
            remarks=remarks,
            first=_shown(table.rename(columns=lambda column: column.replace("_", " "))),
            sections=[(heading, _shown(further)) for heading, further in (sections or {}).items()],
            before=[(heading, _shown(earlier)) for heading, earlier in (before or {}).items()],
        )
    )


def templates() -> jinja2.Environment:
    """Return the templates beside this module; what they are given is escaped."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("popnet.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(table: pd.DataFrame) -> Shown:
    rows = table.itertuples(index=False, name=None)
    return Shown(list(map(str, table.columns)), [list(map(_short, row)) for row in rows])


def _short(value: object) -> str:
    """Return a number, or text that is a long one, with three digits; nothing for a missing one.

    Short text may as well be the name of something.
    """
    if value is None or (isinstance(value, str) and not LONG_NUMBER.fullmatch(value)):
        return value or ""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(value)
    if math.isnan(number):
        return ""
    whole = number.is_integer() or abs(number) >= 1000
    return f"{number:,.0f}" if whole and abs(number) < 1e9 else f"{number:.3g}"
