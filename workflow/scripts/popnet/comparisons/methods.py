"""The compared methods by name, what they are given, and what becomes of one that fails."""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from popnet.memory import peak_memory
from popnet.sivae import Settings
from popnet.sivae.fitting import Device


@dataclass(frozen=True)
class Training:
    """How the methods that train something do it.

    Parameters
    ----------
    settings : Settings
        Of siVAE and, where they apply, of its relatives: latent dimensions, layers, steps.
    epochs : int
        Passes over the cells of the methods that count in epochs (scVI, LDVAE, scETM).
    device : str
    """

    settings: Settings
    epochs: int = 100
    device: Device = "cpu"


@dataclass(frozen=True)
class Embedding:
    """What a method of dimension reduction makes of cells.

    Parameters
    ----------
    scores : ndarray, (n_cells, latent)
        Of the cells that it was trained on.
    heldout : ndarray, (n_heldout, latent)
        Of the cells that it was not trained on, through the trained encoder.
    loadings : ndarray, (n_genes, latent), optional
        None where the method has none.
    """

    scores: np.ndarray
    heldout: np.ndarray
    loadings: np.ndarray | None = None


@dataclass(frozen=True)
class Attempt:
    """What became of a method.

    Parameters
    ----------
    value : object
        What it returned; None where it failed.
    status : str
        "done", or "failed: " and why.
    seconds, peak_memory : float
        Wall time, and megabytes of the process that ran it (NaN where it was killed).
    """

    value: Any
    status: str
    seconds: float
    peak_memory: float


def load_method(table: dict[str, str], name: str) -> Callable[..., Any]:
    """Return the function of a method, from a table of `popnet.comparisons.registry`.

    Raises
    ------
    ValueError
        `name` is not in the table.
    ImportError
        A package that the method needs is absent.
    """
    if name not in table:
        raise ValueError(f"method: {name!r} is none of {', '.join(table)}")
    module, function = table[name].split(":")
    return getattr(import_module(f"popnet.comparisons.{module}"), function)


def attempt(function: Callable[..., Any], *arguments: Any) -> Attempt:
    """Call a function in a process of its own, which may fail, run out of memory or be killed.

    Call it before this process has started threads of its own, as PyTorch does when it computes:
    the child is forked.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_report, args=(sender, function, arguments))
    begin = time.perf_counter()
    child.start()
    sender.close()
    try:
        value, status, peak = receiver.recv()
    except EOFError:
        value, peak = None, float("nan")
        child.join()
        status = f"failed: ended by signal {-(child.exitcode or 0)} (9: out of memory?)"
    child.join()
    return Attempt(value, status, time.perf_counter() - begin, peak)


def _report(sender: Any, function: Callable[..., Any], arguments: tuple) -> None:
    """Send what the function returns, or why it does not."""
    try:
        value, status = function(*arguments), "done"
    except ModuleNotFoundError as error:
        value = None
        status = f"failed: the package {error.name} is absent (see docs/comparisons.md)"
    # Whatever one method does wrong, the others are still to be had.
    except Exception as error:
        traceback.print_exc()
        value, status = None, f"failed: {type(error).__name__}: {error}".replace("\n", " ")
    sender.send((value, status, peak_memory()))
