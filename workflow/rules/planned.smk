# What is planned: cell types, their bins, the jobs that train them, their networks and analyses.
import csv
from functools import lru_cache
from types import SimpleNamespace

# Where results go, also for a workflow that takes this one as a module.
RESULTS = workflow.pathvars.get("results")


def training_environment():
    """Return the environment of training, which brings PyTorch for a GPU or for none."""
    name = "training_cpu" if config["training"]["device"] == "cpu" else "training"
    return f"../../envs/{name}.yaml"


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
    path = Path(RESULTS, "bins.tsv")
    if safe not in names and path.exists() and safe in bins_of(path):
        return bins_of(path)[safe][0]["cell_type"]
    return names.get(safe, safe)


def job_bins(wildcards):
    """Return the [sample, bin] pairs that a training job trains."""
    size = config["training"]["bins_per_job"]
    start = (int(wildcards.job) - 1) * size
    rows = planned_bins()[wildcards.cell_type][start : start + size]
    return [[row["sample"], int(row["bin"])] for row in rows]


def jobs(cell_type):
    """Return the numbers of the jobs that the bins of a cell type are split into."""
    n_bins = len(planned_bins()[cell_type])
    return range(1, 1 + -(-n_bins // config["training"]["bins_per_job"]))


def trained_jobs(wildcards):
    """Return the tables of all training jobs of a cell type."""
    folder = f"<results>/{wildcards.cell_type}/training"
    return [f"{folder}/{job}.tsv" for job in jobs(wildcards.cell_type)]


# Every bin has these networks. Figures show the first; findings begin with the first of them that
# is measurable, which scripts see in measures.tsv.
NETWORKS = presets.estimators(config)
HEADLINE = NETWORKS[0]
# Other methods are compared with a siVAE per bin where there is one.
COMPARED = "sivae" if "sivae" in NETWORKS else HEADLINE


# Two findings of one table.
TABLES = {"model_edges": "edges"}


def networks_with(analysis):
    """Return the networks that an analysis is made of."""
    if analysis == "programmes":
        return ["shared"]
    # Alone and agreeing with itself, plain correlation calls the same.
    return [one for one in NETWORKS if (analysis, one) != ("model_edges", "correlation")]


def analyses_of(network):
    """Return the analyses of a phenotype that a network is part of."""
    wanted = presets.PRESETS[config["preset"]].analyses
    return [one for one in wanted if network in networks_with(one)]


def analyses():
    """Return the analyses of a phenotype that the study has networks for."""
    wanted = presets.PRESETS[config["preset"]].analyses
    return [one for one in wanted if set(networks_with(one)) & set(NETWORKS)]


def trained_tables():
    """Return the tables of all training jobs of the study; none if no bin has its own siVAE."""
    if "sivae" not in NETWORKS:
        return []
    return [
        table
        for cell_type in cell_types()
        for table in trained_jobs(SimpleNamespace(cell_type=cell_type))
    ]


def shared_models(folder):
    """Return the files of the cohort's models: the one of its gene space, and those of two folds."""
    return [f"{folder}/{part}/fit.json" for part in ("all", "fold1", "fold2")]


def start_of_bins(wildcards):
    """Return the model that those of the bins start from; none if they start from nothing."""
    warm = presets.PRESETS[config["preset"]].warm
    return f"<results>/{wildcards.cell_type}/shared/all/fit.json" if warm else []


def measures(wildcards):
    """Return the table of what can be measured; none with preset paper, which tests everything."""
    robust = presets.PRESETS[config["preset"]].unit == "donor"
    return f"<results>/{wildcards.cell_type}/networks/measures.tsv" if robust else []
