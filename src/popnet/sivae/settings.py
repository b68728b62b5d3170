"""Settings of a fit, and the variants and training plans by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

# The models of the paper (Methods, "siVAE model variants"). "vae-linear" is LDVAE.
VARIANTS: dict[str, dict[str, Any]] = {
    "sivae": {},
    "sivae-gamma0": {"gamma": 0.0},
    "sivae-linear": {"decoder": "linear", "gamma": 0.0},
    "sivae-nb": {"likelihood": "nb", "gamma": 0.0, "kl": 1.0},
    "vae": {"model": "vae", "gamma": 0.0},
    "vae-linear": {
        "model": "vae",
        "decoder": "linear",
        "likelihood": "nb",
        "gamma": 0.0,
        "kl": 1.0,
    },
}

# "paper" trains as the authors' code; benchmarks/training.py compares the two plans.
PLANS: dict[str, dict[str, Any]] = {
    "paper": {
        "kl": 1.0,
        "steps": (2000, 2000, 2000),
        "learning_rate": 5e-4,
        "schedule": "decay",
        "genes_per_step": None,
        "feature_input": {"method": "cells"},
        "precision": "float32",
    },
    "fast": {
        # With 1 most latent dimensions are switched off, and with them what is new in a few cells.
        "kl": 0.1,
        "steps": (500, 300, 1000),
        "grow_beyond": 1000,
        # Training cells of a bin of 1,000.
        "shrink_below": 900,
        "learning_rate": 2e-3,
        "schedule": "one-cycle",
        "genes_per_step": 512,
        "feature_input": {"method": "pca", "size": 384},
        "precision": "auto",
    },
}


# Largest numbers of steps, and at how many times `grow_beyond` cells they are reached.
GROWN_STEPS = (1000, 2000, 2000)
GROWN_AT = 4
# Least share of the steps that bins of few cells have.
LEAST_STEPS = 1 / 8

# A fit that starts from another has only the joint stage, with at most so many steps, at this
# learning rate; benchmarks/warm_start.py.
WARM_STEPS = 300
WARM_RATE = 2e-3


@dataclass(frozen=True)
class FeatureInput:
    """The input of the feature-wise encoder for a gene.

    Parameters
    ----------
    method : {"cells", "downsample", "pca"}
        All training cells, `size` of them, or scores on `size` principal components.
    size : int, optional
        Only for "downsample" and "pca", which require it. If there are fewer cells or components,
        all of them are used.
    """

    method: Literal["cells", "downsample", "pca"] = "cells"
    size: int | None = None

    def __post_init__(self) -> None:
        if self.method not in ("cells", "downsample", "pca"):
            raise ValueError(f"feature_input: unknown method {self.method!r}")
        if (self.method == "cells") != (self.size is None):
            raise ValueError("feature_input: size belongs to methods 'downsample' and 'pca'")
        if self.size is not None and self.size < 1:
            raise ValueError(f"feature_input: size must be positive, got {self.size}")


@dataclass(frozen=True)
class Settings:
    """Model and training; the defaults are those of the paper's cohort study.

    Parameters
    ----------
    model : {"sivae", "vae"}
        "vae" has only the cell-wise networks; its loadings are free weights.
    decoder : {"deep", "linear"}
        "linear" reconstructs cells by the inner product of scores and loadings
        (equation 19; LDVAE for a VAE).
    likelihood : {"gaussian", "nb"}
        Of the expression; "nb" (equations 14 to 18) is for raw counts.
    latent : int
        Number of latent dimensions of cells and genes.
    hidden : sequence of int
        Widths of the encoders' layers; the decoders have them in reverse order.
    gamma : float
        Weight of the interpretability term, equation 13.
    kl : float
        Weight of both KL terms against the reconstruction, which is summed over genes. 1 is the
        paper's objective; less keeps more latent dimensions in use.
    steps : sequence of three int
        Minibatch steps of the stages "cells", "features" and "joint"; a VAE has only the first.
    grow_beyond, shrink_below : int, optional
        Numbers of training cells above and below which `steps` grow and shrink, see `steps_for`.
    minibatch : int
        Cells per step (genes in stage "features").
    learning_rate : float
        Of Adam: at the start ("decay") or at the peak ("one-cycle").
    schedule : {"decay", "one-cycle"}
        Multiplied by 0.9 every 1,000 steps, or up to the peak and down to nearly 0 in every stage.
    l2 : sequence of two float
        Penalty on the weights of the cell-wise and of the feature-wise networks.
    genes_per_step : int, optional
        Genes that the feature-wise networks embed per step: fewer are faster but add noise. By
        default all.
    feature_input : FeatureInput or mapping
    standardise : bool
        Centre and scale every gene over the training cells. False if this is already done.
    heldout : float
        Share of the cells that are not used for training, in [0, 1).
    precision : {"float32", "bf16", "auto"}
        "bf16" computes matrix products in bfloat16 and requires hardware that supports it; "auto"
        uses it if the hardware supports it.

    Raises
    ------
    ValueError
        A setting is out of range, or two settings contradict each other.
    """

    model: Literal["sivae", "vae"] = "sivae"
    decoder: Literal["deep", "linear"] = "deep"
    likelihood: Literal["gaussian", "nb"] = "gaussian"
    latent: int = 32
    hidden: Sequence[int] = (1024, 512, 128)
    gamma: float = 0.05
    kl: float = 1.0
    steps: Sequence[int] = (2000, 2000, 2000)
    grow_beyond: int | None = None
    shrink_below: int | None = None
    minibatch: int = 128
    learning_rate: float = 5e-4
    schedule: Literal["decay", "one-cycle"] = "decay"
    l2: Sequence[float] = (1e-4, 1e-5)
    genes_per_step: int | None = None
    feature_input: FeatureInput = field(default_factory=FeatureInput)
    standardise: bool = True
    heldout: float = 0.0
    precision: Literal["float32", "bf16", "auto"] = "float32"

    def __post_init__(self) -> None:
        for name in ("hidden", "steps", "l2"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if isinstance(self.feature_input, Mapping):
            object.__setattr__(self, "feature_input", FeatureInput(**self.feature_input))
        valid = {
            "model": self.model in ("sivae", "vae"),
            "decoder": self.decoder in ("deep", "linear"),
            "likelihood": self.likelihood in ("gaussian", "nb"),
            "latent": self.latent >= 1,
            "hidden": len(self.hidden) > 0 and min(self.hidden) >= 1,
            "gamma": self.gamma >= 0,
            "kl": self.kl >= 0,
            "steps": len(self.steps) == 3 and min(self.steps) >= 1,
            "grow_beyond": self.grow_beyond is None or self.grow_beyond >= 1,
            "shrink_below": self.shrink_below is None or self.shrink_below >= 1,
            "minibatch": self.minibatch >= 1,
            "learning_rate": self.learning_rate > 0,
            "schedule": self.schedule in ("decay", "one-cycle"),
            "l2": len(self.l2) == 2 and min(self.l2) >= 0,
            "genes_per_step": self.genes_per_step is None or self.genes_per_step >= 1,
            "heldout": 0 <= self.heldout < 1,
            "precision": self.precision in ("float32", "bf16", "auto"),
        }
        for name, holds in valid.items():
            if not holds:
                raise ValueError(f"{name}: {getattr(self, name)!r} is out of range")
        if self.gamma and (self.model, self.decoder, self.likelihood) != (
            "sivae",
            "deep",
            "gaussian",
        ):
            raise ValueError(
                f"gamma: {self.gamma} needs scores and loadings beside a deep decoder of a "
                "Gaussian likelihood; give gamma=0, as `settings_for` does for the variants"
            )
        if self.likelihood == "nb" and self.genes_per_step is not None:
            raise ValueError(
                f"genes_per_step: {self.genes_per_step} cannot be had with likelihood 'nb', whose "
                "softmax runs over all genes; give None"
            )

    def steps_for(self, n_cells: int) -> tuple[int, ...]:
        """Return the steps of the three stages for a number of training cells.

        With few cells many steps overfit; with more cells more steps help. With `grow_beyond`,
        `steps` grow linearly with the cells above it, to 1,000, 2,000 and 2,000 at four times as
        many. With `shrink_below`, they shrink in proportion to the cells below it, at most to an
        eighth (docs/networks.md, "Few cells: steps and widths").
        """
        steps = np.array(self.steps, float)
        if self.shrink_below is not None:
            steps *= min(max(n_cells / self.shrink_below, LEAST_STEPS), 1)
        if self.grow_beyond is not None:
            share = min(max((n_cells / self.grow_beyond - 1) / (GROWN_AT - 1), 0), 1)
            steps += share * np.maximum(0, np.array(GROWN_STEPS) - steps)
        return tuple(max(1, round(n)) for n in steps)

    def with_steps(self, steps: Sequence[int], **changes: Any) -> Settings:
        """Return settings with these steps, whatever the number of cells, and other changes."""
        return replace(self, steps=steps, grow_beyond=None, shrink_below=None, **changes)

    def warm(self, start: Settings) -> Settings:
        """Return the settings of a fit that starts from another.

        It has the joint stage alone, with at most 300 steps (fewer where `shrink_below` says so)
        and one cycle of the learning rate up to 0.002, and the gene input of its start. The weight
        of the KL terms rises from 0 again: with its whole weight from the first step, what is new
        in the cells would be lost.

        Parameters
        ----------
        start : Settings
            Of the other fit.

        Raises
        ------
        ValueError
            The parameters of the two models differ in shape.
        """
        shape = ("model", "decoder", "likelihood", "latent", "hidden")
        differ = [name for name in shape if getattr(self, name) != getattr(start, name)]
        differ += ["gamma"] if bool(self.gamma) != bool(start.gamma) else []
        for name in differ:
            own, other = getattr(self, name), getattr(start, name)
            raise ValueError(f"start: its {name} is {other}, and {own} is asked for")
        *others, joint = self.steps
        return replace(
            self,
            steps=(*others, min(joint, WARM_STEPS)),
            grow_beyond=None,
            learning_rate=WARM_RATE,
            schedule="one-cycle",
            feature_input=start.feature_input,
        )


def settings_for(variant: str = "sivae", plan: str = "fast", **changes: Any) -> Settings:
    """Return the settings of a variant of the model under a training plan.

    Parameters
    ----------
    variant : str
        A key of `VARIANTS`.
    plan : str
        A key of `PLANS`. Under either, variants of likelihood "nb" have all genes in every step
        and a KL weight of 1.
    **changes
        Fields of `Settings` that differ; None keeps the value of variant and plan. If `steps` are
        given, they neither grow nor shrink.
    """
    for name, value, known in (("variant", variant, VARIANTS), ("plan", plan, PLANS)):
        if value not in known:
            raise ValueError(f"{name}: {value!r} is not one of {', '.join(known)}")
    chosen = PLANS[plan] | VARIANTS[variant]
    if chosen.get("likelihood") == "nb":
        chosen |= {"genes_per_step": None}
    if changes.get("steps") is not None:
        chosen |= {"grow_beyond": None, "shrink_below": None}
    return Settings(**chosen | {name: v for name, v in changes.items() if v is not None})


def from_config(keys: Mapping[str, Any], plan: str) -> Settings:
    """Return the settings of a study's models: what the config leaves open is as the plan has it.

    Parameters
    ----------
    keys : mapping
        The config's section `sivae`; its key `plan` is not looked at. `genes_per_step` may be
        "all".
    plan : str
        A key of `PLANS`.

    Returns
    -------
    Settings
        `standardise` is False: a study's expression is centred and scaled already.
    """
    given = {key: value for key, value in keys.items() if key != "plan"}
    all_genes = given["genes_per_step"] == "all"
    if all_genes:
        del given["genes_per_step"]
    settings = settings_for("sivae", plan, standardise=False, **given)
    return replace(settings, genes_per_step=None) if all_genes else settings
