"""The figures of a study inside its page, in reading order, each with its caption below."""

from __future__ import annotations

import base64
import re
from itertools import islice
from pathlib import Path

from markupsafe import Markup, escape

from popnet.report.results import Figure, Results
from popnet.report.sections import Section

# What a reader asks first comes first.
GROUPS = {
    "Is it measurable?": ("reliability", "depth"),
    "Quality": ("cells", "losses", "training", "kernel"),
    "Findings": ("map", "centrality", "gene_sets", "replication"),
    "Details": (),
}
# Figures that name samples, or show values of single ones.
OF_SAMPLES = {"cells", "depth", "kernel", "map", "circos", "connectivity", "training", "losses"}
OF_SAMPLES |= {"hubs"}
# Bytes of all figures together; behind it they are links.
MOST = 6_000_000
# Marks of reStructuredText that captions have: code, strong, emphasis.
MARKS = (
    (re.compile(r"``(.+?)``"), r"<code>\1</code>"),
    (re.compile(r"\*\*(.+?)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"\*(\S.*?)\*"), r"<em>\1</em>"),
)


def section(results: Results) -> Section | None:
    """Return the figures; None of a study that has none to show."""
    chosen = shown_figures(results)
    if not chosen:
        return None
    place = {name: rank for rank, names in enumerate(GROUPS.values()) for name in names}
    groups: dict[str, list[dict[str, object]]] = {heading: [] for heading in GROUPS}
    headings, left = list(GROUPS), MOST
    for figure in sorted(chosen, key=lambda one: place.get(one.name, len(GROUPS) - 1)):
        content = (results.folder / figure.path).read_bytes()
        left -= len(content)
        coded = base64.b64encode(content).decode("ascii") if left >= 0 else ""
        about = [results.cell_types.get(figure.cell_type, "")]
        about.append(results.phenotypes.get(figure.phenotype, {}).get("name", ""))
        groups[headings[place.get(figure.name, len(GROUPS) - 1)]].append(
            {
                "id": anchor(figure.name, figure.cell_type, figure.phenotype),
                "title": ": ".join([figure.title, ", ".join(filter(None, about))]).rstrip(": "),
                "source": f"data:image/png;base64,{coded}" if coded else "",
                "file": figure.path,
                "vector": str(Path(figure.path).with_suffix(".pdf")),
                "table": str(Path(figure.path).with_suffix(".tsv")),
                "caption": marked(figure.caption),
            }
        )
    shown = {"groups": {heading: own for heading, own in groups.items() if own}}
    return Section("figures", "Figures", "pictures.html.j2", shown)


def shown_figures(results: Results) -> list[Figure]:
    """Return the figures of the page: those that show something.

    Where donors are hidden, without those that show samples.
    """
    return [
        one
        for one in results.figures
        if not (results.hides_donors and one.name in OF_SAMPLES)
        and not _is_empty((results.folder / one.path).with_suffix(".tsv"))
    ]


def _is_empty(table: Path) -> bool:
    """Return whether the table beside a figure has a heading and no row."""
    if not table.exists():
        return False
    with table.open(encoding="utf-8") as lines:
        return len(list(islice(lines, 2))) < 2


def anchor(name: str, cell_type: str, phenotype: str) -> str:
    """Return the anchor of a figure, which tables link to."""
    return "-".join(filter(None, ["figure", name, cell_type, phenotype]))


def marked(caption: str) -> list[Markup]:
    """Return the paragraphs of a caption in HTML; what is no mark is text.

    Parameters
    ----------
    caption : str
        Paragraphs of reStructuredText with code, strong and emphasis.
    """
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", caption.strip()):
        text = str(escape(" ".join(paragraph.split())))
        for mark, markup in MARKS:
            text = mark.sub(markup, text)
        paragraphs.append(Markup(text))
    return paragraphs
