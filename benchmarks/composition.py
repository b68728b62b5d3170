"""Hits that are a shift of cell states, and hits that are rewiring: which are called composition?

    python benchmarks/composition.py --data DATA --out OUT     # resumed where it ended
    python benchmarks/composition.py --out OUT --read          # the table of docs/networks.md

DATA holds the T cells of benchmarks/networks.py. Each of 8 samples is cut into four donors of 240
(200) cells, two cases and two controls, so that a batch is a real sample. Cohorts: nothing
(chance); cases with fewer naive CD4 T cells, as the authors label them (log odds 1, or 2, lower,
beside a standard deviation of 0.25 between donors); 20 genes wired together in half of the cells
of cases (values of a gene change places between cells of a donor, so that no gene's distribution
moves); and both. States are found by the cohort's siVAE, which sees no label. Pairs are tested as
preset `robust` tests them.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

import measuring  # noqa: F401  before numpy: one thread, and the package of the clone
import networks

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from popnet.associations.composition import Composition, robust
from popnet.associations.designs import design_of
from popnet.associations.edges import robust as test_pairs
from popnet.associations.testing import Testing
from popnet.cells.depth import depth_quantiles, shares_kept, target_quantiles, thin
from popnet.cells.expression import scale
from popnet.cells.genes import normalise
from popnet.files import atomic
from popnet.networks import states
from popnet.networks.pairs import PairWeights, candidates
from popnet.sivae.covariance import principal_projection, projected

NAIVE, OF_EACH, N_GENES = "T4_naive", 4, 300
VARIATION = 0.25
# By how much the log odds of naive cells are lower in cases, and in all donors than in their
# sample; whether genes are wired together; cells of a donor: of a large shift there are too few.
KINDS = {
    "nothing": (0, 0, False, 240),
    "shift": (1, 0, False, 240),
    "a third to an eighth": (1.5, 0.43, False, 240),
    "large shift": (2, 0, False, 200),
    "wiring": (0, 0, True, 240),
    "both": (1, 0, True, 240),
}


def cells_of(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, pd.Index]:
    """Return log expression of cells of equal depth, their samples, which are naive, and genes."""
    cells = ad.read_h5ad(folder / networks.PEREZ)
    samples = cells.obs["sample_id"].astype(str).to_numpy()
    counts = sparse.csr_matrix(cells.X)
    depth, kept = counts.sum(1).A1.astype(float), np.ones(cells.n_obs)
    rows_of = {name: np.flatnonzero(samples == name) for name in np.unique(samples)}
    target = target_quantiles(np.array([depth_quantiles(depth[rows]) for rows in rows_of.values()]))
    for rows in rows_of.values():
        kept[rows] = shares_kept(depth[rows], rows.astype(str), target)
    counts = thin(counts, kept, np.random.default_rng(0).integers(2**62, size=cells.n_obs))
    detected = np.min([(counts[rows] > 0).mean(0).A1 for rows in rows_of.values()], axis=0)
    logs = normalise(counts, counts.sum(1).A1)[:, detected >= 0.05].toarray().astype(np.float32)
    genes = np.argsort(-logs.var(0) / np.maximum(logs.mean(0), 1e-3), kind="stable")[:N_GENES]
    naive = cells.obs["ct_cov"].astype(str).to_numpy() == NAIVE
    return logs[:, genes], samples, naive, cells.var_names[detected >= 0.05][genes]


def cohort(folder: Path, kind: str, seed: int) -> tuple[networks.Bins, np.ndarray, dict[str, Any]]:
    """Return donors with one bin each, which are cases, and what was planted."""
    logs, samples, naive, genes = cells_of(folder)
    shift, lower, wired, size = KINDS[kind]
    rng, rows, labels = np.random.default_rng(seed), [], []
    case = np.resize([0, 1], OF_EACH * len(np.unique(samples)))
    for name in np.unique(samples):
        own, others = (
            rng.permutation(np.flatnonzero((samples == name) & (naive == is_naive)))
            for is_naive in (True, False)
        )
        log_odds = np.log(len(own) / len(others))
        for number in range(OF_EACH):
            moved = log_odds - lower + VARIATION * rng.normal() - shift * case[number]
            n = int(np.clip(round(size / (1 + np.exp(-moved))), size - len(others), len(own)))
            rows.append(np.concatenate([own[:n], others[: size - n]]))
            own, others = own[n:], others[size - n :]
            labels.append(f"{name} {number}")
    expression = np.array([scale(logs[cells]) for cells in rows])
    obs = pd.DataFrame({"batch": [one.rsplit(" ", 1)[0] for one in labels]}, index=labels)
    nothing = np.zeros(expression.shape[:2])
    donors = np.array(labels, dtype=object)
    bins = networks.Bins(expression, donors, genes, [], nothing, obs, expression)
    share = np.array([naive[cells].mean() for cells in rows])
    about: dict[str, Any] = {f"share_{one}": share[case == one].mean() for one in (0, 1)}
    if wired:
        bins, _, module = networks.plant(bins, "gain", 0.5, seed, chosen=case == 1)
        about["module"] = module.tolist()
    return bins, case, about


def work(folder: Path, kind: str, seed: int, trained: bool) -> list[dict[str, Any]]:
    """Return what every network calls in a cohort, and how much of it is called composition."""
    bins, case, about = cohort(folder, kind, seed)
    module = about.pop("module", [])
    weighed = {}
    if trained:
        (fit,) = networks._shared_fits(bins, seed, {"kl": 0.1, "heldout": 0.1}, 1)
        projection = principal_projection(fit, states.N_DIRECTIONS)
        scores = np.concatenate([projected(fit, projection, cells) for cells in bins.expression])
        weighed["shared siVAE, one model"] = np.array(
            [
                networks.pair_weights(networks.covariance_factor(fit, cells), "model", 0.01)
                for cells in bins.expression
            ]
        )
    else:
        pooled = np.concatenate(bins.expression).astype(np.float64)
        scores = pooled @ np.linalg.eigh(pooled.T @ pooled)[1][:, -states.N_DIRECTIONS :]
    of_cells = np.repeat(bins.samples.astype(str), bins.expression.shape[1])
    found = states.find_states(scores, of_cells, of_cells, seed)
    state = states.assign(scores, of_cells, found.centres)
    counts = pd.crosstab(of_cells, state).reindex(columns=range(len(found.centres)), fill_value=0)
    composition = Composition(counts, [str(one) for one in counts])
    table = bins.obs.assign(donor=bins.obs.index, phenotype=case)
    asked = {"name": "phenotype", "type": "binary", "case": 1, "control": 0}
    design = design_of(list(bins.samples), table, asked, [], "donor")
    about |= {"states": len(found.centres)}
    tested = robust(composition, design, Testing(999, 1))
    about |= {"composition_p": tested["p"].min(), "composition_q": tested["q"].min()}
    upper = np.triu_indices(len(bins.genes), 1)
    plain = networks.correlation(bins, 0)[0][:, upper[0], upper[1]]
    weighed |= {
        "components 32": networks.components(32)(bins, 0)[0],
        "correlation": networks.correlation(bins, 0)[0],
    }
    rows = []
    for name, of_genes in weighed.items():
        weights = of_genes[:, upper[0], upper[1]]
        columns = candidates(np.sqrt((weights**2).mean(0)))
        pairs = pd.DataFrame({f"gene{n + 1}": bins.genes[upper[n][columns]] for n in (0, 1)})
        observed = PairWeights(
            pairs.assign(icc=np.nan), bins.samples, weights[:, columns], plain[:, columns]
        )
        nowhere = pd.Series(dtype=object)
        tests = test_pairs(
            observed, {}, nowhere, design, Testing(99, 1), composition=composition
        ).edges
        wired = tests[["gene1", "gene2"]].isin(list(bins.genes[module])).all(axis=1)
        called, agrees = tests["q"] <= networks.FDR, tests["agrees"].astype(bool)
        explained = tests["explained_by"].str.contains("composition")
        row = {"kind": kind, "seed": seed, "network": name, "tested": len(tests)} | about
        row |= {"by_network": int(called.sum()), "called": int(agrees.sum())}
        row["composition_by_network"] = int((called & explained).sum())
        row["median_p"] = tests.loc[called, "p"].median()
        row["median_given_p"] = tests.loc[called, "given_composition_p"].median()
        for what, chosen in (("wired", wired), ("others", ~wired)):
            row[f"called_{what}"] = int((agrees & chosen).sum())
            row[f"composition_{what}"] = int((agrees & chosen & explained).sum())
        rows.append(row)
    return rows


def main() -> None:
    """Make what is missing, or print what there is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--components", action="store_true", help="no siVAE: states by components")
    parser.add_argument("--read", action="store_true", help="print the table of what is there")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    for seed, kind in () if chosen.read else product(chosen.seeds, chosen.kinds):
        path = chosen.out / f"{kind} {seed}.json"
        if not path.exists():
            rows = work(chosen.data, kind, seed, not chosen.components)
            with atomic(path) as temporary:
                temporary.write_text(json.dumps(rows, indent=1, default=float))
    rows = [
        row for path in sorted(chosen.out.glob("*.json")) for row in json.loads(path.read_text())
    ]
    print(pd.DataFrame(rows).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
