"""What a sheet defines by name: phenotypes, covariates and gene sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MT_PREFIX = "MT-"


@dataclass(frozen=True)
class Phenotype:
    """What networks are compared with; a categorical phenotype of the sheet is one per contrast.

    Parameters
    ----------
    name : str
    type : {"continuous", "binary"}
        An ordinal phenotype is continuous: its values are the places of its levels, from 1.
    column : str
    case, control : str, optional
        The values of a binary one, as text. Values 0/1 and true/false without them become "0" and
        "1".
    missing : {"error", "drop"}
    description : str
    levels : tuple of str
        All values of an ordinal phenotype, the lowest first, or of a categorical one.
    source : str
        Its name in the sheet.
    factors : tuple of Phenotype and Covariate
        The two variables whose interaction it is; its values follow from theirs.
    margin : float, optional
        Effects below it, in standard deviations of a gene between observations, count as none.
    """

    name: str
    type: Literal["continuous", "binary"]
    column: str
    case: str | None = None
    control: str | None = None
    missing: Literal["error", "drop"] = "error"
    description: str = ""
    levels: tuple[str, ...] = ()
    source: str = ""
    factors: tuple[Phenotype | Covariate, ...] = ()
    margin: float | None = None

    @property
    def written(self) -> str:
        """Its name in the sheet."""
        return self.source or self.name

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a table of samples that say what its values are."""
        return tuple(factor.name for factor in self.factors) or (self.name,)


@dataclass(frozen=True)
class Covariate:
    """A covariate and the column that it may come from."""

    name: str
    type: Literal["categorical", "numeric"]
    column: str

    @property
    def written(self) -> str:
        """Its name in the sheet."""
        return self.name


@dataclass(frozen=True)
class GeneSet:
    """Genes by prefix, by name, or all the sets of a GMT file; `implicit` if not in the sheet."""

    name: str
    prefix: str | None = None
    gmt: str | None = None
    genes: tuple[str, ...] = ()
    implicit: bool = False


@dataclass(frozen=True)
class Replicate:
    """A second cohort that what is found is tested in.

    Parameters
    ----------
    cohort : str
        Its sheet.
    phenotypes : tuple of str or None
        Names in the sheet of the phenotypes that both have; None stands for all.
    """

    cohort: str
    phenotypes: tuple[str, ...] | None = None


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
