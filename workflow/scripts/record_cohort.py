"""Write down what a study was made of: versions, settings, seeds, samples kept and dropped."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version

from adapter import logged

from popnet.files import atomic, read_table

PACKAGES = ("torch", "numpy", "scipy", "pandas", "anndata", "scanpy", "grakel", "gseapy", "cyvcf2")


def installed(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def main(snakemake):
    bins = read_table(snakemake.input.bins)
    excluded = read_table(snakemake.input.excluded)
    sample = ["cell_type", "sample"]
    failed = excluded[excluded["reason"].str.contains(" did not train: ", regex=False)]
    n_left = bins.groupby(sample).size().sub(failed.groupby(sample).size(), fill_value=0)
    kept = n_left[n_left > 0].reset_index()
    per_type = bins.groupby("cell_type")
    record = {
        "cohort": snakemake.params.cohort,
        "sheet": snakemake.params.config["cohort"],
        "preset": snakemake.params.config["preset"],
        "seed": snakemake.params.config["seed"],
        "config": snakemake.params.config,
        "versions": {"python": platform.python_version()}
        | {package: installed(package) for package in PACKAGES},
        "bins": per_type.size().to_dict(),
        "samples_kept": {
            cell_type: sorted(rows["sample"]) for cell_type, rows in kept.groupby("cell_type")
        },
        "excluded": excluded.to_dict("records"),
    }
    with atomic(snakemake.output[0]) as path:
        path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


with logged(snakemake.log[0]):
    main(snakemake)
