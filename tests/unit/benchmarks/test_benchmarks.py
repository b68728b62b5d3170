from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from popnet import sivae

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
TINY = {"latent": 2, "hidden": [16, 8]}


@pytest.fixture(scope="module")
def training(load_benchmark):
    return load_benchmark("training")


@pytest.fixture(scope="module")
def expression(training):
    return training.simulate(120, 100)


@pytest.mark.parametrize("method", ["cells", "pca"])
def test_figures_of_unseen_cells_are_those_that_a_fit_says(training, expression, method):
    chosen = {"method": method, "size": 40 if method == "pca" else None}
    settings = sivae.settings_for(**TINY, steps=(30, 30, 30), feature_input=chosen, heldout=0.3)
    fit = sivae.fit(expression, settings, seed=3)
    trained, others = expression[~fit.heldout], expression[fit.heldout]
    figures = training.heldout_figures(fit, trained, others)
    assert figures["heldout_error"] == pytest.approx(fit.heldout_error.mean(), rel=1e-4)
    for name, term in (("heldout_nll", "reconstruction"), ("heldout_total", "total")):
        assert figures[name] == pytest.approx(fit.heldout_loss[term], rel=0.05)  # other draws


def test_figures_need_the_cells_of_the_fit(training, expression):
    chosen = {"method": "downsample", "size": 40}
    settings = sivae.settings_for(**TINY, steps=(5, 5, 5), feature_input=chosen)
    fit = sivae.fit(expression[20:], settings, seed=3)
    training.heldout_figures(fit, expression[20:], expression[:20])
    with pytest.raises(RuntimeError, match="not the one of the fit"):
        training.heldout_figures(fit, expression[:-20], expression[-20:])


def test_agreement_of_networks(training):
    generator = np.random.default_rng(0)
    loadings, centrality = generator.normal(size=(100, 3)), generator.normal(size=100)
    turned = loadings @ np.linalg.qr(generator.normal(size=(3, 3)))[0]
    central = np.arange(40)
    one = training.network({"loadings": loadings, "centrality": centrality}, central)
    same = training.network({"loadings": turned, "centrality": 2 * centrality}, central)
    other = training.network(
        {"loadings": generator.normal(size=(100, 3)), "centrality": -centrality}, central
    )
    assert training.agreement(one, same) == pytest.approx([1, 1, 1])
    assert training.agreement(one, other)[0] == pytest.approx(-1)
    assert max(training.agreement(one, other)[1:]) < 0.2


def test_steps_of_every_stage_are_timed(training, expression):
    settings = sivae.settings_for(**TINY, steps=(300, 200, 400))
    spent = {
        stage: training.step_seconds(expression, settings, stage, 10) for stage in training.STAGES
    }
    assert all(seconds > 0 for seconds, _ in spent.values())
    alone = {stage: seconds for stage, (seconds, _) in spent.items()}
    expected = 2.0 + 300 * alone["cells"] + 200 * alone["features"] + 400 * alone["joint"]
    assert training.whole({"fixed": 2.0} | alone, settings) == pytest.approx(expected)


def test_stacks_are_timed_beside_the_loop(training, expression):
    settings = sivae.settings_for(**TINY, steps=(3, 3, 3))
    rows = list(training.stack_times(expression, settings, [1, 2], 2, "cpu"))
    assert [row[:2] for row in rows] == [("one by one", 2), ("stack of 1", 1), ("stack of 2", 2)]


def test_operations_of_a_fit(training, expression):
    changes = {"minibatch": 20, "genes_per_step": 50}
    one, two = (sivae.settings_for(**TINY, **changes, steps=(n, 1, 1)) for n in (1, 2))
    n_genes, (wide, narrow), latent, drawn = 100, TINY["hidden"], TINY["latent"], 50
    encoder = wide * narrow + 2 * narrow * latent
    decoder = latent * narrow + narrow * wide + wide * (drawn + 1)
    # Forward, gradients of weights and of inputs; the cells need no gradient.
    expected = 2 * 20 * (2 * n_genes * wide + 3 * (encoder + decoder))
    assert training.fit_flops(expression, two) - training.fit_flops(expression, one) == expected


def test_without_a_gpu_stack_says_so(training, monkeypatch, capsys):
    monkeypatch.setattr(training.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["training.py", "stack"])
    training.main()
    assert "no GPU" in capsys.readouterr().out


def test_every_benchmark_finds_what_it_imports():
    names = sorted(path.stem for path in BENCHMARKS.glob("*.py"))
    code = f"import {', '.join(names)}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_call_is_measured_in_a_process_of_its_own():
    code = "import measuring, time; print(*measuring.measure(time.sleep, 0.2)[1:])"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True, check=True
    )
    seconds, cpu_seconds, start_mb, peak_mb = map(float, found.stdout.split())
    assert seconds >= 0.2 > cpu_seconds
    assert peak_mb >= start_mb > 1
