"""What is replicated: how the tables of tests name their rows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """How the table of an analysis names its rows.

    Parameters
    ----------
    names : tuple of str
        One or two columns.
    measure : str
        The column that says what is measured, or "".
    p, q : str
    """

    names: tuple[str, ...]
    measure: str = ""
    p: str = "p"
    q: str = "q"


# Every analysis whose effects have a direction.
FAMILIES = {
    "centrality": Family(("gene",)),
    "graph_centrality": Family(("gene",), "measure", q="q_all"),
    "gene_sets": Family(("gene_set",), p="model_p", q="model_q"),
    "enrichment": Family(("gene_set",)),
    "edges": Family(("gene1", "gene2")),
    "model_edges": Family(("gene1", "gene2")),
    "programmes": Family(("name1", "name2"), "kind"),
    "modules": Family(("name1", "name2"), "kind"),
    "expression": Family(("gene",), "measure"),
    "detection": Family(("gene",), "measure"),
}
