"""The training loop: its optimiser, its randomness, and models that train side by side."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import weakref

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from popnet.sivae import (
    VARIANTS,
    DivergedError,
    FeatureInput,
    Fit,
    Settings,
    fit,
    fit_stack,
    fitting,
    settings_for,
    stack_size,
    training,
)
from popnet.sivae.model import SiVAE
from popnet.sivae.objective import Minibatch, cell_terms, joint_terms, total_loss

N_CELLS, N_GENES = 60, 20
TINY = {
    "latent": 3,
    "hidden": (16, 8),
    "minibatch": 16,
    "learning_rate": 1e-3,
    "precision": "float32",
}
# Numbers of a fit in a stack and alone differ by rounding (in float32 some 1e-7 of a sum), which
# training amplifies; after so few steps they agree to this.
FEW = (3, 3, 3)
CLOSE = {"rtol": 1e-3, "atol": 1e-4}
ARRAYS = ("scores", "loadings", "reconstruction_error", "heldout_error", "variance", "heldout")


def tiny(variant: str = "sivae", **changes) -> Settings:
    changes = TINY | {"steps": FEW, "feature_input": {"method": "pca", "size": 8}} | changes
    return settings_for(variant, **changes)


def bin_of_cells(seed: int, counts: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    programme = rng.normal(size=(N_CELLS, 2)) @ rng.normal(size=(2, N_GENES))
    if counts:
        return rng.poisson(np.exp(0.5 * programme + 1)).astype(np.float32)
    return (programme + rng.normal(size=(N_CELLS, N_GENES))).astype(np.float32)


def assert_same(one: Fit, other: Fit) -> None:
    """To the bit."""
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    pd.testing.assert_frame_equal(one.losses, other.losses, check_exact=True)
    for name, parameter in one.model.state_dict().items():
        assert torch.equal(parameter, other.model.state_dict()[name]), name
    assert one.heldout_loss == pytest.approx(other.heldout_loss, abs=0, rel=0, nan_ok=True)


def assert_close(one: Fit, other: Fit) -> None:
    for name in ARRAYS:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), **CLOSE, err_msg=name)
    pd.testing.assert_frame_equal(one.losses, other.losses, **CLOSE)
    assert one.heldout_loss == pytest.approx(other.heldout_loss, rel=1e-3, nan_ok=True)


# The optimiser


def prepared(settings: Settings) -> tuple[dict[str, torch.Tensor], SiVAE]:
    """Parameters of a stack of one with gradients of the joint objective."""
    draw = torch.Generator().manual_seed(0)
    model = SiVAE(N_GENES, 12, settings, draw, 2)
    stack = training._Stack([model], torch.device("cpu"))
    width = settings.latent + (settings.likelihood == "nb")
    counts = torch.poisson(torch.ones(1, 8, N_GENES) * 3, generator=draw)
    cells = Minibatch(
        torch.randn(1, 8, N_GENES, generator=draw),
        counts[..., : N_GENES * (settings.likelihood == "nb")],
        torch.randn(1, 8, 2, generator=draw),
    )
    noise = torch.randn(1, 8, width, generator=draw)
    if settings.model == "vae":
        terms = stack(cell_terms, cells, noise)
    else:
        features = torch.randn(1, N_GENES, 12, generator=draw)
        gene_noise = torch.randn(1, N_GENES, settings.latent, generator=draw)
        terms = stack(joint_terms, cells, features, noise, gene_noise)
    total_loss(terms, 1.0, settings.gamma).sum().backward()
    return stack.parameters, model


@pytest.mark.parametrize("variant", VARIANTS)
def test_weight_decay_is_the_gradient_of_the_l2_penalty(variant):
    settings = tiny(variant, l2=(1e-2, 1e-3))
    parameters, model = prepared(settings)
    weights = {
        f"model.{name}.weight": 1e-3 if name.startswith("features") else 1e-2
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    assert {name for name, p in parameters.items() if p.ndim == 3} >= weights.keys()

    optimizer = training._Adam(parameters, settings)
    trained = {name: p for name, p in parameters.items() if p.grad is not None}
    penalties = {
        name: weights[name] * trained[name].square().sum()
        for name in trained.keys() & weights.keys()
    }
    assert optimizer.penalty().item() == pytest.approx(sum(penalties.values()).item(), rel=1e-5)

    # One step of the optimiser is Adam's on loss and penalty, and leaves the untrained alone.
    before = {name: p.detach().clone() for name, p in parameters.items()}
    expected = {}
    for name, parameter in trained.items():
        gradient = parameter.grad + 2 * weights.get(name, 0.0) * before[name]
        expected[name] = before[name] - settings.learning_rate * gradient / (gradient.abs() + 1e-8)
    optimizer.step(settings.learning_rate)
    for name, parameter in parameters.items():
        torch.testing.assert_close(
            parameter.detach(), expected.get(name, before[name]), rtol=1e-4, atol=1e-6, msg=name
        )


def test_the_optimiser_is_adam_of_torch():
    settings = tiny(l2=(1e-2, 1e-3))
    ours, _ = prepared(settings)
    optimizer = training._Adam(ours, settings)
    theirs = {name: p.detach().clone().requires_grad_() for name, p in ours.items()}
    reference = torch.optim.Adam(
        [
            {"params": [theirs[name] for name, p in ours.items() if any(p is o for o in group)]}
            | {"weight_decay": decay}
            for decay, group in optimizer.groups.items()
        ],
        fused=True,
    )
    draw = torch.Generator().manual_seed(1)
    for rate in (1e-3, 2e-3, 5e-4):
        for name, p in ours.items():
            p.grad = torch.randn(p.shape, generator=draw)
            theirs[name].grad = p.grad.clone()
        for group in reference.param_groups:
            group["lr"] = rate
        optimizer.step(rate)
        reference.step()
        assert all(p.grad is None for p in ours.values())
    for name, p in ours.items():
        assert torch.equal(p, theirs[name])


def test_training_loads_no_compiler(root):
    code = """
import sys, numpy as np
from popnet.sivae import fit, settings_for
settings = settings_for(latent=2, hidden=[8], steps=[2, 2, 2])
fit(np.random.default_rng(0).normal(size=(40, 10)), settings, device="cpu", quiet=True)
assert "torch._dynamo" not in sys.modules
"""
    clone = os.environ | {"PYTHONPATH": str(root / "src")}
    subprocess.run([sys.executable, "-c", code], check=True, env=clone)


@pytest.mark.parametrize("n_steps", [20, 400, 2500])
def test_schedules(n_steps):
    rates = np.array([training._rate("decay", step, n_steps) for step in range(n_steps)])
    np.testing.assert_allclose(rates, 0.9 ** (np.arange(n_steps) // 1000))

    rates = np.array([training._rate("one-cycle", step, n_steps) for step in range(n_steps)])
    peak = int(rates.argmax())
    assert rates.max() == pytest.approx(1)
    assert peak == pytest.approx(0.15 * n_steps, abs=1)
    assert (np.diff(rates[: peak + 1]) > 0).all()
    assert (np.diff(rates[peak:]) <= 0).all()
    rise, fall = 0.15 * n_steps, 0.85 * n_steps
    assert rates[0] == pytest.approx(0.02, abs=1 / rise)
    assert rates[-1] == pytest.approx(0.02, abs=2 / fall)


@pytest.mark.parametrize("n_steps", [1, 2, 3, 7])
def test_a_schedule_of_few_steps_is_positive(n_steps):
    rates = [training._rate("one-cycle", step, n_steps) for step in range(n_steps)]
    assert all(0 < rate <= 1 for rate in rates)


def test_each_stage_runs_the_schedule_and_stage_2_alone_is_clipped(monkeypatch):
    rates, clipped = [], []
    step, clip = training._Adam.step, training._clip

    def spy_step(self, rate):
        rates.append(rate)
        return step(self, rate)

    def spy_clip(parameters):
        clipped.append(len(rates))
        clip(parameters)

    monkeypatch.setattr(training._Adam, "step", spy_step)
    monkeypatch.setattr(training, "_clip", spy_clip)
    settings = tiny(steps=(20, 30, 40), schedule="one-cycle", learning_rate=2e-3)
    fit(bin_of_cells(0), settings)
    expected = [
        2e-3 * training._rate("one-cycle", step, n) for n in (20, 30, 40) for step in range(n)
    ]
    assert rates == pytest.approx(expected)
    assert clipped == list(range(20, 50))


def test_clipping_is_of_each_model_by_itself():
    draw = torch.Generator().manual_seed(0)
    parameters = {
        "weight": torch.randn(3, 4, 5, generator=draw),
        "bias": torch.randn(3, 4, generator=draw),
        "untrained": torch.randn(3, 2, generator=draw),
    }
    size = torch.tensor([1.0, 100.0, math.nan])
    for name in ("weight", "bias"):
        gradient = torch.randn(parameters[name].shape, generator=draw)
        parameters[name].grad = gradient * size.view(3, *[1] * (gradient.ndim - 1))
    before = {name: p.grad.clone() for name, p in parameters.items() if p.grad is not None}
    norm = torch.cat([g.flatten(1) for g in before.values()], 1).norm(dim=1)
    assert norm[0] < 8
    training._clip(parameters)
    for name, gradient in before.items():
        for model in (0, 1):
            torch.testing.assert_close(
                parameters[name].grad[model], gradient[model] * min(1.0, 5 / norm[model].item())
            )
        assert parameters[name].grad[2].isnan().all()
    assert parameters["untrained"].grad is None


# Randomness


@pytest.mark.parametrize("variant", VARIANTS)
def test_same_seed_gives_the_same_bits_whatever_ran_before(variant):
    expression = bin_of_cells(0, counts=VARIANTS[variant].get("likelihood") == "nb")
    gaussian = settings_for(variant).likelihood == "gaussian"
    settings = tiny(variant, genes_per_step=7 if gaussian else None, heldout=0.1)
    first = fit(expression, settings, seed=5)
    torch.manual_seed(123)
    np.random.seed(123)  # noqa: NPY002
    torch.rand(7)
    fit(expression[:40], settings, seed=6)
    state = torch.get_rng_state()
    assert_same(first, fit(expression, settings, seed=5))
    assert torch.equal(state, torch.get_rng_state()), "the global generator was used"
    assert not np.array_equal(first.scores, fit(expression, settings, seed=7).scores)


def test_downsampled_input_and_strata_depend_on_the_seed_alone():
    settings = tiny(feature_input=FeatureInput("downsample", 10), heldout=0.2)
    strata = np.repeat(["a", "b"], N_CELLS // 2)
    one, two = (fit(bin_of_cells(0), settings, seed=3, strata=strata) for _ in range(2))
    assert_same(one, two)


def test_threads_change_rounding_only():
    rng = np.random.default_rng(0)
    expression = rng.normal(size=(150, 4)) @ rng.normal(size=(4, 200))
    settings = settings_for(
        latent=4,
        hidden=[64, 16],
        steps=[1, 1, 2],
        feature_input={"method": "pca", "size": 16},
        precision="float32",
    )
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = fit(expression, settings, seed=0)
        torch.set_num_threads(2)
        two = fit(expression, settings, seed=0)
    finally:
        torch.set_num_threads(threads)
    assert_close(one, two)


def test_bf16_agrees_with_float32():
    rng = np.random.default_rng(0)
    expression = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 40))
    expression += rng.normal(size=expression.shape)
    settings = {
        "hidden": (32, 16),
        "minibatch": 128,
        "steps": (200, 100, 300),
        "learning_rate": 5e-3,
    }
    full = fit(expression, tiny(**settings))
    try:
        half = fit(expression, tiny(**settings, precision="bf16"))
    except RuntimeError as error:
        pytest.skip(str(error))
    assert (full.precision, half.precision) == ("float32", "bf16")
    assert half.scores.dtype == np.float32
    error = full.reconstruction_error
    assert error.mean() < 0.8
    assert half.reconstruction_error.mean() == pytest.approx(error.mean(), rel=0.05)
    assert np.corrcoef(half.reconstruction_error, error)[0, 1] > 0.95
    stacked = fit_stack([expression] * 2, tiny(**settings, precision="bf16"), [0, 1])
    assert stacked[0].reconstruction_error.mean() == pytest.approx(error.mean(), rel=0.05)


@pytest.mark.parametrize("native", [True, False])
def test_precision_follows_the_hardware(native, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    cpu = torch.device("cpu")
    assert fitting.choose_precision("float32", cpu) == "float32"
    assert fitting.choose_precision("auto", cpu) == ("bf16" if native else "float32")
    if native:
        assert fitting.choose_precision("bf16", cpu) == "bf16"
    else:
        with pytest.raises(RuntimeError, match="bf16"):
            fit(bin_of_cells(0), tiny(precision="bf16"))


# Stacks


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_stack_gives_what_single_fits_give(variant):
    counts = settings_for(variant).likelihood == "nb"
    settings = tiny(variant, heldout=0.1, genes_per_step=None if counts else 7)
    bins, seeds = [bin_of_cells(k, counts) for k in range(3)], [4, 5, 4]
    stacked = fit_stack(bins, settings, seeds)
    for one, seed, together in zip(bins, seeds, stacked, strict=True):
        assert_close(together, fit(one, settings, seed))
        assert together.seed == seed


@pytest.mark.parametrize("n_bins", [1, 2, 7])
def test_a_stack_has_any_size_and_its_order_is_irrelevant(n_bins):
    bins, seeds = [bin_of_cells(k) for k in range(n_bins)], list(range(n_bins))
    forward = fit_stack(bins, tiny(), seeds)
    backward = fit_stack(bins[::-1], tiny(), seeds[::-1])[::-1]
    assert len(forward) == n_bins
    for one, other in zip(forward, backward, strict=True):
        assert_close(one, other)
    for one, again in zip(forward, fit_stack(bins, tiny(), seeds), strict=True):
        assert_same(one, again)


def test_all_genes_and_all_cells_of_small_bins():
    """A minibatch larger than the bin, and all genes in every step."""
    settings = tiny(minibatch=500, genes_per_step=500)
    stacked = fit_stack([bin_of_cells(0), bin_of_cells(1)], settings, [0, 1])
    assert_close(stacked[1], fit(bin_of_cells(1), settings, 1))


def test_covariates_in_a_stack():
    from anndata import AnnData

    adatas = []
    for k in range(2):
        # Each bin has levels of its own, of the same number.
        obs = pd.DataFrame({"pool": np.resize([f"p{k}", f"p{k + 1}"], N_CELLS), "x": 0.5})
        obs.index = obs.index.astype(str)
        adatas.append(AnnData(bin_of_cells(k), obs=obs))
    stacked = fit_stack(adatas, tiny(), [0, 1], covariates=["pool", "x"])
    assert stacked[1].covariates.levels == {"pool": ["p1", "p2"], "x": None}
    assert_close(stacked[1], fit(adatas[1], tiny(), 1, covariates=["pool", "x"]))


def test_one_diverging_bin_leaves_the_others_alone():
    settings = tiny(standardise=False, steps=(20, 20, 20))
    bins = [bin_of_cells(k) for k in range(3)]
    whole = fit_stack(bins, settings, [0, 1, 2])
    for huge in (1e25, 1e12):
        broken = fit_stack([bins[0], bins[1] * np.float32(huge), bins[2]], settings, [0, 1, 2])
        assert isinstance(broken[1], DivergedError)
        assert_same(broken[0], whole[0])
        assert_same(broken[2], whole[2])


def test_a_bin_that_diverges_late_is_found():
    """Its weights are no longer numbers when its last losses have been recorded."""
    calls = []

    def poison(stage, step, n_steps, loss):
        calls.append((stage, step))

    expression = bin_of_cells(0)
    step = training._Adam.step
    n_steps = sum(FEW)
    done = []

    def last_step_breaks(self, rate):
        step(self, rate)
        done.append(1)
        if len(done) == n_steps:
            for group in self.groups.values():
                for parameter in group:
                    parameter.data[0] = math.nan

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training._Adam, "step", last_step_breaks)
        first, second = fit_stack([expression, expression], tiny(), [0, 1], progress=poison)
    assert isinstance(first, DivergedError)
    assert (first.stage, first.step) == ("joint", FEW[2])
    assert isinstance(second, Fit)
    assert calls[-1] == ("joint", FEW[2])


def test_divergence_names_stage_and_step():
    settings = tiny(learning_rate=1e10, steps=(20, 20, 20))
    with pytest.raises(DivergedError, match=r"step \d+ of stage 'cells'") as caught:
        fit(bin_of_cells(0), settings)
    assert caught.value.stage == "cells"
    assert 1 <= caught.value.step <= 20
    failed = fit_stack([bin_of_cells(0), bin_of_cells(1)], settings, [0, 1])
    assert all(isinstance(error, DivergedError) for error in failed)


@pytest.mark.parametrize(
    ("bins", "seeds", "message"),
    [
        ([(60, 20), (60, 21)], [0, 1], "as many"),
        ([(60, 20), (50, 20)], [0, 1], "as many"),
        ([(60, 20), (60, 20)], [0], "seeds: 1 for 2 data sets"),
    ],
)
def test_stacks_that_cannot_be(bins, seeds, message):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=message):
        fit_stack([rng.normal(size=shape) for shape in bins], tiny(), seeds)


def test_an_empty_stack():
    assert fit_stack([], tiny(), []) == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_memory_of_a_stack(variant, monkeypatch):
    assert stack_size(tiny(variant), 1000, 2000, "cpu") == 1

    def size(free: float, n_genes: int = 2000) -> int:
        monkeypatch.setattr(fitting, "choose_device", lambda _: torch.device("cuda"))
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (int(free), 2**37))
        return stack_size(settings_for(variant), 1000, n_genes, "cuda")

    # Weights and Adam's moments alone are some 100 MB.
    assert size(2**20) == 1
    assert 10 < size(2**34) < size(2**36)
    assert size(2**34, 8000) < size(2**34)


# Operations that need a value on the CPU, for which it waits for the GPU.
WAITS = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)


class Tensors(TorchDispatchMode):
    """Counts the operations that make tensors, and the most memory that these take at once."""

    def __init__(self):
        super().__init__()
        self.n_operations = self.n_waits = self.now = self.peak = 0
        self.sizes: dict[int, int] = {}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        made = operation(*args, **(kwargs or {}))
        self.n_operations += not operation.is_view
        self.n_waits += operation in WAITS
        for tensor in made if isinstance(made, list | tuple) else [made]:
            if isinstance(tensor, torch.Tensor):
                self.hold(tensor.untyped_storage())
        return made

    def hold(self, storage) -> None:
        if storage._cdata not in self.sizes:
            self.sizes[storage._cdata] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self.free, storage._cdata)

    def free(self, key: int) -> None:
        self.now -= self.sizes.pop(key)


def kernels_per_step(n_models: int, stage: int, **changes) -> tuple[float, float]:
    """Return how many kernels a step of a stage launches, and how often it waits for the GPU."""
    counted = []
    for n_steps in (10, 20):
        steps = [1, 1, 1]
        steps[stage] = n_steps
        settings = tiny(steps=steps, genes_per_step=8, hidden=(16, 12, 8), **changes)
        with Tensors() as tensors:
            fit_stack([bin_of_cells(0)] * n_models, settings, range(n_models))
        counted.append((tensors.n_operations, tensors.n_waits))
    (few, waits), (many, more_waits) = counted
    return (many - few) / 10, (more_waits - waits) / 10


def test_a_step_of_a_stack_launches_as_many_kernels_as_one_of_fewer_models():
    # What has no batching rule under vmap runs once per model, and a GPU waits for the launches.
    # Each model draws its own genes and noise, many steps at a time.
    assert kernels_per_step(8, 2)[0] < kernels_per_step(4, 2)[0] + 5


@pytest.mark.parametrize(("stage", "most"), [(0, 170), (1, 215), (2, 290)])
def test_a_step_launches_few_kernels_and_waits_for_none(stage, most, monkeypatch):
    # Records read the losses, and launch the penalty.
    monkeypatch.setattr(training, "RECORDS_PER_STAGE", 1)
    n_kernels, n_waits = kernels_per_step(4, stage)
    assert n_kernels < most
    assert n_waits == 0


@pytest.mark.parametrize(
    ("shape", "changes"),
    [((300, 300), {"hidden": (256, 128, 64)}), ((200, 500), {"hidden": (512, 128)})],
)
def test_memory_of_a_stack_is_that_of_its_tensors(shape, changes, monkeypatch):
    settings = settings_for(steps=(2, 2, 2), precision="float32", genes_per_step=256, **changes)
    cells = [np.random.default_rng(seed).normal(size=shape).astype(np.float32) for seed in (0, 1)]
    tensors = Tensors()

    def watch(function):
        def watched(*arguments):
            with tensors:
                return function(*arguments)

        return watched

    for name in ("_training_set", "train"):
        monkeypatch.setattr(fitting, name, watch(getattr(fitting, name)))
    fit_stack(cells, settings, (0, 1))
    assert fitting.bytes_per_model(settings, *shape) == pytest.approx(tensors.peak / 2, rel=0.2)


def test_progress_of_a_stack_is_that_of_its_mean():
    seen = []
    bins = [bin_of_cells(0), bin_of_cells(1)]
    settings = tiny(steps=(200, 30, 10))
    both = fit_stack(bins, settings, [0, 1], progress=lambda *args: seen.append(args))
    frames = [result.losses for result in both]
    assert frames[0].groupby("stage", sort=False).size().to_dict() == {
        "cells": 101,
        "features": 30,
        "joint": 10,
    }
    mean = (frames[0].total + frames[1].total) / 2
    assert [call[:2] for call in seen] == list(
        frames[0][["stage", "step"]].itertuples(index=False, name=None)
    )
    assert {call[0]: call[2] for call in seen} == {"cells": 200, "features": 30, "joint": 10}
    np.testing.assert_allclose([call[3] for call in seen], mean, rtol=1e-6)
