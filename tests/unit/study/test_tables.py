"""Tables as spreadsheets and statistics packages write them: the same rows, or refused."""

from __future__ import annotations

import pytest

from popnet.study.tables import mangled, read_sheet_table

PLAIN = "id,donor,age\nS1,D1,20\nS2,D2,30\n"
ROWS = [{"id": "S1", "donor": "D1", "age": "20"}, {"id": "S2", "donor": "D2", "age": "30"}]


def read(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_sheet_table(str(path))


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace("\n", ",,\n"),
        PLAIN + ",,\n , ,\n\n",
        "\n\n" + PLAIN.replace("\n", "\n\n"),
        "sep=;\n" + PLAIN.replace(",", ";"),
        '"sep=;"\r\n' + PLAIN.replace(",", ";").replace("\n", "\r\n"),
        "SEP=,,,\n" + PLAIN,
        "\ufeff" + PLAIN.replace("\n", "\r"),
        "\ufeff\ufeffsep=\t\n" + PLAIN.replace(",", "\t"),
        PLAIN.replace("S1,D1,20", "S1,D1,20,"),
    ],
)
def test_the_same_rows(tmp_path, text):
    assert read(tmp_path, text) == (["id", "donor", "age"], ROWS, [])


def test_a_column_of_row_names_and_rows_by_their_lines(tmp_path):
    columns, rows, problems = read(tmp_path, ",id\n0,S1\n\n1\n")
    assert columns == ["", "id"]
    assert [row["id"] for row in rows] == ["S1", ""]
    assert [problem.field for problem in problems] == ["table, row 4"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (PLAIN.replace("D1", "M\u00fcller").encode("latin-1"), "not UTF-8: byte 0xfc in line 2"),
        (PLAIN.encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04 and so on", "spreadsheet"),
        (b"\x1f\x8b and so on", "compressed"),
        (PLAIN.replace("20", "20,5").replace("30", "30,5"), "fields of the header"),
        # A decimal comma behind a header with an empty column.
        (PLAIN.replace("age", "age,").replace("20", "20,5").replace("30", "30,5"), "no name"),
        ("sep=;\n", "no rows"),
        (b"id,a\0b\n1,2\n", "UTF-16, or no text"),
    ],
)
def test_tables_that_are_refused(tmp_path, text, words):
    problems = read(tmp_path, text)[2]
    assert words in problems[0].message
    assert problems[0].remedy


def test_dates_that_a_spreadsheet_made():
    assert mangled(["1-1", "1-Feb", "Mar-02", "p"]) == ["1-Feb", "Mar-02"]
    assert mangled(["SEPT2", "2-Sep"]) == ["2-Sep"]
    assert mangled(["01/02/2021", "13/02/2021"]) == []
    assert mangled(["2021-02-01", "pool"]) == []
