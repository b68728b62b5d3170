"""The compared methods by name, their input, and how failures are handled."""

from __future__ import annotations

import multiprocessing
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any

import numpy as np

from popnet.errors import InputError
from popnet.memory import peak_memory

if TYPE_CHECKING:
    from popnet.sivae import Settings
    from popnet.sivae.fitting import Device


@dataclass(frozen=True)
class Training:
    """Training settings of the compared methods.

    Parameters
    ----------
    settings : Settings
        Of siVAE and, as far as they apply, of related methods: latent dimensions, layers, steps.
    epochs : int
        Passes over the cells, for methods trained in epochs (scVI, LDVAE, scETM).
    device : str
    """

    settings: Settings
    epochs: int = 100
    device: Device = "cpu"


@dataclass(frozen=True)
class Embedding:
    """The embedding of cells by a method of dimension reduction.

    Parameters
    ----------
    scores : ndarray, (n_cells, latent)
        Of the training cells.
    heldout : ndarray, (n_heldout, latent)
        Of the held-out cells, by the trained encoder.
    loadings : ndarray, (n_genes, latent), optional
        Wider for scETM; None if the method has none.
    """

    scores: np.ndarray
    heldout: np.ndarray
    loadings: np.ndarray | None = None


@dataclass(frozen=True)
class Attempt:
    """The outcome of running a method.

    Parameters
    ----------
    value : object
        Its result; None if it failed.
    status : str
        "done", or "failed: " with the reason.
    seconds, peak_memory : float
        Wall time, and megabytes of the process that ran it (NaN if it was killed).
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
        A package that the method needs is not installed.
    """
    if name not in table:
        raise ValueError(f"method: {name!r} is not one of {', '.join(table)}")
    module, function = table[name].split(":")
    return getattr(import_module(module), function)


def attempt(function: Callable[..., Any], *arguments: Any) -> Attempt:
    """Call a function in its own process, which may fail, run out of memory or be killed.

    The process is forked. Call this function before the parent process starts threads, as PyTorch
    does when it computes or looks for a GPU.

    Raises
    ------
    InputError
        A file is damaged or cannot be written, which is not a failure of the method.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_report, args=(sender, function, arguments))
    begin = time.perf_counter()
    child.start()
    sender.close()
    try:
        value, status, peak = receiver.recv()
    except (EOFError, OSError):
        value, peak = None, float("nan")
        child.join()
        code = child.exitcode or 0
        status = f"failed: ended with exit status {code}"
        if code < 0:
            status = f"failed: ended by {signal.Signals(-code).name}"
            status += ", as where memory ran out" if -code == signal.SIGKILL else ""
    child.join()
    if isinstance(value, InputError):
        raise value
    return Attempt(value, status, time.perf_counter() - begin, peak)


def _report(sender: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Send the result of the function, or the reason of its failure."""
    value: Any = None
    try:
        message = (function(*arguments), "done", peak_memory())
        # A result that cannot be sent is a failure of the method, too.
        sent = ForkingPickler.dumps(message)
    except InputError as error:
        value, status = error, ""
    except ModuleNotFoundError as error:
        status = f"failed: the package {error.name} is absent (see docs/comparisons.md)"
    # Whatever fails in one method, the others still run.
    except BaseException as error:
        traceback.print_exc()
        status = f"failed: {type(error).__name__}: {error}".replace("\n", " ").rstrip(": ")
    else:
        sender.send_bytes(sent)
        return
    sender.send((value, status, peak_memory()))
