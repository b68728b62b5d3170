"""Gather the networks of a cell type by one estimator: edges, centralities, reliability."""

from pathlib import Path

import torch
from adapter import logged

from popnet import presets
from popnet.cells.expression import BinnedExpression
from popnet.files import read_h5ad
from popnet.networks import estimators
from popnet.networks.gather import gather
from popnet.networks.trained import trained_models
from popnet.sivae.result import load
from popnet.sivae.shared import fold_of


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    files, output = snakemake.input, snakemake.output
    settings = dict(snakemake.params.networks)
    expression, summary = BinnedExpression(files.expression), read_h5ad(files.summary)
    networks = gather(
        estimator(snakemake, expression, summary),
        summary,
        expression,
        output.neighbours,
        weigh_pairs=presets.PRESETS[snakemake.params.preset].unit == "donor",
        **{key: settings[key] for key in ("closest", "central_genes", "neighbours")},
    )
    networks.write(dict(output.items()))


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
    plain = {
        "correlation": estimators.correlation,
        "spearman": estimators.spearman,
        "cs-core": estimators.cs_core,
    }
    if network in plain:
        return plain[network](expression, summary, least)
    fits = [load(Path(path).parent) for path in snakemake.input.models]
    if network == "components":
        directions = estimators.cohort_directions(fits[0])
        return estimators.shared_components(directions, expression, summary, least)
    fold = fold_of(expression.obs, params.seed)
    return estimators.shared_model(fits, fold, expression, summary, least)


with logged(snakemake.log[0]):
    main(snakemake)
