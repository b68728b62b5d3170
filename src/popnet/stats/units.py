"""What a test counts as one observation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from popnet.stats.ranks import normal_scores


@dataclass(frozen=True)
class Units:
    """What a test counts as one observation.

    Parameters
    ----------
    weights : sparse array of shape (n_units, n_bins)
        Share of every bin in the mean of its unit; rows sum to 1.
    labels : ndarray of shape (n_units,)
        Donor or sample of the unit (for bins: the sample, several times).
    phenotype : ndarray of shape (n_units,)
        Phenotype of the unit, never missing.
    bin_samples : ndarray of shape (n_bins,)
        Sample of every bin, also of bins without phenotype.
    kind : {"bin", "sample", "donor"}
        What a unit is.
    n_samples, n_donors : int
        Number of samples and donors in the units.
    """

    weights: sparse.csr_array
    labels: np.ndarray
    phenotype: np.ndarray
    bin_samples: np.ndarray
    kind: Literal["bin", "sample", "donor"]
    n_samples: int
    n_donors: int

    def samples(self) -> list[list[Any]]:
        """Return the samples behind each unit."""
        if not len(self.labels):
            return []
        weights = self.weights.tocsr()
        parts = np.split(weights.indices, weights.indptr[1:-1])
        return [list(dict.fromkeys(self.bin_samples[part])) for part in parts]

    def over(self, samples: Sequence[str]) -> Units:
        """Return the units of a table with one row per sample.

        Parameters
        ----------
        samples : sequence of str
            Rows of the table: the samples of the bins, in any order.
        """
        place = pd.Index(samples)
        rows, columns, shares = [], [], []
        for row, own in enumerate(self.samples()):
            rows += [row] * len(own)
            columns += list(place.get_indexer(pd.Index(own)))
            shares += [1 / len(own)] * len(own)
        weights = sparse.csr_array((shares, (rows, columns)), (len(self.labels), len(place)))
        return replace(self, weights=weights, bin_samples=np.asarray(samples, dtype=object))

    def take(self, kept: np.ndarray) -> Units:
        """Return some of the units; given as row numbers or a mask."""
        code = np.arange(len(self.labels))[kept]
        return replace(
            self,
            weights=self.weights.tocsr()[code],
            labels=self.labels[code],
            phenotype=self.phenotype[code],
        )

    def average(self, values: np.ndarray) -> np.ndarray:
        """Average bins x genes over the bins of each unit, without missing values."""
        values = np.asarray(values, dtype=float)
        present = np.isfinite(values)
        if present.all():
            return self.weights @ values
        with np.errstate(invalid="ignore"):
            return (self.weights @ np.where(present, values, 0)) / (
                self.weights @ present.astype(float)
            )


def known_values(
    bin_samples: Sequence[str] | pd.Index, samples: pd.DataFrame, phenotype: pd.Series
) -> tuple[pd.Series, pd.Series]:
    """Return the donor of every sample, and the phenotype of those that have bins and a value.

    Parameters
    ----------
    bin_samples : sequence of shape (n_bins,)
    samples : DataFrame, indexed by sample
        donor; a sample without one is its own.
    phenotype : Series, sample -> float
    """
    donor = samples["donor"].where(samples["donor"].notna(), samples.index.to_series())
    values = phenotype.reindex(samples.index).astype(float)
    return donor, values[values.index.isin(set(bin_samples))].dropna()


def covariates_of(over: Units, samples: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return covariates of every unit: the mean over its samples, or all their values joined.

    Parameters
    ----------
    over : Units
    samples : DataFrame, indexed by sample
    names : sequence of str
        Columns of `samples`.
    """
    of_unit, names = over.samples(), list(names)
    if all(len(rows) == 1 for rows in of_unit):
        return samples.loc[[rows[0] for rows in of_unit], names].reset_index(drop=True)
    return pd.DataFrame(
        {name: [_combined(samples.loc[rows, name]) for rows in of_unit] for name in names},
        index=range(len(of_unit)),
    )


def _combined(values: pd.Series) -> object:
    if pd.api.types.is_numeric_dtype(values):
        return values.mean()
    found = values.dropna().astype(str).unique()
    return " + ".join(sorted(found)) if len(found) else None


def coded_columns(values: pd.Series) -> np.ndarray:
    """Return a covariate as columns: normal scores, or an indicator of each level but one."""
    if values.empty:
        return np.zeros((0, 1))
    if pd.api.types.is_numeric_dtype(values):
        return normal_scores(values.to_numpy(float)[:, None])
    levels = pd.get_dummies(values.astype(str), drop_first=True)
    return levels.to_numpy(float).reshape(len(values), -1)


def units(
    bin_samples: Sequence[str],
    donors: pd.Series,
    phenotype: pd.Series,
    unit: Literal["bin", "donor"],
) -> Units:
    """Return what counts as one observation.

    Parameters
    ----------
    bin_samples : sequence of shape (n_bins,)
        Sample of every bin (or of every row of a table of samples).
    donors : Series, sample -> donor
        A sample without a donor is its own donor.
    phenotype : Series, sample -> float
        Samples with a missing value are left out.
    unit : {"bin", "donor"}
        ``"bin"``: every bin, as the P values printed in the paper imply. ``"donor"``: the mean
        over a sample's bins, then over a donor's samples with the same value of the phenotype: one
        unit per donor if it is constant within donors, otherwise one per donor and value.

    Returns
    -------
    Units
    """
    if unit not in ("bin", "donor"):
        raise ValueError(f"unit must be 'bin' or 'donor', not {unit!r}")
    samples = np.asarray(bin_samples, dtype=object)
    values = phenotype.reindex(samples).to_numpy(dtype=float)
    donor = donors.reindex(samples).to_numpy(dtype=object)
    donor = np.where(pd.isna(donor), samples, donor)
    kept = np.flatnonzero(np.isfinite(values))
    table = pd.DataFrame({"sample": samples[kept], "donor": donor[kept], "value": values[kept]})
    kind: Literal["bin", "sample", "donor"] = "bin"
    keys: np.ndarray = np.arange(len(kept))
    share = np.ones(len(kept))
    if unit == "donor":
        constant = (table.groupby("donor")["value"].nunique() <= 1).all()
        # A donor with two values of the phenotype, treated and untreated, gives two units.
        keys = table.groupby(["donor", "value"], sort=False).ngroup().to_numpy()
        bins = table.groupby("sample")["value"].transform("size")
        of_unit = table.groupby(keys)["sample"].transform("nunique")
        share = 1 / (bins * of_unit).to_numpy(dtype=float)
        kind = "donor" if constant else "sample"
    n_units = int(keys.max(initial=-1)) + 1
    first = np.unique(keys, return_index=True)[1]
    return Units(
        weights=sparse.csr_array((share, (keys, kept)), shape=(n_units, len(samples))),
        labels=table["donor" if kind == "donor" else "sample"].to_numpy()[first],
        phenotype=table["value"].to_numpy()[first],
        bin_samples=samples,
        kind=kind,
        n_samples=table["sample"].nunique(),
        n_donors=table["donor"].nunique(),
    )


def factor_values(samples: pd.DataFrame, phenotype: Mapping[str, Any]) -> pd.DataFrame:
    """Return the two variables whose interaction a phenotype is, as numbers, by sample.

    Variables of two levels are -1/2 and 1/2 (controls and cases, or a covariate's levels in the
    order of their names), so that the coefficient of their product is the difference of two
    differences; others are as they are.

    Parameters
    ----------
    samples : DataFrame, indexed by sample
    phenotype : mapping
        factors: of each variable name, type, case and control.
    """
    columns = {}
    for factor in phenotype["factors"]:
        values, kind = samples[factor["name"]], factor["type"]
        case, control = factor.get("case"), factor.get("control")
        if kind == "categorical":
            levels = sorted(values.dropna().unique(), key=str)
            codes = dict(zip(levels, (-0.5, 0.5), strict=False))
            columns[factor["name"]] = values.map(codes).astype(float)
        elif kind == "binary":
            columns[factor["name"]] = encode_phenotype(values, "binary", case, control) - 0.5
        else:
            columns[factor["name"]] = encode_phenotype(values, "continuous")
    return pd.DataFrame(columns, index=samples.index)


def with_factors(
    samples: pd.DataFrame, phenotype: Mapping[str, Any], covariates: Sequence[str]
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Return samples with the coded factors of an interaction, covariates with them, and names.

    Of another phenotype there are no factors, and nothing changes.
    """
    if not phenotype.get("factors"):
        return samples, list(covariates), []
    coded = factor_values(samples, phenotype)
    names = list(map(str, coded))
    return samples.assign(**coded), list(dict.fromkeys([*names, *covariates])), names


def columns_of(phenotype: Mapping[str, Any]) -> list[str]:
    """Return the columns of a table of samples that have the values of a phenotype."""
    return [factor["name"] for factor in phenotype.get("factors", ())] or [phenotype["name"]]


def interaction(factors: np.ndarray) -> np.ndarray:
    """Return the product of two variables, (n,), which both main effects adjust for.

    Parameters
    ----------
    factors : ndarray of shape (n, 2)
        Without missing values. What has two levels, -1/2 and 1/2, counts so; others by their normal
        scores with a standard deviation of 1.
    """
    product = np.ones(len(factors))
    for column in np.asarray(factors, dtype=float).T:
        if not np.isin(column, (-0.5, 0.5)).all():
            column = normal_scores(column[:, None])[:, 0]
            column = column / (column.std() or 1)
        product = product * column
    return product


def combinations_of(samples: pd.DataFrame, factors: Sequence[str]) -> pd.Series:
    """Return a number for every pair of values of two columns, by sample; NaN of missing ones."""
    return samples.groupby(list(factors)).ngroup().astype(float).where(lambda code: code >= 0)


def encode_phenotype(
    values: pd.Series,
    type: Literal["continuous", "binary"],
    case: Any = None,
    control: Any = None,
) -> pd.Series:
    """Return a phenotype as numbers: 1 for cases, 0 for controls, NaN for missing.

    Values of a binary phenotype that are neither `case` nor `control` count as missing.

    Raises
    ------
    ValueError
        A value of a continuous phenotype is not a number.
    """
    if type == "continuous":
        return pd.to_numeric(values.where(values != "")).astype(float)
    encoded = pd.Series(np.nan, index=values.index, name=values.name)
    for code, label in ((0.0, control), (1.0, case)):
        encoded[(values == label) | (values.astype(str) == str(label))] = code
    return encoded


def encoded(samples: pd.DataFrame, phenotype: Mapping[str, Any]) -> pd.Series:
    """Return a column of samples as :func:`encode_phenotype` does.

    Parameters
    ----------
    samples : DataFrame, indexed by sample
    phenotype : mapping
        name, type, case and control of the sheet's phenotype; of an interaction its factors
        (:func:`factor_values`).
    """
    if phenotype.get("factors"):
        factors = factor_values(samples, phenotype)
        known = factors.notna().all(axis=1).to_numpy()
        values = pd.Series(np.nan, samples.index, name=phenotype["name"])
        values[known] = interaction(factors[known].to_numpy())
        return values
    return encode_phenotype(
        samples[phenotype["name"]], phenotype["type"], phenotype["case"], phenotype["control"]
    )
