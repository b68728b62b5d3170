"""siVAE: interpretable variational autoencoders of cells and genes (Choi et al. 2023)."""

from popnet.sivae.fitting import choose_device, fit_stack, stack_size
from popnet.sivae.notebook import fit, summary
from popnet.sivae.progress import Progress
from popnet.sivae.result import Fit, load
from popnet.sivae.settings import PLANS, VARIANTS, FeatureInput, Settings, settings_for
from popnet.sivae.training import DivergedError

__all__ = [
    "PLANS",
    "VARIANTS",
    "DivergedError",
    "FeatureInput",
    "Fit",
    "Progress",
    "Settings",
    "choose_device",
    "fit",
    "fit_stack",
    "load",
    "settings_for",
    "stack_size",
    "summary",
]
