"""Write down what a study was made of: versions, settings, seeds, samples kept and left out."""

import json
from pathlib import Path

from adapter import logged

from popnet import __version__, provenance
from popnet.files import atomic, read_table
from popnet.findings.study import cohort_record, machine
from popnet.names import safe_name
from popnet.networks.trained import read_training

PACKAGES = ("snakemake", "torch", "numpy", "scipy", "pandas", "anndata", "scanpy")
PACKAGES += ("igraph", "grakel", "gseapy", "cyvcf2")


def main(snakemake):
    bins = read_table(snakemake.input.bins)
    names = {safe_name(name): name for name in bins["cell_type"].unique()}
    trained = read_training(snakemake.input.trained)
    trained["cell_type"] = [names[Path(path).parts[-3]] for path in trained["table"]]
    record = cohort_record(
        snakemake.params.cohort,
        snakemake.params.config,
        bins,
        read_table(snakemake.input.excluded),
        trained,
        {
            f"{names[Path(path).parts[-4]]}, {Path(path).parts[-2]}": json.loads(
                Path(path).read_text()
            )
            for path in snakemake.input.shared
        },
        {
            names[Path(path).parts[-2]]: json.loads(Path(path).read_text())
            for path in snakemake.input.depths
        },
        [
            json.loads(Path(path).with_name("fit.json").read_text())
            for path in snakemake.input.shared
        ],
    )
    record["versions"] = {"popnet": __version__} | provenance.versions(PACKAGES)
    record["machine"] = machine()
    record["commit"] = provenance.commit()
    with atomic(snakemake.output[0]) as path:
        path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


with logged(snakemake.log[0]):
    main(snakemake)
