#!/usr/bin/env bash
# What both images run, as root in a bare Debian 12 where the repository lies: Debian's packages and the
# pins of requirements/run.txt. `install.sh cpu` takes PyTorch without CUDA, `install.sh gpu` with it.
set -euo pipefail
cd "$(dirname "$0")/.."
case $1 in
    # A local version such as 2.13.0+cpu comes before the 2.13.0 of the package index.
    cpu) export PIP_FIND_LINKS=${PIP_FIND_LINKS:-https://download.pytorch.org/whl/cpu/torch/} ;;
    gpu) ;;
    *) echo "install.sh: cpu or gpu, not '$1'" >&2; exit 2 ;;
esac
export DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1
apt-get update
apt-get install --yes --no-install-recommends make python3-venv
rm -rf /var/lib/apt/lists/*
make PYTHON=python3 .venv/popnet.stamp
# Users of the image cannot write bytecode there, and jobs would compile the library again.
.venv/bin/python -m compileall -q src
