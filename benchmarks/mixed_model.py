"""Where the mixed model could break: its errors on cohorts that are made to break it.

    python benchmarks/mixed_model.py --cohorts 300 > mixed_model.tsv
    python benchmarks/mixed_model.py --cohorts 1000 --alone          # its errors alone
    python benchmarks/mixed_model.py --cohorts 300 --values pairs    # weights of pairs of genes
    python benchmarks/mixed_model.py --cohorts 300 --values map      # the map as a whole
    python benchmarks/mixed_model.py --cohorts 300 --values modules  # densities of 10 modules
    python benchmarks/mixed_model.py --cohorts 300 --values composition  # shares of 6 cell states
    python benchmarks/mixed_model.py --cohorts 300 --values levels   # the overall test of 3 levels
    python benchmarks/mixed_model.py --speed       # 3,000 genes in 200 samples of 100 donors

Every line is a kind of cohort: `today` is the permutation test of preset robust, which leaves
observations out and goes within blocks; `limma` a linear model of the same observations and blocks
(donors that are paired, or batches) with moderated t; `mixed` the model as the workflow uses
it; `fixed` the same with depth as a fixed effect (`p_adjusted`). Genes have variances of their own
(scaled inverse chi-squared, 1.8 degrees of freedom, as in trained networks) and lie in modules of
20 with a correlation of 0.4. Numbers are percentages: mean over cohorts of the share of null genes
with p <= 0.05 and 0.01, its standard error at 0.05, cohorts with any q <= 0.05 among null genes
alone, and power: the share of 20 planted genes (of 300) with q <= 0.05. Permutations: 199, in a
tenth of the cohorts. One core.

Weights of pairs are the inner products of the loadings of 25 genes in four dimensions, whose
loadings vary; what is planted is of 20 of these 300 pairs. A map has 30 dimensions of falling
variance, all of which move; `today` is distance regression, and there is one p of a cohort: `p05`
and `power_p` are shares of cohorts.

Few modules and states say little of variance ratios. A module is 6 genes whose loadings follow its
strength in the sample, and each has noise of its own; its density is the mean of their products.
States are counted in 300 cells of each bin, whose shares follow the sample; tested are log odds.
What samples, donors, batches and depth do is done to the strength, or the log share; 2 of 10
modules and 1 of 6 states are planted. `levels` is the moderated F of three levels of a phenotype,
of genes as above, of which the second level is planted; there limma has the same blocks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import measuring  # noqa: F401  before numpy: one thread, and the package of the clone

import numpy as np
import pandas as pd

from popnet.memory import peak_memory
from popnet.stats.designs import make_design
from popnet.stats.levels import make_levels_design, mixed_f
from popnet.stats.kernel_tests import distance_regression, map_gram, map_ratios, mixed_regression
from popnet.stats.mixed import mixed_t, permuted_outcomes, permuted_t
from popnet.stats.mixed_model import variance_ratios
from popnet.stats.mixed_designs import make_mixed_design
from popnet.stats.moderated import moderated_t
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.permutation import permutation_test

N_GENES, MODULE, PLANTED, NONCENTRALITY = 300, 20, 20, 4.0
# Genes of the pairs, their dimensions, and the standard deviation of a loading.
OF_PAIRS, DIMENSIONS, VARIES = 25, 4, 0.5
# Genes of a module, cells of a bin, and how far strengths and log shares vary.
OF_MODULE, CELLS, OF_STRENGTH, OF_SHARE = 6, 300, 0.3, 0.5
# Tests and planted ones of a cohort, where these are few.
FEW = {"modules": (10, 2), "composition": (6, 1)}
LEVELS = ("a", "b", "c")
# Standard deviations of the dimensions of a map, and how far they move of what genes do.
OF_MAP, MOVED = np.exp(-0.1 * np.arange(30)), 0.3


@dataclass(frozen=True)
class Cohort:
    """Samples (donor, batch, y and more), values of genes in them, and what is adjusted for."""

    samples: pd.DataFrame
    values: np.ndarray
    binary: bool = True
    covariates: tuple[str, ...] = ()
    technical: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()


Noise = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


# Set once by `main`.
VALUES = "genes"


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return normal values, in modules; or those of pairs."""
    if VALUES == "pairs":
        return pairs(rng, shape)
    own = rng.normal(size=shape)
    common = rng.normal(size=(shape[0], -(-shape[1] // MODULE)))
    return np.sqrt(0.6) * own + np.sqrt(0.4) * common[:, np.arange(shape[1]) // MODULE]


def pairs(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return weights of pairs of genes, less their expectation and of standard deviation 1."""
    usual = rng.normal(size=(OF_PAIRS, DIMENSIONS))
    loadings = usual + VARIES * rng.normal(size=(shape[0], OF_PAIRS, DIMENSIONS))
    first, second = np.triu_indices(OF_PAIRS, 1)
    weights = (loadings[:, first] * loadings[:, second]).sum(-1)
    length = (usual**2).sum(1)
    spread = VARIES**2 * (length[first] + length[second]) + DIMENSIONS * VARIES**4
    return (weights - (usual @ usual.T)[first, second]) / np.sqrt(spread)


def heavy(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return values of Student's t with three degrees of freedom."""
    return rng.standard_t(3, shape) / np.sqrt(3)


def lognormal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return skewed values."""
    return (np.exp(rng.normal(size=shape)) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)


def outliers(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return normal values; some samples deviate five times as much in all genes."""
    wide = rng.random(shape[0]) < 0.08
    return normal(rng, shape) * np.where(wide, 5, 1)[:, None]


def groups(n_cases: int, n_controls: int, spread: float = 1, noise: Noise = normal):
    """Return cohorts of cases and controls, the former of another spread."""

    def make(rng: np.random.Generator) -> Cohort:
        case = np.arange(n_cases + n_controls) < n_cases
        values = noise(rng, (len(case), N_GENES)) * np.where(case, spread, 1)[:, None]
        return Cohort(_table(np.arange(len(case)), case.astype(float)), values)

    return make


def deep(n: int, association: float, effect: float, pairs: bool = False, few: bool = False):
    """Return cohorts whose depth goes with the phenotype and acts on all genes, or on a few."""

    def make(rng: np.random.Generator) -> Cohort:
        y = np.tile([0.0, 1.0], n // 2)
        donor = np.arange(n) // 2 if pairs else np.arange(n)
        scaled = (y - 0.5) * 2
        depth = association * scaled + np.sqrt(1 - association**2) * rng.normal(size=n)
        slopes = rng.normal(size=N_GENES) * effect
        if few:
            slopes *= np.sqrt(10) * (rng.random(N_GENES) < 0.1)
        values = normal(rng, (n, N_GENES)) + np.outer(depth, slopes)
        if pairs:
            values += normal(rng, (n // 2, N_GENES))[donor]
        return Cohort(_table(donor, y, depth=depth), values, technical=("depth",))

    return make


def bins(n: int, confounded: bool):
    """Return cohorts with one to eight bins of a sample; confounded: cases have one, others 8."""

    def make(rng: np.random.Generator) -> Cohort:
        y = rng.permutation(np.arange(n) < n // 2).astype(float)
        number = np.where(y == 1, 1, 8) if confounded else rng.integers(1, 9, n)
        values = normal(rng, (n, N_GENES)) * 0.7
        values += normal(rng, (n, N_GENES)) * np.sqrt(1 / number)[:, None]
        table = _table(np.arange(n), y).loc[lambda x: x.index.repeat(number)]
        return Cohort(table, np.repeat(values, number, axis=0))

    return make


def batches(n: int, n_batches: int, association: float, twice: bool = False):
    """Return cohorts in batches that go with the phenotype; twice: every donor lies in two."""

    def make(rng: np.random.Generator) -> Cohort:
        donor = np.repeat(np.arange(n), 2) if twice else np.arange(n)
        batch = np.arange(len(donor)) % n_batches
        if not twice:
            batch = rng.permutation(batch)
        scaled = (batch - batch.mean()) / batch.std()
        liability = association * scaled + np.sqrt(1 - association**2) * rng.normal(size=len(batch))
        liability = pd.Series(liability).groupby(donor).transform("mean").to_numpy()
        y = (liability > np.median(liability)).astype(float)
        values = normal(rng, (n, N_GENES))[donor] + normal(rng, (n_batches, N_GENES))[batch]
        values += 0.5 * normal(rng, (len(donor), N_GENES))
        table = _table(donor, y).assign(batch=[f"b{one}" for one in batch])
        return Cohort(table, values)

    return make


def age(n_donors: int, drift: float = 0):
    """Return cohorts of donors at two visits, a year apart: tested is age."""

    def make(rng: np.random.Generator) -> Cohort:
        donor, visit = np.repeat(np.arange(n_donors), 2), np.tile([0.0, 1.0], n_donors)
        y = np.repeat(rng.uniform(20, 80, n_donors), 2) + visit
        values = 0.7 * normal(rng, (n_donors, N_GENES))[donor]
        values += 0.4 * normal(rng, (len(donor), N_GENES)) + drift * visit[:, None]
        return Cohort(_table(donor, y), values, binary=False)

    return make


def some_paired(n_pairs: int, n_single: int):
    """Return cohorts of pairs of a case and a control, and of donors who are one of both."""

    def make(rng: np.random.Generator) -> Cohort:
        donor = np.r_[np.repeat(np.arange(n_pairs), 2), n_pairs + np.arange(n_single)]
        y = np.r_[np.tile([0.0, 1.0], n_pairs), np.arange(n_single) % 2]
        values = normal(rng, (n_pairs + n_single, N_GENES))[donor]
        return Cohort(_table(donor, y), values + normal(rng, (len(donor), N_GENES)))

    return make


def skewed(n: int):
    """Return cohorts with a skewed covariate that acts in its own units."""

    def make(rng: np.random.Generator) -> Cohort:
        pmi = np.exp(rng.normal(size=n))
        z = (pmi - pmi.mean()) / pmi.std()
        y = 0.5 * z + np.sqrt(0.75) * rng.normal(size=n)
        values = normal(rng, (n, N_GENES)) + np.outer(z, rng.normal(size=N_GENES))
        return Cohort(_table(np.arange(n), y, pmi=pmi), values, False, ("pmi",))

    return make


def crossed(sizes: tuple[int, int, int, int], spread: float = 1, main: float = 0):
    """Return cohorts of two groups of two, tested for the interaction; the first is of a spread."""

    def make(rng: np.random.Generator) -> Cohort:
        group = np.repeat(np.arange(4), sizes)
        a, b = group // 2 - 0.5, group % 2 - 0.5
        values = normal(rng, (len(group), N_GENES)) * np.where(group == 0, spread, 1)[:, None]
        values += main * (np.outer(a, np.ones(N_GENES)) + np.outer(b, rng.normal(size=N_GENES)))
        table = _table(np.arange(len(group)), a * b, a=a, b=b)
        return Cohort(table, values, False, ("a", "b"), factors=("a", "b"))

    return make


def crossed_pairs(sizes: tuple[int, int], spread: float = 1, single: int = 0):
    """Return pairs of donors of two groups; the treated of the first are of another spread."""

    def make(rng: np.random.Generator) -> Cohort:
        n = sum(sizes)
        donor, b = np.repeat(np.arange(n), 2), np.tile([-0.5, 0.5], n)
        a = np.where(donor < sizes[0], -0.5, 0.5)
        wide = np.where((a < 0) & (b > 0), spread, 1)[:, None]
        values = normal(rng, (n, N_GENES))[donor] + normal(rng, (2 * n, N_GENES)) * wide
        values += np.outer(b, rng.normal(size=N_GENES))
        # The last donors of the second group have no treated sample.
        lacks = (donor >= n - single) & (b > 0) if single else np.zeros(2 * n, bool)
        table = _table(donor, a * b, a=a, b=b)[~lacks]
        return Cohort(table, values[~lacks], False, ("a", "b"), factors=("a", "b"))

    return make


def slopes(n: int, visits: int, own: float = 0, crossed: bool = False):
    """Return donors at several times, with slopes of their own; tested: time, or group by time."""

    def make(rng: np.random.Generator) -> Cohort:
        donor, time = np.repeat(np.arange(n), visits), np.tile(np.arange(visits, dtype=float), n)
        group = np.where(donor < n // 2, -0.5, 0.5)
        scaled = (time - time.mean())[:, None] / time.std()
        values = normal(rng, (n, N_GENES))[donor] + normal(rng, (n * visits, N_GENES))
        values += own * normal(rng, (n, N_GENES))[donor] * scaled
        if not crossed:
            return Cohort(_table(donor, time), values, False)
        table = _table(donor, group * scaled[:, 0], group=group, time=time)
        return Cohort(table, values, False, ("group", "time"), factors=("group", "time"))

    return make


KINDS = {
    "3 pairs": deep(6, 0, 0, pairs=True),
    "4 pairs": deep(8, 0, 0, pairs=True),
    "5 pairs": deep(10, 0, 0, pairs=True),
    "6 pairs": deep(12, 0, 0, pairs=True),
    "7 pairs": deep(14, 0, 0, pairs=True),
    "6 samples": deep(6, 0, 0),
    "8 samples": deep(8, 0, 0),
    "12 samples": deep(12, 0, 0),
    "8 pairs": deep(16, 0, 0, pairs=True),
    "3 v 3": groups(3, 3),
    "12 v 12": groups(12, 12),
    "50 v 50": groups(50, 50),
    "5 v 12, twice the spread": groups(5, 12, 2),
    "6 v 30, twice the spread": groups(6, 30, 2),
    "20 v 80, twice the spread": groups(20, 80, 2),
    "6 v 30, half the spread": groups(6, 30, 0.5),
    "12 v 12, t with 3 df": groups(12, 12, noise=heavy),
    "12 v 12, lognormal": groups(12, 12, noise=lognormal),
    "6 v 30, lognormal": groups(6, 30, noise=lognormal),
    "12 v 12, samples that lie far out": groups(12, 12, noise=outliers),
    "12 v 12, depth .7/.5": deep(24, 0.7, 0.5),
    "12 v 12, depth .7/1": deep(24, 0.7, 1),
    "12 v 12, depth .7/.5 on a tenth of the genes": deep(24, 0.7, 0.5, few=True),
    "50 v 50, depth .7/1": deep(100, 0.7, 1),
    "8 pairs, depth .7/.5": deep(16, 0.7, 0.5, pairs=True),
    "8 pairs, depth .9/1": deep(16, 0.9, 1, pairs=True),
    "24 in 4 batches .7": batches(24, 4, 0.7),
    "30 in 8 batches .5": batches(30, 8, 0.5),
    "24 donors, each in 2 of 4 batches": batches(24, 4, 0.5, twice=True),
    "24, 1 to 8 bins": bins(24, False),
    "24, cases 1 bin, controls 8": bins(24, True),
    "6 pairs and 12 single donors": some_paired(6, 12),
    "age of 20 donors at two visits": age(20),
    "age, all genes drift with the visit": age(20, 0.3),
    "41, skewed covariate": skewed(41),
    "100, skewed covariate": skewed(100),
    "interaction, 4 x 6": crossed((6, 6, 6, 6)),
    "interaction, 4 x 6, strong main effects": crossed((6, 6, 6, 6), main=2),
    "interaction, 5, 10, 10 and 20, the 5 of twice the spread": crossed((5, 10, 10, 20), 2),
    "interaction, 6 and 6 pairs": crossed_pairs((6, 6)),
    "interaction, 4 and 12 pairs, treated of the 4 of twice the spread": crossed_pairs((4, 12), 2),
    "interaction, 8 and 8 donors, 12 of them paired": crossed_pairs((8, 8), single=4),
    "interaction, group by time, 12 donors at 3 visits": slopes(12, 3, crossed=True),
    "interaction, group by time, donors of own slopes": slopes(12, 3, 0.7, crossed=True),
    "time, 12 donors at 3 visits": slopes(12, 3),
    "time, 12 donors of own slopes": slopes(12, 3, 0.7),
}


def levels(sizes: tuple[int, int, int], spread: float = 1, donors: int = 0, batched: bool = False):
    """Return cohorts of three levels, the first of another spread; the first donors have all."""

    def make(rng: np.random.Generator) -> Cohort:
        y = np.repeat([0.0, 1.0, 2.0], sizes)
        place = np.concatenate([np.arange(size) for size in sizes])
        single = donors + np.arange(len(y))
        donor = np.where(place < donors, place, single)
        values = normal(rng, (len(y), N_GENES)) * np.where(y == 0, spread, 1)[:, None]
        values += normal(rng, (donor.max() + 1, N_GENES))[donor] if donors else 0
        table = _table(donor, y)
        if batched:
            batch = np.where(rng.random(len(y)) < 0.5, y, rng.integers(0, 4, len(y))).astype(int)
            values += normal(rng, (4, N_GENES))[batch]
            table["batch"] = [f"b{one}" for one in batch]
        return Cohort(table, values)

    return make


LEVEL_KINDS = {
    "3 levels x 4": levels((4, 4, 4)),
    "3 levels x 8": levels((8, 8, 8)),
    "4, 8 and 20, the 4 of twice the spread": levels((4, 8, 20), 2),
    "6 donors at all 3 levels": levels((6, 6, 6), donors=6),
    "4 donors at all 3 levels, 8 and 12 at one": levels((4, 12, 16), donors=4),
    "3 levels x 8 in 4 batches that go with the level": levels((8, 8, 8), batched=True),
}


def _table(donor: np.ndarray, y: np.ndarray, **columns: np.ndarray) -> pd.DataFrame:
    about = {"donor": [f"d{one:03d}" for one in donor], "batch": "", "y": y, **columns}
    return pd.DataFrame(about, index=[f"s{one:03d}" for one in range(len(y))])


def tested(cohort: Cohort, permute: bool, seed: int) -> dict[str, np.ndarray]:
    """Return p of every gene by each method."""
    rows, samples = list(cohort.samples.index), cohort.samples.loc[lambda x: ~x.index.duplicated()]
    about = rows, samples, samples["y"], cohort.binary, cohort.covariates, cohort.technical
    mixed = make_mixed_design(*about, cohort.factors)
    values = mixed.units.average(cohort.values)
    found = {
        "mixed": mixed_t(values, mixed.model)["p"],
        "fixed": mixed_t(values, mixed.adjusted)["p"],
    }
    design = make_design(*about, cohort.factors)
    observed = design.units.average(cohort.values)
    found["limma"] = moderated_t(observed, design)["p"]
    if permute:
        found["today"] = permutation_test(observed, design, 199, seed).table["p"]
    return {name: np.asarray(p, float) for name, p in found.items()}


def alone(cohort: Cohort, *_: object) -> dict[str, np.ndarray]:
    """Return p of every gene by the mixed model."""
    rows, samples = list(cohort.samples.index), cohort.samples.loc[lambda x: ~x.index.duplicated()]
    about = rows, samples, samples["y"], cohort.binary, cohort.covariates, cohort.technical
    mixed = make_mixed_design(*about, cohort.factors)
    return {"mixed": mixed_t(mixed.units.average(cohort.values), mixed.model)["p"].to_numpy()}


def of_levels(cohort: Cohort, *_: object) -> dict[str, np.ndarray]:
    """Return p of every gene by the mixed model's F, and by limma's with fixed blocks."""
    rows, samples = list(cohort.samples.index), cohort.samples
    labels = samples["y"].map(dict(enumerate(LEVELS)))
    paired = samples["donor"].duplicated().any()
    block = "donor" if paired else "batch"
    found = {}
    for method, blocks in (("limma", [block]), ("mixed", [])):
        design = make_levels_design(rows, samples, labels, LEVELS, blocks)
        nothing = dict.fromkeys(design.model.random, 0.0) | dict.fromkeys(design.model.groups, 1.0)
        ratios = nothing if blocks else None
        found[method] = mixed_f(design.units.average(cohort.values), design, ratios)["p"].to_numpy()
    return found


def measured(cohort: Cohort, rng: np.random.Generator) -> Cohort:
    """Return a cohort with what is measured of modules or states in place of what acts on them."""
    if VALUES == "modules":
        noise = OF_STRENGTH * rng.normal(size=(*cohort.values.shape, OF_MODULE))
        loadings = 1 + OF_STRENGTH * cohort.values[:, :, None] + noise
        products = loadings.sum(2) ** 2 - (loadings**2).sum(2)
        # Without it a larger spread of strengths is a larger mean density, which is no error.
        square = (OF_STRENGTH * cohort.values) ** 2
        return replace(cohort, values=products / (OF_MODULE * (OF_MODULE - 1)) - square)
    if VALUES == "composition":
        usual = -0.4 * np.arange(cohort.values.shape[1])
        weights = np.exp(usual + OF_SHARE * cohort.values)
        counts = rng.multinomial(CELLS, weights / weights.sum(1, keepdims=True))
        return replace(cohort, values=np.log((counts + 0.5) / (CELLS - counts + 0.5)))
    return cohort


def both(kind: str, number: int) -> Iterator[Cohort]:
    """Return a cohort in which nothing is planted, and the same with planted effects."""
    rng = np.random.default_rng([number, *kind.encode()])
    cohort = (KINDS | LEVEL_KINDS)[kind](rng)
    scale = 1 if VALUES in FEW else np.sqrt(1.8 / rng.chisquare(1.8, N_GENES))
    for one in (cohort, planted(cohort, rng)):
        yield measured(replace(one, values=one.values * scale), rng)


def of_map(cohort: Cohort, seed: int) -> dict[str, float]:
    """Return p of the map as a whole by distance regression and by the mixed model."""
    rows = list(cohort.samples.index)
    samples = cohort.samples.loc[lambda x: ~x.index.duplicated()]
    about = rows, samples, samples["y"], cohort.binary, cohort.covariates, cohort.technical
    names = list(samples.index)
    design, mixed = (make(*about).over(names) for make in (make_design, make_mixed_design))
    places = pd.DataFrame(cohort.values).groupby(rows, sort=False).mean().loc[names].to_numpy()
    similarity = places @ places.T
    gram = map_gram(similarity, design.units)
    plain = distance_regression(gram, design, design.arrangements(199, seed))
    gram = map_gram(similarity, mixed.units)
    ratios = map_ratios(gram, mixed.model)
    return {"today": plain.p, "mixed": mixed_regression(gram, mixed.model, ratios, 199, seed).p}


def maps(kind: str, cohorts: int) -> None:
    """Print the lines of the map of one kind of cohort."""
    rows = []
    for number in range(cohorts):
        rng = np.random.default_rng([number, *kind.encode()])
        cohort = KINDS[kind](rng)
        values = cohort.values[:, : 10 * len(OF_MAP) : 10] * OF_MAP
        y = cohort.samples["y"].to_numpy()
        shift = MOVED * NONCENTRALITY / np.sqrt(cohort.samples.index.nunique()) * OF_MAP
        shift = np.outer((y - y.mean()) / y.std(), shift * rng.choice([-1, 1], len(OF_MAP)))
        null, real = (
            of_map(replace(cohort, values=own), number) for own in (values, values + shift)
        )
        rows += [(method, null[method] <= 0.05, real[method] <= 0.05) for method in null]
    table = pd.DataFrame(rows, columns=["method", "p05", "power_p"])
    for method, own in table.groupby("method", sort=False):
        own = 100 * own[["p05", "power_p"]].astype(float)
        numbers = own["p05"].mean(), own["p05"].sem(), own["power_p"].mean()
        print(kind, method, cohorts, *(f"{x:.1f}" for x in numbers), sep="\t", flush=True)


def planted(cohort: Cohort, rng: np.random.Generator) -> Cohort:
    """Return a cohort in which the first genes go with the phenotype."""
    y = cohort.samples["y"].to_numpy()
    y = (y == 1).astype(float) if VALUES == "levels" else y
    n = len(cohort.samples.index.unique())
    signs = rng.choice([-1, 1], PLANTED) * NONCENTRALITY / np.sqrt(n)
    values = cohort.values.copy()
    values[:, :PLANTED] += np.outer((y - y.mean()) / y.std(), signs)
    return replace(cohort, values=values)


def speed() -> None:
    """Print how long a large table takes: the model and 10,000 rotations."""
    rng, n, m = np.random.default_rng(0), 200, 3000
    donor, y = np.repeat(np.arange(n // 2), 2), np.tile([0.0, 1.0], n // 2)
    samples = _table(donor, y, depth=rng.normal(size=n), age=rng.normal(size=n))
    samples["batch"] = [f"b{one}" for one in rng.integers(0, 8, n)]
    rows = list(samples.index.repeat(rng.integers(1, 6, n)))
    about = rows, samples, samples["y"], True, ["age"], ["depth"]
    mixed = make_mixed_design(*about)
    values = mixed.units.average(rng.normal(size=(len(rows), m)))
    ratios = variance_ratios(values, mixed.model)

    def rotate() -> None:
        for seed in range(100):
            outcomes = permuted_outcomes(mixed.model, ratios, 100, seed)
            permuted_t(values, mixed.model, ratios, outcomes)

    for name, function in (
        ("variance ratios and test", lambda: mixed_t(values, mixed.model)),
        ("10,000 rotations", rotate),
    ):
        start = time.process_time()
        function()
        print(f"{name}: {time.process_time() - start:.1f} CPU s, peak {peak_memory() / 1e3:.2f} GB")


def main() -> None:
    """Print the table."""
    global VALUES, N_GENES, PLANTED
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--kinds", nargs="+", choices=[*KINDS, *LEVEL_KINDS], metavar="KIND")
    names = ("genes", "pairs", "map", *FEW, "levels")
    parser.add_argument("--values", choices=names, default=VALUES)
    parser.add_argument("--alone", action="store_true", help="the mixed model, nothing planted")
    parser.add_argument("--speed", action="store_true")
    arguments = parser.parse_args()
    VALUES = arguments.values
    N_GENES, PLANTED = FEW.get(VALUES, (N_GENES, PLANTED))
    kinds = arguments.kinds or list(LEVEL_KINDS if VALUES == "levels" else KINDS)
    if arguments.speed:
        speed()
        return
    if VALUES == "map":
        print("cohorts", "method", "n", "p05", "se", "power_p", sep="\t")
        for kind in kinds:
            maps(kind, arguments.cohorts)
        return
    print("cohorts", "method", "n", "p05", "se", "p01", "any_q", "power_q", sep="\t")
    test = of_levels if VALUES == "levels" else alone if arguments.alone else tested
    for kind in kinds:
        rows = []
        for number in range(arguments.cohorts):
            permute = number % 10 == 0
            cohorts = (test(cohort, permute, number) for cohort in both(kind, number))
            null, real = next(cohorts), {} if arguments.alone else next(cohorts)
            for method, p in null.items():
                q = benjamini_hochberg(p)
                shares = (p <= 0.05).mean(), (p <= 0.01).mean(), (q <= 0.05).any()
                found = benjamini_hochberg(real.get(method, np.ones(PLANTED)))
                power = (found[:PLANTED] <= 0.05).mean()
                rows.append((method, *shares, power))
        table = pd.DataFrame(rows, columns=["method", "p05", "p01", "any_q", "power_q"])
        for method in ("today", "limma", "mixed", "fixed"):
            if method not in set(table["method"]):
                continue
            own = 100 * table[table["method"] == method].drop(columns="method").astype(float)
            mean, error = own.mean(), own["p05"].sem()
            numbers = mean["p05"], error, mean["p01"], mean["any_q"], mean["power_q"]
            print(kind, method, len(own), *(f"{x:.2f}" for x in numbers), sep="\t", flush=True)


if __name__ == "__main__":
    main()
