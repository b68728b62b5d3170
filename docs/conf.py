"""The documentation as a site: `make docs` builds it into docs/_build/html."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

project = "popnet"
author = "The popnet developers"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinxcontrib.mermaid",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
html_theme = "sphinx_book_theme"
html_title = "popnet"

# GitHub and the site read the same Markdown: ```mermaid is a picture, headings can be linked to.
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]

# Docstrings are NumPy's; text in single backticks is code.
napoleon_google_docstring = False
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
# What a package passes on is described where it is defined.
autodoc_default_options = {"members": True, "ignore-module-all": True}
# Rooms may use the same name for classes of their own.
suppress_warnings = ["ref.python"]

# Pages that lie elsewhere in the clone, where GitHub shows them, too.
PAGES = {
    "config": ROOT / "config" / "README.md",
    "benchmarks": ROOT / "benchmarks" / "README.md",
    "gene-sets": ROOT / "resources" / "README.md",
    "contributing": ROOT / "CONTRIBUTING.md",
    "changelog": ROOT / "CHANGELOG.md",
}


def modules_of(room):
    """Return the names of the modules of a room, all levels down."""
    paths = sorted(file.relative_to(ROOT / "src").with_suffix("") for file in room.rglob("*.py"))
    return [".".join(path.parts) for path in paths if path.name != "__init__"]


# For the template of a room's page, which describes all of its modules.
ROOMS = [file.parent for file in (ROOT / "src" / "popnet").glob("*/__init__.py")]
autosummary_context = {"rooms": {f"popnet.{room.name}": modules_of(room) for room in ROOMS}}


def read_page(app, page, source):
    """Put the file that a page stands for in its place, and let links between pages lead there."""
    if page in PAGES:
        app.env.note_dependency(PAGES[page])
        source[0] = re.sub(r"\]\((?:\.\./)?docs/", "](", PAGES[page].read_text())
    for name, file in PAGES.items():
        path = file.relative_to(ROOT).as_posix()
        source[0] = re.sub(rf"\]\((?:\.\./)?{re.escape(path)}", f"]({name}.md", source[0])


def escape_bars(app, what, name, obj, options, lines):
    """Keep |t| and the like as they are: reStructuredText would look for a substitution."""
    lines[:] = [re.sub(r"(?<![`\\])\|(?!`)", r"\\|", line) for line in lines]


def setup(app):
    """Register what Sphinx calls."""
    app.connect("source-read", read_page)
    app.connect("autodoc-process-docstring", escape_bars)
