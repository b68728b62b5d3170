"""The network view of the page: programmes, then genes, of two groups side by side."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from popnet.report.results import FEWEST_HIDDEN, Results
from popnet.report.sections import Section

FILE = "network_view.json"
SCRIPTS = ("cytoscape.min.js", "network_view.js")


def section(results: Results) -> Section | None:
    """Return the network view; None where no network has edges or programmes.

    Where donors are hidden, views of small groups are left out.
    """
    views = [
        results.record(f"{cell_type}/associations/{phenotype}/{FILE}")
        for cell_type, phenotype in product(results.cell_types, results.phenotypes)
    ]
    fewest = FEWEST_HIDDEN if results.hides_donors else 1
    views = [one for one in views if one and _of_enough(one, fewest)]
    if not views:
        return None
    names = [f"{one['cell_type']}: {one['phenotype']}" for one in views]
    return Section(
        "networks",
        "Networks of two groups",
        "network_view.html.j2",
        {"views": names, "fdr": results.fdr},
        {"views": views},
        SCRIPTS,
    )


def _of_enough(view: Mapping[str, Any], fewest: int) -> bool:
    """Return whether a view has something to show, of groups of so many members or more."""
    shown = [one for one in (view["programmes"], view["genes"]) if one]
    return bool(shown) and all(n >= fewest for one in shown for _, n in one["groups"]["of"])
