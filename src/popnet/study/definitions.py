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
