"""Would reliability as a weight of the false discovery rate find more, and still keep it?

    python benchmarks/weights.py --cohorts 200

Genes are tested by the mixed model's moderated t on means of bins. Of 1,000 genes, whose
intraclass correlations (ICC) of a bin are as low as in a study (median 0.2), 50 have an effect that
is the same in units of the samples' standard deviation. Benjamini and Hochberg's method is applied
to p / weight (Genovese et al. 2006), with weights of mean 1:

none      all 1: what the workflow does.
icc       in proportion to the ICC over the bins, at least 0.1.
within    the same, of what the phenotype leaves (ICC within cases and within controls).
known     in proportion to the true ICC, which nobody has: what could be gained at best.

Printed are the share of planted genes that are called and, in brackets, the mean share of false
calls.
"""

from __future__ import annotations

import argparse

import measuring  # noqa: F401  before numpy: one thread, and the package of the clone

import numpy as np
import pandas as pd

from popnet.networks.reliability import icc
from popnet.stats.mixed import mixed_t
from popnet.stats.mixed_model import Model
from popnet.stats.multiplicity import benjamini_hochberg

GENES, PLANTED, FDR, LEAST = 1000, 50, 0.05, 0.1
# Samples, and an effect that is found in part.
SIZES = {16: 2.0, 24: 1.6, 40: 1.2, 100: 0.8}
RULES = ("none", "icc", "within", "known")


def cohort(n_samples: int, n_bins: int, effect: float, rng: np.random.Generator) -> dict:
    """Return per rule the share of planted genes that are called, and of false calls."""
    sample, outcome = np.repeat(np.arange(n_samples), n_bins), np.arange(n_samples) % 2
    known = rng.beta(0.8, 2.5, GENES)
    planted = np.zeros(GENES, bool)
    planted[rng.choice(GENES, PLANTED, replace=False)] = effect > 0
    own = rng.normal(size=(n_samples, GENES))
    own += effect * (outcome[:, None] - 0.5) * planted * rng.choice([-1, 1], GENES)
    noise = rng.normal(size=(len(sample), GENES))
    bins = own[sample] * np.sqrt(known) + noise * np.sqrt(1 - known)
    means = bins.reshape(n_samples, n_bins, GENES).mean(1)
    model = Model(outcome.astype(float), np.ones((n_samples, 1)), {})
    p = mixed_t(means, model, {})["p"].to_numpy()
    left = bins.copy()
    for group in (0, 1):
        left[outcome[sample] == group] -= bins[outcome[sample] == group].mean(0)
    found = [icc(values, sample.astype(str))["icc"].to_numpy() for values in (bins, left)]
    of_mean = n_bins * known / (1 + (n_bins - 1) * known)
    called = {}
    for rule, weight in zip(RULES, (np.ones(GENES), *found, of_mean), strict=True):
        weight = np.clip(weight, LEAST, 1)
        hit = benjamini_hochberg(np.minimum(p * weight.mean() / weight, 1)) <= FDR
        power = hit[planted].mean() if planted.any() else np.nan
        called[rule] = power, (hit & ~planted).sum() / max(hit.sum(), 1)
    return called


def main() -> None:
    """Print a table of power and false discovery rate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=200)
    n_cohorts = parser.parse_args().cohorts
    rows = []
    settings = [(n, bins, effect) for n, effect in SIZES.items() for bins in (2, 4)]
    for n, bins, effect in [*settings, (24, 4, 0.0)]:
        rng = np.random.default_rng([n, bins])
        runs = [cohort(n, bins, effect, rng) for _ in range(n_cohorts)]
        row = {"cohort": f"{n} samples, {bins} bins" + ("" if effect else ", no effect")}
        for rule in RULES:
            power, false = np.mean([run[rule] for run in runs], axis=0)
            row[rule] = f"{'' if np.isnan(power) else f'{power:.3f} '}({false:.3f})"
        rows.append(row)
    print(pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
