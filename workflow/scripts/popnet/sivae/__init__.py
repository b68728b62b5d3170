"""siVAE: interpretable variational autoencoders of cells and genes (Choi et al. 2023)."""

from popnet.sivae.model import VAE, Decoder, Encoder, Normal, SiVAE
from popnet.sivae.training import (
    DivergedError,
    FeatureInput,
    Fit,
    Settings,
    choose_device,
    fit,
    to_anndata,
    train_bin,
)

__all__ = [
    "VAE",
    "Decoder",
    "DivergedError",
    "Encoder",
    "FeatureInput",
    "Fit",
    "Normal",
    "Settings",
    "SiVAE",
    "choose_device",
    "fit",
    "to_anndata",
    "train_bin",
]
