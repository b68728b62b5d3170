"""The demo on a real Slurm: daemons of its own on this machine, and the profile that is shipped.

All its jobs would take long here, so one phenotype, one network and short training stand in.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

pytestmark = [pytest.mark.slurm, pytest.mark.integration, pytest.mark.slow]

DAEMONS = ["munged", "slurmctld", "slurmd"]
CLIENTS = ["sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo", "sacct"]
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
# Killed while it trains; the model of the cohort has a GPU as well.
TRAINING, GPU_RULES = "train_sivae", {"train_sivae", "train_again", "train_shared"}
# Two jobs of training, on a processor although they are given a GPU, which is none.
SETTINGS = {
    "sivae": {"latent": 4, "hidden": [64], "steps": [30, 30, 30]},
    "networks": {"estimators": ["sivae"], "closest": 0.05, "central_genes": 60},
    "training": {"bins_per_job": 40, "device": "cpu"},
    "statistics": {"permutations": 200, "test_unmeasurable": True},
}
CONFIGS = ["--configfile", "config/config.yaml", "slurm_test.yaml"]
# Figures and reports are made as anywhere else; without them both runs take half the time.
WANTED = [f"results/demo/{name}" for name in ("excluded.tsv", "associations.tsv")]
# What a model cost is not what it is.
COSTS = ["seconds", "peak_memory", "peak_memory_mb"]
# As many CPUs, as much memory and the GPU are only said to be there.
CONFIG = """\
ClusterName=popnet
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
MinJobAge=7200
KillWait=5
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
GresTypes=gpu
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=64000 Gres=gpu:1
PartitionName=cpu Nodes=node Default=YES
PartitionName=gpu Nodes=node
"""


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(condition, seconds: float, what: str):
    """Return what `condition` returns once it is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {seconds} s in vain for {what}"
        time.sleep(0.2)
    return found


@contextmanager
def running_slurm(folder: Path):
    """Start a Slurm on this machine; gives the environment in which commands find it.

    Nothing of it is outside the folder, so that a Slurm of the machine's own is left alone.
    """
    for name in ("bin", "state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    host = socket.gethostname().split(".")[0]
    config = CONFIG.format(host=host, user=getpass.getuser(), folder=folder, ports=free_ports(2))
    (folder / "slurm.conf").write_text(config)
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
    # The plugin takes SLURM_CONF from the environment of what it starts, so each command sets it.
    for name in CLIENTS:
        command = folder / "bin" / name
        program = shutil.which(name, path=PATH)
        command.write_text(f"#!/bin/sh\nSLURM_CONF='{folder}/slurm.conf' exec {program} \"$@\"\n")
        command.chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if "SLURM_" not in name}
    inherited.pop("SNAKEMAKE_PROFILE", None)
    environment = inherited | {"PATH": f"{folder / 'bin'}:{PATH}", "LC_ALL": "C"}
    munged = ["munged", "--foreground", "--force"]
    for option, file in (("socket", "socket"), ("key-file", "key"), ("pid-file", "pid")):
        munged.append(f"--{option}={folder}/munge.{file}")
    munged += [f"--seed-file={folder}/munge.seed", f"--log-file={folder}/munge.log"]
    daemons = []

    def start(command):
        with (folder / f"{command[0]}.out").open("w") as output:
            daemon = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment | {"SLURM_CONF": f"{folder}/slurm.conf"},
            )
        daemons.append(daemon)

    def idle():
        return set(ask(environment, "sinfo", "-h", "-o", "%T").split()) == {"idle"}

    try:
        start(munged)
        wait_for((folder / "munge.socket").exists, 10, "munged")
        start(["slurmctld", "-D"])
        start(["slurmd", "-D", "-N", "node"])
        try:
            wait_for(idle, 60, "Slurm's node")
        except AssertionError:
            logs = [f"{path.name}:\n{path.read_text()}" for path in folder.glob("*.out")]
            pytest.fail("Slurm does not start:\n" + "\n".join(logs))
        try:
            yield environment
        finally:
            # A job would outlive the daemons.
            ask(environment, "scancel", "--user", getpass.getuser())
            wait_for(idle, 60, "the last jobs to end")
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(30)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def ask(environment: dict, *command: str) -> str:
    """Return what a command of Slurm prints."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    return done.stdout


@pytest.fixture(scope="module")
def programs(install):
    """Those of Slurm, installed where they are not."""
    if not all(shutil.which(name, path=PATH) for name in [*DAEMONS, *CLIENTS]):
        install("slurm-wlm", "munge")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory, programs):
    """The environment in which commands find a Slurm that runs for these tests."""
    with running_slurm(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


def jobs(environment: dict) -> list[dict]:
    """Return what Slurm knows of every job so far, the first one first."""
    lines = ask(environment, "scontrol", "show", "jobs", "--details", "--oneliner").splitlines()
    found = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines if "JobId=" in line]
    for job in found:
        job["rule"] = re.search(r"/slurm/rule_(\w+)/", job["StdOut"])[1]
    return sorted(found, key=lambda job: int(job["JobId"]))


@pytest.fixture(scope="module")
def small_clone(copy_clone):
    """A function that returns a new clone with a demo of one phenotype and little training."""

    def copy(name: str) -> Path:
        clone = copy_clone(name)
        (clone / "slurm_test.yaml").write_text(yaml.safe_dump(SETTINGS))
        path = clone / "config" / "cohorts" / "demo.yaml"
        sheet = yaml.safe_load(path.read_text())
        sheet["phenotypes"] = {"efficiency": sheet["phenotypes"]["efficiency"]}
        path.write_text(yaml.safe_dump(sheet))
        return clone

    return copy


@pytest.fixture(scope="module")
def study(slurm, small_clone):
    """A clone in which the demo ran on Slurm, the jobs, the one killed and the models it left."""
    clone = small_clone("cluster")
    models = clone / "results" / "demo" / "progenitor" / "models"
    overrides = Path(__file__).parent / "slurm_overrides"
    command = [sys.executable, "-m", "snakemake", "--profile", "slurm"]
    command += ["--workflow-profile", str(overrides), *WANTED, *CONFIGS]
    log = clone / "snakemake.out"
    with log.open("w") as output:
        run = subprocess.Popen(
            command,
            cwd=clone,
            env=slurm,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:

        def training():
            assert run.poll() is None, log.read_text()
            whole = {path.name: path.stat().st_mtime_ns for path in models.glob("[!.]*.h5ad")}
            here = [job for job in jobs(slurm) if job["rule"] == TRAINING]
            running = [job for job in here if job["JobState"] == "RUNNING"]
            return (running[0], whole) if whole and running else None

        killed, whole = wait_for(training, 600, "a model")
        ask(slurm, "scancel", killed["JobId"])
        status = run.wait(1800)
        assert status == 0, log.read_text()
        yield clone, jobs(slurm), killed, whole
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGINT)
            run.wait(120)


def test_training_has_a_gpu_and_nothing_else_has(study):
    _, jobs, _, _ = study
    assert len(jobs) > 10
    assert {job["Partition"] for job in jobs if job["rule"] in GPU_RULES} == {"gpu"}
    assert {job["Partition"] for job in jobs if job["rule"] not in GPU_RULES} == {"cpu"}
    for job in jobs:
        gpus = ("gres:gpu:1", "gpu:1") if job["rule"] in GPU_RULES else (None, "(null)")
        assert (job.get("TresPerNode"), job.get("JOB_GRES")) == gpus


def test_a_killed_job_is_tried_again_with_more_memory(study):
    clone, jobs, killed, whole = study
    folder = Path(killed["StdOut"]).parent
    first, second = [job for job in jobs if Path(job["StdOut"]).parent == folder]
    assert first["JobId"] == killed["JobId"]
    assert [job["JobState"] for job in (first, second)] == ["CANCELLED", "COMPLETED"]
    assert [job["MinMemoryNode"] for job in (first, second)] == ["24000M", "48000M"]
    assert [job["TimeLimit"] for job in (first, second)] == ["04:00:00", "08:00:00"]
    others = [job for job in jobs if job["JobId"] != killed["JobId"]]
    assert {job["JobState"] for job in others} == {"COMPLETED"}
    # What the killed job had trained was kept.
    models = clone / "results" / "demo" / "progenitor" / "models"
    assert {name: (models / name).stat().st_mtime_ns for name in whole} == whole


def contents(path: Path):
    """Return what a result says, without what it cost."""
    if path.stem == "training" and path.parent.parent.name == "figures" and path.suffix != ".tsv":
        return None  # It shows the seconds.
    if path.suffix == ".tsv":
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        return table.drop(columns=COSTS, errors="ignore").to_csv()
    if path.suffix == ".parquet":
        return pd.read_parquet(path).to_csv()
    if path.suffix == ".h5ad":
        found = {}

        def visit(name, item):
            if isinstance(item, h5py.Dataset) and name.rpartition("/")[2] not in COSTS:
                value = np.asarray(item)
                found[name] = value.tolist() if value.dtype == object else value.tobytes()

        with h5py.File(path) as file:
            file.visititems(visit)
        return found
    if path.suffix == ".json":
        return without_costs(json.loads(path.read_text()))
    return path.read_bytes()


def without_costs(value):
    """Return what a JSON file says, without what it cost, and without digests of files that do."""
    if isinstance(value, list):
        return [without_costs(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {key: without_costs(one) for key, one in value.items() if key not in (*COSTS, "model")}


def test_results_are_those_of_a_local_run(study, small_clone, snakemake):
    clone, _, _, _ = study
    local = small_clone("local")
    run = ["--cores", "2", *WANTED, *CONFIGS]
    status, output = snakemake(local, *run)
    assert status == 0, output

    def files(clone):
        folder = clone / "results" / "demo"
        found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
        # A job that was killed leaves the file that it was at, whose name begins with a dot.
        return {p for p in found if p.parts[0] != "benchmarks" and not p.name.startswith(".")}

    assert files(clone) == files(local)
    different = [
        path
        for path in sorted(files(clone))
        if contents(clone / "results/demo" / path) != contents(local / "results/demo" / path)
    ]
    assert not different


def test_nothing_outlives_a_failure(tmp_path, programs):
    job = tmp_path / "job.pid"
    with suppress(InterruptedError), running_slurm(tmp_path) as environment:
        ask(environment, "sbatch", "--output=/dev/null", f"--wrap=echo $$ >'{job}'; sleep 600")
        wait_for(lambda: job.exists() and job.read_text(), 60, "the job")
        files = [job, *(tmp_path / f"{name}.pid" for name in ("munge", "slurmctld", "slurmd"))]
        processes = [Path("/proc", path.read_text().strip()) for path in files]
        assert all(process.exists() for process in processes)
        raise InterruptedError
    assert not any(process.exists() for process in processes)
