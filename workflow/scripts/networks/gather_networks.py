"""Gather the networks of a cell type by one estimator: edges, centralities, reliability."""

from pathlib import Path

import torch
from adapter import logged

from popnet import presets
from popnet.cells.expression import BinnedExpression
from popnet.cells.halves import halve, one_bin_each
from popnet.files import atomic, read_h5ad, write_parquet
from popnet.networks import estimators
from popnet.networks.gather import gather, gather_apart, read_given
from popnet.networks.trained import trained_models
from popnet.sivae.result import load
from popnet.sivae.shared import fold_of


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    files, output = snakemake.input, snakemake.output
    expression, summary = BinnedExpression(files.expression), read_h5ad(files.summary)
    settings = dict(snakemake.params.networks)
    settings = {key: settings[key] for key in ("closest", "central_genes", "neighbours")}
    robust = presets.PRESETS[snakemake.params.preset].unit == "donor"
    networks = gather(
        estimator(snakemake, expression, summary),
        summary,
        expression,
        output.neighbours,
        weigh_pairs=robust,
        given=read_given(files.graph, files.tested) if files.graph else None,
        **settings,
    )
    networks.write(dict(output.items()))
    if robust:
        halves, edges = networks.to_anndata()[:0].copy(), networks.bin_edges[:0]
        # What trains a model for each bin would have to train it for each half.
        if one_bin_each(summary.obs) and snakemake.wildcards.network != "sivae":
            halved = halve(expression, summary, snakemake.params.seed)
            halves, edges = gather_apart(estimator(snakemake, *halved), *halved, **settings)
        with atomic(output.halves) as path:
            halves.write_h5ad(path, compression="gzip")
        write_parquet(edges, output.half_edges)


def estimator(snakemake, expression, summary):
    """Return the estimator that the network is called after."""
    params, network = snakemake.params, snakemake.wildcards.network
    least = params.networks["min_detection"]
    if network == "sivae":
        models = trained_models(
            snakemake.input.trained, summary.obs, params.models, params.max_failed_bins
        )
        relative = presets.PRESETS[params.preset].relative
        least = least if relative else None
        definition, closest = params.definition, params.networks["closest"]
        return estimators.bin_models(
            models, summary, least, definition, closest, params.cross_fitted
        )
    if network in estimators.OF_INFORMATION:
        return estimators.of_information(network, expression, summary, least)
    if network in estimators.PLAIN:
        return estimators.PLAIN[network](expression, summary, least)
    fits = [load(Path(path).parent) for path in snakemake.input.models]
    if network == "components":
        directions = estimators.cohort_directions(fits[0])
        return estimators.shared_components(directions, expression, summary, least)
    fold = fold_of(expression.obs, params.seed)
    return estimators.shared_model(fits, fold, expression, summary, least)


with logged(snakemake.log[0]):
    main(snakemake)
