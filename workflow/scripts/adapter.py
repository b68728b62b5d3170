"""What the scripts of several rules need: their log, and phenotypes as the tests want them."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from popnet.errors import InputError
from popnet.files import read_parquet, read_table
from popnet.names import safe_name

if TYPE_CHECKING:
    from popnet.cells import CountSource
    from popnet.genotypes.reading import Genotypes
    from popnet.sivae import Settings
    from popnet.stats.designs import Design

# What counts as one observation under each preset.
UNIT = {"robust": "donor", "paper": "bin"}
# The kernel whose map is drawn, and what figures call it and the tests' statistics.
MAIN_KERNEL = {"robust": "edge_jaccard", "paper": "wl_degree"}
KERNELS = {
    "edge_jaccard": "Jaccard index of edges",
    "centrality": "rank correlation of centralities",
    "wl_gene": "Weisfeiler-Lehman kernel, nodes labelled by gene",
    "wl_degree": "Weisfeiler-Lehman kernel, nodes labelled by degree",
}
EFFECT = {
    "paper": {"continuous": "Spearman ρ", "binary": "rank-biserial correlation"},
    "robust": {
        "continuous": "partial rank correlation",
        "binary": "adjusted rank-biserial correlation",
    },
}


@contextmanager
def logged(path: str) -> Iterator[None]:
    """Send what the block prints to the log; an input error ends the script with its text."""
    # Closed below, as a full disk lets it be.
    log = Path(path).open("w", buffering=1, encoding="utf-8", errors="replace")  # noqa: SIM115
    try:
        with redirect_stdout(log), redirect_stderr(log):
            yield
    except Exception as error:
        text = str(error) if isinstance(error, InputError) else traceback.format_exc().rstrip()
        try:
            print(text, file=log)
        except OSError:
            # The log's disk may be the one that is full.
            print(text, file=sys.__stderr__)
        sys.exit(1)
    finally:
        with suppress(OSError):
            log.close()


def read_phenotype(path: str, phenotype: dict[str, Any]) -> tuple[pd.Series, pd.Series, bool]:
    """Return each sample's donor and encoded phenotype, and whether it is binary."""
    from popnet.stats.units import encode_phenotype

    name = phenotype["name"]
    samples = read_table(path, text=[name]).set_index("sample")
    values = encode_phenotype(
        samples[name], phenotype["type"], phenotype["case"], phenotype["control"]
    )
    return samples["donor"], values, phenotype["type"] == "binary"


def read_design(
    path: str, rows: Sequence[str], params: Any, technical: pd.DataFrame | None = None
) -> Design:
    """Return what the tests of preset robust compare and adjust for.

    Parameters
    ----------
    path : str
        samples.tsv.
    rows : sequence of str
        The sample of every row (of bins, or of samples) that will be tested.
    params : object
        `phenotype`, `covariates` (name and type each) and `statistics` of the rule.
    technical : DataFrame, indexed by sample, optional
        Of :func:`technical_covariates`.
    """
    from popnet.stats.designs import make_design
    from popnet.stats.units import encode_phenotype

    phenotype, covariates = params.phenotype, params.covariates
    categorical = [one["name"] for one in covariates if one["type"] == "categorical"]
    name = phenotype["name"]
    samples = read_table(path, text=[name, *categorical]).set_index("sample")
    samples["batch"] = samples["batch"].fillna("")
    values = encode_phenotype(
        samples[name], phenotype["type"], phenotype["case"], phenotype["control"]
    )
    adjust = []
    if technical is not None:
        adjust = list(params.statistics["adjust"])
        samples = samples.join(technical[adjust])
    design = make_design(
        rows,
        samples,
        values,
        phenotype["type"] == "binary",
        [one["name"] for one in covariates],
        adjust,
    )
    print(f"{design.n} observations, each a {design.units.kind}; {design.df} degrees of freedom")
    for remark in design.remarks:
        print(remark)
    return design


def technical_covariates(bins: pd.DataFrame) -> pd.DataFrame:
    """Return depth (mean log10 total counts of a cell) and cells (log10 number) of each sample.

    `bins` has sample, mean_depth and n_cells of every bin of a cell type.
    """
    grouped = bins.groupby(bins["sample"].astype(str), observed=True)
    depth, cells = grouped["mean_depth"].mean(), np.log10(grouped["n_cells"].sum())
    return pd.DataFrame({"depth": depth, "cells": cells})


def read_donors(
    files: Any, phenotype: dict[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series, bool]:
    """Return the dosages of each donor, the variants, the phenotype, and whether it is binary.

    There are no donors where the phenotype cannot be tested; the log says why.
    """
    from popnet.genotypes.genomes import per_donor, varying_donors
    from popnet.genotypes.reading import read_genotypes_h5ad

    genotypes = read_genotypes_h5ad(files.genotypes)
    donors, values, binary = read_phenotype(files.samples, phenotype)
    dosage, values, n_discordant = per_donor(genotypes, donors, values)
    print(f"{len(dosage)} donors, {n_discordant} genotypes differ between samples of one donor")
    if binary and (varying := varying_donors(values)):
        print(
            f"Nothing is tested: {phenotype['name']} differs between samples of "
            f"{len(varying)} donors, and a donor has one mtDNA: {', '.join(varying[:5])}"
        )
        dosage, values = dosage.iloc[:0], values.iloc[:0]
    return dosage, genotypes.variants, values, binary


def read_genomes(files: Any, components: int) -> tuple[Genotypes, pd.DataFrame]:
    """Return one genome per donor, and the first components of their variants for every sample.

    Components are named component1 and on, indexed by the genotyped samples.
    """
    from popnet.genotypes.genomes import one_per_donor, principal_components
    from popnet.genotypes.reading import read_genotypes_h5ad

    genotypes = read_genotypes_h5ad(files.genotypes)
    donors = read_table(files.samples).set_index("sample")["donor"].reindex(genotypes.samples)
    genomes, n_discordant = one_per_donor(genotypes, donors)
    print(f"{len(genomes.samples)} donors, {n_discordant} genotypes differ between their samples")
    scores = principal_components(genomes.dosage, components)
    names = [f"component{number}" for number in range(1, scores.shape[1] + 1)]
    table = pd.DataFrame(scores, genomes.samples, names)
    return genomes, table.loc[donors.fillna(donors.index.to_series())].set_index(donors.index)


def read_genome_design(files: Any, params: Any) -> tuple[Genotypes, Design]:
    """Return what preset robust compares of genomes: a genome for every observation of a design.

    There are no observations where the phenotype cannot be tested; the log says why.
    """
    genomes, components = read_genomes(files, params.components)
    adjust = {"adjust": list(components)}
    given = SimpleNamespace(
        phenotype=params.phenotype, covariates=params.covariates, statistics=adjust
    )
    design = read_design(files.samples, components.index, given, components)
    if design.paired:
        print(f"Nothing is tested: {params.phenotype['name']} is compared within donors, each of")
        print("which has one mtDNA")
        design = design.subset(np.zeros(design.n, dtype=bool))
    return genomes.take(design.donors), design


def binned_cells(path: str, cell_type: str) -> pd.DataFrame:
    """Return the binned cells of a cell type, given by its safe name."""
    cells = read_parquet(path)
    names = {name: safe_name(str(name)) for name in cells["cell_type"].unique()}
    return cells[cells["cell_type"].map(names) == cell_type].reset_index(drop=True)


def untrained(trained: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return the first row of each bin, named by the columns `by`, of which no model trained."""
    done = trained["status"] == "trained"
    lost = ~done.groupby([trained[column] for column in by]).transform("any")
    return trained[lost].drop_duplicates(by)


def open_sources(params: Any, paths: pd.Series) -> dict[str, CountSource]:
    """Open the files that hold the cells; `params` says where in them counts and symbols are."""
    from popnet.cells import open_source

    return {path: open_source(path, params.counts, params.gene_symbols) for path in paths.unique()}


def sivae_settings(params: Any) -> Settings:
    """Return the settings of the model: what the config leaves open is as the training plan says.

    The expression is centred and scaled already.
    """
    from popnet import sivae

    keys = {key: value for key, value in params.sivae.items() if key != "plan"}
    all_genes = keys["genes_per_step"] == "all"
    if all_genes:
        del keys["genes_per_step"]
    settings = sivae.settings_for("sivae", params.plan, standardise=False, **keys)
    return replace(settings, genes_per_step=None) if all_genes else settings


def training_device(snakemake: Any) -> str:
    """Return the device to train on; a job that was given a GPU never trains on a CPU unnoticed."""
    from popnet import sivae

    device = snakemake.params.device
    if device == "auto" and (snakemake.resources.get("gres") or snakemake.resources.get("gpu")):
        device = "cuda"
    return str(sivae.choose_device(device))
