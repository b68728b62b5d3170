"""The paper's simulated network: does siVAE find its communities, hubs and isolated genes?

    python benchmarks/simulated_network.py --seeds 1 2 3 --latent 2 32 --plan fast

Prints a tab-separated table, one row per fit (COLUMNS says of what).
"""

from __future__ import annotations

import argparse

import measuring  # noqa: F401  before numpy: one thread, and the package of the clone

import torch

from popnet import sivae
from popnet.comparisons.gene_embedding import quality, simulate

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
                    centrality = 1 - fit.reconstruction_error
                    row = quality(fit.loadings, centrality, community, hub) | {
                        "plan": plan,
                        "variant": variant,
                        "latent": latent,
                        "seed": seed,
                        "active_dimensions": fit.active_dimensions,
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
