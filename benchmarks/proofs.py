"""The paper's claims about siVAE on real cells, measured again.

    python benchmarks/proofs.py --cells a.h5ad --sample donor_id --latent 2 32

Bins of 1,000 cells, genes that vary most. Prints tab-separated tables: centrality against how
well each gene predicts the others, held-out reconstruction beside a VAE's, loadings against
attributions of the decoder, and how far the nearest genes agree between seeds and between bins.
Attributions need captum (requirements/dev.txt).
"""

from __future__ import annotations

import argparse
import sys
import warnings
from itertools import combinations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

import anndata as ad
import numpy as np
import torch
from captum.attr import DeepLift
from popnet import sivae
from popnet.cells.genes import normalise
from popnet.ground_truth import predictive_centrality
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr
from torch import nn

NEIGHBOURS = 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=Path, required=True, help="h5ad of raw counts")
    parser.add_argument("--sample", default="sample_id", help="obs column")
    parser.add_argument("--bin-cells", type=int, default=1000)
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--latent", type=int, nargs="+", default=[2, 32])
    parser.add_argument("--plan", default="fast", choices=sivae.PLANS)
    parser.add_argument("--queries", type=int, default=100, help="genes of the ground truth, or 0")
    parser.add_argument("--attributed", type=int, default=200, help="genes that are attributed")
    parser.add_argument("--attributed-cells", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("latent", "bin", "measure", "value", sep="\t")
    bins = read_bins(options)
    for latent in options.latent:
        settings = sivae.settings_for(plan=options.plan, latent=latent, heldout=0.1)
        fits = {name: sivae.fit(cells, settings, 1, "cpu") for name, cells in bins.items()}
        first, second = fits
        rows = [(first, *row) for row in against_ground_truth(bins[first], fits[first], options)]
        rows += [(first, *row) for row in beside_vae(bins[first], fits[first])]
        rows += [(first, *row) for row in against_attributions(bins[first], fits[first], options)]
        again = sivae.fit(bins[first], settings, 2, "cpu")
        rows.append((first, "nearest 20, two seeds", overlap(fits[first], again)))
        rows.append((f"{first}, {second}", "nearest 20", overlap(fits[first], fits[second])))
        for name, measure, value in rows:
            print(latent, name, measure, f"{value:.3f}", sep="\t", flush=True)


def read_bins(options: argparse.Namespace) -> dict[str, np.ndarray]:
    """Return two bins of the sample that has most cells, (n_cells, n_genes), log-normalised."""
    cells = ad.read_h5ad(options.cells)
    sample = cells.obs[options.sample].value_counts().index[0]
    counts = cells[cells.obs[options.sample] == sample].X
    expression = normalise(counts).toarray()
    varying = np.argsort(-expression.var(0), kind="stable")[: options.genes]
    order = np.random.default_rng(0).permutation(len(expression))[: 2 * options.bin_cells]
    return {
        f"{sample} bin {number + 1}": expression[np.ix_(rows, varying)]
        for number, rows in enumerate(np.split(order, 2))
    }


def against_ground_truth(cells, fitted, options):
    """Yield Spearman's rho of centrality with what a gene explains of all others."""
    scaled = (cells - cells.mean(0)) / np.maximum(cells.std(0), 1e-6)
    queries = np.random.default_rng(1).permutation(cells.shape[1])[: options.queries]
    centrality = -fitted.reconstruction_error
    linear = (np.corrcoef(scaled, rowvar=False) ** 2).mean(1)
    yield "rho, mean squared correlation", spearmanr(centrality, linear).statistic
    if not options.queries:
        return
    for name, heldout in (("training", 0.0), ("held-out", 0.2)):
        truth = predictive_centrality(cells, queries, seed=1, heldout=heldout, device="cpu")
        yield f"rho, networks, {name} cells", spearmanr(centrality[queries], truth).statistic
        yield f"(rho of the two truths, {name})", spearmanr(linear[queries], truth).statistic


def beside_vae(cells, fitted):
    """Yield the held-out error of siVAE and of the VAE of the same size, and their ratio."""
    changes = {"latent": fitted.settings.latent, "heldout": fitted.settings.heldout}
    settings = sivae.settings_for("vae", **changes, steps=fitted.settings.steps)
    vae = sivae.fit(cells, settings, fitted.seed, "cpu")
    errors = [float(one.heldout_error.mean()) for one in (fitted, vae)]
    yield "held-out error, siVAE", errors[0]
    yield "held-out error, VAE", errors[1]
    yield "ratio", errors[0] / errors[1]


class Decoder(nn.Module):
    """Mean of some genes' expression given z, with relu layers that captum can follow."""

    def __init__(self, fitted: sivae.Fit, genes: np.ndarray):
        """Take the decoder of `fitted`, for `genes` alone."""
        super().__init__()
        layers = [
            nn.ReLU() if isinstance(layer, nn.ReLU) else layer
            for layer in fitted.model.cells.decoder.hidden
        ]
        weights = fitted.weights()[genes]
        last = nn.Linear(weights.shape[1], len(genes))
        last.weight, last.bias = nn.Parameter(weights), nn.Parameter(torch.zeros(len(genes)))
        self.layers = nn.Sequential(*layers, last)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return (n_cells, n_genes)."""
        return self.layers(z)


def against_attributions(cells, fitted, options):
    """Yield the median over dimensions of |rho| of loadings with attributions.

    Attributions (dimensions x genes x cells) are summarised over cells by the first principal
    component of each dimension, whose sign is arbitrary (Methods, "Feature attribution methods").
    """
    rng = np.random.default_rng(2)
    genes = rng.permutation(cells.shape[1])[: options.attributed]
    chosen = rng.permutation(len(cells))[: options.attributed_cells]
    decoder = Decoder(fitted, genes)
    z = torch.from_numpy(fitted.scores[chosen])
    gradient = torch.func.vmap(torch.func.jacrev(decoder))(z).detach()
    lift = DeepLift(decoder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        by_gene = [lift.attribute(z, target=index).detach() for index in range(len(genes))]
    found = {
        "DeepLIFT": torch.stack(by_gene, 1),
        "grad x input": gradient * z[:, None],
        "saliency": gradient.abs(),
        "gradient": gradient,
    }
    for name, attributed in found.items():
        rho = []
        for dimension in range(z.shape[1]):
            values = attributed[:, :, dimension].T.numpy()
            if values.std() == 0 or fitted.scores[:, dimension].var() < 0.01:
                continue
            left = np.linalg.svd(values - values.mean(0), full_matrices=False)[0]
            loading = fitted.loadings[genes, dimension]
            loading = np.abs(loading) if name == "saliency" else loading
            rho.append(abs(spearmanr(left[:, 0], loading).statistic))
        yield f"|rho| of loadings, {name}", float(np.median(rho))


def overlap(*fits: sivae.Fit) -> float:
    """Return the mean share of a gene's nearest 20 genes that two fits have in common."""
    nearest = []
    for fitted in fits:
        distances = squareform(pdist(fitted.loadings.astype(np.float64)))
        np.fill_diagonal(distances, np.inf)
        nearest.append(np.argsort(distances, 1)[:, :NEIGHBOURS])
    shares = [
        np.mean([len(np.intersect1d(a, b)) for a, b in zip(*pair, strict=True)]) / NEIGHBOURS
        for pair in combinations(nearest, 2)
    ]
    return float(np.mean(shares))


if __name__ == "__main__":
    main()
