"""A simulated cohort: cells, mtDNA variants and the truth behind them.

Every cell draws one standard-normal latent value per gene, whose correlations are the network.
Counts are gamma-Poisson around the exponential of it. Efficiency, a phenotype of the donor,
moves three planted things and nothing else:

- the correlations of MT genes between the respiratory complexes fall with it, at constant mean;
- the mean of one module rises with it, at constant correlations;
- rare variants of MT-ND5 become fewer with it.

Hubs and their spokes are the same in every sample.

Where only tests are at stake, `simulate_tables` skips cells and training: it draws what the models
of the bins would have said, null or with planted effects, thousands of cohorts in minutes.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import expit

from popnet.tables import atomic

# Latent correlations of two MT genes at efficiency 0 and 1. The latent variance is always 1, so
# that their expression stays; within a complex the own factor makes up for most of the loss.
BETWEEN_COMPLEXES = (0.8, 0.0)
WITHIN_COMPLEX = (0.8, 0.6)
# Share of the latent variance that a gene owes to the factor of its module.
OWN_FACTOR = {"rising": 0.5, "hub": 1.0, "spoke": 0.7, "member": 0.5, "isolated": 0.0}
RISING_FOLD = 1.8

# Mean counts of a cell in 10,000 (low, high; uniform on the log scale) and SD of the log mean.
ABUNDANCE = {
    "mt": (35, 75),
    "rising": (50, 75),
    "hub": (60, 100),
    "spoke": (4, 40),
    "member": (1.5, 40),
    "isolated": (0.1, 500),
}
LATENT_SD = {"mt": 0.7, "rising": 0.6, "hub": 0.7, "spoke": 0.6, "member": 0.5, "isolated": 0.4}
DISPERSION = 0.03
LIBRARY_SD = 0.25
DONOR_SD = 0.06
POOL_SD = 0.07

CELL_TYPE, OTHER_CELL_TYPE, OTHER_SHARE = "progenitor", "neuroblast", 0.08

MTDNA_LENGTH = 16569
HAPLOGROUP_VARIANTS = 8
BURDENED_GENE, BURDENED_SPAN = "MT-ND5", (12337, 14148)
TRANSITION = {"A": "G", "G": "A", "C": "T", "T": "C"}
TRANSVERSION = {"A": "C", "C": "A", "G": "T", "T": "G"}

# Simulated tables: log10 counts of a cell (mean, SD of samples, SD of bins), cells of a bin.
LOG_DEPTH = (3.5, 0.15, 0.02)
BIN_CELLS = (800, 1200)
MODULE_SIZE = 10
# Share of the variance of samples, and of bins, that the genes of a module have in common, and
# share of the samples' that is the donor's.
MODULE_SHARE, DONOR_SHARE = 0.4, 0.5
# Spread of a module's genes around its centre and of samples around both, in units of the centres'.
GENE_SPREAD, SAMPLE_SPREAD = 0.5, 0.3
HAPLOGROUPS = 4


@dataclass(frozen=True)
class SimulatedCohort:
    """Cells, genotypes and truth of a simulated cohort.

    Parameters
    ----------
    adata : AnnData of shape (n_cells, n_genes)
        Raw counts (CSR, int32); obs holds sample_id, donor_id, pool_id and celltype.
    variants : DataFrame
        donor, position (1-based), ref, alt, filter, genotype; one row per record of a donor.
    gene_sets : dict of str to list of str
        Modules of the network and random sets.
    truth : dict
        What was planted; JSON.
    """

    adata: ad.AnnData
    variants: pd.DataFrame
    gene_sets: dict[str, list[str]]
    truth: dict


def simulate_cohort(samples: pd.DataFrame, genes: pd.DataFrame, seed: int) -> SimulatedCohort:
    """Simulate the cells and the mtDNA variants of a cohort.

    Parameters
    ----------
    samples : DataFrame
        sample, donor, pool, n_cells, depth (mean total counts of a cell) and, constant within a
        donor, efficiency (0 to 1) and haplogroup (of mtDNA).
    genes : DataFrame
        gene, role (mt, rising, hub, spoke, member or isolated) and module (for MT genes the
        respiratory complex, for hubs and spokes the community, empty for isolated genes).
    seed : int
        The same seed gives the same cohort.
    """
    for_cells, for_variants, for_sets = np.random.default_rng(seed).spawn(3)
    donors = samples.drop_duplicates("donor").set_index("donor")
    return SimulatedCohort(
        _simulate_cells(samples, donors["efficiency"], genes, for_cells),
        _simulate_variants(donors, for_variants),
        _gene_sets(genes, for_sets),
        _truth(genes, seed),
    )


def _simulate_cells(
    samples: pd.DataFrame, efficiency: pd.Series, genes: pd.DataFrame, rng: np.random.Generator
) -> ad.AnnData:
    n_genes = len(genes)
    low, high = np.array([ABUNDANCE[role] for role in genes["role"]], float).T
    base = np.exp(rng.uniform(np.log(low), np.log(high)))
    latent_sd = genes["role"].map(LATENT_SD).to_numpy()
    rising = (genes["role"] == "rising").to_numpy()
    # The second cell type has another profile and no network to speak of.
    other_profile = rng.permutation(base)
    pools = samples["pool"].unique()
    donor_effect = rng.normal(0, DONOR_SD, (len(efficiency), n_genes))
    # No association with efficiency by accident: what is left of the means is what is planted.
    centred = (efficiency - efficiency.mean()).to_numpy()[:, None]
    donor_effect -= centred @ (np.linalg.pinv(centred) @ donor_effect)
    individual = pd.DataFrame(np.exp(donor_effect), index=efficiency.index)
    pool_effect = pd.DataFrame(np.exp(rng.normal(0, POOL_SD, (len(pools), n_genes))), index=pools)

    counts, obs = [], []
    for row in samples.to_dict("records"):
        n_other = round(OTHER_SHARE * row["n_cells"])
        n_main = row["n_cells"] - n_other
        shift = np.where(rising, RISING_FOLD ** (row["efficiency"] - 0.5), 1.0)
        sample_effect = (individual.loc[row["donor"]] * pool_effect.loc[row["pool"]]).to_numpy()
        profile = np.vstack(
            [
                np.tile(base * shift * sample_effect, (n_main, 1)),
                np.tile(other_profile * sample_effect, (n_other, 1)),
            ]
        )
        latent = np.vstack(
            [
                _latent(genes, row["efficiency"], n_main, rng),
                rng.standard_normal((n_other, n_genes)),
            ]
        )
        library = np.exp(rng.normal(-(LIBRARY_SD**2) / 2, LIBRARY_SD, (row["n_cells"], 1)))
        # Depth is that of the average profile of the cohort: what a sample expresses more adds to
        # its totals, as it does where the genes at hand are a part of the genome.
        mean = row["depth"] * library * profile / base.sum()
        mean *= np.exp(latent_sd * latent - latent_sd**2 / 2)
        mean *= rng.gamma(1 / DISPERSION, DISPERSION, mean.shape)
        order = rng.permutation(row["n_cells"])
        counts.append(sparse.csr_matrix(rng.poisson(mean)[order].astype(np.int32)))
        obs.append(
            pd.DataFrame(
                {
                    "sample_id": row["sample"],
                    "donor_id": row["donor"],
                    "pool_id": row["pool"],
                    "celltype": np.where(order < n_main, CELL_TYPE, OTHER_CELL_TYPE),
                }
            )
        )
    cells = pd.concat(obs, ignore_index=True)
    cells.index = [f"cell_{number:06d}" for number in range(1, len(cells) + 1)]
    return ad.AnnData(
        sparse.vstack(counts, format="csr"),
        obs=cells.astype("category"),
        var=pd.DataFrame(index=pd.Index(genes["gene"], name="gene")),
    )


def _latent(
    genes: pd.DataFrame, efficiency: float, n_cells: int, rng: np.random.Generator
) -> np.ndarray:
    """Return standard-normal latent values, cells x genes, correlated as the network has it."""
    module, modules = pd.factorize(genes["module"])
    factors = rng.standard_normal((n_cells, len(modules)))
    noise = rng.standard_normal((n_cells, len(genes)))
    own = genes["role"].map(OWN_FACTOR).to_numpy()
    between, within = (
        start + (end - start) * efficiency for start, end in (BETWEEN_COMPLEXES, WITHIN_COMPLEX)
    )
    is_mt = (genes["role"] == "mt").to_numpy()
    shared = np.where(is_mt, between, 0.0)
    own = np.where(is_mt, within - between, own)
    return (
        np.sqrt(shared) * rng.standard_normal((n_cells, 1))
        + np.sqrt(own) * factors[:, module]
        + np.sqrt(1 - shared - own) * noise
    )


def _simulate_variants(donors: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    burdened = np.arange(BURDENED_SPAN[0], BURDENED_SPAN[1] + 1)
    elsewhere = np.setdiff1d(np.arange(577, 16024), burdened)
    burdened, elsewhere = rng.permutation(burdened), rng.permutation(elsewhere)
    reference = rng.choice(list("ACGT"), MTDNA_LENGTH + 1)
    rows: list[tuple] = []

    def carry(donor, position, filter_="PASS", genotype="1", multiallelic=False):
        ref = str(reference[position])
        alt = TRANSITION[ref] + ("," + TRANSVERSION[ref] if multiallelic else "")
        rows.append((donor, int(position), ref, alt, filter_, genotype))

    haplogroups = donors["haplogroup"].unique()
    defining, elsewhere = np.split(elsewhere, [HAPLOGROUP_VARIANTS * len(haplogroups)])
    defining_of = dict(zip(haplogroups, np.split(defining, len(haplogroups)), strict=True))
    multiallelic, elsewhere = elsewhere[0], elsewhere[1:]
    for donor, haplogroup in donors["haplogroup"].items():
        for position in defining_of[haplogroup]:
            carry(donor, position)
        # One site of two alternative alleles, which every file lists.
        carry(donor, multiallelic, genotype=str(rng.integers(0, 3)), multiallelic=True)

    for donor, value in donors["efficiency"].items():
        n_burdened = round(max(0.0, 6 * (1 - value) + rng.normal(0, 0.5)))
        # Records that failed a filter would undo the burden if they were counted.
        n_filtered = round(6 * value)
        mine, burdened = np.split(burdened, [n_burdened + n_filtered])
        for k, position in enumerate(mine):
            carry(donor, position, "PASS" if k < n_burdened else "LowQual")
        private, elsewhere = np.split(elsewhere, [rng.poisson(4)])
        for position in private:
            carry(donor, position)
        # Some records say reference or missing.
        for position, genotype in zip(elsewhere[:2], "0.", strict=True):
            carry(donor, position, genotype=genotype)
        elsewhere = elsewhere[2:]
    columns = ["donor", "position", "ref", "alt", "filter", "genotype"]
    return pd.DataFrame(rows, columns=columns).sort_values(["donor", "position"], ignore_index=True)


def _gene_sets(genes: pd.DataFrame, rng: np.random.Generator) -> dict[str, list[str]]:
    named = genes[(genes["role"] != "mt") & (genes["module"] != "")]
    sets = {str(module): group.to_list() for module, group in named.groupby("module")["gene"]}
    nuclear = genes.loc[genes["role"] != "mt", "gene"].to_numpy()
    for number in range(1, 9):
        chosen = rng.choice(nuclear, rng.integers(10, 31), replace=False)
        sets[f"SIM_RANDOM_{number:02d}"] = sorted(chosen.tolist())
    return sets


def _truth(genes: pd.DataFrame, seed: int) -> dict:
    def by_role(role):
        return genes.loc[genes["role"] == role]

    hubs = by_role("hub").set_index("module")["gene"]
    rising = by_role("rising")
    return {
        "seed": int(seed),
        "cell_type": CELL_TYPE,
        "phenotype": "efficiency",
        "binary_phenotype": "outcome",
        "null_phenotype": "shuffled",
        "connectivity": {
            "complexes": by_role("mt").set_index("gene")["module"].to_dict(),
            "direction": -1,
        },
        "mean_expression": {
            "gene_set": rising["module"].iloc[0],
            "genes": rising["gene"].to_list(),
            "direction": 1,
        },
        "hubs": hubs.to_list(),
        "edges": [[hubs[row.module], row.gene] for row in by_role("spoke").itertuples(index=False)],
        "burden": {"gene": BURDENED_GENE, "direction": -1},
    }


def write_cohort(
    cohort: SimulatedCohort,
    cells_path: str | Path,
    vcf_paths: Mapping[str, str | Path],
    gene_sets_path: str | Path,
    truth_path: str | Path,
) -> None:
    """Write a cohort as h5ad, one gzipped VCF per sample, GMT and JSON.

    Parameters
    ----------
    cohort : SimulatedCohort
    cells_path, gene_sets_path, truth_path : path
    vcf_paths : dict of sample to path
        The samples of a donor share its genotypes. The contig is called MT and chrM in turns, as
        files from different places do.
    """
    with atomic(cells_path) as temporary:
        cohort.adata.write_h5ad(temporary, compression="gzip")
    donors = cohort.adata.obs.drop_duplicates("sample_id").set_index("sample_id")["donor_id"]
    for number, (sample, path) in enumerate(vcf_paths.items()):
        records = cohort.variants[cohort.variants["donor"] == donors[sample]]
        text = _vcf(records, sample, "chrM" if number % 2 else "MT")
        with atomic(path) as temporary:
            temporary.write_bytes(gzip.compress(text.encode(), mtime=0))
    with atomic(gene_sets_path) as temporary:
        lines = ["\t".join([name, "simulated", *sets]) for name, sets in cohort.gene_sets.items()]
        temporary.write_text("\n".join(lines) + "\n")
    with atomic(truth_path) as temporary:
        temporary.write_text(json.dumps(cohort.truth, indent=1) + "\n")


def _vcf(records: pd.DataFrame, sample: str, contig: str) -> str:
    header = [
        "##fileformat=VCFv4.2",
        "##source=popnet simulation",
        '##FILTER=<ID=LowQual,Description="Simulated record of low quality">',
        f"##contig=<ID={contig},length={MTDNA_LENGTH}>",
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{sample}",
    ]
    body = [
        f"{contig}\t{row.position}\t.\t{row.ref}\t{row.alt}\t.\t{row.filter}\t.\tGT\t{row.genotype}"
        for row in records.itertuples(index=False)
    ]
    return "\n".join(header + body) + "\n"


@dataclass(frozen=True)
class TableSettings:
    """What a cohort of simulated tables looks like; as it stands, a null one without confounding.

    A sample's own value of a gene has variance 1 over samples; effects are in units of its SD per
    SD of what has the effect.

    Parameters
    ----------
    n_samples : int
    n_bins : int
        Of every sample.
    n_genes : int
        In modules of `MODULE_SIZE` genes with correlated values.
    n_dimensions, n_variants : int
        Of the loadings, and sites of mtDNA; none where 0.
    icc : float
        Share of a single bin's variance that is its sample's, confounding aside.
    binary : bool
    structure : {"single", "repeats", "pairs"}
        A sample of every donor, two with one phenotype, or two with a phenotype each (of a binary
        one a case and a control).
    depth_effect : float
        SD over genes of the effect of log depth, which is linear.
    depth_phenotype : float
        Correlation of the samples' log depth with the phenotype.
    n_batches : int
        Of samples (of donors where they have two), equal in size.
    batch_effect : float
        SD over batches of every gene's mean, and on the logit scale of a variant's frequency.
    batch_phenotype : float
        Correlation of the phenotype, or of what decides who is a case, with the batch.
    n_planted : int
        The first genes, in whole modules, have the effect on purpose; of variants the first tenth
        if there is any.
    effect : float
    """

    n_samples: int = 41
    n_bins: int = 4
    n_genes: int = 200
    n_dimensions: int = 0
    n_variants: int = 0
    icc: float = 0.5
    binary: bool = False
    structure: Literal["single", "repeats", "pairs"] = "single"
    depth_effect: float = 0.0
    depth_phenotype: float = 0.0
    n_batches: int = 1
    batch_effect: float = 0.0
    batch_phenotype: float = 0.0
    n_planted: int = 0
    effect: float = 0.0


@dataclass(frozen=True)
class SimulatedTables:
    """What training and the genotypes of a simulated cohort would have said.

    Parameters
    ----------
    samples : DataFrame, indexed by sample
        donor, batch, phenotype (0 and 1 where binary).
    bins : DataFrame
        sample, mean_depth (log10 counts of a cell), n_cells.
    centrality : ndarray of shape (n_bins, n_genes)
    loadings : ndarray of shape (n_bins, n_genes, n_dimensions)
    carriers : bool ndarray of shape (n_samples, n_variants)
        The same for samples of one donor.
    genes : list of str
    modules : dict of str to list of str
    planted : bool ndarray of shape (n_genes,)
    planted_variants : bool ndarray of shape (n_variants,)
    """

    samples: pd.DataFrame
    bins: pd.DataFrame
    centrality: np.ndarray
    loadings: np.ndarray
    carriers: np.ndarray
    genes: list[str]
    modules: dict[str, list[str]]
    planted: np.ndarray
    planted_variants: np.ndarray


def simulate_tables(settings: TableSettings, seed: int) -> SimulatedTables:
    """Simulate what the bins' models say of every gene, and who carries which variant.

    Parameters
    ----------
    settings : TableSettings
    seed : int
        The same seed gives the same tables.
    """
    for_samples, for_centrality, for_loadings, for_variants = np.random.default_rng(seed).spawn(4)
    samples, bins = _simulate_bins(settings, for_samples)
    n_genes, n_dimensions = settings.n_genes, settings.n_dimensions
    planted = np.arange(n_genes) < settings.n_planted
    module = np.arange(n_genes) // MODULE_SIZE
    genes = [f"G{number:04d}" for number in range(n_genes)]

    centrality = _deviations(settings, samples, bins, module, planted, for_centrality)
    # Every dimension of a gene is a value of its own, with modules of its own.
    dimension = np.tile(np.arange(n_dimensions), n_genes)
    direction = for_loadings.standard_normal((n_genes, n_dimensions))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    loadings = SAMPLE_SPREAD * _deviations(
        settings,
        samples,
        bins,
        np.repeat(module, n_dimensions) * n_dimensions + dimension,
        (planted[:, None] * direction).ravel(),
        for_loadings,
    ).reshape(len(bins), n_genes, n_dimensions)
    loadings += for_loadings.standard_normal((module.max(initial=-1) + 1, n_dimensions))[module]
    loadings += GENE_SPREAD * for_loadings.standard_normal((n_genes, n_dimensions))
    carriers, planted_variants = _simulate_carriers(settings, samples, for_variants)
    return SimulatedTables(
        samples[["donor", "batch", "phenotype"]],
        bins[["sample", "mean_depth", "n_cells"]],
        centrality,
        loadings,
        carriers,
        genes,
        {
            f"module {number:02d}": genes[number * MODULE_SIZE : (number + 1) * MODULE_SIZE]
            for number in range(module.max(initial=-1) + 1)
        },
        planted,
        planted_variants,
    )


def _simulate_bins(
    settings: TableSettings, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return samples and bins; code numbers donors and batches, score is the phenotype's z."""
    n = settings.n_samples
    donor = np.arange(n) // (1 if settings.structure == "single" else 2)
    n_donors = donor[-1] + 1
    batch = rng.permutation(np.arange(n_donors) % settings.n_batches)[donor]
    shared = settings.batch_phenotype
    liability = np.sqrt(1 - shared**2) * rng.standard_normal(n)
    if settings.structure == "repeats":
        liability = liability[2 * donor]
    liability += shared * _standardised(batch.astype(float))
    phenotype = liability
    if settings.binary and settings.structure == "pairs":
        # Of a donor's two samples the one with the higher value; a last one alone is a control.
        phenotype = np.zeros(n)
        pairs = np.arange(n // 2 * 2).reshape(-1, 2)
        phenotype[pairs[np.arange(len(pairs)), liability[pairs].argmax(1)]] = 1
    elif settings.binary:
        of_donors = liability[np.unique(donor, return_index=True)[1]]
        phenotype = (liability > np.median(of_donors)).astype(float)
    score = _standardised(phenotype)
    depth = settings.depth_phenotype * score
    depth += np.sqrt(1 - settings.depth_phenotype**2) * rng.standard_normal(n)
    samples = pd.DataFrame(
        {
            "donor": [f"donor {number}" for number in donor],
            "batch": [f"pool {number}" for number in batch],
            "phenotype": phenotype,
            "score": score,
            "donor_code": donor,
            "batch_code": batch,
        },
        index=pd.Index([f"sample {number}" for number in range(n)], name="sample"),
    )
    code = np.repeat(np.arange(n), settings.n_bins)
    mean, sd, bin_sd = LOG_DEPTH
    bins = pd.DataFrame(
        {
            "sample": samples.index[code],
            "mean_depth": mean + sd * depth[code] + bin_sd * rng.standard_normal(len(code)),
            "n_cells": rng.integers(*BIN_CELLS, len(code)),
            "code": code,
        }
    )
    return samples, bins


def _deviations(
    settings: TableSettings,
    samples: pd.DataFrame,
    bins: pd.DataFrame,
    module: np.ndarray,
    planted: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return bins x values around 0; `planted` says how much of the effect each value has."""
    n_modules = module.max(initial=-1) + 1

    def drawn(n: int) -> np.ndarray:
        common = rng.standard_normal((n, n_modules))[:, module]
        own = rng.standard_normal((n, len(module)))
        return np.sqrt(MODULE_SHARE) * common + np.sqrt(1 - MODULE_SHARE) * own

    donor, batch = samples["donor_code"].to_numpy(), samples["batch_code"].to_numpy()
    values = np.sqrt(DONOR_SHARE) * drawn(donor[-1] + 1)[donor]
    values += np.sqrt(1 - DONOR_SHARE) * drawn(len(samples))
    values += settings.batch_effect * rng.standard_normal((settings.n_batches, len(module)))[batch]
    values += settings.effect * np.outer(samples["score"], planted)
    mean, sd, _ = LOG_DEPTH
    slope = settings.depth_effect * rng.standard_normal(len(module))
    values = values[bins["code"]] + np.sqrt(1 / settings.icc - 1) * drawn(len(bins))
    return values + np.outer((bins["mean_depth"] - mean) / sd, slope)


def _simulate_carriers(
    settings: TableSettings, samples: pd.DataFrame, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return samples x variants, half inherited along haplogroups, and which are planted."""
    n_variants = settings.n_variants
    planted = np.arange(n_variants) < bool(settings.n_planted) * n_variants // 10
    first = np.unique(samples["donor_code"], return_index=True)[1]
    donors = samples.iloc[first]
    haplogroup = rng.integers(HAPLOGROUPS, size=len(donors))
    of_haplogroup = rng.integers(HAPLOGROUPS, size=n_variants)
    inherited = (np.arange(n_variants) % 2 == 1) & ~planted
    logit = np.where(
        inherited,
        np.where(haplogroup[:, None] == of_haplogroup, 2.5, -2.5),
        rng.uniform(-2.5, 0, n_variants),
    )
    shifts = rng.standard_normal((settings.n_batches, n_variants))
    logit = logit + settings.batch_effect * shifts[donors["batch_code"]]
    logit += settings.effect * np.outer(donors["score"], planted)
    carriers = rng.random(logit.shape) < expit(logit)
    return carriers[samples["donor_code"]], planted


def _standardised(values: np.ndarray) -> np.ndarray:
    spread = values.std()
    return (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))
