"""The definitions of the images; `containers/check.sh` runs their steps."""

from __future__ import annotations

import re
import subprocess

import pytest


@pytest.fixture(scope="module")
def texts(root) -> dict[str, str]:
    names = ("Dockerfile", "apptainer.def", "check.sh", "install.sh")
    return {name: (root / "containers" / name).read_text() for name in names}


def test_both_images_have_the_same_base_and_the_same_steps(root, texts):
    docker, apptainer = texts["Dockerfile"], texts["apptainer.def"]
    base = re.findall(r"^FROM (.+)$", docker, re.MULTILINE)
    assert base == re.findall(r"^From: (.+)$", apptainer, re.MULTILINE)
    for text in (docker, apptainer):
        assert "DEVICE=cpu" in text
        assert "popnet.tar /opt/popnet" in text
        (script,) = re.findall(r"bash /opt/popnet/(\S+)", text)
        assert (root / script).exists()
    for text in (apptainer, texts["check.sh"]):
        assert "/opt/popnet/.venv/bin" in text


def test_the_check_has_the_environment_of_the_image(texts):
    (line,) = re.findall(r"^ENV (.+)$", texts["Dockerfile"], re.MULTILINE)
    names = dict(entry.split("=", 1) for entry in line.split())
    assert names.pop("PATH") == "/opt/popnet/.venv/bin:$PATH"
    for name, value in names.items():
        assert f" {name}={value} " in texts["check.sh"].replace(")\n", " ")


def test_install_makes_what_the_makefile_has(root, texts):
    (target,) = re.findall(r"^make \S+ (\S+)$", texts["install.sh"], re.MULTILINE)
    assert f"\n{target}:" in (root / "Makefile").read_text()


def test_install_refuses_another_device(root):
    command = ["bash", str(root / "containers" / "install.sh"), "tpu"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "cpu or gpu, not 'tpu'" in done.stderr
