"""Tables that users make, read as text."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from popnet.errors import Problem
from popnet.study.paths import nearest_file, path_fault

# The line by which a spreadsheet is told the separator, filled up with separators when saved again.
SEPARATOR_LINE = re.compile(r'\s*"?sep=([,;\t])"?[,;\t]*[ ]*(?:\r\n|\r|\n)', re.IGNORECASE)
BLANK = ' \t,;"\ufeff'
MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
SPREADSHEET_DATE = re.compile(
    rf"\d{{1,4}}-{MONTH}(?:-\d{{2,4}})?|{MONTH}-\d{{1,4}}|\d{{4}}-\d\d-\d\d 00:00:00"
    r"|\d{1,2}/\d{1,2}/\d{4}",
    re.IGNORECASE,
)


def read_sheet_table(path: str) -> tuple[list[str], list[dict[str, str]], list[Problem]]:
    """Read a CSV or TSV that a user made; every value stays the text that it is.

    Commas, tabs and semicolons are told apart by the header, or by a line ``sep=;`` above it. A
    byte-order mark, any line ending, blank rows and blank columns without a name are fine.

    Returns
    -------
    columns : list of str
    rows : list of dict of column to text
    problems : list of Problem
    """
    try:
        text = _text_of(path)
        given = SEPARATOR_LINE.match(text)
        text = text[given.end() :] if given else text
        header = next((line for line in re.split(r"[\r\n]", text) if line.strip(BLANK)), "")
        delimiter = given[1] if given else max("\t,;", key=header.count)
        lines = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter, strict=True)
        numbered = [
            (number, row)
            for number, row in enumerate(lines, 2 if given else 1)
            if any(field.strip() for field in row)
        ]
    except (OSError, ValueError, csv.Error) as error:
        fault = f"The table cannot be read: {error}"
        return [], [], [Problem(path, "table", None, fault, "Save it as CSV in UTF-8")]
    if len(numbered) < 2:
        fault = "The table has no rows"
        return [], [], [Problem(path, "table", None, fault, "Write a header and one row per entry")]
    columns = [column.strip() for column in numbered.pop(0)[1]]
    # Spreadsheets write the columns that they have, also empty ones without a name.
    width = max(len(columns), *(len(row) for _, row in numbered))
    filled = {place for _, row in numbered for place, field in enumerate(row) if field.strip()}
    unused = {
        place
        for place in range(width)
        if place not in filled and not "".join(columns[place : place + 1])
    }
    columns = [column for place, column in enumerate(columns) if place not in unused]
    numbered = [
        (number, [field for place, field in enumerate(row) if place not in unused])
        for number, row in numbered
    ]
    problems = [
        Problem(path, f"table column {column}", column, "Two columns have this name", "Rename one")
        for column, count in Counter(columns).items()
        if count > 1
    ]
    if "" in columns[1:]:  # The first may be that of row names.
        place = columns.index("", 1) + 1
        message = f"Column {place} has values, and no name"
        remedy = "Name it; quote values that hold the separator, such as a decimal comma"
        problems.append(Problem(path, "table", None, message, remedy))
    problems += [
        Problem(
            path,
            f"table, row {number}",
            delimiter.join(row),
            f"The row does not have the {len(columns)} fields of the header",
            "Complete the row; quote values that hold the separator",
        )
        for number, row in numbered
        if len(row) != len(columns)
    ]
    padded = (row + [""] * (len(columns) - len(row)) for _, row in numbered)
    return columns, [dict(zip(columns, row, strict=False)) for row in padded], problems


def _text_of(path: str) -> str:
    """Return the text of a table.

    Raises
    ------
    ValueError
        With what the file is instead.
    """
    content = Path(path).read_bytes()
    if content.startswith(b"PK\x03\x04") or content.startswith(b"\xd0\xcf\x11\xe0"):
        raise ValueError("it is a spreadsheet or an archive, not text")
    if content.startswith(b"\x1f\x8b"):
        raise ValueError("it is compressed")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        raise ValueError("it is not UTF-8 (UTF-16, or no text)")
    try:
        return content.decode("utf-8-sig").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"it is not UTF-8: byte {content[error.start]:#x} in line {line}"
        ) from None


def mangled(texts: Iterable[str]) -> list[str]:
    """Return the texts that a spreadsheet made dates of, such as 1-Feb of 1-2.

    A column of nothing but dates is one of dates.
    """
    texts = list(dict.fromkeys(texts))
    dates = [text for text in texts if SPREADSHEET_DATE.fullmatch(text)]
    return dates if len(dates) < len(texts) else []


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
