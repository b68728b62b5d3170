"""The top of the page: the study in a paragraph, and a verdict of each cell type and phenotype."""

from __future__ import annotations

from popnet.report.results import Results
from popnet.report.sections import Section


def section(results: Results) -> Section:
    """Return the top of the page."""
    return Section(
        "overview", "What was found", "overview.html.j2", {"cohort": results.study["cohort"]}
    )
