"""The network view of the page: programmes, then genes, of two groups side by side."""

from __future__ import annotations

from itertools import product

from popnet.report.results import Results
from popnet.report.sections import Section

FILE = "network_view.json"
SCRIPTS = ("cytoscape.min.js", "network_view.js")


def section(results: Results) -> Section | None:
    """Return the network view; None where no network has edges or programmes."""
    views = [
        results.record(f"{cell_type}/associations/{phenotype}/{FILE}")
        for cell_type, phenotype in product(results.cell_types, results.phenotypes)
    ]
    views = [one for one in views if one and (one["programmes"] or one["genes"])]
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
