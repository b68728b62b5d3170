"""Other data than expression: images, and simulated accessibility of chromatin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from popnet import sivae
from popnet.comparisons.classification import (
    ACCURACY,
    balanced_accuracy,
    classify,
    cross_validate,
)
from popnet.comparisons.methods import Training, attempt, load_method
from popnet.comparisons.mixing import neighbours_of
from popnet.comparisons.outcomes import Outcomes, joined
from popnet.comparisons.registry import EMBEDDINGS
from popnet.seeds import derive_seed
from popnet.sivae.fitting import Device

if TYPE_CHECKING:
    from anndata import AnnData

IMAGES = 5000
# Layers of the paper's networks for images; its k for images is 15.
IMAGE_LAYERS = (512, 128)
IMAGE_NEIGHBOURS = 15
REGION_NEIGHBOURS = 20
# Two dimensions can be drawn directly; they need a longer first stage (docs/sivae.md).
MAP_STEPS = (2000, 2000, 2000)


def load_images(name: str, seed: int) -> AnnData:
    """Return images of handwritten digits: X of pixels, obs["digit"].

    Parameters
    ----------
    name : {"digits", "mnist"}
        The 1,797 images of 64 pixels of scikit-learn, or 5,000 images of MNIST with 784 pixels,
        which are downloaded from openml.org.
    seed : int
        For the selection of images of MNIST.

    Raises
    ------
    URLError
        MNIST cannot be reached.
    """
    from anndata import AnnData
    from sklearn.datasets import fetch_openml, load_digits

    if name == "digits":
        pixels, digits = load_digits(return_X_y=True)
    else:
        pixels, digits = fetch_openml("mnist_784", version=1, as_frame=False, return_X_y=True)
        drawn = np.random.default_rng(seed).permutation(len(pixels))[:IMAGES]
        pixels, digits = pixels[drawn], digits[drawn]
    obs = pd.DataFrame({"digit": np.asarray(digits).astype(str)})
    obs.index = obs.index.astype(str)
    return AnnData(pixels.astype(np.float32), obs)


def simulate_chromatin(
    seed: int,
    n_cells: int = 800,
    n_regions: int = 1200,
    n_groups: int = 4,
    module: int = 100,
    closed: float = 0.05,
    opened: float = 0.3,
) -> AnnData:
    """Return simulated cells of groups that differ in their open regions.

    Every group has a module of regions that are open in its cells with probability `opened`. All
    other regions, and these regions in other cells, are open with probability `closed`. The number
    of detected regions varies between cells by a log-normal factor.

    Parameters
    ----------
    seed : int
    n_cells, n_regions : int
    n_groups, module : int
        Groups of cells, and regions in the module of each.
    closed, opened : float
        Probabilities that a region is detected as open.

    Returns
    -------
    AnnData, (n_cells, n_regions)
        X of 0 and 1; obs["group"], var["module"] ("none" for regions of no module).
    """
    from anndata import AnnData

    rng = np.random.default_rng(seed)
    groups = rng.integers(n_groups, size=n_cells)
    modules = np.full(n_regions, -1)
    modules[: n_groups * module] = np.repeat(np.arange(n_groups), module)
    rng.shuffle(modules)
    probability = np.where(groups[:, None] == modules, opened, closed)
    depth = rng.lognormal(0, 0.3, (n_cells, 1))
    seen = rng.random((n_cells, n_regions)) < np.minimum(probability * depth, 0.95)
    return AnnData(
        seen.astype(np.float32),
        pd.DataFrame({"group": groups.astype(str)}, index=[f"cell{i}" for i in range(n_cells)]),
        pd.DataFrame(
            {"module": np.where(modules < 0, "none", modules.astype(str))},
            index=[f"region{i}" for i in range(n_regions)],
        ),
    )


def recover_chromatin(
    cells: AnnData, settings: sivae.Settings, device: Device, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return whether siVAE finds the groups of cells and the modules of regions.

    Parameters
    ----------
    cells : AnnData
        Of `simulate_chromatin`.
    settings : Settings
        `heldout` is the share of cells that are classified.
    device : {"auto", "cpu", "cuda"}
    seed : int

    Returns
    -------
    measures : DataFrame
        measure, value, chance: "groups" (balanced accuracy of held-out cells, 15-NN) and "modules"
        (share of the 20 nearest regions of a region that are in the same module).
    points : DataFrame
        kind ("cell" or "region"), name, planted (group or module), x, y: the first two dimensions.
    """
    fitted = sivae.fit(cells, settings, seed, device, strata="group")
    groups, modules = cells.obs["group"].to_numpy(), cells.var["module"].to_numpy()
    heldout = fitted.heldout
    found = classify(
        fitted.scores[~heldout], groups[~heldout], fitted.scores[heldout], IMAGE_NEIGHBOURS
    )
    wired = modules != "none"
    nearest = neighbours_of(fitted.loadings, REGION_NEIGHBOURS)[wired]
    same = modules[nearest] == modules[wired, None]
    sizes = pd.Series(modules[wired]).map(pd.Series(modules).value_counts())
    measures = pd.DataFrame(
        {
            "measure": ["groups", "modules"],
            "value": [balanced_accuracy(groups[heldout], found), same.mean()],
            "chance": [1 / len(set(groups)), ((sizes - 1) / (len(modules) - 1)).mean()],
        }
    )
    parts = [
        pd.DataFrame(
            {"kind": kind, "name": names, "planted": planted, "x": at[:, 0], "y": at[:, 1]}
        )
        for kind, names, planted, at in (
            ("cell", cells.obs_names, groups, fitted.scores),
            ("region", cells.var_names, modules, fitted.loadings),
        )
    ]
    return measures, pd.concat(parts, ignore_index=True)


def compare_other_data(
    images: str | None, latents: Sequence[int], n_folds: int, seed: int
) -> dict[str, pd.DataFrame]:
    """Classify images by siVAE, with and without gamma, and a VAE; recover simulated chromatin.

    Parameters
    ----------
    images : {"digits", "mnist"}, optional
        With None, images are left out.
    latents : sequence of int
    n_folds : int
    seed : int

    Returns
    -------
    dict of DataFrame
        `images`: accuracy as of `cross_validate`, data and method; `chromatin` and `points`: of
        :func:`recover_chromatin`; `status`.
    """
    settings = sivae.settings_for("sivae", "fast", hidden=IMAGE_LAYERS)
    seed = derive_seed(seed, "images")
    tables, outcomes = [], Outcomes()
    for method in ("sivae", "sivae-gamma0", "vae") if images else ():
        tried = {}
        for latent in latents:
            training = Training(replace(settings, latent=latent))
            found = attempt(_classify_images, method, images, training, seed, n_folds)
            tried[f"{latent} dimensions"] = found
            if found.status == "done":
                tables.append(found.value.assign(data=images, method=method))
        outcomes.add(f"images ({images})", method, tried)
    drawn = settings.with_steps(MAP_STEPS, latent=2, heldout=0.2)
    found = attempt(_simulate_and_recover, drawn, seed)
    outcomes.add("simulated chromatin", "sivae", found)
    measures = pd.DataFrame(columns=["measure", "value", "chance"])
    points = pd.DataFrame(columns=["kind", "name", "planted", "x", "y"])
    if found.status == "done":
        measures, points = found.value
    return {
        "images": joined(tables, ["data", "method", *ACCURACY]),
        "chromatin": measures,
        "points": points,
        "status": outcomes.table(),
    }


def _classify_images(
    method: str, source: str, training: Training, seed: int, n_folds: int
) -> pd.DataFrame:
    images = load_images(source, seed)
    embed = load_method(EMBEDDINGS, method)
    return cross_validate(embed, images, "digit", training, seed, n_folds, [IMAGE_NEIGHBOURS])[0]


def _simulate_and_recover(settings: sivae.Settings, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    return recover_chromatin(simulate_chromatin(seed), settings, "cpu", seed)
