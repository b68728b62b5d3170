"""Describe the study as a Workflow Run RO-Crate, with a copy of the workflow's Snakefile."""

import json
import shutil
from pathlib import Path

from adapter import logged

from popnet.files import atomic
from popnet.provenance import SOURCE
from popnet.report.crate import study_crate


def main(snakemake):
    files, params = snakemake.input, snakemake.params
    metadata, snakefile = snakemake.output
    folder = Path(metadata).parent
    with atomic(snakefile) as path:
        shutil.copyfile(SOURCE.parent / "workflow" / "Snakefile", path)
    made = [files.page, *files.made]
    text = study_crate(
        folder,
        sorted({str(Path(one).relative_to(folder)) for one in made if folder in Path(one).parents}),
        params.inputs,
        json.loads(Path(files.record).read_text("utf-8")),
        params.description,
        params.hide_donors,
    )
    with atomic(metadata) as path:
        path.write_text(text, "utf-8")


with logged(snakemake.log[0]):
    main(snakemake)
