"""One mitochondrial genome per donor, and its variants counted and scored by gene."""

from __future__ import annotations

import cyvcf2
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from popnet.files import read_table
from popnet.genotypes.burden import assign_genes, gene_burden, gene_scores
from popnet.genotypes.genomes import heteroplasmy_load, one_per_donor, principal_components
from popnet.genotypes.reading import read_genotypes
from popnet.genotypes.table import Genotypes


@pytest.fixture(scope="module")
def genes(root):
    return read_table(root / "resources" / "mtdna_genes.tsv")


def sites(positions):
    table = pd.DataFrame({"contig": "MT", "pos": positions, "ref": "A", "alt": "G", "id": "."})
    return table.set_index(pd.Index([f"MT:{p}:A>G" for p in positions], dtype=object))


def genomes_of(dosage, variants, samples=None, fraction=None):
    samples = samples or [f"d{number}" for number in range(len(dosage))]
    fraction = np.full(dosage.shape, np.nan) if fraction is None else fraction
    return Genotypes(dosage, variants, samples, fraction)


def test_gene_table_is_the_protein_coding_mtdna(genes, shared_data):
    ensembl = pd.read_csv(shared_data / "human_chrM_genes_ensembl104.tsv", sep="\t")
    coding = ensembl[ensembl["biotype"] == "protein_coding"]
    columns = ["gene", "start", "end", "strand"]
    assert genes[columns].values.tolist() == coding[columns].values.tolist()


def test_gene_table_complexes(genes):
    expected = {"I": 7, "III": 1, "IV": 3, "V": 2}
    assert genes["complex"].value_counts().to_dict() == expected
    assert genes["start"].is_monotonic_increasing


def test_assign_genes(genes):
    found = assign_genes([73, 3307, 4262, 4263, 8366, 8530, 9207, 10760, 10766, 14500], genes)
    assert found == [
        [],
        ["MT-ND1"],
        ["MT-ND1"],
        [],
        ["MT-ATP8"],
        ["MT-ATP8", "MT-ATP6"],
        ["MT-ATP6", "MT-CO3"],
        ["MT-ND4L", "MT-ND4"],
        ["MT-ND4L", "MT-ND4"],
        ["MT-ND6"],
    ]
    assert assign_genes([], genes) == []


def test_gene_burden(genes):
    variants = sites([100, 3400, 3500, 8530])
    nan = np.nan
    dosage = pd.DataFrame(
        [[1, 2, 1, 0], [0, nan, nan, 1], [nan, nan, nan, nan]], index=["a", "b", "c"]
    )
    burden = gene_burden(dosage, variants, genes)
    assert list(burden.columns) == [*genes["gene"], "all"]
    np.testing.assert_array_equal(burden["MT-ND1"], [2, nan, nan])
    np.testing.assert_array_equal(burden["MT-ATP8"], [0, 1, nan])
    np.testing.assert_array_equal(burden["MT-ATP6"], [0, 1, nan])
    np.testing.assert_array_equal(burden["MT-CYB"], [0, 0, 0])
    np.testing.assert_array_equal(burden["all"], [3, 1, nan])
    assert list(burden.index) == ["a", "b", "c"]


@pytest.fixture(scope="module")
def thousand(shared_data):
    path = shared_data / "1000g_phase3_chrMT_2534samples.vcf.gz"
    vcfs = {sample: (path, None) for sample in cyvcf2.VCF(path).samples}
    return read_genotypes(vcfs, keep_filters=["fa"])


def test_one_per_donor():
    nan = np.nan
    dosage = np.array([[1, 0, nan], [1, 1, 0], [0, 2, 1]])
    fraction = np.array([[0.3, 0, nan], [0.5, 0.9, 0], [0, 0.99, nan]])
    genotypes = genomes_of(dosage, sites([10, 20, 30]), ["001", "002", "x|y"], fraction)
    donors = pd.Series({"001": "D", "002": "D", "x|y": nan})
    genomes, n_discordant = one_per_donor(genotypes, donors)
    assert genomes.samples == ["D", "x|y"]
    np.testing.assert_array_equal(genomes.dosage, [[1, nan, 0], [0, 2, 1]])
    np.testing.assert_allclose(genomes.fraction, [[0.4, nan, 0], [0, 0.99, nan]])
    assert n_discordant == 1


def test_one_mtdna_called_as_haploid_and_as_diploid():
    dosage = np.array([[1, 2, 0, 0], [2, 1, 2, 0]])
    fraction = np.array([[1, 0.99, 0, 0], [1, 0.97, 1, 0]])
    genotypes = genomes_of(dosage, sites([10, 20, 30, 40]), ["a", "b"], fraction)
    genomes, n_discordant = one_per_donor(genotypes, pd.Series({"a": "D", "b": "D"}))
    np.testing.assert_array_equal(genomes.dosage, [[1, 1, np.nan, 0]])
    np.testing.assert_allclose(genomes.fraction, [[1, 0.98, np.nan, 0]])
    assert n_discordant == 1
    # Of a nuclear contig 0/1 and 1/1 are two genotypes.
    genotypes.variants["contig"] = "1"
    genomes, n_discordant = one_per_donor(genotypes, pd.Series({"a": "D", "b": "D"}))
    np.testing.assert_array_equal(genomes.dosage, [[np.nan, np.nan, np.nan, 0]])
    assert n_discordant == 3


def test_gene_scores(genes):
    variants = sites([3400, 3500, 8530, 8540, 9000])
    nan = np.nan
    dosage = np.zeros((7, 5))
    dosage[:4] = [[1, 2, 0, 1, 1], [0, nan, 1, 1, 1], [nan, nan, 0, 1, 1], [0, 0, 0, 1, 0]]
    dosage[6] = [0, 0, 1, 0, 1]
    scores = gene_scores(dosage, variants, genes)
    np.testing.assert_allclose(scores["count"]["MT-ND1"], [2, 0.2, nan, 0, 0, 0, 0])
    np.testing.assert_array_equal(scores["carrier"]["MT-ND1"], [1, 0, nan, 0, 0, 0, 0])
    q = 2 / 7
    first, second = 1 / np.sqrt(6 * 2 / 8 * 6 / 8), 1 / np.sqrt(5 * q * (1 - q))
    expected = [first + second, second * 0.2, nan, 0, 0, 0, 0]
    np.testing.assert_allclose(scores["weighted"]["MT-ND1"], expected)
    # What all but two carry says that the reference is rare.
    near = np.ones((7, 5))
    near[:2] = 0
    assert not gene_scores(near, variants, genes)["count"].to_numpy().any()
    assert gene_scores(np.zeros((7, 5)), variants, genes)["count"].eq(0).all(axis=None)


def test_heteroplasmy_load():
    nan = np.nan
    fraction = np.array([[0.04, 0.05, 0.5], [0.94, 0.95, 1], [nan, nan, nan], [nan, 0.2, 0]])
    genomes = genomes_of(np.ones((4, 3)), sites([10, 20, 30]), fraction=fraction)
    load = heteroplasmy_load(genomes)
    np.testing.assert_allclose(load["n_heteroplasmic"], [2, 1, nan, 1])
    np.testing.assert_allclose(load["heteroplasmic_fraction"], [0.55, 0.94, nan, 0.2])


def test_principal_components_tell_haplogroups(thousand):
    rng = np.random.default_rng(8)
    n = 60
    clade = np.repeat([0, 1], n // 2)
    dosage = rng.binomial(1, np.where(clade[:, None] == 0, 0.05, 0.9), (n, 20)).astype(float)
    dosage[rng.random(dosage.shape) < 0.05] = np.nan
    scores = principal_components(dosage, 2)
    assert scores.shape == (n, 2)
    assert abs(np.corrcoef(scores[:, 0], clade)[0, 1]) > 0.95
    np.testing.assert_allclose(scores.T @ scores, np.diag((scores**2).sum(0)), atol=1e-9)
    assert principal_components(dosage, 0).shape == (n, 0)
    assert principal_components(np.zeros((n, 3)), 2).shape == (n, 0)
    # The deepest split of living people, African against other lineages, leads in real genomes.
    thinned = thousand.dosage[::10]
    lead = principal_components(thinned, 1)[:, 0]
    split = thinned[:, thousand.variants.index.get_loc("MT:8701:A>G")]
    assert abs(stats.spearmanr(lead, split, nan_policy="omit").statistic) > 0.6
