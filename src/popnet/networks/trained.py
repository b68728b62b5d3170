"""The tables of training jobs: which bins have models, and which have none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from popnet.errors import InputError, Problem
from popnet.files import read_table, reading

BIN = ["sample", "bin"]


@dataclass(frozen=True)
class ModelFile:
    """The file of a trained model.

    Parameters
    ----------
    path : Path
    table : str
        The table of training that lists it.
    """

    path: Path
    table: str

    def read(self, element: str) -> Any:
        """Return an element of the file, such as ``varm/sivae_loadings``.

        Raises
        ------
        InputError
            If the file is damaged or absent.
        """
        from anndata.io import read_elem

        remedy = f"delete it and {self.table}, then start the study again: it is trained anew alone"
        with reading(self.path, remedy), h5py.File(self.path, "r", locking=False) as file:
            found = file[element]
            # Numbers are read directly: read_elem takes twice as long to find out that they are.
            if isinstance(found, h5py.Dataset) and found.dtype.kind == "f":
                return found[()]
            return read_elem(found)


@dataclass(frozen=True)
class TrainedModels:
    """All models of a cell type that trained.

    Parameters
    ----------
    table : DataFrame
        The rows of the tables of training: sample, bin, repeat, model, status and more.
    files : list of ModelFile
        One per row.
    """

    table: pd.DataFrame
    files: list[ModelFile]

    @property
    def bins(self) -> pd.DataFrame:
        """The bins (sample, bin) that have a model, in the order of the table."""
        return self.table[BIN].drop_duplicates(ignore_index=True)

    @property
    def bin_number(self) -> np.ndarray:
        """The row of each model's bin in `bins`, (n_models,)."""
        return self.table.groupby(BIN, sort=False).ngroup().to_numpy()

    def read_all(self, element: str) -> np.ndarray:
        """Return an array of every model, along a first axis."""
        return np.array([file.read(element) for file in self.files])

    def losses(self) -> pd.DataFrame:
        """Return the recorded losses of all models, with sample, bin and repeat."""
        rows = self.table[[*BIN, "repeat"]].to_dict("records")
        tables: list[pd.DataFrame] = [
            file.read("uns/losses").assign(**row)
            for row, file in zip(rows, self.files, strict=True)
        ]
        return pd.concat(tables, ignore_index=True)


def read_training(tables: Sequence[str]) -> pd.DataFrame:
    """Return the tables of training jobs in one; column `table` has their paths.

    Without any table, as where no bin has a siVAE of its own, it has no rows.
    """
    if not tables:
        return pd.DataFrame(columns=[*BIN, "repeat", "model", "status", "version", "code", "table"])
    parts = [read_table(path, text=["version", "code"]).assign(table=path) for path in tables]
    return pd.concat(parts, ignore_index=True)


def active_dimensions(models: Sequence[str], tables: Sequence[str]) -> dict[str, float]:
    """Return how many latent dimensions are in use, by model in words.

    Parameters
    ----------
    models : sequence of str
        fit.json of the cohort's models.
    tables : sequence of str
        Paths of the tables of training of bins.
    """
    active = {}
    for path in models:
        active["the cohort's siVAE"] = json.loads(Path(path).read_text())["active_dimensions"]
    if tables:
        active["the median bin's siVAE"] = read_training(tables)["active_dimensions"].median()
    return active


def precisions(tables: Sequence[str]) -> dict[str, int]:
    """Return how many models of bins were trained in each precision, given tables of training."""
    if not tables:
        return {}
    training = read_training(tables)
    models = training.loc[training["status"] == "trained", "precision"].value_counts()
    return {str(precision): int(n) for precision, n in models.items()}


def trained_models(
    tables: Sequence[str], planned: pd.DataFrame, folder: str | Path, max_failed: float
) -> TrainedModels:
    """Return the models that trained; prints those that did not.

    Parameters
    ----------
    tables : sequence of str
        Paths of the tables of training.
    planned : DataFrame
        sample and bin of every bin that training had to train.
    folder : str or Path
        Of the models.
    max_failed : float
        Share of the bins that may be without any model.

    Raises
    ------
    InputError
        If the tables lack a bin, too many bins have no model, or no model trained at all.
    """
    training = read_training(tables)
    check_complete(training, planned, Path(tables[0]).parent)
    return models_of(without_failed(training, max_failed), folder)


def of_bins(table: pd.DataFrame, bins: Sequence[Sequence[Any]]) -> np.ndarray:
    """Return which rows of a table with columns sample and bin are of some bins, (n_rows,)."""
    asked = {tuple(one) for one in bins}
    there = zip(table["sample"].astype(str), table["bin"], strict=True)
    return np.array([key in asked for key in there], bool)


def first_models(training: pd.DataFrame, bins: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """Return the rows of the first models of some bins, as far as they trained.

    Parameters
    ----------
    training : DataFrame
        Of :func:`read_training`.
    bins : sequence of (sample, bin)
    """
    kept = training["status"].eq("trained") & training["repeat"].eq(1) & of_bins(training, bins)
    return training[kept].reset_index(drop=True)


def models_of(table: pd.DataFrame, folder: str | Path) -> TrainedModels:
    """Return the models of rows of :func:`read_training` that trained."""
    names = zip(table["model"], table["table"], strict=True)
    return TrainedModels(table, [ModelFile(Path(folder) / name, path) for name, path in names])


def check_complete(training: pd.DataFrame, planned: pd.DataFrame, folder: Path) -> None:
    """Refuse tables of training that lack a planned bin: truncated tables are detected.

    Raises
    ------
    InputError
    """
    there = set(zip(training["sample"], training["bin"], strict=True))
    bins = zip(planned["sample"].astype(str), planned["bin"], strict=True)
    if lost := [f"{one[0]} bin {one[1]}" for one in bins if one not in there]:
        message = f"The tables of training lack {len(lost)} bins, the first: {lost[0]}"
        remedy = "delete these tables and start the study again: finished models are kept"
        raise InputError([Problem(str(folder / "*.tsv"), "bin", lost[0], message, remedy)])


def without_failed(training: pd.DataFrame, max_failed: float) -> pd.DataFrame:
    """Return the rows of models that trained.

    Raises
    ------
    InputError
        If more than the share `max_failed` of the bins has no model, or none trained.
    """
    done = training["status"] == "trained"
    failed = untrained(training, BIN)
    n_bins = len(training.drop_duplicates(BIN))
    if len(failed) > max_failed * n_bins or not done.any():
        seeds = " with any seed" if training["repeat"].max() > 1 else ""
        raise InputError(
            [
                Problem(
                    "config",
                    "training.max_failed_bins",
                    max_failed,
                    f"{len(failed)} of {n_bins} bins did not train{seeds}: "
                    f"{'; '.join(_described(failed))}",
                    "lower sivae.learning_rate, or allow more failed bins (but not all)",
                )
            ]
        )
    for name in _described(training[~done]):
        print(f"left out: {name}")
    return training[done].reset_index(drop=True)


def untrained(training: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return the first row of each bin, named by the columns `by`, of which no model trained."""
    done = training["status"] == "trained"
    lost = ~done.groupby([training[column] for column in by]).transform("any")
    return training[lost].drop_duplicates(by)


def _described(training: pd.DataFrame) -> list[str]:
    columns = (training[name].tolist() for name in (*BIN, "repeat", "status"))
    return [
        f"{sample} bin {number}{f' repeat {repeat}' if repeat > 1 else ''} ({status})"
        for sample, number, repeat, status in zip(*columns, strict=True)
    ]
