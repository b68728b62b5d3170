# What training is planned: the jobs, their bins, and the models that these start from.
# Widths of the networks follow the sizes of the bins.
SIVAE = presets.sivae(config)


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
