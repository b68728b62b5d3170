"""What a study found, in a few lines for a terminal."""

from __future__ import annotations

from popnet.report import overview
from popnet.report.results import Results

# Of each verdict, the first sentences, and of many verdicts the reasons alone.
SENTENCES, MANY = 3, 8


def in_short(results: Results) -> list[str]:
    """Return the verdict on every cell type and phenotype, as the page has it.

    Parameters
    ----------
    results : Results
        Without figures.
    """
    verdicts = overview.section(results).shown["verdicts"]
    shown = SENTENCES if len(verdicts) <= MANY else 0
    lines = []
    for one in verdicts:
        lines.append(f"{one['phenotype']} in {one['cell_type']}: {one['light']}. {one['reason']}")
        lines += [f"  {sentence}" for sentence in one["sentences"][:shown]]
    return lines
