"""Fixtures that tests of every kind share."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The clone."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real cells and genotypes, which is never part of the clone."""
    folder = Path(os.environ.get("POPNET_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data here: {folder} is absent (set POPNET_SHARED_DATA)")
    return folder


@pytest.fixture(scope="session")
def copy_clone(tmp_path_factory):
    """A function that returns a new folder with the files of the clone, as git would have them."""
    listing = ["git", "-c", "safe.directory=*", "ls-files", "-coz", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    files = [name for name in listed.split("\0") if name and os.path.lexists(ROOT / name)]

    def copy(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, folder / file, follow_symlinks=False)
        return folder

    return copy


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment that Snakemake starts in."""
    # Without compiled modules, every job would compile all of the library.
    unwanted = {"SNAKEMAKE_PROFILE", "PYTHONDONTWRITEBYTECODE"}
    return {key: value for key, value in os.environ.items() if key not in unwanted}


@pytest.fixture(scope="session")
def warm_python(environment):
    """The path of a Python that starts at once, because its libraries are imported already."""
    if not hasattr(os, "pidfd_open"):
        yield sys.executable
        return
    # The path of a socket cannot be long.
    with tempfile.TemporaryDirectory() as folder:
        path, program = f"{folder}/socket", Path(folder, "python")
        serve = [sys.executable, ROOT / "tests" / "warm_python.py", "serve", path, program]
        server = subprocess.Popen(
            serve,
            env=environment | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert server.stdout.readline() == b"ready\n"
        ask = shlex.join([sys.executable, "-ISs", str(serve[1]), "ask", path])
        program.write_text(
            f'#!/bin/sh\ncase "$1" in -m|[!-]*) exec {ask} "$@" ;; esac\n'
            f'exec {shlex.quote(sys.executable)} "$@"\n'
        )
        program.chmod(0o755)
        yield str(program)
        server.communicate()


@pytest.fixture(scope="session")
def snakemake(warm_python, environment):
    """A function that runs Snakemake in a folder and returns its exit status and output."""

    def run(folder: Path, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [warm_python, "-m", "snakemake", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    return run


@pytest.fixture(scope="session")
def compare_columns():
    """A function that returns columns that `columns.yaml` does not explain, by file.

    It also returns those that it lists and no file has, by table, of the tables that are there.
    """
    import pandas as pd

    from popnet.files import read_table
    from popnet.report.columns import explain, tables, tables_of

    def compare(results: Path) -> tuple[dict[str, list[str]], dict[str, set[str]]]:
        unexplained: dict[str, list[str]] = {}
        seen: dict[str, set[str]] = {}
        for path in [*results.rglob("*.tsv"), *results.rglob("*.parquet")]:
            name = path.relative_to(results).as_posix()
            if name.startswith(("benchmarks/", "simulated/")):
                continue
            columns = list((pd.read_parquet if path.suffix == ".parquet" else read_table)(path))
            table = next(iter(tables_of(name)), None)
            unknown = [column for column in columns if table is None or not explain(name, column)]
            if unknown:
                unexplained[name] = unknown
            if table is not None:
                seen.setdefault(table.name, set()).update(columns)
        known = {one.name: set(one.columns) for one in tables()[1] if one.name in seen}
        absent = {name: columns - seen[name] for name, columns in known.items()}
        return unexplained, {name: columns for name, columns in absent.items() if columns}

    return compare


@pytest.fixture(scope="session")
def install():
    """A function that installs packages of Debian; skips the test where it cannot."""

    def with_apt(*packages: str) -> None:
        if os.geteuid() or not shutil.which("apt-get"):
            pytest.skip(f"no {packages[0]} here, and installing it takes root and apt-get")
        # At this runlevel the packages start no daemons.
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        # Tests that run side by side would find the database of packages locked.
        with Path(tempfile.gettempdir(), "popnet-apt.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
                done = subprocess.run(
                    ["apt-get", *arguments],
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
        if done.returncode:
            pytest.skip(f"no {packages[0]} here, and apt-get fails: {done.stdout[-500:]}")

    return with_apt


@pytest.fixture(scope="session")
def chromium(install):
    """A browser without a window."""
    from playwright.sync_api import sync_playwright

    if not shutil.which("chromium"):
        install("chromium", "fonts-dejavu-core")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


# Text that is cut off: longer than the box that it is in, where that hides the rest.
CUT_OFF = """
() => [...document.querySelectorAll("body *")].filter((one) => {
  const style = getComputedStyle(one);
  return one.checkVisibility() && one.clientWidth > 1 && one.innerText
    && (style.overflowX === "hidden" || style.overflowX === "clip")
    && one.scrollWidth > one.clientWidth + 1;
}).map((one) => one.outerHTML.slice(0, 200))
"""


@pytest.fixture
def visit(chromium):
    """A function that opens a page on a laptop's screen; returns it and what went wrong so far."""
    context = chromium.new_context(viewport={"width": 1366, "height": 768})
    context.set_default_timeout(60_000)

    def open_page(path: Path):
        faults: list[str] = []
        page = context.new_page()
        page.on(
            "console",
            lambda message: (
                faults.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
        here = path.as_uri()
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((here, "data:", "blob:"))
                else faults.append(f"asks {request.url}")
            ),
        )
        page.goto(here)
        return page, faults

    yield open_page
    context.close()


@pytest.fixture(scope="session")
def looked_at():
    """A function that returns what a reader cannot see or use on a page as it is now."""
    from axe_playwright_python.sync_playwright import Axe

    def look(page) -> list[str]:
        width = page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
        found = [f"{width} pixels too wide"] if width > 0 else []
        found += [f"cut off: {one}" for one in page.evaluate(CUT_OFF)]
        for one in Axe().run(page).response["violations"]:
            if one["impact"] in ("serious", "critical"):
                found.append(f"{one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}")
        return found

    return look
