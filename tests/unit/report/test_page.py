"""The pages of a study."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from popnet.report.page import page


class Tags(HTMLParser):
    """Collects tags and text."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_page_begins_with_warnings():
    findings = pd.DataFrame({"phenotype": ["x"], "tested": [12345], "smallest_q": [np.nan]})
    compared = pd.DataFrame({"observations": ["6"], "smallest p": ["0.1"], "VIF": ["inf"]})
    text = page(findings, "A & B", ["remark"], ["no test"], {"Compared": compared})
    assert "<title>A &amp; B</title>" in text
    assert text.index("no test") < text.index("remark") < text.index("Compared")
    assert "<th>smallest q</th>" in text
    assert "<td>0.1</td>" in text
    assert "<td>12,345</td>" in text
    assert "nan" not in text
    assert "warnings" not in page(findings, "A", [])
    assert "Findings" not in text
    text = page(findings, "A", ["remark"], [], {"Compared": compared}, {"Measurable?": compared})
    assert text.index("Measurable?") < text.index("<h2>Findings</h2>") < text.index("Compared")


NAMES = [
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "a & b",
    '"><img src=x>',
    "x" * 99,
]


@pytest.mark.parametrize("name", NAMES)
def test_names_from_the_data_are_never_markup(name):
    table = pd.DataFrame({name: [name], "q": [0.5]})
    plain = page(pd.DataFrame({"x": ["x"], "q": [0.5]}), "x", ["x"], ["x"], {"x": table[["q"]]})
    text = page(table, name, [name], [name], {name: table[["q"]]})
    found = Tags(text)
    assert found.tags == Tags(plain).tags
    # Title (twice), heading of the column, cell, remark, warning and heading of the section.
    assert found.texts.count(name) == 7


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00012345, "0.000123"),
        (3, "3"),
        (1234567.0, "1,234,567"),
        ("0.0512345", "0.0512"),
        ("8.3e-05", "8.3e-05"),
        ("1e5", "1e5"),
        ("007", "007"),
        (None, ""),
        (True, "1"),
        ("2024.1", "2024.1"),
    ],
)
def test_numbers_have_three_digits_and_names_stay(value, text):
    table = pd.DataFrame({"value": [value]}, dtype=object)
    assert f"<td>{text}</td>" in page(table, "t", [])
