"""The paper's claims about siVAE on real cells, measured again.

    python benchmarks/proofs.py centrality --cells a.h5ad --sample donor_id --latent 64 --depth 2000
    python benchmarks/proofs.py attributions --cells a.h5ad --sample donor_id --latent 2 32
    python benchmarks/proofs.py bins --cells a.h5ad --sample donor_id --latent 2 32

`centrality` compares siVAE's degree centrality with how well each gene predicts all others,
`attributions` loadings with attributions of the decoder, in the whole file, its largest sample and
one bin of that. `bins` takes two bins of the largest sample: held-out reconstruction beside a
VAE's, and how far the nearest genes agree between seeds and between bins. All print tab-separated
tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import measuring  # noqa: F401  before numpy: one thread, and the package of the clone

import anndata as ad
import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr

from popnet import sivae
from popnet.cells.genes import normalise
from popnet.comparisons.dimensions import active_dimensions
from popnet.comparisons.explained import cell_decoder, per_dimension
from popnet.comparisons.ground_truth import predictive_centrality
from popnet.comparisons.interpretations.relu import jacobian, multipliers
from popnet.networks.centrality import degree_centrality

HELDOUT = 0.1
NEIGHBOURS = 20
# Reported in the paper (fetal liver atlas): rho of centrality at latent 64, and of attributions
# at latent 2, where 0.73 is the median over the three methods.
PAPER = {"centrality": 0.90, "DeepLIFT": 0.98, "all three": 0.73}


def main() -> None:
    """Run the part that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--cells", type=Path, required=True, help="h5ad of raw counts")
    common.add_argument("--sample", default="sample_id", help="obs column")
    common.add_argument("--genes", type=int, default=2000, help="those that vary most")
    common.add_argument("--bin-cells", type=int, default=1000)
    common.add_argument("--plan", default="fast", choices=sivae.PLANS)
    common.add_argument("--seed", type=int, default=1)
    common.add_argument("--device", default="auto")

    several = argparse.ArgumentParser(add_help=False)
    several.add_argument("--of", nargs="+", choices=POPULATIONS, default=POPULATIONS)

    command = commands.add_parser("centrality", parents=[common, several])
    command.add_argument("--latent", type=int, nargs="+", default=[64])
    command.add_argument(
        "--depth",
        type=int,
        nargs="*",
        default=[],
        help="also with every cell's counts thinned to so many; cells with fewer are left out",
    )
    command.add_argument("--queries", type=int, default=100, help="genes, drawn at random")
    command.add_argument("--at-once", type=int, default=8, help="networks trained side by side")
    command.set_defaults(run=centrality)

    command = commands.add_parser("attributions", parents=[common, several])
    command.add_argument("--latent", type=int, nargs="+", default=[2, 32])
    command.add_argument("--attributed", type=int, nargs=2, default=[300, 200], help="genes, cells")
    command.set_defaults(run=attributions)

    command = commands.add_parser("bins", parents=[common])
    command.add_argument("--latent", type=int, nargs="+", default=[2, 32])
    command.set_defaults(run=bins)

    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"# {options.cells.name}, plan {options.plan}, seed {options.seed}")
    options.run(options)


POPULATIONS = ["file", "sample", "bin"]


def centrality(options: argparse.Namespace) -> None:
    """Compare siVAE's degree centrality with the variance that each gene explains of others.

    A gene's normalised value tells of its cell's depth: log(1 + 10,000 / depth) where one
    molecule was counted. As depth predicts all other genes, the ground truth ranks every gene
    that is detected in some cells among the predictive ones. With cells of equal depth it cannot.
    """
    cells = ad.read_h5ad(options.cells)
    header = ["cells_of", "depth", "n_cells", "n_genes", "latent", "active", "queries"]
    print(f"# Spearman's rho of centrality with the ground truth; paper {PAPER['centrality']}")
    print_row([*header, "rho", "rho_heldout_error", "rho_linear", "linear_truth", "mean_truth"])
    for name in options.of:
        for depth in (None, *options.depth):
            counts = population(cells, options, name)
            if depth is not None:
                counts = thinned(counts, depth)
            expression = most_varying(counts, options.genes, depth)
            drawn = np.random.default_rng(options.seed).permutation(expression.shape[1])
            queries = np.sort(drawn[: options.queries])
            truth = predictive_centrality(
                expression, queries, options.seed, at_once=options.at_once, device=options.device
            )
            linear = mean_squared_correlation(expression)
            for latent in options.latent:
                fit = train(expression, options, latent)
                ours = degree_centrality(fit.reconstruction_error, fit.variance)
                rhos = [
                    rho(ours[queries], truth),
                    rho(-fit.heldout_error[queries], truth),
                    rho(ours, linear),
                    rho(linear[queries], truth),
                ]
                print_row(
                    [
                        *(name, depth or "as sequenced", *expression.shape, latent),
                        *(fit.active_dimensions, len(queries)),
                        *(f"{value:.3f}" for value in rhos),
                        f"{truth.mean():.5f}",
                    ]
                )


def bins(options: argparse.Namespace) -> None:
    """Print what siVAE learns from bins beside a VAE and beside other seeds and bins."""
    cells = ad.read_h5ad(options.cells)
    counts = population(cells, options, "sample")
    expression = most_varying(counts, options.genes, None)
    n_cells = options.bin_cells
    first, second = expression[:n_cells], expression[n_cells : 2 * n_cells]
    print_row(["latent", "active", "measure", "ours"])
    for latent in options.latent:
        fit = train(first, options, latent)
        rows = [
            *beside_vae(first, fit, options),
            ("nearest 20, other seed", shared(fit, train(first, options, latent, 1))),
            ("nearest 20, other bin", shared(fit, train(second, options, latent))),
            ("nearest 20, chance", NEIGHBOURS / (expression.shape[1] - 1)),
        ]
        for measure, value in rows:
            print_row([latent, fit.active_dimensions, measure, f"{value:.3f}"])


def attributions(options: argparse.Namespace) -> None:
    """Print how loadings agree with attributions of the decoder."""
    cells = ad.read_h5ad(options.cells)
    print_row(["cells_of", "n_cells", "n_genes", "latent", "active", "measure", "paper", "ours"])
    for name in options.of:
        expression = most_varying(population(cells, options, name), options.genes, None)
        for latent in options.latent:
            fit = train(expression, options, latent)
            about = [name, *expression.shape, latent, fit.active_dimensions]
            for measure, paper, value in beside_attributions(fit, options):
                print_row([*about, measure, paper, f"{value:.3f}"])


def population(cells: ad.AnnData, options: argparse.Namespace, name: str) -> csr_matrix:
    """Return the counts of the file, its largest sample or a bin of that, in random order."""
    rows = np.arange(cells.n_obs)
    if name != "file":
        samples = cells.obs[options.sample].astype(str)
        rows = np.flatnonzero(samples == samples.value_counts().index[0])
    rows = np.random.default_rng(0).permutation(rows)
    return csr_matrix(cells.X)[rows[: options.bin_cells] if name == "bin" else rows]


def thinned(counts: csr_matrix, depth: int) -> csr_matrix:
    """Return the cells that have `depth` molecules, each molecule kept at random."""
    totals = np.asarray(counts.sum(1)).ravel()
    counts, totals = counts[totals >= depth], totals[totals >= depth]
    share = np.repeat(depth / totals, np.diff(counts.indptr))
    kept = np.random.default_rng(0).binomial(counts.data.astype(np.int64), share)
    return csr_matrix((kept.astype(np.float64), counts.indices, counts.indptr), counts.shape)


def most_varying(counts: csr_matrix, n_genes: int, depth: int | None) -> np.ndarray:
    """Return log-normalised expression of the genes that vary most, (n_cells, n_genes).

    Thinned cells are divided by the depth that they were thinned to, all by the same number:
    what each has left by chance would tell of itself in every value.
    """
    totals = None if depth is None else np.full(counts.shape[0], depth)
    expression = normalise(counts, totals)
    mean = np.asarray(expression.mean(0)).ravel()
    variance = np.asarray(expression.multiply(expression).mean(0)).ravel() - mean**2
    chosen = np.sort(np.argsort(-variance, kind="stable")[:n_genes])
    return expression[:, chosen].toarray().astype(np.float32)


def train(
    expression: np.ndarray, options: argparse.Namespace, latent: int, later: int = 0
) -> sivae.Fit:
    """Return the fit of `latent` dimensions, a tenth of the cells held out."""
    settings = sivae.settings_for(plan=options.plan, latent=latent, heldout=HELDOUT)
    return sivae.fit(expression, settings, options.seed + later, options.device)


def beside_vae(
    expression: np.ndarray, fit: sivae.Fit, options: argparse.Namespace
) -> list[tuple[str, float]]:
    """Return the held-out error of siVAE and its ratio to those of VAEs of the same size.

    One VAE has the steps of siVAE's cell-wise stage, the other those of its joint stage too.
    """
    cell_steps, _, joint_steps = fit.settings.steps_for(int((~fit.heldout).sum()))
    base = sivae.settings_for("vae", options.plan, latent=fit.settings.latent, heldout=HELDOUT)
    ours = float(fit.heldout_error.mean())
    rows = [("held-out error", ours)]
    for n_steps in (cell_steps, cell_steps + joint_steps):
        settings = replace(base, steps=(n_steps, 1, 1))
        vae = sivae.fit(expression, settings, options.seed, options.device)
        assert (vae.heldout == fit.heldout).all()
        ratio = ours / float(vae.heldout_error.mean())
        rows.append((f"held-out error / that of a VAE of {n_steps} steps", ratio))
    return rows


def beside_attributions(
    fit: sivae.Fit, options: argparse.Namespace
) -> list[tuple[str, str | float, float]]:
    """Return the median over dimensions of |rho| of loadings with the decoder's attributions.

    Methods, "Feature attribution methods": of the mean of X given z, with v_L fixed, baseline 0;
    the attributions (cells x genes) to a dimension are summarised by the loadings of their first
    principal component, whose sign is arbitrary. Dimensions that the model does not use are left
    out. Saliency is an absolute value: it is compared with the loadings as in the paper, and with
    their absolute values.
    """
    n_genes, n_cells = options.attributed
    rng = np.random.default_rng(options.seed)
    genes = np.sort(rng.permutation(len(fit.loadings))[:n_genes])
    z = torch.from_numpy(fit.scores[rng.permutation(len(fit.scores))[:n_cells]])
    decoder = cell_decoder(fit, genes)
    used = active_dimensions(fit.scores)
    loadings = fit.loadings[genes].astype(np.float64)

    rows: list[tuple[str, str | float, float]] = []
    every = []
    derivative = jacobian(decoder, z).numpy()
    for name, found in (
        ("DeepLIFT", multipliers(decoder, z).numpy() * z.numpy()[:, None]),
        ("grad x input", derivative * z.numpy()[:, None]),
        ("saliency", np.abs(derivative)),
    ):
        summaries = per_dimension(found[:, :, used]).T
        rhos = [
            abs(rho(summary, loadings[:, dimension]))
            for summary, dimension in zip(summaries, used, strict=True)
        ]
        every += rhos
        rows.append((f"|rho| of loadings and {name}", PAPER.get(name, ""), float(np.median(rhos))))
        if name == "saliency":
            rhos = [
                abs(rho(summary, np.abs(loadings[:, dimension])))
                for summary, dimension in zip(summaries, used, strict=True)
            ]
            rows.append((f"|rho| of |loadings| and {name}", "", float(np.median(rhos))))
    rows.append(("|rho|, median over the three", PAPER["all three"], float(np.median(every))))
    return rows


def mean_squared_correlation(expression: np.ndarray) -> np.ndarray:
    """Return what each gene explains of all others linearly, (n_genes,)."""
    scaled = (expression - expression.mean(0)) / np.maximum(expression.std(0), 1e-6)
    squared = (scaled.T @ scaled / len(scaled)) ** 2
    np.fill_diagonal(squared, 0)
    return squared.sum(1) / (len(squared) - 1)


def shared(one: sivae.Fit, other: sivae.Fit) -> float:
    """Return the share of a gene's nearest 20 that two fits have in common, averaged over genes."""
    nearest = []
    for fit in (one, other):
        distance = cdist(fit.loadings, fit.loadings)
        np.fill_diagonal(distance, np.inf)
        nearest.append(np.argsort(distance, 1)[:, :NEIGHBOURS])
    common = [len(np.intersect1d(*pair)) for pair in zip(*nearest, strict=True)]
    return float(np.mean(common)) / NEIGHBOURS


def rho(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's correlation over the genes that have both values."""
    both = np.isfinite(one) & np.isfinite(other)
    return float(spearmanr(one[both], other[both]).statistic)


def print_row(values: Iterable[Any] | Sequence[Any]) -> None:
    """Print a row of a table."""
    print(*values, sep="\t", flush=True)


if __name__ == "__main__":
    main()
