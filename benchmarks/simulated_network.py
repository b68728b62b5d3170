"""The paper's simulated network: does siVAE find its communities, hubs and isolated genes?

    python benchmarks/simulated_network.py --seeds 1 2 3 --latent 2 32 --plan fast

Prints a tab-separated table, one row per fit (COLUMNS says of what).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

import numpy as np
import torch
from popnet import sivae
from scipy.spatial.distance import pdist, squareform
from sklearn.metrics import roc_auc_score, silhouette_score

N_CELLS, N_COMMUNITIES, SIZE, N_ISOLATED = 5000, 5, 50, 50
CORRELATION = 0.6
NEIGHBOURS = 20

COLUMNS = (
    "plan",
    "variant",
    "latent",
    "seed",
    "silhouette",
    "purity",
    "purity_isolated",
    "auroc_isolated",
    "hubs_in_top",
    "centrality_hubs",
    "centrality_spokes",
    "centrality_isolated",
    "active_dimensions",
    "precision",
    "seconds",
)


def simulate(seed: int, wishart: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cells, and of the genes the community (-1: isolated) and whether they are hubs.

    Genes that an edge joins correlate by 0.6; all other correlations follow from the missing edges,
    as the R package qpgraph completes them (`qpG2Sigma(rho=0.6)`). That function also draws the
    edges' covariances from a Wishart distribution with mean 0.6 and as many degrees of freedom as
    genes; so does `wishart`. The graph is a forest, so cells can be drawn along its edges.
    """
    rng = np.random.default_rng(seed)
    community = np.repeat([*range(N_COMMUNITIES), -1], [SIZE] * N_COMMUNITIES + [N_ISOLATED])
    n_genes = len(community)
    correlations = np.full((n_genes, n_genes), CORRELATION)
    if wishart:
        shared, own = rng.normal(size=(n_genes, 1)), rng.normal(size=(n_genes, n_genes))
        correlations = np.corrcoef(
            np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * own, rowvar=False
        )
    cells = rng.normal(size=(N_CELLS, n_genes))
    hubs = np.arange(N_COMMUNITIES) * SIZE
    for hub in hubs:
        spokes = np.arange(hub + 1, hub + SIZE)
        edges = correlations[hub, spokes]
        cells[:, spokes] = edges * cells[:, [hub]] + np.sqrt(1 - edges**2) * cells[:, spokes]
    return cells.astype(np.float32), community, np.isin(np.arange(n_genes), hubs)


def quality(fit: sivae.Fit, community: np.ndarray, hub: np.ndarray) -> dict[str, float]:
    """Return how well the loadings and centralities of a fit show the network.

    `silhouette` is of the communities; `purity` the share of a gene's nearest 20 genes that are of
    its community (`purity_isolated`: isolated, too); `auroc_isolated` how surely an isolated gene
    is nearer to the origin than another; `hubs_in_top` how many of the five most central genes are
    hubs.
    """
    connected = community >= 0
    distances = squareform(pdist(fit.loadings.astype(np.float64)))
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, 1)[:, :NEIGHBOURS]
    same = (community[nearest] == community[:, None]).mean(1)
    centrality = 1 - fit.reconstruction_error
    return {
        "silhouette": float(silhouette_score(fit.loadings[connected], community[connected])),
        "purity": float(same[connected].mean()),
        "purity_isolated": float(same[~connected].mean()),
        "auroc_isolated": float(roc_auc_score(~connected, -np.linalg.norm(fit.loadings, axis=1))),
        "hubs_in_top": int(hub[np.argsort(centrality)[-hub.sum() :]].sum()),
        "centrality_hubs": float(centrality[hub].mean()),
        "centrality_spokes": float(centrality[connected & ~hub].mean()),
        "centrality_isolated": float(centrality[~connected].mean()),
        "active_dimensions": fit.active_dimensions,
    }


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--latent", type=int, nargs="+", default=[2, 32])
    parser.add_argument("--plan", nargs="+", default=["fast"], choices=sivae.PLANS)
    parser.add_argument("--variant", nargs="+", default=["sivae"], choices=sivae.VARIANTS)
    parser.add_argument("--wishart", action="store_true", help="draw the correlations, too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(*COLUMNS, sep="\t")
    for plan in arguments.plan:
        for variant in arguments.variant:
            for latent in arguments.latent:
                for seed in arguments.seeds:
                    cells, community, hub = simulate(seed, arguments.wishart)
                    settings = sivae.settings_for(variant, plan, latent=latent)
                    fit = sivae.fit(cells, settings, seed, device="cpu")
                    row = quality(fit, community, hub) | {
                        "plan": plan,
                        "variant": variant,
                        "latent": latent,
                        "seed": seed,
                        "precision": fit.precision,
                        "seconds": fit.seconds,
                    }
                    cells_of_row = (row[name] for name in COLUMNS)
                    print(
                        *(f"{c:.3f}" if isinstance(c, float) else c for c in cells_of_row),
                        sep="\t",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
