"""Find the programmes of a cell type, and their variance and coupling in every bin."""

from pathlib import Path

import torch
from adapter import logged

from popnet.cells.expression import BinnedExpression
from popnet.files import read_h5ad, write_h5ad
from popnet.networks.estimators import standardised
from popnet.networks.programmes import find_programmes, of_bins
from popnet.sivae.covariance import covariance_factor, training_factor
from popnet.sivae.result import load


def main(snakemake):
    torch.set_num_threads(snakemake.threads)
    files = snakemake.input
    fit, *others = (load(Path(path).parent) for path in files.models)
    expression, bins = BinnedExpression(files.expression), read_h5ad(files.bins)
    programmes = find_programmes(training_factor(fit), [training_factor(one) for one in others])
    keys = zip(bins.obs["sample"].astype(str), bins.obs["bin"], strict=True)
    factors = (covariance_factor(fit, standardised(expression.read(*key))) for key in keys)
    values = of_bins(programmes, factors)
    values.obs = bins.obs
    write_h5ad(values, snakemake.output.values)
    write_h5ad(programmes.to_anndata(bins.var_names), snakemake.output.loadings)


with logged(snakemake.log[0]):
    main(snakemake)
