"""The training job: what it keeps, what it trains again, and what it says about bins that fail."""

from __future__ import annotations

import runpy
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch

import popnet
from popnet.cells.expression import BinnedExpression, PreparedSample, read_bin, write_expression
from popnet.errors import InputError, Problem
from popnet.files import read_table
from popnet.provenance import code_hash
from popnet.seeds import derive_seed
from popnet.sivae import PLANS, DivergedError, fit, jobs
from popnet.sivae.data import heldout_of
from popnet.sivae.jobs import TrainingJob, fingerprint, train_models
from popnet.sivae.result import load
from popnet.sivae.settings import from_config
from popnet.sivae.shared import fold_of

SAMPLES = ["007", "a|b", "c"]
SIZE, N_GENES = 24, 10
BINS = [(sample, number) for sample in SAMPLES for number in (1, 2)]
KEYS = {
    "plan": None,
    "latent": 2,
    "hidden": [6],
    "steps": [3, 3, 3],
    "minibatch": 8,
    "heldout": 0.25,
    "precision": "float32",
    "genes_per_step": None,
}


@dataclass
class Jobs:
    """Training jobs in a folder; their tables go through a file, as in a study."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    stacks: list[int] = field(default_factory=list)
    log: str = ""

    def __call__(
        self, bins=BINS, stack=None, seed=1, seeds=1, code="abc", start=None, unseen=(), **keys
    ) -> pd.DataFrame:
        self.stacks.clear()
        settings = from_config(KEYS | keys, "fast")
        expression, models = self.folder / "expression.h5ad", self.folder / "models"
        job = TrainingJob(
            expression, models, settings, seed, seeds, "cpu", stack, code, start, unseen
        )
        self.capsys.readouterr()
        try:
            table = train_models(job, bins)
        finally:
            self.log = "".join(self.capsys.readouterr())
        return table

    def models(self) -> dict[str, int]:
        return {p.name: p.stat().st_mtime_ns for p in (self.folder / "models").glob("*.h5ad")}


def write_samples(folder: Path, names: list[str]) -> None:
    """Write the expression of samples with two bins each."""
    rng = np.random.default_rng(0)
    numbers = np.repeat([1, 2], SIZE)
    samples = [
        PreparedSample(
            expression=rng.normal(size=(2 * SIZE, N_GENES)).astype(np.float32),
            obs=pd.DataFrame(
                {"sample": sample, "bin": numbers, "n_counts": 100.0},
                index=[f"{sample}{i}" for i in range(2 * SIZE)],
            ),
            bins=pd.DataFrame({"sample": sample, "bin": [1, 2]}),
            mean_expression=np.zeros((2, N_GENES), np.float32),
            detection_rate=np.ones((2, N_GENES), np.float32),
        )
        for sample in names
    ]
    write_expression(folder / "expression.h5ad", samples, [f"G{i}" for i in range(N_GENES)])


@pytest.fixture
def job(tmp_path, monkeypatch, capsys) -> Jobs:
    write_samples(tmp_path, SAMPLES)
    job = Jobs(tmp_path, capsys)
    original = jobs.train_prepared

    def counted(prepared, progress):
        job.stacks.append(len(prepared.tasks))
        return original(prepared, progress)

    monkeypatch.setattr(jobs, "train_prepared", counted)
    return job


def test_table_and_models(job):
    table = job()
    assert list(zip(table["sample"], table["bin"], strict=True)) == BINS
    assert (table["status"] == "trained").all()
    assert set(table["device"]) == {"cpu"}
    assert set(table["precision"]) == {"float32"}
    assert set(table["stack"]) == {1}
    assert set(table["version"]) == {popnet.__version__}
    assert set(table["code"]) == {"abc"}
    numbers = ["seconds", "peak_memory_mb", "reconstruction_error", "heldout_error", "heldout_loss"]
    assert np.isfinite(table[numbers]).all(axis=None)
    assert table["seed"].nunique() == len(BINS)
    assert set(table["model"]) == set(job.models())
    model = ad.read_h5ad(job.folder / "models" / table["model"][0])
    assert list(model.var_names) == [f"G{i}" for i in range(N_GENES)]
    assert model.uns["sivae"]["heldout_loss"]["total"] == pytest.approx(
        table["heldout_loss"][0], rel=1e-5
    )
    assert model.uns["sivae"]["popnet_version"] == popnet.__version__
    assert model.uns["sivae"]["code"] == "abc"
    assert "6 of 6 in" in job.log


def test_finished_models_are_kept_whatever_the_job_and_the_stack(job):
    first = job(BINS[:4], stack=3)
    assert job.stacks == [2, 2]  # as few stacks as can be, of equal size
    before = job.models()
    table = job(BINS, stack=1)
    assert job.stacks == [1, 1]
    assert "4 of 6 models are trained already" in job.log
    pd.testing.assert_frame_equal(table.iloc[:4], first)
    assert list(table["stack"]) == [2, 2, 2, 2, 1, 1]
    assert {name: job.models()[name] for name in before} == before
    # A key that says what the plan says anyway changes nothing; another setting or seed does.
    job(BINS, schedule=PLANS["fast"]["schedule"])
    assert job.stacks == []
    job(BINS[:1], learning_rate=0.003)
    assert job.stacks == [1]
    job(BINS[:1], seed=2)
    assert job.stacks == [1]
    # So does other code.
    table = job(BINS[:1], seed=2, code="def")
    assert job.stacks == [1]
    assert table["code"].tolist() == ["def"]


def test_the_fingerprint_covers_cells_genes_settings_seed_and_code(tmp_path):
    write_samples(tmp_path, SAMPLES)
    settings = from_config(KEYS, "fast")
    cells = read_bin(tmp_path / "expression.h5ad", "007", 1)
    renamed = read_bin(tmp_path / "expression.h5ad", "007", 1)
    renamed.var_names = [*renamed.var_names[:-1], "other"]
    other = read_bin(tmp_path / "expression.h5ad", "007", 2)
    found = [
        fingerprint(cells, settings, 1, "abc"),
        fingerprint(renamed, settings, 1, "abc"),
        fingerprint(other, settings, 1, "abc"),
        fingerprint(cells, from_config(KEYS | {"gamma": 0.1}, "fast"), 1, "abc"),
        fingerprint(cells, settings, 2, "abc"),
        fingerprint(cells, settings, 1, "def"),
        fingerprint(cells, settings, 1, "abc", "of a start"),
    ]
    assert len(set(found)) == len(found)
    assert fingerprint(cells, from_config(KEYS, "fast"), 1, "abc") == found[0]
    own = [code_hash(one)[:8] for one in ("popnet.sivae.fitting", "popnet.sivae.covariance")]
    assert TrainingJob("", "", settings, 1).code == "".join(own)


def test_the_script_writes_the_table(root, tmp_path):
    write_samples(tmp_path, SAMPLES)
    snakemake = SimpleNamespace(
        input=SimpleNamespace(expression=str(tmp_path / "expression.h5ad"), start=[]),
        output=[str(tmp_path / "1.tsv")],
        log=[str(tmp_path / "log")],
        params=SimpleNamespace(
            bins=[["007", 2]],
            models=str(tmp_path / "models"),
            sivae=KEYS,
            plan="fast",
            device="cpu",
            stack=None,
            seed=1,
            seeds=2,
        ),
        resources={},
        threads=1,
    )
    script = root / "workflow" / "scripts" / "sivae" / "train_sivae.py"
    # The script sets how many threads torch has.
    threads = torch.get_num_threads()
    try:
        runpy.run_path(str(script), init_globals={"snakemake": snakemake})
    finally:
        torch.set_num_threads(threads)
    table = read_table(tmp_path / "1.tsv", text=["version", "code"])
    assert table["model"].tolist() == ["007.2.h5ad", "007.2-2.h5ad"]
    assert set(table["code"]) == {TrainingJob("", "", from_config(KEYS, "fast"), 1).code}
    assert "0 of 2 models are trained already" in (tmp_path / "log").read_text()


def test_a_job_that_is_cut_off_goes_on(job, monkeypatch):
    counted = jobs.train_prepared

    def killed(*arguments):
        if len(job.stacks) == 2:
            raise KeyboardInterrupt
        return counted(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(jobs, "train_prepared", killed)
        with pytest.raises(KeyboardInterrupt):
            job(stack=2)
    assert len(job.models()) == 4
    # A file that was damaged is trained again too.
    name = sorted(job.models())[0]
    path = job.folder / "models" / name
    path.write_bytes(path.read_bytes()[:2000])
    table = job(stack=2)
    assert job.stacks == [2, 1]
    assert (table["status"] == "trained").all()
    assert f"{name} cannot be read" in job.log


@pytest.fixture
def diverge(monkeypatch):
    """A function that has fits of some seeds diverge, and returns the list of seeds that ran."""
    counted = jobs.train_prepared

    def start(*seeds_that_diverge):
        ran = []

        def diverging(prepared, progress):
            seeds = [task.seed for task in prepared.tasks]
            ran.extend(seeds)
            fits = counted(prepared, progress)
            return [
                DivergedError("joint", 7) if seed in seeds_that_diverge else fit
                for seed, fit in zip(seeds, fits, strict=True)
            ]

        monkeypatch.setattr(jobs, "train_prepared", diverging)
        return ran

    return start


def test_a_model_that_diverges_is_tried_again_once_with_another_seed(job, diverge):
    first = [derive_seed(1, *bin_) for bin_ in BINS]
    again = [derive_seed(1, *bin_, "again") for bin_ in BINS]
    undisturbed = job(stack=3)
    for path in (job.folder / "models").iterdir():
        path.unlink()
    # Of the first bin the second attempt succeeds, of the fourth it does not.
    ran = diverge(first[0], first[3], again[3])
    table = job(stack=3)
    assert ran == [*first, again[0], again[3]]
    failed = table["status"].str.startswith("failed: training diverged")
    assert list(failed) == [False, False, False, True, False, False]
    assert list(table["attempt"]) == [2, 1, 1, 2, 1, 1]
    assert list(table["seed"]) == [again[0], *first[1:3], again[3], *first[4:]]
    assert table.loc[failed, "active_dimensions"].isna().all()
    assert len(job.models()) == 5
    assert "007 bin 1 failed: training diverged" in job.log
    assert "007 bin 1 is tried again with another seed" in job.log
    others = [1, 2, 4, 5]
    columns = ["seed", "reconstruction_error", "heldout_loss", "attempt"]
    pd.testing.assert_frame_equal(table.loc[others, columns], undisturbed.loc[others, columns])
    # Other batches give the same, and a job that runs again keeps a second attempt.
    models = {path.name: ad.read_h5ad(path).varm["sivae_loadings"] for path in files(job)}
    ran.clear()
    pd.testing.assert_frame_equal(job(stack=3), table)
    assert ran == [first[3], again[3]]
    for path in files(job):
        path.unlink()
    for bin_ in BINS:
        job([bin_])
    for path in files(job):
        loadings = ad.read_h5ad(path).varm["sivae_loadings"]
        np.testing.assert_allclose(loadings, models.pop(path.name), rtol=1e-4, atol=1e-6)
    assert not models


def files(job) -> list[Path]:
    return list((job.folder / "models").glob("*.h5ad"))


def test_a_job_that_dies_at_its_seventh_bin_goes_on_there(job, diverge, tmp_path):
    names = ["a", "b", "c", "d"]
    write_samples(tmp_path, names)
    bins = [(name, number) for name in names for number in (1, 2)]
    seeds = [derive_seed(1, *bin_) for bin_ in bins]

    class Died(BaseException):
        pass

    ran = diverge()
    whole = jobs.train_prepared

    def dying(*arguments):
        if len(ran) == 6:
            raise Died
        return whole(*arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(jobs, "train_prepared", dying)
        with pytest.raises(Died):
            job(bins, stack=1)
    before = job.models()
    assert len(before) == 6
    ran.clear()
    table = job(bins, stack=1)
    assert ran == seeds[6:]
    assert (table["status"] == "trained").all()
    assert {name: job.models()[name] for name in before} == before
    assert "6 of 8 models are trained already" in job.log


def test_a_stack_that_does_not_fit_is_halved(job, monkeypatch):
    counted = jobs.train_prepared

    def small(prepared, progress):
        if len(prepared.tasks) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return counted(prepared, progress)

    monkeypatch.setattr(jobs, "train_prepared", small)
    table = job(stack=5)
    assert job.stacks == [2, 2, 2]
    assert list(table["stack"]) == [2] * 6
    assert "no room for 3 models at a time: now 2" in job.log


def on_gpu(monkeypatch) -> None:
    """Have jobs go as with a GPU, on the CPU."""
    monkeypatch.setattr(jobs, "choose_device", lambda _: torch.device("cuda"))


@pytest.mark.parametrize("warm", [False, True])
def test_on_a_gpu_stacks_are_prepared_and_written_beside_the_training(
    job, tmp_path, monkeypatch, warm
):
    start, unseen = None, []
    if warm:
        cells = ad.read_h5ad(job.folder / "expression.h5ad")
        start, *unseen = (tmp_path / str(number) for number in range(3))
        for path in (start, *unseen):
            fit(cells, from_config(KEYS, "fast"), 1, "cpu").save(path)
    alone = job(stack=2, start=start, unseen=unseen)
    content = {path.name: ad.read_h5ad(path) for path in files(job)}
    for path in files(job):
        path.unlink()

    prepared, written = jobs.prepare_stack, jobs.write_models
    trained, began, ended = jobs.train_prepared, [], []
    ready, wrote = [threading.Event() for _ in range(10)], [threading.Event() for _ in range(3)]

    def preparing(*arguments, **options):
        made = prepared(*arguments, **options)
        ready[len(began)].set()
        began.append(threading.current_thread())
        return made

    def training(*arguments):
        number, last = len(ended), 9 if warm else 3
        # The next is made ready before this ends, and the one before was written.
        assert number + 1 == last or ready[number + 1].wait(60)
        ended.append(number)
        assert number < last / 3 or wrote[3 * number // last - 1].wait(60)
        return trained(*arguments)

    def writing(*arguments):
        rows = written(*arguments)
        next(one for one in wrote if not one.is_set()).set()
        return rows

    on_gpu(monkeypatch)
    for name, spy in (
        ("prepare_stack", preparing),
        ("train_prepared", training),
        ("write_models", writing),
    ):
        monkeypatch.setattr(jobs, name, spy)
    beside = job(stack=2, start=start, unseen=unseen)
    assert threading.main_thread() not in began[1:]
    times = ["seconds", "peak_memory_mb"]
    pd.testing.assert_frame_equal(beside.drop(columns=times), alone.drop(columns=times))
    for path in files(job):
        model, before = ad.read_h5ad(path), content.pop(path.name)
        pd.testing.assert_frame_equal(model.var, before.var)
        for name in ("sivae_loadings", "covariance_factor"):
            np.testing.assert_array_equal(model.varm[name], before.varm[name])
    assert not content


def test_what_fails_beside_the_training_ends_the_job(job, monkeypatch):
    on_gpu(monkeypatch)

    def full(*_):
        raise InputError([Problem("1.h5ad", "file", None, "cannot be written", "make room")])

    with monkeypatch.context() as patched:
        patched.setattr(jobs, "write_models", full)
        with pytest.raises(InputError, match="cannot be written"):
            job(stack=2)
    assert not job.models()
    # What was trained before the job was stopped is written.
    trained = jobs.train_prepared

    def stopped(*arguments):
        if len(job.stacks) == 2:
            raise KeyboardInterrupt
        return trained(*arguments)

    monkeypatch.setattr(jobs, "train_prepared", stopped)
    with pytest.raises(KeyboardInterrupt):
        job(stack=2)
    assert len(job.models()) == 4


def test_a_gpu_gets_two_stacks_at_least(job, monkeypatch):
    on_gpu(monkeypatch)
    monkeypatch.setattr(jobs, "stack_size", lambda *_: 100)
    monkeypatch.setattr(jobs, "SPLIT", 4)
    job(BINS[:3])
    assert job.stacks == [3]
    job(BINS, seed=2)
    assert job.stacks == [3, 3]


def test_more_seeds_train_only_what_is_new(job):
    once = job(seeds=1)
    before = job.models()
    table = job(seeds=3, stack=4)
    # Twelve new ones, of several bins at a time.
    assert job.stacks == [4, 4, 4]
    assert table[["sample", "bin", "repeat"]].to_numpy().tolist() == [
        [*bin_, repeat] for bin_ in BINS for repeat in (1, 2, 3)
    ]
    first = table[table["repeat"] == 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(first, once)
    assert table["seed"].nunique() == table["model"].nunique() == 3 * len(BINS)
    assert table["reconstruction_error"].nunique() == 3 * len(BINS)
    assert set(job.models()) == set(table["model"])
    assert {name: job.models()[name] for name in before} == before
    # Fewer seeds use the first of them again.
    pd.testing.assert_frame_equal(job(seeds=1), once)
    assert job.stacks == []


def test_models_follow_the_one_they_start_from(job, tmp_path):
    cold = job()
    expression = read_bin(job.folder / "expression.h5ad", "c", 1)
    settings = from_config(KEYS, "fast")
    for seed in (1, 2):
        fit(expression, settings, seed, "cpu").save(tmp_path / f"start{seed}")
    warm = job(start=tmp_path / "start1")
    assert len(job.stacks) == 6
    assert warm["reconstruction_error"].ne(cold["reconstruction_error"]).all()
    job(start=tmp_path / "start1")
    assert job.stacks == []
    job(start=tmp_path / "start2")
    assert len(job.stacks) == 6
    # Repeats hold out the same cells, those that the cohort's model held out.
    job(BINS[:1], seeds=2, start=tmp_path / "start1")
    cells = read_bin(job.folder / "expression.h5ad", *BINS[0])
    for name in ("007.1.h5ad", "007.1-2.h5ad"):
        model = ad.read_h5ad(job.folder / "models" / name)
        assert set(model.uns["losses"]["stage"]) == {"joint"}
        np.testing.assert_array_equal(model.obs["heldout"], heldout_of(cells.obs, 0.25, 1))


def test_errors_of_small_bins_are_of_cells_that_no_model_saw(job, tmp_path):
    settings = from_config(KEYS, "fast")
    obs = BinnedExpression(job.folder / "expression.h5ad").obs
    folds = fold_of(obs, 1)
    whole = ad.read_h5ad(job.folder / "expression.h5ad")
    starts = [tmp_path / name for name in ("all", "fold1", "fold2")]
    for number, path in enumerate(starts):
        fit(whole[folds != number], settings, number, "cpu").save(path)
    job(BINS[:2], start=starts[0], unseen=starts[1:], stack=2)
    model = ad.read_h5ad(job.folder / "models" / "007.1.h5ad")
    cells = read_bin(job.folder / "expression.h5ad", *BINS[0])
    own = folds[((obs["sample"] == BINS[0][0]) & (obs["bin"] == BINS[0][1])).to_numpy()]
    assert abs((own == 1).sum() - (own == 2).sum()) <= 1
    errors = np.empty_like(cells.X)
    for number in (1, 2):
        out, seed = own == number, derive_seed(int(model.uns["sivae"]["seed"]), "fold", number)
        of_fold = fit(cells, settings, seed, "cpu", start=load(starts[number]), heldout=out)
        errors[out] = (of_fold.reconstruct(cells[out]) - cells.X[out]) ** 2
    np.testing.assert_allclose(model.var["cross_fitted_error"], errors.mean(0), rtol=0.02)
    # Other models of the folds are other errors.
    job(BINS[:2], start=starts[0], unseen=starts[:0:-1])
    assert job.stacks


def test_no_repeat_has_the_file_of_another_bin(job, tmp_path):
    """Names of samples may end like those of models."""
    names = ["s", "s.1", "s.1-2", "s.1.2"]
    write_samples(tmp_path, names)
    table = job([(name, number) for name in names for number in (1, 2)], seeds=2, stack=16)
    assert table["model"].nunique() == len(table) == 16


def test_a_repeat_that_diverges_leaves_the_others(job, diverge):
    diverge(derive_seed(1, "007", 1, 2), derive_seed(1, "007", 1, 2, "again"))
    table = job(BINS[:1], seeds=2, stack=2)
    assert table["status"].str.startswith("failed").tolist() == [False, True]
    assert "007 bin 1 repeat 2 failed: training diverged" in job.log
    assert list(job.models()) == ["007.1.h5ad"]
