# What is planned: cell types, their bins, and the jobs that train them.
import csv
from functools import lru_cache
from types import SimpleNamespace

# Where results go, also for a workflow that takes this one as a module.
RESULTS = workflow.pathvars.get("results")
# Where genes, gene sets and the models of the cohort come from: of a second cohort, its discovery.
CHOSEN = workflow.pathvars.apply("<chosen>")


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


def trains_on_gpu():
    """Return whether training jobs are given a GPU, by the config or by a profile's resources."""
    given = workflow.resource_settings.overwrite_resources
    asked = [set(given[rule]) for rule in given if rule.endswith("train_sivae")]
    device = config["training"]["device"]
    return device == "cuda" or device == "auto" and any({"gres", "gpu"} & names for names in asked)


def n_jobs(cell_type):
    """Return how many jobs train the bins of a cell type."""
    most = config["training"]["bins_per_job"]
    if most == "auto":
        most = 200 if trains_on_gpu() else 5
    return -(-len(planned_bins()[cell_type]) // most)


def job_bins(wildcards):
    """Return the [sample, bin] pairs that a training job trains; jobs have equally many, or one less."""
    rows = planned_bins()[wildcards.cell_type]
    number, n = int(wildcards.job), n_jobs(wildcards.cell_type)
    rows = rows[(number - 1) * len(rows) // n : number * len(rows) // n]
    return [[row["sample"], int(row["bin"])] for row in rows]


def once_planned(path):
    """Return a path once bins are planned: the parameters of the jobs behind it are bins.

    Before, Snakemake would take these parameters for changed, and run again what follows.
    """
    planned_bins()
    return path


def few_bins(wildcards):
    """Return the [sample, bin] pairs that are trained twice: the first bin of six samples."""
    rows = planned_bins()[wildcards.cell_type]
    first = {row["sample"]: int(row["bin"]) for row in reversed(rows)}
    samples = list(dict.fromkeys(row["sample"] for row in rows))
    return [[sample, first[sample]] for sample in samples[:6]]


def jobs(cell_type):
    """Return the numbers of the jobs that the bins of a cell type are split into."""
    return range(1, 1 + n_jobs(cell_type))


def trained_jobs(wildcards):
    """Return the tables of all training jobs of a cell type."""
    folder = f"<results>/{wildcards.cell_type}/training"
    return [f"{folder}/{job}.tsv" for job in jobs(wildcards.cell_type)]


# Widths of the networks follow the sizes of the bins.
SIVAE = presets.sivae(config)

# The cells of a cell type as their counts are read: thinned where depth is made equal.
COUNTED = (
    "<results>/{cell_type}/matched_cells.parquet"
    if presets.matches_depth(config)
    else "<results>/binned_cells.parquet"
)


def depth_files(name):
    """Return a file of every cell type of what `match_depth` makes; none where depth is as it is."""
    matched = presets.matches_depth(config)
    return [f"<results>/{cell_type}/{name}" for cell_type in cell_types()] if matched else []


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


def models_of_cohort(wildcards):
    """Return the cohort's models of a cell type, where a network is made of these."""
    if wildcards.network not in ("shared", "components"):
        return []
    return shared_models(f"<chosen>/{wildcards.cell_type}/shared")


def start_of_bins(wildcards):
    """Return the models that those of the bins start from; none if they start from nothing."""
    models = shared_models(f"<chosen>/{wildcards.cell_type}/shared")
    # The models of the folds are for errors in unseen cells.
    n_starts = presets.PRESETS[config["preset"]].warm * (3 if presets.cross_fits(config) else 1)
    return models[:n_starts]


def measures(wildcards):
    """Return the table of what can be measured, of a network or of all.

    None with preset paper, which tests everything.
    """
    if presets.PRESETS[config["preset"]].unit != "donor":
        return []
    network = f"{wildcards.network}/" if hasattr(wildcards, "network") else ""
    return f"<results>/{wildcards.cell_type}/networks/{network}measures.tsv"
