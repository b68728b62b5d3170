"""Install the packages of each conda environment by pip, and import them.

This checks names and versions where no conda channel can be reached. Each environment gets a
virtual environment of its own, which is deleted afterwards. From the clone:

    python envs/as_pip.py [NAME ...]    # such as cells or statistics; all by default
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

ENVS = Path(__file__).parent
# What pip calls a package of conda.
PIP = {"pytorch-cpu": "torch", "pytorch-gpu": "torch", "python-igraph": "igraph"}
# What Python calls it where that is another name.
MODULES = PIP | {"scikit-learn": "sklearn", "scvi-tools": "scvi", "umap-learn": "umap"}
MODULES["pyyaml"] = "yaml"


def dependencies(environment: Path) -> dict[str, str]:
    """Return the pins of an environment by the names that conda, or else pip, has for them."""
    pins = {}
    entries = yaml.safe_load(environment.read_text())["dependencies"]
    later = post_deploy(environment)
    if later.exists():
        entries += re.findall(r"(?<= )\S+==\S+", later.read_text())
    for entry in entries:
        for text in entry["pip"] if isinstance(entry, dict) else [entry]:
            name, _, version = text.replace("==", "=").partition("=")
            pins[name.strip()] = version.strip()
    return pins


def post_deploy(environment: Path) -> Path:
    """Return the script that Snakemake runs in an environment once it is there."""
    return environment.with_suffix(".post-deploy.sh")


def requirements(environment: Path) -> list[str]:
    """Return what pip installs of an environment: not Python, nor what its script installs."""
    later = post_deploy(environment)
    by_script = later.read_text() if later.exists() else ""
    return [
        f"{PIP.get(name, name)}=={version}" if version else name
        for name, version in dependencies(environment).items()
        if name != "python" and f"{name}==" not in by_script
    ]


def install(environment: Path) -> list[str]:
    """Install an environment in a folder of its own and return the modules that were imported."""
    pins = dependencies(environment)
    python = pins.pop("python")
    if not sys.version.startswith(f"{python}."):
        raise SystemExit(f"{environment.name} is for Python {python}")
    modules = [MODULES.get(name, name) for name in pins]
    with TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        bin = Path(folder, "bin")
        pip = [bin / "python", "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *requirements(environment)], check=True)
        if (later := post_deploy(environment)).exists():
            inside = os.environ | {"PATH": f"{bin}:{os.environ['PATH']}"}
            subprocess.run(["bash", later], check=True, env=inside)
        subprocess.run([bin / "python", "-c", f"import {', '.join(modules)}"], check=True)
    return modules


def main() -> None:
    """Install the environments that are named, or all, and say which of them failed."""
    failed = []
    for name in sys.argv[1:] or sorted(path.stem for path in ENVS.glob("*.yaml")):
        started = time.monotonic()
        try:
            modules = install(ENVS / f"{name}.yaml")
        except subprocess.CalledProcessError:
            failed.append(name)
        else:
            print(f"{name}: imported {', '.join(modules)}; {time.monotonic() - started:.0f} s")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
