"""What a sheet defines by name: phenotypes, covariates and gene sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MT_PREFIX = "MT-"


@dataclass(frozen=True)
class Phenotype:
    """A phenotype; `case` and `control` are the values of a binary one, as text.

    Binary values 0/1 and true/false without `case` and `control` become "0" and "1".
    """

    name: str
    type: Literal["continuous", "binary"]
    column: str
    case: str | None = None
    control: str | None = None
    missing: Literal["error", "drop"] = "error"
    description: str = ""


@dataclass(frozen=True)
class Covariate:
    """A covariate and the column that it may come from."""

    name: str
    type: Literal["categorical", "numeric"]
    column: str


@dataclass(frozen=True)
class GeneSet:
    """Genes by prefix, by name, or all the sets of a GMT file; `implicit` if not in the sheet."""

    name: str
    prefix: str | None = None
    gmt: str | None = None
    genes: tuple[str, ...] = ()
    implicit: bool = False


@dataclass(frozen=True)
class OwnNetwork:
    """A table of networks, or of values of genes, that the user made with another tool.

    Parameters
    ----------
    name : str
        What results call it, beside the estimators.
    path : str
    form : {"edges", "values"}
        What its columns say it holds.
    columns : tuple of str
        All that it has.
    directed : bool
        An edge from gene1 to gene2 is another than that from gene2 to gene1.
    """

    name: str
    path: str
    form: Literal["edges", "values"]
    columns: tuple[str, ...]
    directed: bool = False
