"""Tables that users make, read as text."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from pathlib import Path

from popnet.errors import Problem
from popnet.study.paths import nearest_file, path_fault


def read_sheet_table(path: str) -> tuple[list[str], list[dict[str, str]], list[Problem]]:
    """Read a CSV or TSV that a user made; every value stays the text that it is.

    Commas, tabs and semicolons are told apart by the header; a byte-order mark and any line
    ending are fine.

    Returns
    -------
    columns : list of str
    rows : list of dict of column to text
    problems : list of Problem
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        delimiter = max("\t,;", key=re.split(r"[\r\n]", text, maxsplit=1)[0].count)
        lines = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter, strict=True)
        rows = [row for row in lines if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        fault = f"The table cannot be read: {error}"
        return [], [], [Problem(path, "table", None, fault, "Save it as CSV in UTF-8")]
    if len(rows) < 2:
        fault = "The table has no rows"
        return [], [], [Problem(path, "table", None, fault, "Write a header and one row per entry")]
    columns = [column.strip() for column in rows[0]]
    problems = [
        Problem(path, f"table column {column}", column, "Two columns have this name", "Rename one")
        for column, count in Counter(columns).items()
        if count > 1
    ]
    problems += [
        Problem(
            path,
            f"table, row {number}",
            delimiter.join(row),
            f"The row does not have the {len(columns)} fields of the header",
            "Complete the row; quote values that hold the separator",
        )
        for number, row in enumerate(rows[1:], 2)
        if len(row) != len(columns)
    ]
    padded = (row + [""] * (len(columns) - len(row)) for row in rows[1:])
    return columns, [dict(zip(columns, row, strict=False)) for row in padded], problems


def read_markers(path: str) -> tuple[list[dict[str, str]], list[Problem]]:
    """Read a user's table of marker genes: rows with gene and cell_type, and what is wrong."""
    if fault := path_fault(path, folder=False):
        remedy = nearest_file(path) + "Correct the path; null finds markers by a test"
        return [], [Problem(path, "comparisons.markers", path, fault, remedy)]
    columns, rows, problems = read_sheet_table(path)
    if not problems:
        problems = [
            Problem(
                path,
                f"table column {column}",
                None,
                "The table of markers lacks this column",
                f"Name the columns gene and cell_type; there are: {', '.join(columns)}",
            )
            for column in ("gene", "cell_type")
            if column not in columns
        ]
    return ([] if problems else rows), problems
