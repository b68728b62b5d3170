# What a discovery gives to its second cohort, and what is tested there.
from copy import deepcopy
from itertools import chain

from popnet.associations.replicated import FAMILIES


def second_config():
    """Return the config of the second cohort: the discovery's settings, and the discovery itself."""
    return deepcopy(config) | {"cohort": cohort.replicate.cohort, "discovery": cohort}


def of_discovery(name):
    """Return a file of a cell type of the discovery; nothing in a study that is no second cohort."""
    return f"<chosen>/{{cell_type}}/{name}" if DISCOVERY else []


def replicated():
    """Return phenotype and cell type (names), their folder and analysis, of all that is replicated."""
    wanted = phenotypes.values()
    if cohort.replicate:
        wanted = replicated_phenotypes(cohort)
    wanted = {safe_name(phenotype.name): phenotype.name for phenotype in wanted}
    made = [one for one in (*analyses(), *controls()) if one in FAMILIES]
    made += ["enrichment"] * ("gene_sets" in made)
    return [
        [name, cell_type_name(cell_type), f"{cell_type}/associations/{safe}", analysis]
        for safe, name in wanted.items()
        for cell_type in cell_types()
        for analysis in made
    ]


def replicated_tables(folder):
    """Return the tables of tests of all that is replicated, in the folder of a cohort."""
    # Two questions of one table.
    files = TABLES | {"detection": "expression", "enrichment": "gene_sets"}
    return [
        f"{folder}/{tests}/{files.get(analysis, analysis)}.tsv"
        for *_, tests, analysis in replicated()
    ]


def frozen():
    """Return cell type (name), genes, models (by part) and modules (by network) of the discovery."""
    parts = ("all", "fold1", "fold2") if presets.shares_model(config) else ()
    with_modules = networks_with("modules") if "modules" in analyses() else []
    return [
        [
            cell_type_name(cell_type),
            f"<results>/{cell_type}/genes.tsv",
            [f"<results>/{cell_type}/shared/{part}/basis.json" for part in parts],
            [f"<results>/{cell_type}/networks/{one}/modules.tsv" for one in with_modules],
        ]
        for cell_type in cell_types()
    ]


def frozen_files():
    """Return the files of the genes, models and modules of the discovery."""
    return [path for _, genes, *others in frozen() for path in (genes, *chain(*others))]


def hypotheses_settings():
    """Return the settings that both cohorts share."""
    sections = ("preset", "seed", "bins", "genes", "sivae", "networks", "statistics")
    return {section: config[section] for section in sections}


def replication_figures():
    """Return the figures of a replication; none without a second cohort."""
    asked = replicated() if cohort.replicate else []
    folders = dict.fromkeys((Path(tests).parts[0], Path(tests).name) for *_, tests, _ in asked)
    return [
        f"{RESULTS}/figures/{cell_type}/{phenotype}/replication.png"
        for cell_type, phenotype in folders
    ]
