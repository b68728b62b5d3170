"""The command `popnet`: the way in to a study, and a look at its results."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from popnet import __version__
from popnet.errors import InputError, Problem, describe

DEFAULTS = "config/config.yaml"
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@contextmanager
def problems_told() -> Iterator[None]:
    """Write problems of the input as they are, without a traceback, and end with status 1."""
    try:
        yield
    except InputError as error:
        click.echo(str(error), err=True)
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="popnet")
def main() -> None:
    """From a file of cells to a study, and from its results to an answer.

    The study itself is run by `snakemake`.
    """


@main.command()
@click.argument("cells", type=click.Path(exists=True, path_type=Path))
@click.option("--samples", type=FILE, help="A table with a row per sample, such as phenotypes.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="[default: CELLS.yaml]"
)
@click.option("--force", is_flag=True, help="Write over files that are there.")
def init(cells: Path, samples: Path | None, output: Path | None, force: bool) -> None:
    """Propose a sheet for an h5ad of CELLS, with comments, and settings beside it."""
    from popnet.checks.proposals import propose
    from popnet.checks.proposed_sheet import settings_text, settled, sheet_text
    from popnet.files import atomic

    output = output or Path(f"{cells.stem}.yaml")
    settings = output.with_name(f"{output.stem}.settings.yaml")
    if there := [str(path) for path in (output, settings) if path.exists() and not force]:
        raise click.ClickException(f"{' and '.join(there)} exists; --force writes over it")
    with problems_told():
        output.parent.mkdir(parents=True, exist_ok=True)
        found = propose(cells, samples)
        problems = settled(found, output.parent)
        texts = {output: sheet_text(found, output.parent, settings.name)}
        texts[settings] = settings_text(found)
        for path, text in texts.items():
            with atomic(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
    errors = [problem for problem in problems if problem.severity == "error"]
    click.echo(f"Wrote {output} and {settings}: read them, then run: popnet check {output}")
    if errors:
        click.echo(f"\nThis is left to do:\n{_told(errors)}", err=True)


@main.command()
@click.argument("sheet", type=FILE)
@click.option(
    "--configfile", "configs", type=FILE, multiple=True, help="Settings, as for snakemake."
)
@click.option("--cores", type=click.IntRange(min=1), help="[default: all of this machine]")
@click.option("--bins-per-hour", type=float, help="Rate of a GPU (benchmarks/training.py stack).")
def check(
    sheet: Path, configs: tuple[Path, ...], cores: int | None, bins_per_hour: float | None
) -> None:
    """Say everything about a study before it runs: problems, cost and limits.

    Ends with status 1 if the study could not run.
    """
    from popnet.checks.config import check_config
    from popnet.checks.forecast import forecast
    from popnet.checks.study import check_networks, read_study
    from popnet.study.cohort import load_cohort, sheet_config
    from popnet.study.config import merged_config

    with problems_told():
        # In the order of the workflow: its defaults, the settings of the sheet, the user's.
        files = [DEFAULTS] * Path(DEFAULTS).exists()
        own = [str(path) for path in configs if path.resolve() != Path(DEFAULTS).resolve()]
        settings = [*files, *filter(None, [sheet_config(sheet)]), *own]
        config = merged_config(settings)
        problems = check_config(config, ", ".join(settings))
        try:
            cohort = load_cohort(sheet)
        except InputError as error:
            problems += error.problems
        if problems:
            raise InputError(problems)
        study = read_study(cohort, config)
        warnings = [*cohort.warnings, *study.warnings, *check_networks(cohort, study, config)]
        cores = cores or len(os.sched_getaffinity(0))
        for heading, lines in forecast(cohort, config, study, cores, bins_per_hour).items():
            click.echo("\n".join([heading, *(f"  {line}" for line in lines), ""]))
    click.echo(describe(warnings) if warnings else "No problems, no warnings.")
    click.echo(f"Run it: snakemake --cores {cores} --config cohort={sheet}")


def _told(problems: list[Problem]) -> str:
    """Return problems of a sheet that was checked under another name."""
    return "\n".join(f"- {one.field}: {one.message}\n    Remedy: {one.remedy}" for one in problems)


if __name__ == "__main__":
    main()
