"""Files of ours: whole or not at all, and named where something is wrong with them."""

from __future__ import annotations

import os
import pickle
import re
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from adapter import logged

from popnet import files as tables
from popnet.errors import InputError, Problem
from popnet.sivae.fitting import job_device


def test_a_table_whose_last_line_is_cut_is_damaged(tmp_path):
    path = tmp_path / "t.tsv"
    tables.write_table(pd.DataFrame({"sample": ["a", "b"], "n": [10, 20]}), path)
    whole = path.read_text()
    path.write_text(whole[:-2])
    with pytest.raises(InputError, match="its last line has no end") as raised:
        tables.read_table(path)
    assert raised.value.problems[0].file == str(path)


def test_a_file_that_is_out_of_reach_is_not_called_damaged(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file") as raised:
        tables.read_h5ad(tmp_path / "none.h5ad")
    assert "delete" not in raised.value.problems[0].remedy


def test_no_memory_says_nothing_of_the_file(tmp_path):
    with pytest.raises(MemoryError), tables.reading(tmp_path / "cells.h5ad"):
        raise MemoryError


def test_a_writer_that_does_not_say_that_the_disk_is_full(tmp_path, monkeypatch):
    """Such as igraph: the disk is asked."""
    path = tmp_path / "graph.graphml"
    full = SimpleNamespace(f_blocks=100, f_bavail=0)
    monkeypatch.setattr(tables.os, "statvfs", lambda _: full)
    with pytest.raises(InputError, match="No space left") as raised, tables.atomic(path):
        raise RuntimeError("Write failed.")
    assert raised.value.problems[0].file == str(path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    with pytest.raises(RuntimeError, match="Write failed"), tables.atomic(path):
        raise RuntimeError("Write failed.")


def test_an_input_error_passes_between_processes():
    problem = Problem("sheet.yaml", "name", "x", "is wrong", "correct it")
    error = pickle.loads(pickle.dumps(InputError([problem])))
    assert error.problems == [problem]
    assert "Remedy: correct it" in str(error)


def test_a_log_on_a_full_disk_does_not_hide_the_error(capfd):
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("no device that is always full")
    problem = Problem("t.tsv", "file", None, "No space left", "make room")
    with pytest.raises(SystemExit), logged("/dev/full"):
        raise InputError([problem])
    assert "Remedy: make room" in capfd.readouterr().err


def test_a_job_that_was_given_a_gpu_does_not_train_on_a_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="GPU"):
        job_device("auto", given_gpu=True)
    assert job_device("auto", given_gpu=False) == "cpu"


def test_our_files_are_read_by_what_notices_damage(root):
    """Files of the study are read by `popnet.files`, which says which one is damaged."""
    raw = re.compile(r"\b(ad\.read_h5ad|pd\.read_parquet)\(")
    found = [
        path.relative_to(root).as_posix()
        for folder in (root / "src" / "popnet", root / "workflow" / "scripts")
        for path in sorted(folder.rglob("*.py"))
        if raw.search(path.read_text())
    ]
    assert found == ["src/popnet/files.py"]
