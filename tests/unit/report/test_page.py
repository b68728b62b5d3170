"""The pages of a study."""

import numpy as np
import pandas as pd

from popnet.report.page import page


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
