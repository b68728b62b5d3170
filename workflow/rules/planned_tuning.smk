# Which bins settings are compared on.
from itertools import zip_longest

from popnet.seeds import derive_seed


def tuned_bins(cell_type):
    """Return the [sample, bin] pairs that settings are compared on, of as many samples as can be."""
    rows = [[row["sample"], int(row["bin"])] for row in planned_bins()[cell_type]]
    of_sample = {}
    for row in sorted(rows, key=lambda row: derive_seed(config["seed"], *row)):
        of_sample.setdefault(row[0], []).append(row)
    rounds = zip_longest(*of_sample.values())
    return [row for turn in rounds for row in turn if row][: config["tuning"]["bins"]]


def tuned_bin(wildcards):
    """Return the [sample, bin] pair that a job compares settings on."""
    return tuned_bins(wildcards.cell_type)[int(wildcards.job) - 1]


def tuning_tables(wildcards):
    """Return the tables of all jobs that compare settings in a cell type."""
    n_bins = len(tuned_bins(wildcards.cell_type))
    return [f"<results>/{wildcards.cell_type}/tuning/{n}.tsv" for n in range(1, n_bins + 1)]
