"""The model family of the paper: siVAE, its variants and the VAEs (Methods, "siVAE variants")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from popnet import sivae as model
from popnet.comparisons.methods import Embedding, Training

if TYPE_CHECKING:
    from anndata import AnnData


def variant_settings(settings: model.Settings, variant: str, n_cells: int) -> model.Settings:
    """Return the settings of a variant, with as many steps as siVAE has for this number of cells.

    Parameters
    ----------
    settings : Settings
        Of siVAE.
    variant : str
        A key of `popnet.sivae.VARIANTS`.
    n_cells : int
        A VAE has one stage; it gets as many steps as siVAE's cell-wise network has in two.

    Raises
    ------
    KeyError
        There is no such variant.
    """
    changes = {"heldout": 0.0} | model.VARIANTS[variant]
    if changes.get("likelihood") == "nb":
        changes["genes_per_step"] = None
    if changes.get("model") == "vae":
        cells, _, joint = settings.steps_for(n_cells)
        return settings.with_steps((cells + joint, 1, 1), **changes)
    return replace(settings, **changes)


def embed_variant(
    variant: str,
    cells: AnnData,
    heldout: AnnData,
    training: Training,
    seed: int,
    covariates: Sequence[str] = (),
) -> Embedding:
    """Embed cells by a variant of siVAE.

    Parameters
    ----------
    variant : str
        A key of `popnet.sivae.VARIANTS`.
    cells, heldout : AnnData, (n_cells, n_genes) and (n_heldout, n_genes)
        Log-normalised expression in X; layer "counts" for the negative binomial model.
    training : Training
    seed : int
    covariates : sequence of str
        Categorical columns of obs that the model corrects for. A held-out cell of a category that
        no training cell has is embedded as if it had the most common category.

    Returns
    -------
    Embedding
        Posterior means. Loadings of the linear VAE are its decoder's weights, (n_genes, latent);
        a deep VAE has none.

    Raises
    ------
    DivergedError
        The loss is not finite.
    ValueError
        As for `popnet.sivae.fit`.
    """
    from anndata import AnnData

    settings = variant_settings(training.settings, variant, cells.n_obs)
    if covariates:
        # With less, the scores keep what the covariates are there to take up.
        settings = replace(settings, kl=1.0)
    if settings.likelihood == "nb":
        cells, heldout = of_counts(cells), of_counts(heldout)
    for column in covariates:
        known = cells.obs[column].astype(str)
        values = heldout.obs[column].astype(str)
        values = values.where(values.isin(known.unique()), known.mode()[0])
        heldout = AnnData(heldout.X, heldout.obs.assign(**{column: values}), heldout.var)
    fitted = model.fit(cells, settings, seed, training.device, covariates=covariates)
    return Embedding(
        fitted.scores,
        fitted.embed(heldout),
        None if (settings.model, settings.decoder) == ("vae", "deep") else fitted.loadings,
    )


def of_counts(cells: AnnData) -> AnnData:
    """Return the cells with counts as X."""
    from anndata import AnnData

    return AnnData(cells.layers["counts"].astype("float32"), cells.obs, cells.var)


vae = partial(embed_variant, "vae")
sivae = partial(embed_variant, "sivae")
sivae_gamma0 = partial(embed_variant, "sivae-gamma0")
sivae_linear = partial(embed_variant, "sivae-linear")
sivae_nb = partial(embed_variant, "sivae-nb")
vae_linear = partial(embed_variant, "vae-linear")
# Equations 21 to 23.
sivae_batch = partial(embed_variant, "sivae", covariates=["batch"])
