# The study that a sheet and a config ask for, loaded and checked.
import io
import subprocess
import sys
import tarfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config


def clone_folder(rules):
    """Return the folder of the clone; of one that Snakemake reads from git, a copy of its library."""
    if repository := getattr(rules, "hosted_repo", None):
        repository = repository.repo.git_dir
    elif not (repository := getattr(rules, "repo_path", None)):
        return Path(rules.get_path_or_uri(secret_free=True)).resolve().parents[1]
    git = ["git", "-c", "safe.directory=*", "-C", str(repository)]
    commit = ["rev-parse", "--verify", f"{rules.ref}^{{commit}}"]
    commit = subprocess.run([*git, *commit], check=True, capture_output=True, text=True).stdout
    folder = Path(".snakemake/popnet").resolve() / commit.strip()
    if not (folder / "src").exists():
        wanted = ["src", "resources", "workflow/scripts"]
        archive = subprocess.run(
            [*git, "archive", rules.ref, *wanted], check=True, capture_output=True
        ).stdout
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: a run may be interrupted, and jobs may unpack it side by side.
        with TemporaryDirectory(dir=folder.parent) as unpacked:
            with tarfile.open(fileobj=io.BytesIO(archive)) as files:
                files.extractall(unpacked, filter="data")
            with suppress(OSError):
                Path(unpacked, "src").parent.rename(folder)
            Path(unpacked).mkdir(exist_ok=True)
    return folder


RULES = workflow.current_basedir
CLONE = clone_folder(RULES)
# Scripts look for modules where this process does.
sys.path[:0] = [str(CLONE / "src"), str(CLONE / "workflow" / "scripts")]

from popnet import presets
from popnet.checks.config import check_config
from popnet.checks.environment import check_python
from popnet.errors import InputError, describe
from popnet.names import NETWORKS as NETWORK_NAMES
from popnet.names import safe_name
from popnet.study.cohort import (
    cells_part,
    gene_sets_part,
    load_cohort,
    phenotype_part,
    sheet_config,
    variants_part,
)
from popnet.study.documents import read_sheet

# Settings that the cohort brings along; --config and --configfile still have the last word, but not
# config.yaml where it is named there too, before a file of the user's own.
if settings_file := sheet_config(config["cohort"]):

    configfile: settings_file

    defaults = Path("config/config.yaml").resolve()
    own = [path for path in workflow.overwrite_configfiles if path.resolve() != defaults]
    update_config(config, load_configfile(settings_file))
    for path in own:
        update_config(config, load_configfile(path))
    update_config(config, workflow.config_settings.config)


def config_source(field):
    """Return the file that a key of the config comes from, the last that sets it."""

    def value_in(settings):
        for key in field.split("."):
            settings = settings.get(key) if isinstance(settings, dict) else None
        return settings

    files = map(str, [*workflow.configfiles, *workflow.overwrite_configfiles])
    for file in reversed(list(dict.fromkeys(files))):
        if value_in(load_configfile(file)) == value_in(config):
            return file
    return "--config"


def planned_as_is(study):
    """Return whether the cells were checked since the sheet or a file of its last changed.

    Nothing of the study is made before they are checked, and what follows from a change is made anew.
    """
    made = [
        Path(f"results/{study.name}", name)
        for name in ("bins.tsv", "samples.tsv", "study/gene_sets.json")
    ]
    files = [Path(path) for path in (config["cohort"], *study.files)]
    if not all(path.exists() for path in [*made, *files]):
        return False
    newest, changed = (max(path.stat().st_mtime_ns for path in group) for group in (made, files))
    return newest > changed


def load_study():
    """Load the sheet and check it, the config and, where they exist already, the cells.

    The cells are looked at only by the process that the user started, since every job parses this
    too, and not where nothing changed since `plan_bins` looked at them.
    """
    # Snakemake reads over a key that is given twice, and writes out any alias.
    files = dict.fromkeys(map(str, [*workflow.configfiles, *workflow.overwrite_configfiles]))
    unread = [file for file in files if not file.endswith(".json")]
    problems = list(filter(None, [check_python()]))
    if problems := problems + [problem for file in unread for problem in read_sheet(file)[1]]:
        raise WorkflowError(describe(problems))
    problems = [
        problem if problem.file else replace(problem, file=config_source(problem.field))
        for problem in check_config(config, "")
    ]
    try:
        study = load_cohort(config["cohort"])
    except InputError as error:
        raise WorkflowError(describe(problems + error.problems))
    if problems:
        raise WorkflowError(describe(problems))
    warnings = list(study.warnings)
    if workflow.is_main_process and study.simulation is None and not planned_as_is(study):
        from popnet.checks.study import check_networks, read_study

        try:
            found = read_study(study, config)
            warnings += [*found.warnings, *check_networks(study, found, config)]
        except InputError as error:
            raise WorkflowError(describe(warnings + error.problems))
    if warnings and workflow.is_main_process:
        logger.warning(describe(warnings))
    return study


cohort = load_study()
# Names of networks: the estimators' and those of the user's own, of which some have no edges.
OWN = {network.name: network for network in cohort.own_networks}
OWN_VALUES = [network.name for network in cohort.own_networks if network.form == "values"]
if not cohort.has_cells:
    config["networks"]["estimators"], config["bins"]["depth"] = [], "none"
    config["bins"]["depth"] = "none"
phenotypes = {safe_name(phenotype.name): phenotype for phenotype in cohort.phenotypes}
