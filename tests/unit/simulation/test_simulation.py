"""The planted truth holds in the simulated data, by direct statistics."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from itertools import combinations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from popnet.networks.reliability import icc
from popnet.simulation.cohort import CELL_TYPE, simulate_cohort, write_cohort
from popnet.simulation.tables import TableSettings, simulate_tables

SPANS = {
    "MT-ND1": (3307, 4262),
    "MT-ND2": (4470, 5511),
    "MT-CO1": (5904, 7445),
    "MT-CO2": (7586, 8269),
    "MT-ATP8": (8366, 8572),
    "MT-ATP6": (8527, 9207),
    "MT-CO3": (9207, 9990),
    "MT-ND3": (10059, 10404),
    "MT-ND4L": (10470, 10766),
    "MT-ND4": (10760, 12137),
    "MT-ND5": (12337, 14148),
    "MT-ND6": (14149, 14673),
    "MT-CYB": (14747, 15887),
    "all": (1, 16569),
}


@pytest.fixture(scope="module")
def samples(root):
    text = dict.fromkeys(["sample", "donor"], str)
    return pd.read_csv(root / "config" / "cohorts" / "demo_samples.csv", dtype=text)


@pytest.fixture(scope="module")
def donors(samples):
    return samples.drop_duplicates("donor").set_index("donor")


@pytest.fixture(scope="module")
def genes(root):
    return pd.read_csv(root / "resources" / "demo_genes.tsv", sep="\t", keep_default_na=False)


@pytest.fixture(scope="module")
def cohort(samples, genes):
    return simulate_cohort(samples, genes, seed=1)


@pytest.fixture(scope="module")
def expression(cohort):
    """Log-normalised expression of the analysed cells, sample by sample."""
    cells = cohort.adata[cohort.adata.obs["celltype"] == CELL_TYPE]
    counts = cells.X.toarray()
    table = pd.DataFrame(
        np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4), columns=cells.var_names
    )
    return dict(list(table.groupby(cells.obs["sample_id"].astype(str).to_numpy())))


@pytest.fixture(scope="module")
def correlations(expression):
    return {sample: values.corr() for sample, values in expression.items()}


@pytest.fixture(scope="module")
def complex_pairs(cohort):
    complexes = cohort.truth["connectivity"]["complexes"]
    pairs = {"within": [], "between": []}
    for one, two in combinations(complexes, 2):
        pairs["within" if complexes[one] == complexes[two] else "between"].append((one, two))
    return pairs


@pytest.fixture(scope="module")
def per_donor(samples):
    """Mean over each donor's samples of a mapping of sample to Series or number."""

    def average(values):
        table = pd.DataFrame.from_dict(
            {sample: np.atleast_1d(value) for sample, value in values.items()}, orient="index"
        )
        return table.groupby(samples.set_index("sample")["donor"]).mean()

    return average


@pytest.fixture(scope="module")
def against(donors):
    """Spearman correlation and p of every column with a phenotype."""

    def test(table, phenotype="efficiency"):
        outcome = donors.loc[table.index, phenotype]
        found = [stats.spearmanr(table[column], outcome) for column in table]
        return np.array([r.statistic for r in found]), np.array([r.pvalue for r in found])

    return test


@pytest.fixture(scope="module")
def mean_correlation(correlations, per_donor):
    def average(pairs):
        return per_donor(
            {s: np.mean([table.at[p] for p in pairs]) for s, table in correlations.items()}
        )

    return average


def test_sample_table(samples, donors):
    assert len(samples) == 30
    assert len(donors) == 24
    assert samples["sample"].is_unique
    twice = samples.groupby("donor").filter(lambda rows: len(rows) == 2)
    assert twice["donor"].nunique() == 6
    assert (twice.groupby("donor")["pool"].nunique() == 2).all()
    phenotypes = ["efficiency", "outcome", "shuffled", "sex", "haplogroup"]
    assert (samples.groupby("donor")[phenotypes].nunique() == 1).all(axis=None)
    assert donors["outcome"].value_counts().min() >= 8
    assert (
        stats.mannwhitneyu(*[rows["efficiency"] for _, rows in donors.groupby("outcome")]).pvalue
        < 1e-4
    )
    # One sample cannot fill a bin of 200 cells; its donor has another.
    small = samples[samples["n_cells"] < 200]
    assert len(small) == 1
    assert small["donor"].isin(twice["donor"]).all()


@pytest.mark.parametrize("phenotype", ["efficiency", "shuffled"])
def test_phenotypes_are_not_confounded(samples, donors, phenotype):
    means = samples.groupby("donor")[["n_cells", "depth"]].mean().loc[donors.index]
    for column in means:
        assert abs(stats.spearmanr(means[column], donors[phenotype]).statistic) < 0.15
    single = samples[~samples["donor"].duplicated(keep=False)]
    for column, table in (("pool", single), ("sex", donors)):
        groups = [rows[phenotype] for _, rows in table.groupby(column)]
        assert stats.mannwhitneyu(*groups).pvalue > 0.5
    haplogroups = [rows[phenotype] for _, rows in donors.groupby("haplogroup")]
    assert stats.kruskal(*haplogroups).pvalue > 0.5
    if phenotype == "shuffled":
        assert abs(stats.spearmanr(donors["shuffled"], donors["efficiency"]).statistic) < 0.1


def test_gene_table(genes):
    assert genes["gene"].is_unique
    assert genes["role"].value_counts().loc[["mt", "rising", "hub", "spoke"]].to_list() == [
        13,
        15,
        4,
        48,
    ]


def test_cells_are_those_of_the_table(cohort, samples, genes):
    adata = cohort.adata
    assert adata.X.format == "csr"
    assert np.issubdtype(adata.X.dtype, np.integer)
    assert adata.X.min() >= 0
    assert adata.obs_names.is_unique
    assert adata.var_names.to_list() == genes["gene"].to_list()
    obs = adata.obs.astype(str).assign(total=np.asarray(adata.X.sum(axis=1)).ravel())
    found = obs.groupby("sample_id").agg(
        n=("total", "size"), depth=("total", "mean"), donor=("donor_id", "first"),
        pool=("pool_id", "first"),
    ).loc[samples["sample"]].reset_index()  # fmt: skip
    for column, expected in (("n", "n_cells"), ("donor", "donor"), ("pool", "pool")):
        assert found[column].to_list() == samples[expected].to_list()
    np.testing.assert_allclose(found["depth"], samples["depth"], rtol=0.1)
    assert 0.85 < (obs["celltype"] == CELL_TYPE).mean() < 0.95
    zeros = 1 - adata.X.getnnz(axis=0) / adata.n_obs
    assert zeros.max() > 0.9
    assert 0.03 < np.median(zeros) < 0.6


def test_correlations_between_complexes_fall(
    complex_pairs, mean_correlation, against, donors, cohort
):
    between = mean_correlation(complex_pairs["between"])
    assert against(between)[0] < -0.95
    assert cohort.truth["connectivity"]["direction"] == -1
    low = donors.index[donors["efficiency"] < 0.3]
    high = donors.index[donors["efficiency"] > 0.7]
    assert between.loc[low].mean().item() > 0.4
    assert between.loc[high].mean().item() < 0.2
    within = mean_correlation(complex_pairs["within"])
    assert 0.65 < within.loc[high].mean().item() / within.loc[low].mean().item() < 1
    assert against(between, "shuffled")[1] > 0.2


def test_expression_of_mt_genes_stays(cohort, expression, per_donor, against):
    mt = list(cohort.truth["connectivity"]["complexes"])
    assert len(mt) == 13
    means = per_donor({sample: values[mt].mean() for sample, values in expression.items()})
    assert stats.false_discovery_control(against(means)[1]).min() > 0.05
    variances = per_donor({sample: values[mt].var() for sample, values in expression.items()})
    assert np.abs(against(variances)[0]).max() < 0.6


def test_rising_set_changes_in_mean_alone(
    cohort, expression, mean_correlation, per_donor, against, genes
):
    rising = cohort.truth["mean_expression"]["genes"]
    assert cohort.gene_sets[cohort.truth["mean_expression"]["gene_set"]] == rising
    means = per_donor({sample: values.mean() for sample, values in expression.items()})
    means.columns = genes["gene"]
    rho, p = against(means)
    q = pd.Series(stats.false_discovery_control(p), index=genes["gene"])
    assert (rho[genes["gene"].isin(rising)] > 0.5).all()
    assert (q[rising] < 0.05).all()
    assert (q.drop(rising) < 0.05).mean() < 0.02
    network = mean_correlation(list(combinations(rising, 2)))
    assert network.min().item() > 0.25
    assert np.ptp(network.to_numpy()) < 0.15


def test_hubs_hold_their_communities_in_every_sample(cohort, correlations):
    hubs = cohort.truth["hubs"]
    edges = pd.DataFrame(cohort.truth["edges"], columns=["hub", "spoke"])
    assert sorted(edges["hub"].unique()) == sorted(hubs)
    for table in correlations.values():
        own = np.array([table.at[edge] for edge in edges.itertuples(index=False, name=None)])
        assert own.mean() > 0.4
        for hub, rows in edges.groupby("hub"):
            community = [hub, *rows["spoke"]]
            assert table.loc[community, community].sum().idxmax() == hub
            others = table.loc[hub, edges.loc[edges["hub"] != hub, "spoke"]]
            assert others.abs().mean() < 0.15


def carried(variants, donors):
    """Variants in each span that each donor carries, records that failed a filter left out."""
    real = variants[(variants["filter"] == "PASS") & ~variants["genotype"].isin(["0", "."])]
    return pd.DataFrame(
        {
            gene: real[real["position"].between(*span)].groupby("donor").size()
            for gene, span in SPANS.items()
        },
        index=donors.index,
    ).fillna(0)


def test_one_gene_is_burdened(cohort, donors, against):
    counts = carried(cohort.variants, donors)
    rho, p = against(counts.loc[:, counts.nunique() > 1])
    q = pd.Series(stats.false_discovery_control(p), index=counts.columns[counts.nunique() > 1])
    burdened = cohort.truth["burden"]["gene"]
    assert q[burdened] < 1e-6
    assert np.sign(rho[q.index == burdened]) == cohort.truth["burden"]["direction"]
    assert (q.drop([burdened, "all"]) > 0.05).all()


def test_burden_is_of_rare_variants_and_hidden_by_filtered_records(cohort, donors, against):
    start, end = SPANS[cohort.truth["burden"]["gene"]]
    inside = cohort.variants[cohort.variants["position"].between(start, end)]
    passed = inside[inside["filter"] == "PASS"]
    assert passed.groupby("position")["donor"].nunique().max() <= 2
    unfiltered = inside.groupby("donor").size().reindex(donors.index, fill_value=0)
    assert against(unfiltered.to_frame())[1] > 0.05


@pytest.mark.parametrize("phenotype", ["efficiency", "shuffled"])
def test_common_variants_follow_no_phenotype(cohort, donors, phenotype):
    variants = cohort.variants
    assert variants["alt"].str.contains(",").any()
    real = variants[(variants["filter"] == "PASS") & (variants["genotype"] != "0")]
    common = real.groupby("position").filter(lambda rows: 3 <= rows["donor"].nunique() <= 21)
    assert common["position"].nunique() >= 20
    p = []
    for _, rows in common.groupby("position"):
        carrier = donors.index.isin(rows["donor"])
        groups = donors.loc[carrier, phenotype], donors.loc[~carrier, phenotype]
        p.append(stats.mannwhitneyu(*groups).pvalue)
    assert stats.false_discovery_control(p).min() > 0.05


def test_seed_decides(samples, genes, cohort):
    few = samples.head(3)
    one, two, other = (simulate_cohort(few, genes, seed) for seed in (7, 7, 8))
    assert (one.adata.X != two.adata.X).nnz == 0
    pd.testing.assert_frame_equal(one.variants, two.variants)
    assert one.gene_sets == two.gene_sets
    assert not one.variants.equals(other.variants)
    assert (one.adata.X != other.adata.X).nnz > 0
    assert other.truth == cohort.truth | {"seed": 8}


def test_files(cohort, samples, tmp_path):
    cyvcf2 = pytest.importorskip("cyvcf2")
    vcf_paths = {sample: tmp_path / f"{i}.vcf.gz" for i, sample in enumerate(samples["sample"])}
    cells, sets, truth = (tmp_path / name for name in ("cells.h5ad", "sets.gmt", "truth.json"))
    write_cohort(cohort, cells, vcf_paths, sets, truth)

    read = ad.read_h5ad(cells)
    assert (read.X != cohort.adata.X).nnz == 0
    assert read.obs["sample_id"].astype(str).to_list() == (
        cohort.adata.obs["sample_id"].astype(str).to_list()
    )
    assert json.loads(truth.read_text()) == cohort.truth
    lines = [line.split("\t") for line in sets.read_text().splitlines()]
    assert {name: members for name, _, *members in lines} == cohort.gene_sets

    records, contigs = {}, set()
    for row in samples.itertuples():
        vcf = cyvcf2.VCF(str(vcf_paths[row.sample]))
        assert vcf.samples == [row.sample]
        contigs.update(vcf.seqnames)
        body = gzip.decompress(vcf_paths[row.sample].read_bytes()).decode().splitlines()
        lines = [line.split("\t")[1:] for line in body if line[0] != "#"]
        assert len(list(vcf)) == len(lines)
        # The samples of a donor share its genotypes.
        assert records.setdefault(row.donor, lines) == lines
    assert contigs == {"MT", "chrM"}
    assert len(records) == 24


TABLES = TableSettings(n_samples=400, n_bins=3, n_genes=40, n_dimensions=2, n_variants=20)
TABLES_CONFOUNDED = replace(
    TABLES,
    depth_effect=0.5,
    depth_phenotype=0.5,
    n_batches=4,
    batch_effect=1.0,
    batch_phenotype=0.6,
)


def by_sample(tables):
    """Mean of every gene over the bins of a sample, and the samples' mean depth."""
    code = pd.factorize(tables.bins["sample"])[0]
    size = np.bincount(code)
    mean = np.zeros((len(size), tables.centrality.shape[1]))
    np.add.at(mean, code, tables.centrality)
    return mean / size[:, None], np.bincount(code, tables.bins["mean_depth"]) / size


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_tables_have_the_icc_asked_for(share):
    tables = simulate_tables(replace(TABLES, icc=share), seed=1)
    found = icc(tables.centrality, tables.bins["sample"])["icc"]
    assert found.mean() == pytest.approx(3 * share / (1 + 2 * share), abs=0.02)


def test_tables_are_confounded_as_asked():
    tables = simulate_tables(TABLES_CONFOUNDED, seed=2)
    values, depth = by_sample(tables)
    phenotype = tables.samples["phenotype"].to_numpy()
    assert stats.pearsonr(depth, phenotype).statistic == pytest.approx(0.5, abs=0.1)
    batch = tables.samples["batch"]
    assert batch.value_counts().tolist() == [100] * 4
    between = tables.samples.groupby("batch")["phenotype"].transform("mean")
    assert between.var() / phenotype.var() == pytest.approx(0.36, abs=0.1)
    # Of a sample's mean: its own variance 1, of bins 1 / 3, depth 1 / 4 and batch 1 on average.
    slopes = np.polyfit(depth, values, 1)[0] * depth.std()
    assert 0.3 < slopes.std() < 1.0
    assert values.var(0).mean() == pytest.approx(1 + 1 / 3 + 1 / 4 + 1, rel=0.25)


def test_null_tables_are_null_and_planted_ones_planted():
    planted = replace(TABLES, n_planted=10, effect=0.5)
    for settings in (TABLES, planted):
        tables = simulate_tables(settings, seed=3)
        values, depth = by_sample(tables)
        score = stats.zscore(tables.samples["phenotype"].to_numpy())
        effect = values.T @ score / len(score)
        assert tables.planted.sum() == settings.n_planted
        assert np.abs(effect[~tables.planted]).max() < 4 * np.sqrt(4 / 3 / len(score))
        assert abs(stats.pearsonr(depth, score).statistic) < 0.2
    assert effect[tables.planted].mean() == pytest.approx(0.5, abs=0.1)
    carried = tables.carriers[:, tables.planted_variants]
    assert carried.shape == (400, 2)
    assert all(score[has].mean() > score[~has].mean() + 0.2 for has in carried.T)
    assert not simulate_tables(TABLES, seed=3).planted_variants.any()


def test_genes_of_a_module_go_together():
    tables = simulate_tables(TABLES, seed=4)
    values, _ = by_sample(tables)
    r = np.corrcoef(values.T)
    module = np.repeat(np.arange(4), 10)
    same = (module[:, None] == module) & ~np.eye(40, dtype=bool)
    assert r[same].mean() == pytest.approx(0.4, abs=0.05)
    assert r[module[:, None] != module].mean() == pytest.approx(0, abs=0.02)
    assert [tables.genes[10 * k : 10 * k + 10] for k in range(4)] == list(tables.modules.values())


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("structure", ["single", "repeats", "pairs"])
def test_structures_of_tables(binary, structure):
    tables = simulate_tables(replace(TABLES, binary=binary, structure=structure), seed=5)
    samples = tables.samples
    donors = samples.groupby("donor")
    assert set(donors.size()) == ({1} if structure == "single" else {2})
    n_values = donors["phenotype"].nunique()
    assert set(n_values) == ({2} if structure == "pairs" else {1})
    if binary:
        assert samples["phenotype"].value_counts().to_dict() == {0: 200, 1: 200}
    if structure != "single":
        values, _ = by_sample(tables)
        first, second = values[::2], values[1::2]
        r = [stats.pearsonr(x, y).statistic for x, y in zip(first.T, second.T, strict=True)]
        assert np.mean(r) == pytest.approx(0.5 / (4 / 3), abs=0.05)
        assert (tables.carriers[::2] == tables.carriers[1::2]).all()


def test_shapes_and_seed_of_tables():
    one, two, other = (simulate_tables(TABLES_CONFOUNDED, seed) for seed in (6, 6, 7))
    assert one.centrality.shape == (1200, 40)
    assert one.loadings.shape == (1200, 40, 2)
    assert one.carriers.shape == (400, 20)
    for name in ("centrality", "loadings", "carriers"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
        assert (getattr(one, name) != getattr(other, name)).any()
    pd.testing.assert_frame_equal(one.samples, two.samples)
    none = simulate_tables(TableSettings(n_genes=0), seed=1)
    assert none.centrality.shape == (164, 0)
    assert none.carriers.shape == (41, 0)
