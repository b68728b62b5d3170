# Which networks the study has, and which analyses they are part of.
# Every bin has these networks. The headline is the first of them that is measurable, which scripts
# see in measures.tsv; with preset paper, which measures nothing, the first.
NETWORKS = presets.estimators(config) + list(OWN)
FIRST = NETWORKS[0]
CANDIDATES = NETWORKS if presets.PRESETS[config["preset"]].unit == "donor" else [FIRST]
# Figures of edges show the headline among networks that have edges.
OF_EDGES = [one for one in CANDIDATES if one not in OWN_VALUES]
# Other methods are compared with a siVAE per bin where there is one.
COMPARED = "sivae" if "sivae" in NETWORKS else FIRST


def has_equal_depth(network):
    """Return whether a network is of counts with one depth; other tools saw them as they were."""
    return presets.matches_depth(config) and network not in OWN


def adjusts_for(network):
    """Return what tests of a network, or of expression, are adjusted for beside covariates."""
    return config["statistics"]["adjust"] if network in OWN else presets.adjusted(config)


# Two findings of one table.
TABLES = {"model_edges": "edges"}


def of_each(networks, path):
    """Return a file of each network, whose name stands for <network> in the path."""
    return [path.replace("<network>", one) for one in networks]


def networks_with(analysis):
    """Return the networks that an analysis is made of."""
    if analysis == "programmes":
        return ["shared"]
    if analysis == "modules":
        return [one for one in NETWORKS if one not in OWN]
    without = OWN_VALUES if analysis in presets.OF_GRAPHS else []
    # Alone and agreeing with itself, plain correlation calls the same.
    without = [*without, "correlation"] if analysis == "model_edges" else without
    return [one for one in NETWORKS if one not in without]


def analyses_of(network):
    """Return the analyses of a phenotype that a network is part of."""
    wanted = presets.PRESETS[config["preset"]].analyses
    # The edges of own networks are tested alone, since no cells are known to be theirs.
    without = ["edges"] if network in OWN else []
    return [one for one in wanted if network in networks_with(one) and one not in without]


def exported_tests(network):
    """Return analysis and phenotype (safe name) of the tests that lie beside an exported network."""
    wanted = ("centrality", "gene_sets", "programmes", "modules")
    own = [one for one in wanted if one in analyses_of(network)]
    return [(analysis, safe) for analysis in own for safe in phenotypes]


def analyses():
    """Return the analyses of a phenotype that the study has networks for."""
    wanted = presets.PRESETS[config["preset"]].analyses
    return [one for one in wanted if set(networks_with(one)) & set(NETWORKS)]


def binary_phenotypes():
    """Return the safe names of the phenotypes and contrasts that compare two groups."""
    return [safe for safe, phenotype in phenotypes.items() if phenotype.type == "binary"]


def controls():
    """Return the analyses of expression and of composition, which networks are held against."""
    wanted = presets.PRESETS[config["preset"]].controls if cohort.has_cells else ()
    return [one for one in wanted if one != "composition" or has_states()]


def has_states():
    """Return whether cell states are known: they are found in the space of the cohort's model."""
    robust = presets.PRESETS[config["preset"]].unit == "donor"
    return robust and cohort.has_cells and presets.shares_model(config) and not DISCOVERY


def composition(wildcards):
    """Return the tables of how many cells are in each state; none where states are not known."""
    tables = ["composition", "states"] if has_states() else []
    return [f"<results>/{wildcards.cell_type}/{table}.tsv" for table in tables]


def compared_values():
    """Return what cell types are compared by, networks and expression; nothing of one cell type."""
    several = presets.PRESETS[config["preset"]].between and len(cell_types()) > 1
    return [*NETWORKS, *["expression"] * bool(controls())] if several else []


def of_types(path, wildcards):
    """Return a file of every cell type."""
    return [f"<results>/{cell_type}/{path.format(**wildcards)}" for cell_type in cell_types()]


def of_estimated(wildcards, name):
    """Return a file of a network; nothing of one of the user's own."""
    if wildcards.network in OWN:
        return []
    return f"<results>/{wildcards.cell_type}/networks/{wildcards.network}/{name}"


def edges_of(wildcards, name):
    """Return a table of edges of a network; nothing if it has none."""
    if wildcards.network in OWN_VALUES:
        return []
    return f"<results>/{wildcards.cell_type}/networks/{wildcards.network}/{name}"


# What is about modules shows the headline among networks that have them.
WITH_MODULES = [one for one in CANDIDATES if one not in OWN] if "modules" in analyses() else []
