"""One siVAE for the cohort: the cells it is trained on, and whether it stands when samples come."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from anndata import AnnData

from popnet.cells.expression import BinnedExpression
from popnet.errors import InputError
from popnet.files import atomic, reading
from popnet.provenance import code_hash
from popnet.seeds import derive_seed
from popnet.sivae.data import heldout_of, open_cells
from popnet.sivae.fitting import Device, fit
from popnet.sivae.progress import Progress
from popnet.sivae.result import Fit, load, model_digest
from popnet.sivae.settings import PLANS, FeatureInput, Settings
from popnet.sivae.training import DivergedError

# A model depends on all that this module imports, besides its cells, settings and seed.
CODE = "popnet.sivae.shared"
# The model of all networks, and two that each did not see the cells of a fold.
PARTS = ("all", "fold1", "fold2")
MOST_CELLS = 200_000
# Cells of each sample that its error is measured on, and whose expression is part of its checksum.
ERROR_CELLS = 500
CHECKED_CELLS = 8
# A sample fits badly if its error is this many standard deviations (by the median absolute
# deviation) above the median of the samples trained on, and by this share of the variance.
DEVIATIONS = 3
LEAST_EXCESS = 0.01
MAD_TO_SD = 1.4826


def fold_of(cells: pd.DataFrame, seed: int) -> np.ndarray:
    """Return the fold of every cell: each half of a bin's cells, at random.

    Parameters
    ----------
    cells : DataFrame of n_cells rows
        Columns sample and bin.
    seed : int
        Of the study. Folds of a bin depend on it and on the number of its cells, not on other
        bins.

    Returns
    -------
    int8 ndarray of shape (n_cells,)
        1 or 2.
    """
    fold = np.empty(len(cells), np.int8)
    keys = [cells["sample"].to_numpy(dtype=str), cells["bin"].to_numpy()]
    for (sample, number), positions in pd.Series(range(len(cells))).groupby(keys):
        rng = np.random.default_rng(derive_seed(seed, "fold", sample, number))
        fold[rng.permutation(positions)] = 1 + np.arange(len(positions)) % 2
    return fold


def cell_quotas(n_cells: pd.Series, donors: pd.Series, most: int = MOST_CELLS) -> pd.Series:
    """Return how many cells of each sample a shared model is trained on.

    Every donor gives the same number, the median of what donors have, but at most its part of
    `most`; a donor with fewer gives all. A donor's cells are split evenly over its samples; what a
    small one lacks, its others give.

    Parameters
    ----------
    n_cells : Series of shape (n_samples,)
        By sample.
    donors : Series
        Donor by sample, of these samples at least.
    most : int

    Returns
    -------
    Series of shape (n_samples,)
        By sample, in the order of `n_cells`.
    """
    donor = donors.loc[n_cells.index].to_numpy()
    of_donor = n_cells.groupby(donor).sum()
    share = max(1, min(int(of_donor.median()), most // len(of_donor)))
    quotas = {}
    for _, own in n_cells.groupby(donor):
        left = share
        for number, (sample, available) in enumerate(own.sort_values(kind="stable").items()):
            quotas[sample] = min(int(available), left // (len(own) - number))
            left -= quotas[sample]
    return pd.Series(quotas).loc[n_cells.index]


def draw_cells(
    cells: pd.DataFrame, donors: pd.Series, most: int = MOST_CELLS, seed: int = 0
) -> np.ndarray:
    """Return the cells that a shared model is trained on, the same number of every donor.

    Parameters
    ----------
    cells : DataFrame of n_cells rows
        Column sample.
    donors : Series
        Donor by sample.
    most : int
        Cells in all, see :func:`cell_quotas`.
    seed : int
        Of the study.

    Returns
    -------
    int64 ndarray of shape (n_drawn,)
        Ascending positions in `cells`. Which of a sample's cells are drawn first depends on the
        seed and their number alone.
    """
    by_sample = _by_sample(cells)
    sizes = pd.Series({sample: len(positions) for sample, positions in by_sample.items()})
    quotas = cell_quotas(sizes, donors, most)
    drawn = [
        np.random.default_rng(derive_seed(seed, "shared", sample)).permutation(positions)[:quota]
        for (sample, positions), quota in zip(by_sample.items(), quotas, strict=True)
    ]
    return np.sort(np.concatenate(drawn))


def _by_sample(cells: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the positions of each sample's cells, samples sorted by name."""
    names, numbers = np.unique(cells["sample"].to_numpy(dtype=str), return_inverse=True)
    parts = np.split(np.argsort(numbers, kind="stable"), np.cumsum(np.bincount(numbers))[:-1])
    return dict(zip(names.tolist(), parts, strict=True))


@dataclass(frozen=True)
class Basis:
    """What a shared model was trained with.

    A model is kept when samples are added: with another, every network would change.

    Parameters
    ----------
    part : {"all", "fold1", "fold2"}
    settings : dict
        Fields of `Settings`.
    seed : int
    code : str
        Digest of the code that the model depends on.
    genes : str
        Digest of the genes' names, in order.
    samples : dict of sample to str
        Checksums of the samples that it is trained on, of :func:`sample_checksums`.
    known : dict of sample to str
        The same of all samples that it was last used for.
    errors : dict of sample to float
        Mean squared error of these samples' cells of the fold that the model did not see, relative
        to their variance. Empty for the part "all", which may have seen any cell.
    model : str
        Digest of the model's files.
    """

    part: str
    settings: dict[str, Any]
    seed: int
    code: str
    genes: str
    samples: dict[str, str]
    known: dict[str, str]
    errors: dict[str, float]
    model: str

    def write(self, folder: str | Path) -> None:
        """Write it as basis.json into the folder of the model."""
        with atomic(Path(folder) / "basis.json") as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1))

    def stands(self, now: Basis) -> bool:
        """Return whether the model is still valid: nothing changed, except added samples.

        If the samples are just those that it was last used for, somebody asked for another.

        Parameters
        ----------
        now : Basis
            What a model of the current study would have; its `errors` and `model` do not count.
        """
        same = ("part", "settings", "seed", "code", "genes")
        return (
            all(getattr(self, name) == getattr(now, name) for name in same)
            and self.samples.items() <= now.samples.items()
            and self.known != now.samples
        )


def read_basis(folder: str | Path) -> Basis | None:
    """Return the basis of an earlier model, or None if there is none or it is not whole."""
    try:
        basis = Basis(**json.loads((Path(folder) / "basis.json").read_text()))
        load(folder)
    except (OSError, ValueError, TypeError, KeyError, InputError):
        return None
    return basis if basis.model == model_digest(folder) else None


def sample_checksums(expression: BinnedExpression, donors: pd.Series) -> dict[str, str]:
    """Return a checksum of each sample: of its cells' bins and depths, its donor, some expression.

    Any change of a sample's cells, or of how they are normalised, changes the scale of all of them,
    so that the expression of a few tells.

    Parameters
    ----------
    expression : BinnedExpression
    donors : Series
        Donor by sample.

    Raises
    ------
    InputError
        The expression is damaged.
    """
    by_sample = _by_sample(expression.obs)
    first = [positions[:CHECKED_CELLS] for positions in by_sample.values()]
    rows = np.concatenate(first)
    with reading(expression.path), h5py.File(expression.path, "r", locking=False) as file:
        depth = file["obs/n_counts"][:]
        values = open_cells(file["X"], rows).read(np.arange(len(rows)))
    bins, checksums = expression.obs["bin"].to_numpy(), {}
    parts = np.split(values, np.cumsum([len(positions) for positions in first])[:-1])
    for (sample, positions), part in zip(by_sample.items(), parts, strict=True):
        digest = sha256(str(donors[sample]).encode())
        for array in (bins[positions], depth[positions], part):
            digest.update(array.tobytes())
        checksums[sample] = digest.hexdigest()[:16]
    return checksums


def badly_fitted(errors: Mapping[str, float], trained: Collection[str]) -> list[str]:
    """Return the samples whose error is far above that of the samples trained on.

    Parameters
    ----------
    errors : mapping of sample to float
        Of cells that the model did not see, relative to their variance.
    trained : collection of str
        Samples that the model is trained on; these are never returned.

    Returns
    -------
    list of str
        Samples above the median plus three standard deviations (from the median absolute
        deviation), and at least 0.01 above the median.
    """
    of_trained = np.array([error for sample, error in errors.items() if sample in trained])
    if not len(of_trained):
        return []
    median = np.median(of_trained)
    spread = MAD_TO_SD * np.median(np.abs(of_trained - median))
    limit = median + max(DEVIATIONS * spread, LEAST_EXCESS)
    return [sample for sample, error in errors.items() if sample not in trained and error > limit]


def shared_settings(settings: Settings) -> Settings:
    """Return the settings of a shared model, whose genes have scores on components as input.

    A bin's model can only start from it if it knows a gene by more than the cells it was trained
    on. All genes are in every step: with 512 of 1,500, new wiring of 20 genes was not learnt
    (docs/networks.md, "KL weights and latent sizes"). Steps do not shrink with few cells: they are
    cells of many samples.

    Parameters
    ----------
    settings : Settings
        Of a study's models.
    """
    whole = replace(settings, genes_per_step=None, shrink_below=None)
    if settings.feature_input.method == "pca":
        return whole
    return replace(whole, feature_input=FeatureInput(**PLANS["fast"]["feature_input"]))


def train_part(
    part: str,
    expression: str | Path,
    donors: pd.Series,
    folder: str | Path,
    settings: Settings,
    seed: int,
    device: Device = "auto",
) -> Basis:
    """Train a shared model and save it with its basis, or keep an earlier one that stands.

    Cells are read in minibatches if they do not fit into 1 GiB. A model that diverges is tried
    again once, with another seed. Prints what is trained on, or why a model is kept, and which
    added samples it fits badly.

    Parameters
    ----------
    part : {"all", "fold1", "fold2"}
        Train on all drawn cells, or on those that are not in fold 1, or 2.
    expression : str or Path
        Of :func:`popnet.cells.expression.write_expression`.
    donors : Series
        Donor by sample.
    folder : str or Path
        Of the model; an earlier one may be there.
    settings : Settings
    seed : int
        Of the study.
    device : {"auto", "cpu", "cuda"}

    Returns
    -------
    Basis

    Raises
    ------
    ValueError
        There is no such part.
    InputError
        The expression is damaged, or the disk is full.
    DivergedError
        Training diverged twice.
    """
    if part not in PARTS:
        raise ValueError(f"part: {part!r} is not one of {', '.join(PARTS)}")
    prepared, settings = BinnedExpression(expression), shared_settings(settings)
    samples = sample_checksums(prepared, donors)
    # As it is read back: JSON has lists in place of tuples.
    described = json.loads(json.dumps(asdict(settings)))
    genes = sha256("\n".join(prepared.genes).encode()).hexdigest()[:16]
    now = Basis(part, described, seed, code_hash(CODE), genes, samples, samples, {}, "")
    earlier = read_basis(folder)
    if earlier is not None and earlier.stands(now):
        came = {sample for sample in samples if earlier.known.get(sample) != samples[sample]}
        n_later = len(samples) - len(earlier.samples)
        print(f"the model of {len(earlier.samples)} samples as it was: {n_later} came later")
        now = replace(now, samples=earlier.samples, model=earlier.model)
        errors = {name: error for name, error in earlier.errors.items() if name in samples}
        if part != "all":
            errors |= unseen_errors(load(folder), prepared, part, seed, came)
    else:
        fitted = _train(part, prepared, donors, settings, seed, device)
        fitted.save(folder)
        errors = unseen_errors(fitted, prepared, part, seed, samples) if part != "all" else {}
        now = replace(now, model=model_digest(folder))
    for sample in badly_fitted(errors, now.samples):
        usual = np.median([errors[one] for one in now.samples])
        print(
            f"{sample}: held-out error {errors[sample]:.3f} of the variance, {usual:.3f} in the "
            "samples trained on; train on all again with --forcerun train_shared"
        )
    now = replace(now, errors=errors)
    now.write(folder)
    return now


def _train(
    part: str,
    expression: BinnedExpression,
    donors: pd.Series,
    settings: Settings,
    seed: int,
    device: Device,
) -> Fit:
    """Return a model of the drawn cells of a part."""
    obs = expression.obs
    rows = draw_cells(obs, donors, MOST_CELLS, seed)
    _print_drawn(obs["sample"], obs["sample"].iloc[rows], donors)
    if part != "all":
        rows = rows[fold_of(obs, seed)[rows] != int(part.removeprefix("fold"))]
    # The same cells that the bins' models, which may start from this one, hold out.
    heldout = heldout_of(obs, settings.heldout, seed)[rows]
    print(f"{part}: trained on {(~heldout).sum():,} cells, {heldout.sum():,} held out")
    failed = None
    for again in ([], ["again"]):
        own = derive_seed(seed, "shared", part, *again)
        try:
            with h5py.File(expression.path, "r", locking=False) as file:
                data = AnnData(file["X"], obs, pd.DataFrame(index=expression.genes))
                progress = Progress(settings)
                return fit(
                    data, settings, own, device, rows=rows, heldout=heldout, progress=progress
                )
        except DivergedError as error:
            print(f"{error}; tried again with another seed" if not again else error)
            failed = error
        except OSError as error:
            with reading(expression.path):
                raise error
    assert failed is not None
    raise failed


def _print_drawn(available: pd.Series, drawn: pd.Series, donors: pd.Series) -> None:
    """Say how many cells donors give, and which samples are used whole because they are small."""
    n_cells, quotas = available.value_counts(), drawn.value_counts()
    donor = donors.loc[quotas.index]
    share = quotas.groupby(donor.to_numpy()).sum().max()
    print(f"{len(drawn):,} cells of {donor.nunique()} donors, {share:,} of each that has them")
    even = share / donor.map(donor.value_counts())
    small = sorted(quotas.index[(quotas == n_cells[quotas.index]) & (quotas < even.astype(int))])
    if small:
        print(f"used whole, with fewer cells than their donor's share: {', '.join(small)}")


def unseen_errors(
    fitted: Fit, expression: BinnedExpression, part: str, seed: int, samples: Collection[str]
) -> dict[str, float]:
    """Return the error of samples' cells that a model of a fold did not see.

    Parameters
    ----------
    fitted : Fit
    expression : BinnedExpression
    part : {"fold1", "fold2"}
        Its fold is the one that the model did not see.
    seed : int
        Of the study.
    samples : collection of str

    Returns
    -------
    dict of sample to float
        Mean squared error over genes and at most 500 cells, relative to their variance.

    Raises
    ------
    InputError
        The expression is damaged.
    """
    unseen = fold_of(expression.obs, seed) == int(part.removeprefix("fold"))
    var, errors = pd.DataFrame(index=fitted.var.index), {}
    for sample, positions in _by_sample(expression.obs).items():
        if sample not in samples:
            continue
        rows = positions[unseen[positions]][:ERROR_CELLS]
        with reading(expression.path), h5py.File(expression.path, "r", locking=False) as file:
            cells = open_cells(file["X"], rows).read(np.arange(len(rows)))
        error = np.square(fitted.reconstruct(AnnData(cells, var=var)) - cells).mean()
        errors[sample] = float(error / max(cells.var(axis=0).mean(), 1e-12))
    return errors
