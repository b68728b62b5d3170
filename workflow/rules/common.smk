# The library, and the config that the sheet brings along.
import io
import subprocess
import sys
import tarfile
from contextlib import suppress
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
        wanted = ["src", "resources", "workflow/scripts", "workflow/report", "workflow/Snakefile"]
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
from popnet.names import NETWORKS as NETWORK_NAMES
from popnet.names import safe_name
from popnet.study.cohort import (
    Cohort,
    cells_part,
    gene_sets_part,
    load_cohort,
    phenotype_part,
    sheet_config,
    variants_part,
)
from popnet.study.documents import read_sheet
from popnet.study.replication import replicated_phenotypes, replication_problems, second_cohort

# The cohort whose findings this one replicates. No file of settings can hold it: only the Snakefile
# gives it.
DISCOVERY = config.get("discovery")
if isinstance(DISCOVERY, Cohort):
    del config["discovery"]
else:
    DISCOVERY = None

# Settings that the cohort brings along; --config and --configfile still have the last word, but not
# config.yaml where it is named there too, before a file of the user's own.
if settings_file := None if DISCOVERY else sheet_config(config["cohort"]):

    configfile: settings_file

    defaults = Path("config/config.yaml").resolve()
    own = [path for path in workflow.overwrite_configfiles if path.resolve() != defaults]
    update_config(config, load_configfile(settings_file))
    for path in own:
        update_config(config, load_configfile(path))
    update_config(config, workflow.config_settings.config)
