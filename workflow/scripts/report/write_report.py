"""Write the page of a study: what was found, beside the figures and tables that it is in."""

from pathlib import Path

from adapter import logged

from popnet.files import atomic
from popnet.report.results import Figure, Results
from popnet.report.study_page import study_page


def main(snakemake):
    folder = Path(snakemake.output[0]).parent
    files = frozenset(
        str(Path(path).relative_to(folder))
        for path in snakemake.input
        if Path(path).is_relative_to(folder)
    )
    figures = tuple(
        Figure(*about, path=str(Path(path).relative_to(folder)), caption=caption)
        for *about, path, caption in snakemake.params.figures
    )
    text = study_page(Results(folder, files, snakemake.params.study, figures))
    with atomic(snakemake.output[0]) as path:
        path.write_text(text, "utf-8")


with logged(snakemake.log[0]):
    main(snakemake)
