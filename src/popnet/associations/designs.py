"""The design of a phenotype: made once for a cell type, kept in a file, read by every test."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from popnet.files import atomic, reading
from popnet.genotypes.genomes import one_per_donor, principal_components
from popnet.genotypes.table import Genotypes
from popnet.stats.designs import Design, make_design, unadjusted
from popnet.stats.mixed_designs import MixedDesign, make_mixed_design
from popnet.stats.mixed_model import Model
from popnet.stats.units import Units, encoded, units, with_factors

Unit = Literal["donor", "bin"]
ARRAYS = ("outcome", "residual", "nuisance", "blocks", "factors")
# Of a mixed design.
MODELS = ("model", "adjusted")
NO_GENOMES = "a donor has one mitochondrial genome: what varies within donors cannot be tested"


def technical_covariates(bins: pd.DataFrame) -> pd.DataFrame:
    """Return depth and number of cells of every sample of a cell type.

    Parameters
    ----------
    bins : DataFrame
        sample, mean_depth (mean log10 total counts of the bin's cells) and n_cells of every bin.

    Returns
    -------
    DataFrame, indexed by sample
        depth (mean over the sample's bins) and cells (log10 of the number in all bins). A column
        that is known of no sample, as of networks without cells, is left out.
    """
    grouped = bins.groupby(bins["sample"].astype(str), observed=True)
    depth, cells = grouped["mean_depth"].mean(), np.log10(grouped["n_cells"].sum(min_count=1))
    return pd.DataFrame({"depth": depth, "cells": cells}).dropna(axis=1, how="all")


def design_of(
    rows: Sequence[str],
    samples: pd.DataFrame,
    phenotype: dict[str, Any],
    covariates: Sequence[str],
    unit: Unit,
    technical: pd.DataFrame | None = None,
) -> Design:
    """Return what the tests of a phenotype compare and adjust for.

    Parameters
    ----------
    rows : sequence of str
        The sample of every bin.
    samples : DataFrame, indexed by sample
        donor, batch, the phenotype and the covariates.
    phenotype : dict
        name, type, case and control of the sheet's phenotype; of an interaction its factors, of
        which the same is known.
    covariates : sequence of str
        Columns of `samples`. Those of an interaction's factors are adjusted for as well.
    unit : {"donor", "bin"}
        ``"bin"``: every bin counts as independent and nothing is adjusted for.
    technical : DataFrame, indexed by sample, optional
        Further covariates; they are dropped, the last first, where the cohort is too small.
    """
    # The levels of a factor are those of samples with bins.
    samples = samples[samples.index.isin(set(rows))]
    values = encoded(samples, phenotype)
    binary = phenotype["type"] == "binary"
    if unit == "bin":
        return unadjusted(units(rows, samples["donor"], values, unit), binary)
    samples = samples.assign(batch=samples["batch"].fillna(""))
    names = [] if technical is None else list(map(str, technical))
    if technical is not None:
        samples = samples.join(technical)
    samples, covariates, factors = with_factors(samples, phenotype, covariates)
    about = rows, samples, values, binary, covariates, names, factors
    mixed = make_mixed_design(*about)
    return replace(make_design(*about), mixed=mixed, margin=phenotype.get("margin"))


def donor_components(
    genotypes: Genotypes, donors: pd.Series, n_components: int
) -> tuple[Genotypes, pd.DataFrame]:
    """Return one genome per donor, and the principal components of their variants.

    Parameters
    ----------
    genotypes : Genotypes
    donors : Series, sample -> donor
    n_components : int

    Returns
    -------
    genomes : Genotypes
        Its samples are the donors.
    components : DataFrame, indexed by the genotyped samples
        component1 and so on.
    """
    donors = donors.reindex(genotypes.samples)
    genomes, n_discordant = one_per_donor(genotypes, donors)
    print(f"{len(genomes.samples)} donors, {n_discordant} genotypes differ between their samples")
    scores = principal_components(genomes.dosage, n_components)
    names = [f"component{number}" for number in range(1, scores.shape[1] + 1)]
    table = pd.DataFrame(scores, genomes.samples, names)
    return genomes, table.loc[donors.fillna(donors.index.to_series())].set_index(donors.index)


def observed_genomes(genotypes: Genotypes, donors: pd.Series, design: Design) -> Genotypes:
    """Return the genome of every observation of a design.

    Parameters
    ----------
    genotypes : Genotypes
    donors : Series, sample -> donor
    design : Design
        Of :func:`genome_design`.
    """
    genomes, _ = one_per_donor(genotypes, donors.reindex(genotypes.samples))
    return genomes.take(design.donors)


def genome_design(
    genotyped: Sequence[str],
    samples: pd.DataFrame,
    phenotype: dict[str, Any],
    covariates: Sequence[str],
    unit: Unit,
    components: pd.DataFrame,
) -> Design:
    """Return what the tests of genomes compare: one observation per donor, or none.

    A phenotype that varies within donors cannot be tested; remarks of the design say so.

    Parameters
    ----------
    genotyped : sequence of str
        The genotyped samples.
    samples, phenotype, covariates, unit
        As in :func:`design_of`; with unit ``"bin"`` a donor's value is the mean over all its
        samples, and nothing is adjusted for.
    components : DataFrame, indexed by the genotyped samples
        Principal components of the variants.
    """
    if unit == "donor":
        design = design_of(genotyped, samples, phenotype, covariates, unit, components)
        paired = design.paired
    else:
        design = _donor_means(genotyped, samples, phenotype)
        paired = design.binary and bool(np.isin(design.outcome, (0, 1), invert=True).any())
    if not paired:
        return design
    nobody = design.subset(np.zeros(design.n, dtype=bool))
    return replace(nobody, remarks=(*design.remarks, NO_GENOMES))


def _donor_means(
    genotyped: Sequence[str], samples: pd.DataFrame, phenotype: dict[str, Any]
) -> Design:
    values = encoded(samples, phenotype)
    donor = samples["donor"].where(samples["donor"].notna(), samples.index.to_series())
    means = values.astype(float).groupby(donor.to_numpy()).mean()
    means = means.reindex(pd.unique(donor.reindex(pd.Index(genotyped)))).dropna()
    labels = means.index.to_numpy(dtype=object)
    n = len(labels)
    over = Units(sparse.eye_array(n).tocsr(), labels, means.to_numpy(), labels, "donor", n, n)
    return unadjusted(over, phenotype["type"] == "binary")


def write_design(design: Design, path: str | Path) -> None:
    """Write a design as arrays (NumPy's npz, nothing pickled)."""
    about = {
        "binary": design.binary,
        "paired": design.paired,
        "margin": design.margin,
        "remarks": list(design.remarks),
        "covariates": design.covariates.to_dict("list"),
        "donors": list(map(str, design.donors)),
        "batches": list(map(str, design.batches)),
        "units": _about_units(design.units),
    }
    arrays = {name: getattr(design, name) for name in ARRAYS} | _units_arrays(design.units, "units")
    if (mixed := design.mixed) is not None:
        about["mixed units"] = _about_units(mixed.units)
        arrays |= _units_arrays(mixed.units, "mixed units")
        for name in MODELS:
            model = getattr(mixed, name)
            names = {key: list(getattr(model, key)) for key in ("random", "bounded", "groups")}
            about[name] = names
            arrays |= {f"{name} outcome": model.outcome, f"{name} fixed": model.fixed}
            for kind in ("random", "groups"):
                for number, columns in enumerate(getattr(model, kind).values()):
                    arrays[f"{name} {kind} {number}"] = columns
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_design(path: str | Path) -> Design:
    """Read a design of `write_design`.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    with reading(path), np.load(path, allow_pickle=False) as arrays:
        about = json.loads(arrays["about"].tobytes())
        mixed = None
        if "mixed units" in about:
            models = {name: _read_model(about[name], arrays, name) for name in MODELS}
            mixed = MixedDesign(_read_units(about["mixed units"], arrays, "mixed units"), **models)
        return Design(
            units=_read_units(about["units"], arrays, "units"),
            binary=about["binary"],
            paired=about["paired"],
            margin=about.get("margin"),
            covariates=pd.DataFrame(about["covariates"]),
            remarks=tuple(about["remarks"]),
            donors=np.array(about["donors"], dtype=object),
            batches=np.array(about["batches"], dtype=object),
            mixed=mixed,
            **{name: arrays[name] for name in ARRAYS},
        )


def _about_units(over: Units) -> dict[str, Any]:
    return {
        "kind": over.kind,
        "n_samples": over.n_samples,
        "n_donors": over.n_donors,
        "shape": list(over.weights.shape),
        "labels": list(map(str, over.labels)),
        "bin_samples": list(map(str, over.bin_samples)),
    }


def _units_arrays(over: Units, name: str) -> dict[str, np.ndarray]:
    weights = over.weights.tocsr()
    parts = {key: getattr(weights, key) for key in ("data", "indices", "indptr")}
    return {f"{name} {key}": part for key, part in (parts | {"phenotype": over.phenotype}).items()}


def _read_units(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray], name: str) -> Units:
    parts = tuple(arrays[f"{name} {key}"] for key in ("data", "indices", "indptr"))
    return Units(
        weights=sparse.csr_array(parts, shape=tuple(about["shape"])),
        labels=np.array(about["labels"], dtype=object),
        phenotype=arrays[f"{name} phenotype"],
        bin_samples=np.array(about["bin_samples"], dtype=object),
        kind=about["kind"],
        n_samples=about["n_samples"],
        n_donors=about["n_donors"],
    )


def _read_model(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray], name: str) -> Model:
    random, groups = (
        {one: arrays[f"{name} {kind} {k}"] for k, one in enumerate(about[kind])}
        for kind in ("random", "groups")
    )
    fixed, bounded = arrays[f"{name} fixed"], tuple(about["bounded"])
    return Model(arrays[f"{name} outcome"], fixed, random, bounded, groups)
