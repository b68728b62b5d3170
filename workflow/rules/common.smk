# The cohort sheet and the config, loaded and checked; which files make up the study.
import csv
import sys
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

sys.path.insert(0, str(Path(str(workflow.current_basedir)).parent / "scripts"))

from popnet.cohort import load_cohort
from popnet.errors import InputError, describe
from popnet.names import safe_name
from popnet.sheet import check_config, read_sheet, sheet_config

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
    """Return whether the cells were checked since the sheet or a file of its last changed."""
    bins = Path(f"results/{study.name}/bins.tsv")
    files = [Path(path) for path in (config["cohort"], *study.files)]
    if not bins.exists() or not all(path.exists() for path in files):
        return False
    return bins.stat().st_mtime_ns > max(path.stat().st_mtime_ns for path in files)


def load_study():
    """Load the sheet and check it, the config and, where they exist already, the cells.

    The cells are looked at only by the process that the user started, since every job parses this
    too, and not where nothing changed since `plan_bins` looked at them.
    """
    # Snakemake reads over a key that is given twice, and writes out any alias.
    files = dict.fromkeys(map(str, [*workflow.configfiles, *workflow.overwrite_configfiles]))
    unread = [file for file in files if not file.endswith(".json")]
    if problems := [problem for file in unread for problem in read_sheet(file)[1]]:
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
        from popnet.validation import read_study

        try:
            warnings += read_study(study, config).warnings
        except InputError as error:
            raise WorkflowError(describe(warnings + error.problems))
    if warnings and workflow.is_main_process:
        logger.warning(describe(warnings))
    return study


cohort = load_study()
phenotypes = {safe_name(phenotype.name): phenotype for phenotype in cohort.phenotypes}


def covariate_params():
    """Return the sheet's covariates, for the scripts."""
    return [asdict(covariate) for covariate in cohort.covariates]


def training_environment():
    """Return the environment of training, which brings PyTorch for a GPU or for none."""
    name = "training_cpu" if config["training"]["device"] == "cpu" else "training"
    return f"../../envs/{name}.yaml"


def library(*modules):
    """Return modules of the library as input: Snakemake sees a script's text, not its imports."""
    return [workflow.source_path(f"../scripts/popnet/{module}") for module in modules]


def phenotype_params(wildcards):
    """Return how a phenotype is defined, for the scripts."""
    return asdict(phenotypes[wildcards.phenotype])


@lru_cache(maxsize=1)
def read_bins(path, modified):
    """Return the rows of bins.tsv by the safe name of their cell type."""
    rows = {}
    with open(path, newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle, delimiter="\t"):
            rows.setdefault(row["cell_type"], []).append(row)
    return {safe_name(cell_type): bins for cell_type, bins in rows.items()}


def bins_of(path):
    return read_bins(path, Path(path).stat().st_mtime_ns)


def planned_bins():
    """Return the planned bins by cell type, once the checkpoint has written them."""
    return bins_of(checkpoints.plan_bins.get().output.bins)


def cell_types():
    """Return the safe names of the cell types: the sheet's, or all that fill a bin."""
    if cohort.cell_types:
        return [safe_name(name) for name in cohort.cell_types]
    return list(planned_bins())


def cell_type_name(safe):
    """Return the identifier of a cell type, given its safe name."""
    names = {safe_name(name): name for name in cohort.cell_types or ()}
    path = Path(f"results/{cohort.name}/bins.tsv")
    if safe not in names and path.exists() and safe in bins_of(path):
        return bins_of(path)[safe][0]["cell_type"]
    return names.get(safe, safe)


def batch_bins(wildcards):
    """Return the [sample, bin] pairs that a training job trains."""
    size = config["training"]["bins_per_job"]
    start = (int(wildcards.batch) - 1) * size
    rows = planned_bins()[wildcards.cell_type][start : start + size]
    return [[row["sample"], int(row["bin"])] for row in rows]


def batches(cell_type):
    """Return the numbers of the jobs that the bins of a cell type are split into."""
    n_bins = len(planned_bins()[cell_type])
    return range(1, 1 + -(-n_bins // config["training"]["bins_per_job"]))


def trained_batches(wildcards):
    """Return the tables of all training jobs of a cell type."""
    folder = f"<results>/{wildcards.cell_type}/training"
    return [f"{folder}/{batch}.tsv" for batch in batches(wildcards.cell_type)]
