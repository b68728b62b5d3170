"""The tests beside those of R: limma, lme4, vegan and coin, on the same numbers.

    apt-get install r-bioc-limma r-cran-lme4 r-cran-vegan r-cran-coin r-cran-jsonlite
    python benchmarks/references.py

Needs Rscript with these packages, which Debian has. 12 pairs of samples, 300 genes. Every line is
a number of ours, the same of R, and the largest difference over genes.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import measuring  # noqa: F401  before numpy: one thread, and the package of the clone

import numpy as np
import pandas as pd
from scipy.special import digamma

from popnet.stats.designs import make_design
from popnet.stats.kernel_tests import map_gram, permanova, permdisp
from popnet.stats.levels import LevelsDesign, make_levels_design, mixed_f
from popnet.stats.mixed import mixed_t
from popnet.stats.mixed_model import Model, variance_ratios
from popnet.stats.permutation import permutation_test

N_DONORS, N_GENES, PERMUTATIONS = 12, 300, 99_999
LEVELS = ("a", "b", "c")


def main() -> None:
    """Print the comparison."""
    rng = np.random.default_rng(0)
    donor, case = np.repeat(np.arange(N_DONORS), 2), np.tile([0.0, 1.0], N_DONORS)
    n = len(donor)
    values = rng.normal(size=(N_DONORS, N_GENES))[donor] + rng.normal(size=(n, N_GENES))
    values *= np.sqrt(1.8 / rng.chisquare(1.8, N_GENES))
    values[:, :20] += case[:, None]
    places = rng.normal(size=(n, 6)) * np.where(case == 1, 1.5, 1)[:, None]
    samples = pd.DataFrame({"donor": donor, "case": case, "age": rng.normal(size=n)})
    samples["level"] = np.resize(LEVELS, n)
    with tempfile.TemporaryDirectory() as folder:
        samples.to_csv(Path(folder, "samples.csv"), index=False)
        for name, table in (("values", values), ("places", places)):
            np.savetxt(Path(folder, f"{name}.csv"), table, delimiter=",")
        script = Path(__file__).with_suffix(".R")
        subprocess.run(["Rscript", str(script), folder], check=True)
        found = json.loads(Path(folder, "found.json").read_text())
    print("R's packages:", ", ".join(f"{name} {of}" for name, of in found["versions"].items()))

    fixed = np.column_stack([np.ones(n), samples["age"]])
    plain = Model(case, fixed, {})
    ours = mixed_t(values, plain, {})
    for column in ("t", "p"):
        say(f"limma, {column}", ours[column].to_numpy(), np.array(found["limma"][column]))

    model = replace(plain, random={"donor": (donor[:, None] == np.arange(N_DONORS)).astype(float)})
    theirs = np.array(found["lme4"], float)
    # Of two equal columns the moderated variance is the common one, corrected for the mean of logs.
    df = n - 3
    moderation = np.exp((np.log(df / 2) - digamma(df / 2)) / 2)
    rows = []
    for gene in range(len(theirs)):
        twice = values[:, [gene, gene]]
        ratios = variance_ratios(twice, model)
        table = mixed_t(twice, model, ratios)
        estimate, t = table.loc[0, ["estimate", "t"]]
        rows.append([ratios["donor"], estimate, t * moderation])
    ours = np.array(rows)
    for place, name in enumerate(("variance ratio", "estimate", "t")):
        say(f"lme4, one gene at a time, {name}", ours[:, place], theirs[:, place])

    levels = levels_of(samples, fixed, {})
    ours = mixed_f(values, levels, {})["f"].to_numpy()
    say("limma, F of three levels", ours, np.array(found["limma_f"]))
    levels, rows = levels_of(samples, fixed, dict(model.random)), []
    df = n - 4
    moderation = np.exp(np.log(df / 2) - digamma(df / 2))
    for gene in range(len(theirs)):
        twice = values[:, [gene, gene]]
        rows.append(mixed_f(twice, levels)["f"][0] * moderation)
    say("lme4, F of three levels", np.array(rows), np.array(found["lme4_f"]))

    names = [f"s{number}" for number in range(n)]
    table = pd.DataFrame({"donor": names, "batch": ""}, index=names)
    design = make_design(names, table, pd.Series(case, names), True)
    gram, arrangements = map_gram(places @ places.T, design.units), design.arrangements(9999, 1)
    for name, test in (("permanova", permanova), ("permdisp", permdisp)):
        one = test(gram, design, arrangements)
        for own, of_r, what in zip((one.statistic, one.p), found["vegan"][name], "Fp", strict=True):
            say(f"vegan, {name}, {what}", np.array([own]), np.array([of_r]))

    table["donor"] = [f"d{one}" for one in donor]
    paired = make_design(names, table, pd.Series(case, names), True)
    tested = permutation_test(values[:, :10], paired, PERMUTATIONS, 1).table["p"].to_numpy()
    say("coin, within donors, p", tested, np.array(found["coin"], float))


def levels_of(
    samples: pd.DataFrame, fixed: np.ndarray, random: dict[str, np.ndarray]
) -> LevelsDesign:
    """Return the design of three levels with one residual variance."""
    names = pd.Index([f"s{number}" for number in range(len(samples))])
    table = pd.DataFrame({"donor": names, "batch": ""}, index=names)
    labels = samples["level"].set_axis(names)
    design = make_levels_design(names, table, labels, LEVELS)
    own = np.column_stack([fixed, design.indicators[:, :-1]])
    model = Model(design.indicators[:, -1], own, random)
    return replace(design, model=model, others=fixed)


def say(what: str, ours: np.ndarray, theirs: np.ndarray) -> None:
    """Print the first numbers, and the largest difference of all."""
    difference = np.abs(ours - theirs).max()
    print(f"{what}: {ours[0]:.6g}, {theirs[0]:.6g}; largest difference {difference:.2g}")


if __name__ == "__main__":
    main()
