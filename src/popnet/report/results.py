"""The results of a study as its page reads them: what the workflow declares, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from anndata import AnnData

from popnet.files import read_h5ad, read_parquet, read_table, reading
from popnet.networks.verdicts import headline, read_measures
from popnet.stats.units import columns_of, encoded
from popnet.study.gene_sets import read_gene_sets, resolve_gene_sets

# Columns that hold names or words wherever they are, whatever these look like.
TEXT = ("phenotype", "network", "name1", "name2", "name", "explained_by", "switched", "variant")

# Where donors are hidden, smaller groups would say what single samples have.
FEWEST_HIDDEN = 10


class Figure(NamedTuple):
    """A figure of the study; cell_type and phenotype are folders, or empty."""

    name: str
    title: str
    cell_type: str
    phenotype: str
    path: str
    caption: str


@dataclass(frozen=True)
class Results:
    """The results of a study.

    Parameters
    ----------
    folder : Path
        That of the study.
    files : frozenset of str
        The files that the page may read, relative to `folder`. One that an earlier run left behind
        is not among them.
    study : mapping
        What the workflow knows of the study: cohort, description, preset, fdr, min_icc, size,
        latent, has_cells, donors ("show" or "hide"), networks, own, and cell_types, phenotypes and
        levels by their folders (`shown_study` of the workflow).
    figures : tuple of Figure
        In the order of the workflow.
    """

    folder: Path
    files: frozenset[str]
    study: Mapping[str, Any]
    figures: tuple[Figure, ...] = ()
    headlines: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for safe in self.cell_types:
            path = f"{safe}/networks/measures.tsv"
            table = read_measures(str(self.folder / path)) if self.has(path) else None
            self.headlines[safe] = headline(table, self.networks)

    @property
    def cell_types(self) -> Mapping[str, str]:
        """Folder of each cell type: its name."""
        return self.study["cell_types"]

    @property
    def phenotypes(self) -> Mapping[str, Mapping[str, Any]]:
        """Folder of each phenotype: its definition in the sheet."""
        return self.study["phenotypes"]

    @property
    def levels(self) -> Mapping[str, str]:
        """Folder of each categorical phenotype with an overall test of its levels: its name."""
        return self.study["levels"]

    def named(self, phenotype: str) -> str:
        """Return the name of a phenotype, or of one with an overall test, by its folder."""
        known = self.phenotypes.get(phenotype)
        return self.levels[phenotype] if known is None else known["name"]

    @property
    def networks(self) -> list[str]:
        """All networks, in the order of the config."""
        return self.study["networks"]

    @property
    def fdr(self) -> float:
        """Largest q of a hit."""
        return self.study["fdr"]

    @property
    def hides_donors(self) -> bool:
        """Whether the page goes without identifiers and values of single samples and donors."""
        return self.study["donors"] == "hide"

    def has(self, path: str) -> bool:
        """Return whether the study has a file, relative to its folder."""
        return path in self.files

    def paths(self, pattern: str) -> list[str]:
        """Return the paths of files by a pattern; none where the study has none."""
        return [
            str(self.folder / name) for name in sorted(self.files) if fnmatchcase(name, pattern)
        ]

    def table(self, path: str) -> pd.DataFrame | None:
        """Read a table of tests or of values (TSV or Parquet); None where the study has none.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        return _read(self.folder / path) if self.has(path) else None

    def read(self, path: str) -> pd.DataFrame:
        """Read a table that every study has, as :meth:`table` does."""
        return _read(self.folder / path)

    def columns(
        self, path: str, names: list[str], where: list[tuple[str, str, Any]] | None = None
    ) -> pa.Table | None:
        """Read columns of a Parquet file, of the rows that conditions name; None without a file.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        if not self.has(path):
            return None
        with reading(self.folder / path):
            file = self.folder / path
            return pq.read_table(file, columns=names, filters=where, read_dictionary=names)

    def cells(self, path: str) -> AnnData | None:
        """Read an h5ad; None where the study has none."""
        return read_h5ad(self.folder / path) if self.has(path) else None

    def record(self, path: str) -> Any:
        """Read a JSON file; None where the study has none."""
        return json.loads((self.folder / path).read_text("utf-8")) if self.has(path) else None

    def tests(self, cell_type: str, phenotype: str, analysis: str) -> pd.DataFrame | None:
        """Read the tests of all networks for one question.

        Parameters
        ----------
        cell_type, phenotype : str
            Their folders.
        analysis : str
            The table's name without suffix, such as ``centrality``.
        """
        return self.table(f"{cell_type}/associations/{phenotype}/{analysis}.tsv")

    def values_of(self, phenotype: str) -> pd.Series:
        """Return the values of a phenotype by sample as tests see them: cases 1, controls 0.

        Parameters
        ----------
        phenotype : str
            Its folder.
        """
        definition = self.phenotypes[phenotype]
        path = self.folder / f"study/phenotypes/{phenotype}.tsv"
        samples = read_table(path, text=columns_of(definition)).set_index("sample")
        return encoded(samples, definition)

    def gene_sets(self, genes: Sequence[str]) -> dict[str, list[str]]:
        """Return the gene sets, of these genes alone; sets without any are left out."""
        if not self.has("study/gene_sets.json"):
            return {}
        known = set(genes)
        sets = resolve_gene_sets(read_gene_sets(self.folder / "study/gene_sets.json"), list(genes))
        own = {name: [one for one in members if one in known] for name, members in sets.items()}
        return {name: members for name, members in own.items() if members}

    def of_network(self, cell_type: str, file: str, network: str = "") -> str:
        """Return the path of a file of a network, by default of the headline."""
        return f"{cell_type}/networks/{network or self.headlines[cell_type]}/{file}"


@cache
def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return read_parquet(path)
    table = read_table(path, text=list(TEXT))
    return table.fillna({name: "" for name in TEXT if name in table})
