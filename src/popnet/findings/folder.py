"""The results of a study on disk: which cell types, networks and phenotypes they have."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from popnet.errors import InputError, Problem
from popnet.files import read_parquet, read_table
from popnet.names import NETWORKS, safe_name


class StudyFolder:
    """The folder of a study's results.

    Parameters
    ----------
    path : str or Path
        ``results/<cohort>``.

    Raises
    ------
    InputError
        If no study has been there.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not (self.path / "bins.tsv").is_file():
            found = [str(one.parent) for one in self.path.glob("*/bins.tsv")]
            remedy = f"Name one of {', '.join(found)}" if found else "Run the study, or correct it"
            message = "No study has results here: there is no bins.tsv"
            raise InputError([Problem(str(path), "results", None, message, remedy)])

    @cached_property
    def cell_types(self) -> dict[str, str]:
        """Names of the cell types that have networks, by their folders."""
        names = read_table(self.path / "bins.tsv")["cell_type"].unique()
        folders = {safe_name(name): str(name) for name in names}
        return {
            safe: name for safe, name in folders.items() if (self.path / safe / "networks").is_dir()
        }

    @cached_property
    def phenotypes(self) -> dict[str, str]:
        """Names of the phenotypes that have tests, by their folders."""
        names = [*map(str, pd.read_csv(self.path / "samples.tsv", sep="\t", nrows=0))]
        if (tests := self.table("associations.tsv", text=["phenotype"])) is not None:
            names += list(tests["phenotype"].unique())
        known = {safe_name(name): name for name in names}
        folders = [
            one.name
            for cell_type in self.cell_types
            for one in sorted((self.path / cell_type / "associations").glob("*"))
            if one.is_dir()
        ]
        return {folder: known.get(folder, folder) for folder in dict.fromkeys(folders)}

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What `cohort.json` has; {} while the study is unfinished."""
        path = self.path / "cohort.json"
        found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        return found

    def networks(self, cell_type: str) -> list[str]:
        """Return the networks of a cell type, given its folder; the user's own come last."""
        folders = (self.path / cell_type / "networks").glob("*/centrality.tsv")
        names = sorted(path.parent.name for path in folders)
        return [one for one in NETWORKS if one in names] + [
            one for one in names if one not in NETWORKS
        ]

    def table(self, *parts: str, text: list[str] | None = None) -> pd.DataFrame | None:
        """Return a table, given its path in the folder; None if there is none."""
        path = self.path.joinpath(*parts)
        if not path.is_file():
            return None
        return read_parquet(path) if path.suffix == ".parquet" else read_table(path, text or ())
