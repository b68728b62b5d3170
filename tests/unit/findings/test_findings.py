"""The table and the page of what a study found."""

import numpy as np
import pandas as pd

from popnet.findings.rows import finding
from popnet.report.page import page


def test_hits_are_named_by_their_p():
    table = pd.DataFrame(
        {"gene": list("abcd"), "p": [0.03, 0.001, np.nan, 0.5], "q": [0.045, 0.003, np.nan, 0.5]}
    )
    row = finding("Genes", table, ["gene"], fdr=0.05)
    assert row == {
        "analysis": "Genes",
        "tested": 3,
        "significant": 2,
        "strongest": "b, a",
        "smallest_q": 0.003,
    }
    nothing = finding("Genes", table[table["q"] > 0.05], ["gene"], fdr=0.05)
    assert nothing["strongest"] == "(d)"


def test_page_begins_with_warnings_and_escapes_identifiers():
    findings = pd.DataFrame(
        {"phenotype": ["<script>x</script>"], "tested": [12345], "smallest_q": [np.nan]}
    )
    compared = pd.DataFrame({"observations": ["6"], "smallest p": ["0.1"], "VIF": ["inf"]})
    text = page(findings, "A & B", ["remark"], ["no test can pass <b>"], {"Compared": compared})
    assert "<script>" not in text
    assert "A &amp; B" in text
    assert "no test can pass &lt;b&gt;" in text
    assert text.index("no test can pass") < text.index("remark") < text.index("Compared")
    assert "<td>0.1</td>" in text
    assert "nan" not in text
