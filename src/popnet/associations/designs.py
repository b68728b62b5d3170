"""The design of a phenotype: made once for a cell type, kept in a file, read by every test."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
from popnet.stats.units import Units, encoded, units

Unit = Literal["donor", "bin"]
TEXTS = ("donors", "batches", "labels", "bin_samples")
ARRAYS = ("outcome", "residual", "nuisance", "blocks")
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
        name, type, case and control of the sheet's phenotype.
    covariates : sequence of str
        Columns of `samples`.
    unit : {"donor", "bin"}
        ``"bin"``: every bin counts as independent and nothing is adjusted for.
    technical : DataFrame, indexed by sample, optional
        Further covariates; they are dropped, the last first, where the cohort is too small.
    """
    values = encoded(samples, phenotype)
    binary = phenotype["type"] == "binary"
    if unit == "bin":
        return unadjusted(units(rows, samples["donor"], values, unit), binary)
    samples = samples.assign(batch=samples["batch"].fillna(""))
    names = [] if technical is None else list(map(str, technical))
    if technical is not None:
        samples = samples.join(technical)
    return make_design(rows, samples, values, binary, covariates, names)


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
    weights = design.units.weights.tocsr()
    about = {
        "binary": design.binary,
        "paired": design.paired,
        "kind": design.units.kind,
        "n_samples": design.units.n_samples,
        "n_donors": design.units.n_donors,
        "shape": list(weights.shape),
        "remarks": list(design.remarks),
        "covariates": design.covariates.to_dict("list"),
        "donors": list(map(str, design.donors)),
        "batches": list(map(str, design.batches)),
        "labels": list(map(str, design.units.labels)),
        "bin_samples": list(map(str, design.units.bin_samples)),
    }
    arrays = {name: getattr(design, name) for name in ARRAYS}
    arrays |= {"data": weights.data, "indices": weights.indices, "indptr": weights.indptr}
    arrays["phenotype"] = design.units.phenotype
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
        parts = tuple(arrays[name] for name in ("data", "indices", "indptr"))
        texts = {name: np.array(about[name], dtype=object) for name in TEXTS}
        over = Units(
            weights=sparse.csr_array(parts, shape=tuple(about["shape"])),
            labels=texts["labels"],
            phenotype=arrays["phenotype"],
            bin_samples=texts["bin_samples"],
            kind=about["kind"],
            n_samples=about["n_samples"],
            n_donors=about["n_donors"],
        )
        return Design(
            units=over,
            binary=about["binary"],
            paired=about["paired"],
            covariates=pd.DataFrame(about["covariates"]),
            remarks=tuple(about["remarks"]),
            donors=texts["donors"],
            batches=texts["batches"],
            **{name: arrays[name] for name in ARRAYS},
        )
