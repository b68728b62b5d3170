"""Errors and power of effects that are combined: of cell types of one study, and of studies.

    python benchmarks/meta.py --cohorts 300 > meta.tsv
    python benchmarks/meta.py --part studies --cohorts 300

Genes (300, in modules of 20 with a correlation of 0.4) have variances of their own (scaled inverse
chi-squared, 4 degrees of freedom). In every cohort 20 of them have an effect of 4 / sqrt(n)
standard deviations (of cases and of controls from their middle) in all cell types, or studies, and
20 others in the first one alone.

Cell types are of the same donors: the correlation of a gene's values between types differs over
genes, uniform from 0 to 0.8. `within donors` is what the workflow does: one number per observation
(the mean of the types, or a type less the others). `pooled` takes the types' estimates and one
correlation between types for all genes, from their t; `independent` takes them for independent;
`best type` is Simes' p of the types. Columns, in percent: null genes with p <= 0.05 and 0.01 (of
being shared, of differing), null cohorts with any q <= 0.05, genes of a shared effect that are said
to differ (p <= 0.05), and power (q <= 0.05) to see an effect of all types, and that one of a single
type differs.

Studies are of other donors. `null` are genes without an effect; `vary` those whose effects in the
studies vary around 0 (SD 0.7), a tenth of the genes or all; `p05 of shared` and `power` (q <= 0.05)
are of the genes with an effect in all studies, of heterogeneity_p of those of a single study.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

import measuring  # noqa: F401  before numpy: one thread, and the package of the clone

import numpy as np
import pandas as pd
from scipy import stats

from popnet.associations.cell_types import TypeValues, robust
from popnet.associations.testing import Testing
from popnet.stats.designs import make_design
from popnet.stats.meta import (
    combine_effects,
    combine_studies,
    effects_of_tests,
    standardised_effects,
)
from popnet.stats.mixed import mixed_t
from popnet.stats.mixed_designs import make_mixed_design
from popnet.stats.multiplicity import benjamini_hochberg, simes

N_GENES, MODULE, PLANTED, NONCENTRALITY = 300, 20, 20, 4.0
SHARED, SINGLE, NULL = slice(0, 20), slice(20, 40), slice(40, None)


@dataclass(frozen=True)
class Kind:
    """Cohorts of one study and several cell types.

    Parameters
    ----------
    cases, controls : int
        Number of donors; of pairs each is both.
    types : int
    paired : bool
    noise : float
        Standard deviation of the last cell type, where that of the others is 1.
    bins : bool
        Samples have 1 to 8 bins of the first cell type, and 1 of the others.
    missing : float
        Share of the cases that have no cells of the last type.
    spread : float
        Standard deviation of cases, where that of controls is 1.
    cells : float
        Effect of the (log) number of cells, which is correlated with the phenotype (0.5).
    """

    cases: int
    controls: int
    types: int
    paired: bool = False
    noise: float = 1
    bins: bool = False
    missing: float = 0
    spread: float = 1
    cells: float = 0


KINDS = {
    "12 v 12, 2 types": Kind(12, 12, 2),
    "4 v 4, 2 types": Kind(4, 4, 2),
    "8 pairs, 2 types": Kind(8, 8, 2, paired=True),
    "8 pairs, 8 types": Kind(8, 8, 8, paired=True),
    "12 v 12, 5 types": Kind(12, 12, 5),
    "50 v 50, 3 types": Kind(50, 50, 3),
    "12 v 12, 3 types, one of twice the SD": Kind(12, 12, 3, noise=2),
    "12 v 12, 2 types, 1 to 8 bins": Kind(12, 12, 2, bins=True),
    "12 v 12, 3 types, one in half of the cases": Kind(12, 12, 3, missing=0.5),
    "12 v 12, 2 types, one in half of the cases": Kind(12, 12, 2, missing=0.5),
    "6 v 30, 3 types, twice the spread": Kind(6, 30, 3, spread=2),
    "12 v 12, 3 types, number of cells": Kind(12, 12, 3, cells=0.5),
}
STUDIES = {
    "2 of 8 v 8": [(8, 8)] * 2,
    "2 of 3 v 3": [(3, 3)] * 2,
    "4 v 4 and 20 v 20": [(4, 4), (20, 20)],
    "3 of 8 v 8": [(8, 8)] * 3,
    "3 v 3, 8 v 8 and 6 v 20": [(3, 3), (8, 8), (6, 20)],
    "5 of 8 v 8": [(8, 8)] * 5,
}


def modules(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Return normal values, (..., N_GENES), in modules."""
    own = rng.normal(size=(*shape, N_GENES))
    common = rng.normal(size=(*shape, -(-N_GENES // MODULE)))
    return np.sqrt(0.6) * own + np.sqrt(0.4) * common[..., np.arange(N_GENES) // MODULE]


def signs(rng: np.random.Generator) -> np.ndarray:
    """Return the direction of every gene's effect."""
    return rng.choice([-1.0, 1.0], N_GENES)


def of_types(kind: Kind, rng: np.random.Generator, planted: bool):
    """Return cell types, the design of their samples, and mixed designs of each."""
    n = kind.cases + kind.controls
    y = np.r_[np.ones(kind.cases), np.zeros(kind.controls)]
    donor = np.r_[np.arange(kind.cases), np.arange(kind.controls) + (not kind.paired) * n]
    ids = pd.Index([f"s{one}" for one in range(n)])
    samples = pd.DataFrame({"donor": [f"d{one}" for one in donor], "batch": ""}, ids)
    scale = np.sqrt(4 / rng.chisquare(4, N_GENES))
    alike = rng.uniform(0, 0.8, N_GENES)
    of_donor = modules(rng, donor.max() + 1)[donor] if kind.paired else 0
    common, direction = modules(rng, n), signs(rng)
    effect = NONCENTRALITY / np.sqrt(n) * 2 * (y[:, None] - 0.5) * direction
    slope = rng.normal(size=N_GENES) * kind.cells
    types = {}
    for number in range(kind.types):
        values = np.sqrt(alike) * common + np.sqrt(1 - alike) * modules(rng, n)
        values *= kind.noise if number == kind.types - 1 else 1
        values *= np.where(y, kind.spread, 1)[:, None]
        cells = 0.5 * 2 * (y - 0.5) + np.sqrt(0.75) * rng.normal(size=n)
        values += of_donor + cells[:, None] * slope
        if planted:
            values[:, SHARED] += effect[:, SHARED]
            values[:, SINGLE] += effect[:, SINGLE] * (number == 0)
        has = np.ones(n, bool)
        if number == kind.types - 1:
            has[: int(kind.missing * kind.cases)] = False
        n_bins = rng.integers(1, 9, n) if kind.bins and number == 0 else np.ones(n, int)
        rows = np.repeat(np.flatnonzero(has), n_bins[has])
        noise = modules(rng, len(rows)) if kind.bins else 0
        technical = pd.DataFrame({"cells": cells}, ids) if kind.cells else pd.DataFrame(index=ids)
        of_type = (values[rows] + noise) * scale + rng.normal(size=N_GENES)
        types[f"type {number}"] = of_type, ids[rows], technical
    phenotype = pd.Series(y, ids)
    about = samples, phenotype, True
    genes = pd.Index([f"g{one:03d}" for one in range(N_GENES)])
    ready = {}
    for name, (values, rows, technical) in types.items():
        names = list(technical)
        mixed = make_mixed_design(rows, samples.join(technical), phenotype, True, (), names)
        tested = mixed_t(mixed.units.average(values), mixed.model).assign(gene=genes)
        ready[name] = TypeValues(values, genes, np.asarray(rows, object), technical, tested)
    rows = list(ids)
    design = make_design(rows, *about)
    return ready, replace(design, mixed=make_mixed_design(rows, *about))


def by_estimates(types: dict[str, TypeValues], pooled: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return p of the common effect and of heterogeneity, from the types' estimates alone."""
    tables = [one.tested.set_index("gene") for one in types.values()]
    estimate = np.stack([table["estimate"] for table in tables], axis=1)
    t = np.stack([table["t"] for table in tables], axis=1)
    df = np.stack([table["df"] for table in tables], axis=1)
    z = -stats.norm.ppf(stats.t.sf(np.abs(t), df)) * np.sign(t)
    error = np.abs(estimate / z)
    k = estimate.shape[1]
    correlation = np.corrcoef(np.clip(z, -3, 3).T) if pooled else np.eye(k)
    inverse = np.linalg.inv(correlation)[None] / (error[:, :, None] * error[:, None, :])
    total = inverse.sum((1, 2))
    mean = np.einsum("gij,gj->g", inverse, estimate) / total
    left = estimate - mean[:, None]
    deviance = np.einsum("gi,gij,gj->g", left, inverse, left)
    return 2 * stats.norm.sf(np.abs(mean) * np.sqrt(total)), stats.chi2.sf(deviance, k - 1)


def cell_types(kind: str, cohorts: int) -> None:
    """Print the lines of one kind of cohort."""
    found = []
    for number in range(cohorts):
        p = {}
        for planted in (False, True):
            rng = np.random.default_rng([number, planted, *kind.encode()])
            types, design = of_types(KINDS[kind], rng, planted)
            table = robust(types, design, Testing(1, 1)).sort_values("gene")
            p["within donors", planted] = [table[one].to_numpy() for one in ("p", "difference_p")]
            for name, pooled in (("pooled", True), ("independent", False)):
                p[name, planted] = by_estimates(types, pooled)
            own = [one.tested["p"].to_numpy() for one in types.values()]
            p["best type", planted] = [simes(np.stack(own)), np.full(N_GENES, np.nan)]
        for method in dict.fromkeys(name for name, _ in p):
            null, real = p[method, False], p[method, True]
            row = {}
            for place, name in enumerate(("shared", "differs")):
                values, power = null[place], (SHARED, SINGLE)[place]
                q = benjamini_hochberg(real[place])
                row[f"{name} p05"] = (values <= 0.05).mean()
                row[f"{name} p01"] = (values <= 0.01).mean()
                row[f"{name} any q"] = (benjamini_hochberg(values) <= 0.05).any()
                row[f"{name} power"] = (q[power] <= 0.05).mean()
            row["differs p05, shared effects"] = (real[1][SHARED] <= 0.05).mean()
            found.append({"method": method, **row})
    report(kind, found, cohorts, "shared p05", "differs p05")


def of_studies(sizes: list[tuple[int, int]], rng: np.random.Generator, effects: np.ndarray):
    """Return t, degrees of freedom and spread of studies; effects are (n_studies, N_GENES)."""
    t, df, spread = [], [], []
    for (cases, controls), effect in zip(sizes, effects, strict=True):
        n = cases + controls
        y = np.r_[np.ones(cases), np.zeros(controls)]
        ids = pd.Index([f"s{one}" for one in range(n)])
        samples = pd.DataFrame({"donor": ids, "batch": ""}, ids)
        scale = np.sqrt(4 / rng.chisquare(4, N_GENES))
        values = (modules(rng, n) + np.outer(y, effect)) * scale
        mixed = make_mixed_design(ids, samples, pd.Series(y, ids), True)
        table = mixed_t(mixed.units.average(values), mixed.model)
        t.append(table["t"])
        df.append(effects_of_tests(table)[0])
        spread.append(np.sqrt(1 / cases + 1 / controls))
    return np.stack(t, axis=1), np.stack(df, axis=1), np.array(spread)


def combined(t: np.ndarray, df: np.ndarray, spread: np.ndarray) -> dict[str, np.ndarray]:
    """Return p of every method, and of heterogeneity."""
    effects, errors = standardised_effects(t, df, spread)
    table, ours = combine_effects(effects, errors), combine_studies(t, df, spread)
    weights = 1 / (errors**2 + table["tau2"].to_numpy()[:, None])
    mean = (weights * effects).sum(1) / weights.sum(1)
    k = t.shape[1]
    left = (weights * (effects - mean[:, None]) ** 2).sum(1) / (k - 1)
    z = np.abs(mean) * np.sqrt(weights.sum(1))
    return {
        "scores (p)": ours["p"].to_numpy(),
        "inverse variance": table["p"].to_numpy(),
        "DerSimonian-Laird": 2 * stats.norm.sf(z),
        "Hartung-Knapp": 2 * stats.t.sf(z / np.sqrt(left), k - 1),
        "random_p": ours["random_p"].to_numpy(),
        "heterogeneity_p": ours["heterogeneity_p"].to_numpy(),
    }


def studies(kind: str, cohorts: int) -> None:
    """Print the lines of one kind of studies."""
    sizes, found = STUDIES[kind], []
    k, n = len(sizes), sum(map(sum, sizes))
    for number in range(cohorts):
        rng = np.random.default_rng([number, *kind.encode()])
        none = np.zeros((k, N_GENES))
        few = none + rng.normal(size=(k, N_GENES)) * 0.7 * (np.arange(N_GENES) < N_GENES // 10)
        every = rng.normal(size=(k, N_GENES)) * 0.7
        real = none.copy()
        real[:, SHARED] = 2 * NONCENTRALITY / np.sqrt(n)
        real[0, SINGLE] = 2 * NONCENTRALITY / np.sqrt(n)
        p = [combined(*of_studies(sizes, rng, one)) for one in (none, few, every, real)]
        for method in p[0]:
            null, some, all_vary, shared = (one[method] for one in p)
            power = SINGLE if method == "heterogeneity_p" else SHARED
            q = benjamini_hochberg(shared)
            found.append(
                {
                    "method": method,
                    "null p05": (null <= 0.05).mean(),
                    "null p001": (null <= 0.001).mean(),
                    "any q": (benjamini_hochberg(null) <= 0.05).any(),
                    "a tenth varies: p05 of all": (some <= 0.05).mean(),
                    "p05 of these": (some[: N_GENES // 10] <= 0.05).mean(),
                    "all vary: p05": (all_vary <= 0.05).mean(),
                    "p05 of shared": (shared[SHARED] <= 0.05).mean(),
                    "power": (q[power] <= 0.05).mean(),
                }
            )
    report(kind, found, cohorts, "null p05")


def report(kind: str, found: list[dict], cohorts: int, *with_error: str) -> None:
    """Print the means over cohorts, with standard errors of some."""
    table = pd.DataFrame(found)
    for method, own in table.groupby("method", sort=False):
        own = 100 * own.drop(columns="method").astype(float)
        error = own[list(with_error)].sem().add_prefix("se of ")
        row = pd.concat([own.mean(), error]).round(2)
        if report.heading != list(row.index):
            report.heading = list(row.index)
            print("kind", "method", "n", *row.index, sep="\t")
        print(kind, method, cohorts, *row.map("{:.2f}".format), sep="\t", flush=True)


report.heading = None


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cohorts", type=int, default=100)
    parser.add_argument("--part", choices=("types", "studies", "both"), default="both")
    parser.add_argument("--kinds", nargs="+", metavar="KIND")
    arguments = parser.parse_args()
    for part, known, run in (("types", KINDS, cell_types), ("studies", STUDIES, studies)):
        for kind in known if arguments.part in (part, "both") else ():
            if not arguments.kinds or kind in arguments.kinds:
                run(kind, arguments.cohorts)


if __name__ == "__main__":
    main()
