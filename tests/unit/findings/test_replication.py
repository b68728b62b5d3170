"""What the page and the figure of a replication show."""

from __future__ import annotations

import numpy as np
import pandas as pd

from popnet.associations.replication import rates
from popnet.figures.replication import replication_scatter
from popnet.figures.style import Subject
from popnet.findings.shown_replication import effects, replication_remarks, shown_rates


def replicated(n=4, analysis="centrality"):
    estimate = np.linspace(-1, 1, n)
    return pd.DataFrame(
        {
            "phenotype": "ill",
            "cell_type": "T",
            "analysis": analysis,
            "network": "shared",
            "measure": "",
            "name1": [f"G{number}" for number in range(n)],
            "name2": "",
            "direction": np.where(estimate > 0, "up", "down"),
            "estimate": estimate,
            "second_estimate": estimate / 2,
            "second_low": estimate / 2 - 0.1,
            "second_high": estimate / 2 + 0.1,
            "p_one_sided": np.where(np.arange(n) == 0, np.nan, 0.01),
            "replicated": np.arange(n) > 0,
            "confirmed": np.arange(n) > 1,
            "expected": 0.8,
            "expected_at_most": 0.9,
        }
    )


def test_the_page_shows_rates_beside_what_was_expected():
    table = rates(replicated()).assign(seal="0123456789abcdef")
    shown = shown_rates(table).iloc[0]
    assert shown["analysis"] == "Degree centrality: genes"
    assert shown["replicated (p ≤ 0.05)"] == "3 (100%)"
    assert (shown["expected"], shown["expected at most"]) == ("80%", "90%")
    genes = pd.DataFrame({"cell_type": ["T"], "genes": [9], "not_expressed": [2], "which": "A, B"})
    said = replication_remarks(table, genes)
    assert "seal 0123456789ab" in said[0]
    assert said[1].startswith("T: 2 of 9 genes")
    assert "Nothing was found" in replication_remarks(table.iloc[:0], genes)[0]


def test_the_figure_has_a_panel_for_each_analysis():
    both = pd.concat([replicated(), replicated(500, "expression")])
    shown = effects(both, "T", "ill")
    assert shown["analysis"].value_counts().tolist() == [300, 3]
    figure = replication_scatter(shown, Subject("T", "ill", len(shown), "hypotheses"))
    assert len([axes for axes in figure.axes if axes.axison]) == 2
    figure.draw_without_rendering()
    # One, none, and a very long name of a phenotype.
    for part in (effects(replicated(2), "T", "ill"), shown.iloc[:0]):
        replication_scatter(part, Subject("T", "x" * 200, len(part))).draw_without_rendering()
