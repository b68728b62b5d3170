"""Processes that are killed, disks that fill up, files that rot: the study ends as without them."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import anndata as ad
import cyvcf2
import numpy as np
import pandas as pd
import psutil
import pytest
import yaml
from scipy import sparse

from popnet.cells.expression import read_bin
from popnet.cells.formats import open_source
from popnet.errors import InputError
from popnet.files import read_parquet, read_table, write_parquet
from popnet.genotypes.reading import read_genotypes

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SAMPLES = [f"s {number}" for number in range(6)]
BINS = [(sample, number) for sample in SAMPLES for number in (1, 2)]
SHEET = {
    "name": "faults",
    "cells": {"path": "cells.h5ad", "sample": "line"},
    "samples": [{"id": id, "phenotypes": {"score": i}} for i, id in enumerate(SAMPLES)],
    "phenotypes": {"score": {"type": "continuous"}},
}
SETTINGS = {
    "cohort": "sheet.yaml",
    "preset": "paper",
    "bins": {"size": 30},
    "sivae": {"latent": 4, "hidden": [16], "steps": [30, 30, 30]},
    "training": {"bins_per_job": 6},
    "statistics": {"permutations": 50},
}
# What the figures, the map and the report are made of: they take most of the time of a study.
WANTED = ["excluded.tsv", "cohort.json", "all/associations/score/sivae/centrality.tsv"]
NETWORKS = "all/networks/sivae/bins.h5ad"
N_KILLS = 4


class Study:
    """The cohort in a clone."""

    def __init__(self, clone: Path, run):
        self.clone, self.run = clone, run
        self.results = clone / "results" / "faults"
        self.models = self.results / "all" / "models"
        self.training = self.results / "all" / "training"

    def command(self, *wanted: str) -> list[str]:
        targets = [f"results/faults/{name}" for name in wanted or WANTED]
        return [*targets, "--cores", "2", "--configfile", "settings.yaml"]

    def __call__(self, *wanted: str, more: tuple = ()) -> tuple[int, str]:
        return self.run(self.clone, *self.command(*wanted), *more)

    def set(self, **keys: dict) -> None:
        settings = SETTINGS | {key: SETTINGS[key] | value for key, value in keys.items()}
        (self.clone / "settings.yaml").write_text(yaml.safe_dump(settings))

    def start(self, *wanted: str) -> subprocess.Popen:
        """Start the study, whose processes form a group."""
        environment = {key: os.environ[key] for key in os.environ if key != "SNAKEMAKE_PROFILE"}
        with (self.clone / "output").open("w") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "snakemake", *self.command(*wanted)],
                cwd=self.clone,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def locked(self) -> bool:
        return any((self.clone / ".snakemake" / "locks").glob("*"))

    def jobs(self, script: str) -> list[psutil.Process]:
        """Return the processes that run a script for this study."""
        found = []
        for process in psutil.process_iter(["cmdline", "cwd"]):
            words = process.info["cmdline"] or [""]
            ours = process.info["cwd"] == str(self.clone) and "python" in words[0]
            if ours and words[-1].endswith(f".{script}"):
                found.append(process)
        return found

    def log(self, name: str) -> str:
        return (self.clone / "logs" / "faults" / name).read_text()


def contents(results: Path) -> dict[str, object]:
    """Return what the files of a study say, but for times, memory and Snakemake's benchmarks."""
    said = {}
    for path in sorted(results.rglob("*")):
        name = str(path.relative_to(results))
        # A writer that was killed leaves its temporary file, whose name begins with a dot.
        if not path.is_file() or name.startswith("benchmarks/") or path.name.startswith("."):
            continue
        if path.parent.name == "training" and path.suffix == ".tsv":
            table = read_table(path).drop(columns=["seconds", "peak_memory_mb"])
            said[name] = table.to_csv()
        elif name == "cohort.json":
            record = json.loads(path.read_text())
            for row in record["trained_on"]:
                del row["hours"]
            said[name] = record
        elif path.suffix == ".parquet":
            said[name] = pd.read_parquet(path).to_csv()
        elif path.suffix == ".h5ad":
            data = ad.read_h5ad(path)
            arrays = [data.X, *data.layers.values(), *data.varm.values(), *data.obsm.values()]
            tables = [data.obs.to_csv(), data.var.to_csv()]
            said[name] = [*tables, *(np.asarray(array).tobytes() for array in arrays)]
        else:
            said[name] = path.read_bytes()
    return said


def assert_equal(results: Path, reference: dict[str, object]) -> None:
    found = contents(results)
    assert set(found) == set(reference)
    assert [name for name in found if found[name] != reference[name]] == []


def write_study(clone: Path, run) -> Study:
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"line": np.repeat(SAMPLES, 65)})
    obs.index = [f"cell{number}" for number in range(len(obs))]
    counts = rng.poisson(np.exp(rng.normal(1, 0.6, (len(obs), 40)))).astype(np.float32)
    genes = pd.DataFrame(index=[f"GENE{number}" for number in range(40)])
    cells = ad.AnnData(sparse.csr_matrix(counts), obs, genes)
    cells.write_h5ad(clone / "cells.h5ad", compression="gzip")
    (clone / "sheet.yaml").write_text(yaml.safe_dump(SHEET))
    study = Study(clone, run)
    study.set()
    return study


@pytest.fixture(scope="module")
def undisturbed(copy_clone, snakemake):
    """A study that ran, beside a second one in the same folder, and how that one ended."""
    study = write_study(copy_clone("faults"), snakemake)
    first = study.start()
    try:
        wait_for(study.locked, first)
        second = study()
        assert first.wait(600) == 0, (study.clone / "output").read_text()
    finally:
        end(first)
    return study, second, contents(study.results)


@pytest.fixture
def study(undisturbed, tmp_path):
    """The study that ran, which is put back as it was afterwards: files go by their full paths."""
    study = undisturbed[0]
    shutil.copytree(study.clone, tmp_path / "clone", symlinks=True)
    yield study
    wait_until_nothing_runs(study)
    shutil.rmtree(study.clone)
    (tmp_path / "clone").rename(study.clone)


@pytest.fixture(scope="module")
def reference(undisturbed):
    return undisturbed[2]


def wait_for(condition, process: subprocess.Popen, seconds: float = 600):
    """Return what the condition comes to once it is true, None where the process ended first."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        if process.poll() is not None:
            return None
        time.sleep(0.02)
    raise TimeoutError


def end(process: subprocess.Popen) -> None:
    """Kill a study with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def damage(path: Path, places, seed: int = 0):
    """Yield while one bit after another is flipped at one of the places, then with the end cut."""
    whole = path.read_bytes()
    rng = random.Random(seed)
    for place in places:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        yield
    for _ in range(5):
        path.write_bytes(whole[: rng.randrange(len(whole))])
        yield
    path.write_bytes(whole)


def noticed(path: Path, read) -> bool:
    """Return whether a reader refuses the file, in which case it must say which and what to do."""
    try:
        read()
    except InputError as error:
        problem = error.problems[0]
    else:
        return False
    assert (problem.file, bool(problem.remedy)) == (str(path), True)
    return True


def test_a_second_run_in_the_folder_is_refused(undisturbed):
    status, output = undisturbed[1]
    assert status != 0
    assert "cannot be locked" in output


def test_kills(study, reference):
    """Half of them are of a training job; what the killed main process started may go on."""
    rng = random.Random(1)
    shutil.rmtree(study.results)
    n_kills = 0
    while n_kills < N_KILLS:
        process = study.start()
        try:
            if n_kills % 2:
                wait_for(lambda: study.jobs("train_sivae.py"), process)
                time.sleep(rng.uniform(0, 4))
                if jobs := study.jobs("train_sivae.py"):
                    with suppress(psutil.NoSuchProcess):
                        rng.choice(jobs).kill()
                        n_kills += 1
                process.wait(600)
            else:
                wait_for(study.locked, process)
                time.sleep(rng.uniform(0, 6))
                if process.poll() is None:
                    process.kill()
                    n_kills += 1
                    if rng.random() < 0.5:
                        end(process)
        finally:
            process.wait()
        if process.returncode == 0:
            assert_equal(study.results, reference)
            shutil.rmtree(study.results)
        elif study.locked():
            status, output = study(more=("--unlock",))
            assert status == 0, output
    status, output = study()
    assert status == 0, output
    assert_equal(study.results, reference)
    wait_until_nothing_runs(study)
    assert_equal(study.results, reference)


def wait_until_nothing_runs(study) -> None:
    until = time.monotonic() + 600
    while study.jobs("py") and time.monotonic() < until:
        time.sleep(0.1)


def test_a_training_job_killed_at_its_seventh_bin_goes_on_there(study, reference):
    shutil.rmtree(study.models)
    shutil.rmtree(study.training)
    study.set(training={"bins_per_job": 12})
    process = study.start("all/training/1.tsv")
    try:
        wait_for(lambda: len(list(study.models.glob("[!.]*"))) >= 6, process)
        for job in study.jobs("train_sivae.py"):
            job.kill()
        process.wait(600)
    finally:
        end(process)
    assert not (study.training / "1.tsv").exists()
    before = {path: path.stat().st_mtime_ns for path in study.models.glob("[!.]*")}
    status, output = study(NETWORKS)
    assert status == 0, output
    assert 6 <= len(before) <= 12
    assert f"{len(before)} of 12 models are trained already" in study.log("all/train_sivae/1.log")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    found = contents(study.results)
    # The tables of training are of other batches.
    kept = [name for name in reference if "/training/" not in name]
    assert [name for name in kept if found[name] != reference[name]] == []


@pytest.fixture
def small_disk(study):
    """A function that puts a file system of some size at a folder, or gives the one there more."""
    mounted = []

    def mount(folder: Path, size: str) -> None:
        options = f"remount,size={size}" if folder in mounted else f"size={size}"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"no small disk to fill, which takes root: {done.stderr.strip()}")
        if folder not in mounted:
            mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk_during_training(study, reference, small_disk):
    for path in [*study.models.iterdir(), *study.training.glob("*.tsv")]:
        path.unlink()
    tables = [f"all/training/{number}.tsv" for number in range(1, 3)]
    small_disk(study.models, "200k")
    status, output = study(*tables)
    assert status != 0
    assert "cannot be written: No space left on device" in output
    assert "Remedy: make room" in output
    named = [line for line in output.splitlines() if "models/" in line and ": file" in line]
    assert named
    models = list(study.models.iterdir())
    assert 0 < len(models) < len(BINS)
    for path in models:
        assert ad.read_h5ad(path).n_vars == 40
    small_disk(study.models, "50m")
    status, output = study(*tables)
    assert status == 0, output
    assert_equal(study.results, reference)


def test_full_disk_during_a_table(small_disk, study):
    folder = study.clone / "disk"
    folder.mkdir()
    small_disk(folder, "100k")
    table = pd.DataFrame({"x": np.random.default_rng(0).normal(size=100_000)})
    path = folder / "table.parquet"
    with pytest.raises(InputError, match="No space left on device") as error:
        write_parquet(table, path)
    assert str(path) in str(error.value)
    assert list(folder.iterdir()) == []
    small_disk(folder, "10m")
    write_parquet(table, path)
    pd.testing.assert_frame_equal(pd.read_parquet(path), table)


def test_damaged_cells(study, tmp_path):
    """Compressed chunks have checksums, raw ones do not, nor do strings, here the cells' names.

    Where the counts are not compressed, flips in them make other counts, which nobody can notice.
    """
    path = study.clone / "cells.h5ad"
    source = open_source(path)
    genes, counts = source.genes, source.read_rows(np.arange(source.n_cells))

    def read():
        found = open_source(path)
        assert list(found.genes) == list(genes)
        assert (found.read_rows(np.arange(found.n_cells)) != counts).nnz == 0

    whole = path.read_bytes()
    # The largest of the file are the chunks of counts; zlib's first two bytes are a stream's.
    start = whole.index(b"\x78\x5e", len(whole) // 3)
    assert all(noticed(path, read) for _ in damage(path, range(start + 10, start + 400, 13)))
    assert any(noticed(path, read) for _ in damage(path, range(0, 2000, 50)))

    path.write_bytes(whole[: start + 50] + bytes([whole[start + 50] ^ 1]) + whole[start + 51 :])
    shutil.rmtree(study.results)
    status, output = study("all/genes.tsv")
    assert status != 0
    assert f"{path.name}: path" in output
    assert "copy or download it again" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("kind", ["bgzip", "gzip"])
def test_damaged_variants(tmp_path, kind):
    """Both have checksums."""
    rng = np.random.default_rng(0)
    text = "##fileformat=VCFv4.2\n##contig=<ID=MT,length=16569>\n"
    text += '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    text += "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT s\n".replace(" ", "\t")
    for position in range(10, 10_000, 10):
        record = f"MT {position} . A {rng.choice(list('CGT'))} . PASS . GT {rng.integers(2)}"
        text += record.replace(" ", "\t") + "\n"
    path = tmp_path / "s.vcf.gz"
    path.write_bytes(gzip.compress(text.encode()))
    if kind == "bgzip":
        plain = tmp_path / "plain.vcf"
        plain.write_text(text)
        template = cyvcf2.VCF(str(plain))
        writer = cyvcf2.Writer(str(path), template, "wz")
        for record in template:
            writer.write_record(record)
        writer.close()

    def read():
        read_genotypes({"s": (path, None)})

    assert not noticed(path, read)
    places = range(0, path.stat().st_size, path.stat().st_size // 60)
    assert sum(noticed(path, read) for _ in damage(path, places)) >= len(places) + 5 - 3
    assert not noticed(path, read)
    if kind == "bgzip":
        # Without the empty block at its end it may lack others too.
        path.write_bytes(path.read_bytes()[:-28])
        assert noticed(path, read)


@pytest.mark.parametrize(
    "name", ["binned_cells", *(f"all/networks/sivae/{name}" for name in ("edges", "bin_edges"))]
)
def test_damaged_tables(study, name):
    """The pages of values have checksums, the description of the table at the end has none."""
    path = study.results / f"{name}.parquet"
    whole = read_parquet(path)

    def read():
        pd.testing.assert_frame_equal(read_parquet(path), whole)

    # The length of the description, before the last four bytes.
    end = path.stat().st_size - int.from_bytes(path.read_bytes()[-8:-4], "little")
    places = range(10, end - 10, max(end // 100, 1))
    found = [noticed(path, read) for _ in damage(path, places)]
    # A flip that nobody notices, in the header of a page, changes no value: `read` would fail. How
    # large a share headers are depends on the size of the file, so this says only that flips were
    # noticed at all.
    assert sum(found[: len(places)]) > 0.85 * len(places)
    assert all(found[len(places) :])


def test_a_table_of_training_that_lost_its_end(study):
    """At the end of a line, where the rest reads as a whole table."""
    shutil.rmtree(study.results / "all" / "networks")
    path = study.training / "1.tsv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    status, output = study(NETWORKS)
    assert status != 0
    assert "The tables of training lack 1 bins, the first: s 2 bin 2" in output
    assert "delete these tables" in output


def test_damaged_expression(study):
    path = study.results / "all" / "expression.h5ad"
    cells = [read_bin(path, *bin_).X for bin_ in BINS]

    def read():
        for bin_, expected in zip(BINS, cells, strict=True):
            np.testing.assert_array_equal(read_bin(path, *bin_).X, expected)

    places = range(0, path.stat().st_size, path.stat().st_size // 60)
    assert sum(noticed(path, read) for _ in damage(path, places)) > 20
    # The study says so, and the remedy is one.
    path.write_bytes(path.read_bytes()[:3000])
    shutil.rmtree(study.training)
    shutil.rmtree(study.models)
    status, output = study("all/training/1.tsv")
    assert status != 0
    assert "all/expression.h5ad: file" in output
    assert "Remedy: delete it and start the study again" in output
    assert "Traceback" not in output
    path.unlink()
    status, output = study("all/training/1.tsv")
    assert status == 0, output


def test_damaged_model(study, reference):
    """A model of a job that ended is read by those that gather; of one that did not, trained."""
    model, other = sorted(study.models.iterdir())[:2]
    kept = other.stat().st_mtime_ns
    model.write_bytes(model.read_bytes()[:-3000])
    shutil.rmtree(study.results / "all" / "networks")
    status, output = study(NETWORKS)
    assert status != 0
    table = next(
        path
        for path in study.training.glob("*.tsv")
        if model.name in set(read_table(path)["model"])
    )
    assert f"{model.relative_to(study.clone)}: file" in output
    assert f"delete it and {table.relative_to(study.clone)}" in output
    assert "Traceback" not in output
    model.unlink()
    table.unlink()
    status, output = study(NETWORKS)
    assert status == 0, output
    assert_equal(study.results, reference)
    assert other.stat().st_mtime_ns == kept


def test_bins_that_diverge(study):
    """A loss so large that some of the models overflow, some of them with both seeds."""
    large = {"gamma": 1e31, "learning_rate": 1.0, "precision": "float32"}
    study.set(sivae=large, training={"max_failed_bins": 1.0})
    status, output = study("excluded.tsv", NETWORKS)
    assert status == 0, output
    trained = pd.concat([read_table(path) for path in study.training.glob("*.tsv")])
    lost = trained[trained["status"] != "trained"]
    assert 0 < len(lost) < len(BINS)
    assert (lost["attempt"] == 2).all()
    names = [f"bin {row.bin} did not train: failed: training diverged" for row in lost.itertuples()]
    excluded = read_table(study.results / "excluded.tsv")
    excluded = excluded[excluded["reason"].str.startswith("bin ")]
    assert sorted(excluded["sample"]) == sorted(lost["sample"])
    assert all(excluded["reason"].str.startswith(name).any() for name in names)
    assert (excluded["n_cells"] == 30).all()
    gathered = ad.read_h5ad(study.results / NETWORKS).obs
    assert len(gathered) == len(BINS) - len(lost)

    study.set(sivae=large, training={"max_failed_bins": 0.01})
    status, output = study(NETWORKS)
    assert status != 0
    assert f"{len(lost)} of {len(BINS)} bins did not train" in output
    for row in lost.itertuples():
        assert f"{row.sample} bin {row.bin} (failed: training diverged" in output
