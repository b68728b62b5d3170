"""Own networks of a sheet: which columns a table has, and which form they give it.

Only the header is read here, which every parse of the Snakefile can afford. What the rows hold is
read by `popnet.networks.own`.
"""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path
from typing import Literal

from popnet.errors import Problem, nearest
from popnet.names import NETWORKS
from popnet.study.definitions import OwnNetwork
from popnet.study.paths import nearest_file, path_fault
from popnet.study.problems import name_problems, quoted
from popnet.study.sheet import OwnNetworkEntry

PARQUET, GZIP = b"PAR1", b"\x1f\x8b"
# The columns that each form must have, beside those that it may have.
FORMS = {"edges": ("sample", "gene1", "gene2", "weight"), "values": ("sample", "gene", "value")}
OPTIONAL = ("cell_type", "bin")
FORMATS = (
    f"Edges have the columns {', '.join(FORMS['edges'])}, values of genes "
    f"{', '.join(FORMS['values'])}; {' and '.join(OPTIONAL)} are optional"
)
# The folder of what is tested beside networks.
EXPRESSION = "expression"
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def own_names(file: str, names: list[str]) -> list[Problem]:
    """Return what is wrong with the names of own networks, which become names of folders."""
    problems = name_problems(file, [(f"own_networks.{name}", name) for name in names], "network")
    for name in names:
        place = f"own_networks.{name}"
        if name.casefold() in (*NETWORKS, EXPRESSION):
            message = "An estimator of the workflow, or its tests of expression, has this name"
            problems.append(Problem(file, place, name, message, f"Rename it, such as own-{name}"))
        elif not SAFE.fullmatch(name):
            message = "The name cannot be that of a folder"
            remedy = "Use letters, digits, _ and -, a letter or digit first, 64 at most"
            problems.append(Problem(file, place, name, message, remedy))
    return problems


def own_network(
    file: str, name: str, path: str, entry: OwnNetworkEntry
) -> tuple[OwnNetwork | None, list[Problem]]:
    """Return an own network and what is wrong with the header of its table.

    Parameters
    ----------
    file : str
        The sheet.
    name : str
    path : str
        Of the table, from the current folder.
    entry : OwnNetworkEntry
    """
    place = f"own_networks.{name}"
    if fault := path_fault(path, folder=False):
        remedy = nearest_file(path) + "Paths are relative to the sheet"
        return None, [Problem(file, f"{place}.path", path, fault, remedy)]
    try:
        columns, _ = read_header(path)
    except Exception as error:  # Which errors a damaged file sets off no library says.
        message = f"The table cannot be read: {error}"
        return None, [Problem(path, place, None, message, "Save it as Parquet, or as TSV in UTF-8")]
    problems = []
    forms = [form for form, needed in FORMS.items() if set(needed) <= set(columns)]
    if len(set(columns)) < len(columns):
        twice = next(column for column in columns if columns.count(column) > 1)
        problems.append(Problem(path, place, twice, "Two columns have this name", "Rename one"))
    if len(forms) == 2:
        message = "It has the columns of edges and those of values of genes"
        problems.append(Problem(path, place, None, message, "Make two tables of it"))
    if not forms:
        edges = set(columns) & {"gene1", "gene2", "weight"}
        needed = FORMS["edges" if edges else "values"]
        lacking = [column for column in needed if column not in columns]
        message = f"The table lacks {', '.join(lacking)}; it has {quoted(columns, 12)}"
        spare = [column for column in columns if column not in needed]
        remedy = nearest(lacking[0], spare) + FORMATS
        problems.append(Problem(path, place, None, message, remedy))
    if entry.directed and forms == ["values"]:
        message = "Values of genes have no direction"
        problems.append(Problem(file, f"{place}.directed", True, message, "Take directed away"))
    if problems:
        return None, problems
    form: Literal["edges", "values"] = "edges" if forms == ["edges"] else "values"
    return OwnNetwork(name, path, form, tuple(columns), entry.directed), []


def read_header(path: str) -> tuple[list[str], str]:
    """Return the columns of a table, and what separates them: tabs, commas, nothing in Parquet.

    Text may be gzipped; what a file is its first bytes say.
    """
    if is_parquet(path):
        # Here, since no other study needs it to be planned.
        import pyarrow.parquet as pq

        return list(pq.read_schema(path).names), ""
    opened = gzip.open if is_gzip(path) else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        header = file.readline().rstrip("\r\n")
    delimiter = "\t" if "\t" in header else ","
    return next(csv.reader([header], delimiter=delimiter), []), delimiter


def is_parquet(path: str) -> bool:
    """Return whether a file is Parquet."""
    return _start(path) == PARQUET


def is_gzip(path: str) -> bool:
    """Return whether a file is gzipped."""
    return _start(path).startswith(GZIP)


def _start(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(len(PARQUET))
