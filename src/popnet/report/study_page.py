"""The page of a study: one file that needs no other and asks no server."""

from __future__ import annotations

import base64
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from popnet.files import resource
from popnet.report import (
    cards,
    evidence,
    methods,
    network_view,
    overview,
    pictures,
    planted,
    tables,
)
from popnet.report.embedding import as_json
from popnet.report.page import templates
from popnet.report.results import Results
from popnet.report.sections import Section

# In reading order. Each returns None where the study has nothing to show in it.
SECTIONS: tuple[Callable[[Results], Section | None], ...] = (
    overview.section,
    planted.section,
    evidence.measurable,
    evidence.findings,
    network_view.section,
    cards.section,
    pictures.section,
    tables.section,
    methods.section,
)
TEMPLATES = Path(__file__).parent / "templates"
TEMPLATE, SHARED = "study.html.j2", "study.js"
STYLES = ("study.css", "network_view.css")
# Nothing is loaded from anywhere, and no script runs but those of the page, by their hashes.
POLICY = "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src {}"


class Script(NamedTuple):
    """A script of the page, and the hash by which the page's policy knows it."""

    text: Markup
    hash: str


def study_page(results: Results) -> str:
    """Return the page of a study.

    Parameters
    ----------
    results : Results

    Returns
    -------
    str
        HTML. Data are in elements that are no scripts, as JSON.
    """
    sections = [one for make in SECTIONS if (one := make(results)) is not None]
    names = dict.fromkeys([SHARED, *(name for one in sections for name in one.scripts)])
    scripts = [_script(name) for name in names]
    environment = templates()
    environment.filters["as_json"] = as_json
    return environment.get_template(TEMPLATE).render(
        title=f"popnet: {results.study['cohort']}",
        study=results.study,
        sections=sections,
        style=Markup("\n".join((TEMPLATES / name).read_text("utf-8") for name in STYLES)),
        scripts=scripts,
        policy=POLICY.format(" ".join(f"'sha256-{one.hash}'" for one in scripts)),
    )


def _script(name: str) -> Script:
    own = TEMPLATES / name
    text = (own if own.exists() else resource(name)).read_text("utf-8")
    digest = base64.b64encode(sha256(text.encode("utf-8")).digest()).decode("ascii")
    return Script(Markup(text), digest)
