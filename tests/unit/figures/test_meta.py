"""Forest plots of several studies."""

from __future__ import annotations

import pandas as pd
import pytest

from popnet.figures.meta import forest_plot
from popnet.figures.style import Subject, save

COLUMNS = ["network", "gene", "q", "heterogeneity_p", "study", "effect", "low", "high"]
SUBJECT = Subject("T cells", "age", 2, "studies")


@pytest.mark.parametrize("genes", [[], ["A"], ["A", "B" * 90, "$C$ & <d>"]])
def test_any_number_of_genes(genes, tmp_path):
    studies = ["together", "a", "a study whose name is far too long for any legend of a figure"]
    rows = [
        ("shared", gene, 0.01, 0.4, study, number, number - 1.0, number + 1.0)
        for number, gene in enumerate(genes)
        for study in studies
    ]
    shown = pd.DataFrame(rows, columns=COLUMNS)
    figure = forest_plot(shown, SUBJECT)
    save(figure, shown, tmp_path / "forest.png")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".pdf", ".png", ".svg", ".tsv"]
    if genes:
        assert len(figure.axes[0].get_yticklabels()) == len(genes)
        assert len(figure.axes[0].collections) == 2 * len(studies)
