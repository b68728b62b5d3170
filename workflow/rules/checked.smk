# The study that a sheet and a config ask for, loaded and checked.
from dataclasses import replace

from popnet.checks.config import check_config
from popnet.checks.environment import check_python
from popnet.errors import InputError, describe


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
    folder = workflow.pathvars.get("results") if DISCOVERY else f"results/{study.name}"
    names = ["bins.tsv"] if DISCOVERY else ["bins.tsv", "samples.tsv", "study/gene_sets.json"]
    made = [Path(folder, name) for name in names]
    files = [Path(path) for path in (config["cohort"], *study.files)]
    if not all(path.exists() for path in [*made, *files]):
        return False
    newest, changed = (max(path.stat().st_mtime_ns for path in group) for group in (made, files))
    return newest > changed


def load_study():
    """Load the sheet and check it, the config and, where they exist already, the cells.

    Errors end the run with their list alone. Only the process that the user started looks at the
    cells (every job parses this too), where something changed since `plan_bins` looked at them.
    """
    # Snakemake reads over a key that is given twice, and writes out any alias.
    files = dict.fromkeys(map(str, [*workflow.configfiles, *workflow.overwrite_configfiles]))
    unread = [file for file in files if not file.endswith(".json")]
    problems = list(filter(None, [check_python()]))
    if problems := problems + [problem for file in unread for problem in read_sheet(file)[1]]:
        sys.exit(describe(problems))
    problems = [
        problem if problem.file else replace(problem, file=config_source(problem.field))
        for problem in check_config(config, "")
    ]
    try:
        study = second_cohort(DISCOVERY) if DISCOVERY else load_cohort(config["cohort"])
        problems += replication_problems(study, config) if study.replicate else []
    except InputError as error:
        sys.exit(describe(problems + error.problems))
    if problems:
        sys.exit(describe(problems))
    warnings = list(study.warnings)
    if workflow.is_main_process and study.simulation is None and not planned_as_is(study):
        from popnet.checks.replication import check_common_genes, check_other_cells
        from popnet.checks.study import check_networks, read_study

        try:
            found = read_study(study, config)
            warnings += [*found.warnings, *check_networks(study, found, config)]
            logger.warning("\n".join(["The study:", *found.outlook]))
            if DISCOVERY:
                check_common_genes(DISCOVERY, study)
                check_other_cells(DISCOVERY, study, found.cells, config)
        except InputError as error:
            sys.exit(describe(warnings + error.problems))
    if warnings and workflow.is_main_process:
        logger.warning(describe(warnings))
    return study


cohort = load_study()
# Names of networks: the estimators' and those of the user's own, of which some have no edges.
OWN = {network.name: network for network in cohort.own_networks}
OWN_VALUES = [network.name for network in cohort.own_networks if network.form == "values"]
if not cohort.has_cells:
    config["networks"]["estimators"], config["bins"]["depth"] = [], "none"
phenotypes = {safe_name(phenotype.name): phenotype for phenotype in cohort.phenotypes}
