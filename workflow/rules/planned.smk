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


def once_planned(path):
    """Return a path once bins are planned: the parameters of the jobs behind it are bins.

    Before, Snakemake would take these parameters for changed, and run again what follows.
    """
    planned_bins()
    return path


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


def measures(wildcards):
    """Return the table of what can be measured, of a network or of all.

    None with preset paper, which tests everything.
    """
    if presets.PRESETS[config["preset"]].unit != "donor":
        return []
    network = f"{wildcards.network}/" if hasattr(wildcards, "network") else ""
    return f"<results>/{wildcards.cell_type}/networks/{network}measures.tsv"
