# What findings are made of: the tables of all tests, of what can be measured and of networks.
from itertools import product


def tested_tables():
    """Return the tables of tests: cell type, phenotype (names), network, analysis, path.

    Behind them is the path of what the analysis calls under permuted phenotypes.
    """
    preset = presets.PRESETS[config["preset"]]
    tables = []
    for safe, phenotype in phenotypes.items():
        tables += level_tables(phenotype)
        for cell_type, network in product(cell_types(), NETWORKS):
            folder = f"<results>/{cell_type}"
            paths = dict.fromkeys(preset.maps, f"{folder}/map/{network}/tests.tsv") | {
                analysis: f"{folder}/associations/{safe}/{network}/{TABLES.get(analysis, analysis)}.tsv"
                for analysis in analyses_of(network)
            }
            name, folder = cell_type_name(cell_type), f"{folder}/associations/{safe}/{network}"
            tables += [
                [name, phenotype.name, network, *item, f"{folder}/{item[0]}.null.tsv"]
                for item in paths.items()
            ]
        for cell_type, analysis in product(cell_types(), controls()):
            folder = f"<results>/{cell_type}/associations/{safe}"
            table = "composition" if analysis == "composition" else "expression"
            paths = [f"{folder}/{table}.tsv", f"{folder}/{analysis}.null.tsv"]
            tables.append([cell_type_name(cell_type), phenotype.name, "", analysis, *paths])
        for one, analysis in product(compared_values(), preset.between):
            folder = f"<results>/associations/{safe}/{one}"
            network, of = ("", "_expression") if one == "expression" else (one, "")
            paths = [f"{folder}/cell_types.tsv", f"{folder}/{analysis}.null.tsv"]
            tables.append(["all", phenotype.name, network, analysis + of, *paths])
        for analysis in preset.variants if cohort.variants else ():
            path = f"<results>/variants/{safe}/{analysis}"
            tables.append(["all", phenotype.name, "", analysis, f"{path}.tsv", f"{path}.null.tsv"])
    for cell_type, network in product(cell_types(), with_module_types()):
        path = f"<results>/{cell_type}/networks/{network}/module_types"
        about = cell_type_name(cell_type), "(cell types)", network, "module_types"
        tables.append([*about, f"{path}.tsv", f"{path}.null.tsv"])
    for cell_type in (
        cell_types() if cohort.variants and preset.wiring and FIRST not in OWN_VALUES else ()
    ):
        folder = f"<results>/{cell_type}/variants"
        paths = [f"{folder}/connectivity.tsv", f"{folder}/genomes.null.tsv"]
        name = cell_type_name(cell_type)
        tables.append([name, "(wiring of complexes)", FIRST, "genomes", *paths])
    return tables


def level_tables(contrast):
    """Return the rows of :func:`tested_tables` of an overall test, at its phenotype's first contrast."""
    safe = safe_name(contrast.source)
    if with_levels().get(safe) is not contrast:
        return []
    tables = []
    for cell_type, one in product(cell_types(), values_compared()):
        folder = f"<results>/{cell_type}/associations/{safe}/{one}"
        network, asked = (one, analyses_of(one)) if one in NETWORKS else ("", controls())
        about = cell_type_name(cell_type), contrast.source, network
        tables += [
            [*about, f"overall_{analysis}", f"{folder}/levels.tsv", f"{folder}/levels.null.tsv"]
            for analysis in asked
            if analysis in presets.OF_LEVELS
        ]
    return tables


def measured_tables():
    """Return cell type and table of what can be measured; none with preset paper."""
    tables = [(one, measures(SimpleNamespace(cell_type=one))) for one in cell_types()]
    return [[cell_type_name(one), table] for one, table in tables if table]
