"""A simulated cohort: cells, mtDNA variants and the planted effects.

Every cell has one standard-normal latent value per gene; the correlations of these values are the
network. Counts are gamma-Poisson with the exponential of the latent value as mean. Efficiency, a
phenotype of the donor, has exactly three effects:

- the correlations of MT genes between the respiratory complexes decrease, at constant mean;
- the mean of one module increases, at constant correlations;
- the number of rare variants of MT-ND5 decreases.

Hubs and their spokes are the same in every sample.

To study only the tests, `simulate_tables` needs no cells and no training: it draws the results of
the bins' models, null or with planted effects, for thousands of cohorts in minutes.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from popnet.files import atomic

# Latent correlations of two MT genes at efficiency 0 and 1. The latent variance is always 1, so
# that their expression does not change; within a complex, its own factor compensates most of the
# decrease.
BETWEEN_COMPLEXES = (0.8, 0.0)


WITHIN_COMPLEX = (0.8, 0.6)


# Share of a gene's latent variance that is due to the factor of its module.
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


# Share of the variance of samples, and of bins, that the genes of a module have in common, and
# share of the samples' that is the donor's.
MODULE_SHARE, DONOR_SHARE = 0.4, 0.5


# Spread of a module's genes around its centre and of samples around both, in units of the centres'.
GENE_SPREAD, SAMPLE_SPREAD = 0.5, 0.3


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
        The planted effects, as JSON.
    """

    adata: ad.AnnData
    variants: pd.DataFrame
    gene_sets: dict[str, list[str]]
    truth: dict[str, Any]


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
    # The second cell type has another profile, and no network.
    other_profile = rng.permutation(base)
    pools = samples["pool"].unique()
    donor_effect = rng.normal(0, DONOR_SD, (len(efficiency), n_genes))
    # Remove chance associations with efficiency: only the planted effects on the means are left.
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
        # Depth refers to the cohort's average profile: genes that a sample expresses more add to
        # its totals, as if the simulated genes were a part of the genome.
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
    """Return standard-normal latent values, cells x genes, with the network's correlations."""
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
    rows: list[tuple[Hashable, int, str, str, str, str]] = []

    def carry(
        donor: Hashable,
        position: int,
        filter_: str = "PASS",
        genotype: str = "1",
        multiallelic: bool = False,
    ) -> None:
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


def _truth(genes: pd.DataFrame, seed: int) -> dict[str, Any]:
    def by_role(role: str) -> pd.DataFrame:
        return genes.loc[genes["role"] == role]

    hubs = by_role("hub").set_index("module")["gene"]
    hub_of = hubs.to_dict()
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
        "edges": [
            [hub_of[row.module], row.gene] for row in by_role("spoke").itertuples(index=False)
        ],
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
        The samples of a donor share its genotypes. The contig is called MT in some files and chrM
        in others, as in files from different sources.
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
