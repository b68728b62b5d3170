"""A Python that has imported the large libraries; Snakemake and its scripts run in forks of it.

Most of the time of a small study goes into importing the same libraries in each of a hundred jobs.
Nothing of popnet is imported before the fork, as each clone has its own.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

FOR_SNAKEMAKE = ("snakemake.cli", "pandas")
FOR_SCRIPTS = ("anndata", "igraph", "jinja2", "matplotlib.pyplot", "pyarrow.parquet", "pydantic")
FOR_SCRIPTS += ("fontTools.subset", "matplotlib.backends.backend_pdf", "sklearn.neighbors")
# The last is what torch imports with the first optimiser.
FOR_SCRIPTS += ("scipy.optimize", "scipy.stats", "torch", "torch._dynamo")


def serve(path: str, python: str) -> None:
    """Run what clients ask for until the process that started this one ends."""
    ready = load(FOR_SNAKEMAKE)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        print("ready", flush=True)
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            length, files, _, _ = socket.recv_fds(connection, 8, 3)
            request = json.loads(received(connection, int.from_bytes(length)))
            if request["argv"][0] != "-m" and ready is not FOR_SCRIPTS:
                ready = load(FOR_SCRIPTS)
            if not os.fork():
                listener.close()
                supervise(connection, request, files, python)
                return
            connection.close()
            for file in files:
                os.close(file)
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def load(modules: tuple[str, ...]) -> tuple[str, ...]:
    for module in modules:
        importlib.import_module(module)
    # Forks share the memory as long as their collections of garbage leave it alone.
    gc.collect()
    gc.freeze()
    return modules


def received(connection: socket.socket, length: int) -> bytes:
    with connection.makefile("rb") as file:
        return file.read(length)


def supervise(connection: socket.socket, request: dict, files: list[int], python: str) -> None:
    """Say how the program ends, as a signal does for a shell; end it when nobody asks any more."""
    if not (program := os.fork()):
        connection.close()
        end(lambda: run(request, files, python))
    for file in files:
        os.close(file)
    # Readable when the client has ended, or when the program has.
    ended = os.pidfd_open(program)
    if connection in select.select([connection, ended], [], [])[0]:
        os.kill(program, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    with suppress(BrokenPipeError):
        connection.sendall(bytes([status if status >= 0 else 128 - status]))
    os._exit(0)


def end(program: Callable[[], None]) -> NoReturn:
    """End as Python itself does after a program, but for taking all objects apart: that is slow."""
    status: object = 0
    try:
        program()
    except SystemExit as asked:
        status = asked.code
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
        status = 1
    if not isinstance(status, int | None):
        print(status, file=sys.stderr)
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError):
            stream.flush()
    os._exit((status or 0) & 0xFF)


def run(request: dict, files: list[int], python: str) -> None:
    """Be the program: what Python itself would do with the arguments, folder and environment."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.executable = python
    first, *others = request["argv"]
    if first == "-m":
        sys.argv, sys.path[0] = others, request["cwd"]
        runpy.run_module(others[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = request["argv"], str(Path(first).parent.resolve())
        runpy.run_path(first, run_name="__main__")


def ask(path: str, *argv: str) -> int:
    """Have a program run with the folder, environment, input and output of this process."""
    request = {"argv": argv, "cwd": str(Path.cwd()), "env": dict(os.environ)}
    message = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [len(message).to_bytes(8)], [0, 1, 2])
        connection.sendall(message)
        status = connection.recv(1)
    return status[0] if status else 1


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    if role == "serve":
        serve(*arguments)
    else:
        sys.exit(ask(*arguments))
