import re
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from popnet import sivae

GUIDE = Path(__file__).parents[3] / "docs" / "sivae.md"


def test_the_guide_to_sivae_runs_as_it_stands(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    labels = pd.DataFrame(
        {"cell_type": ["T", "B"] * 150, "batch": ["1", "2", "2"] * 100},
        index=[f"cell{i}" for i in range(300)],
    )
    cells = sparse.csr_matrix(np.log1p(rng.poisson(1.0, (300, 20))).astype(np.float32))
    AnnData(cells, labels).write_h5ad(tmp_path / "cells.h5ad")
    monkeypatch.chdir(tmp_path)
    # The guide's networks are of full size: a few steps show that the code works.
    monkeypatch.setitem(sivae.PLANS["fast"], "steps", (3, 3, 3))
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        exec(block, names)
    assert names["result"].obsm["X_sivae"].shape == (300, 16)
    assert names["inner_scores"].shape == (300, 128)
    assert names["inner_loadings"].shape == (20, 128)
    assert names["sampled"].shape == (1000, 20)
    assert len(names["models"]) == 2
