"""What the columns of tables of results mean, from one place: ``columns.yaml`` beside this module.

``python -m popnet.report.columns`` writes docs/columns.md of a clone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import yaml

PAGE = Path("docs", "columns.md")
HEADING = """\
# Columns

Every column of every table of results. Where tables lie, and what they are for, is in
[Results](results.md). In the report, the same texts appear when you point at the heading of a
column. `make generate` writes this page.

Effects are **cases minus controls**, or the change with a rising phenotype. What is in square
brackets is not in every study. Empty cells were not tested, or cannot be known. The table beside a
figure has the columns of the table of results with the same name, if it is not listed below. Tables
in `benchmarks/` are Snakemake's own: seconds (`s`), most memory in MB (`max_rss`) and more, by job.

"""


@dataclass(frozen=True)
class Table:
    """What is known of a table of results.

    Parameters
    ----------
    name : str
        Folder and file name; ``<...>`` stands for any text.
    about : str
    columns : tuple of str
        In every study.
    sometimes : tuple of str
        In some studies.
    here : mapping of column to str
        Meanings that columns have in this table; ``<...>`` stands for any text.
    """

    name: str
    about: str
    columns: tuple[str, ...]
    sometimes: tuple[str, ...]
    here: dict[str, str]

    def holds(self, path: PurePosixPath) -> bool:
        """Return whether this is the table of a path within the results, or of a file name."""
        folder, _, name = self.name.rpartition("/")
        alone, by_chance = len(path.parts) == 1, name.endswith(".null.tsv")
        if not _fits(name, path.name) or (alone and "<" in name and not by_chance):
            return False
        if "<" in folder or not folder:
            parts = self.name.split("/")
            whole = len(parts) == len(path.parts) and all(map(_fits, parts, path.parts))
            return alone or whole or by_chance
        return alone or f"/{folder}/" in f"/{path}"

    def explain(self, column: str) -> str:
        """Return the meaning of a column of this table; "" if it has none of its own."""
        if column in self.here:
            return self.here[column]
        found = (text for key, text in self.here.items() if "<" in key and _fits(key, column))
        known = column in self.columns or column in self.sometimes
        return "" if known else next(found, "")


def explain(table: str, column: str) -> str:
    """Return what a column of a table of results means.

    Parameters
    ----------
    table : str
        Path within the results of a cohort, with ``/`` (of a meta-analysis from ``meta`` on), or a
        file name, such as ``centrality.tsv``; then the first table of this name that has the column
        is meant.
    column : str

    Returns
    -------
    str
        A phrase without a full stop; "" if nothing is known of the column.
    """
    common = tables()[0]
    for one in tables_of(table):
        if (found := one.explain(column)) or column in one.columns + one.sometimes:
            return found or common[column]
    return common.get(column, "")


def tables_of(table: str) -> list[Table]:
    """Return what is known of a table; several if only a file name is given.

    That beside a figure may have rows and columns of the table of results of the same name.
    """
    path = PurePosixPath(table.removeprefix("replication/"))
    found = [one for one in tables()[1] if one.holds(path)]
    return found + (tables_of(path.name) if path.parts[:1] == ("figures",) else [])


@cache
def tables() -> tuple[dict[str, str], list[Table]]:
    """Return the meanings that columns have in several tables, and the tables."""
    content = yaml.safe_load(Path(__file__).with_name("columns.yaml").read_text("utf-8"))
    described = [
        Table(
            name,
            one["about"],
            tuple(one["columns"].split()),
            tuple(one.get("sometimes", "").split()),
            one.get("here", {}),
        )
        for name, one in content["tables"].items()
    ]
    return content["common"], described


def page() -> str:
    """Return the page of all columns, in Markdown."""
    common, described = tables()
    parts = [HEADING, "## Columns of several tables\n\n", *_rows(common)]
    folder = None
    for one in described:
        if (own := _heading(one.name)) != folder:
            folder = own
            parts.append(f"\n## {folder}\n")
        parts.append(f"\n### `{one.name}`\n\n{one.about}.\n\n")
        parts += _rows({_shown(one, column): text for column, text in one.here.items()})
        names = [_shown(one, name) for name in one.columns + one.sometimes if name not in one.here]
        if names:
            parts.append(f"\nAs in several tables: {', '.join(names)}.\n")
    return "".join(parts)


def _heading(name: str) -> str:
    folders = name.split("/")[:-1]
    headings = {
        "associations": "Tests, by phenotype",
        "variants": "Genotypes",
        "map": "The map of samples",
        "networks": "Networks, by cell type",
        "figures": "Tables beside figures",
        "comparisons": "Comparisons of methods",
        "meta": "Meta-analyses",
    }
    known = (headings[folder] for folder in folders if folder in headings)
    return next(known, "Cells and samples" if folders else "Tables of the study")


def _shown(table: Table, column: str) -> str:
    return f"[`{column}`]" if column in table.sometimes else f"`{column}`"


def _rows(meanings: dict[str, str]) -> Iterator[str]:
    if meanings:
        yield "| Column | What it says |\n| --- | --- |\n"
    for column, text in meanings.items():
        name = column if "`" in column else f"`{column}`"
        yield f"| {name} | {text.replace('|', chr(92) + '|')} |\n"


def _fits(pattern: str, text: str) -> bool:
    """Return whether a text is as a pattern, in which ``<...>`` stands for any text."""
    parts = re.split(r"<[^>]*>", pattern)
    return re.fullmatch(".+".join(map(re.escape, parts)), text, re.DOTALL) is not None


def main(root: Path = Path()) -> None:
    """Write the page of a clone."""
    (root / PAGE).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
