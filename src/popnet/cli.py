"""The command `popnet`: the way in to a study, and a look at its results."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from popnet import __version__
from popnet.errors import InputError, Problem, describe

if TYPE_CHECKING:
    from pandas import DataFrame

    from popnet.study.cohort import Cohort

DEFAULTS = "config/config.yaml"
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
POSITIVE = click.FloatRange(min=0, min_open=True)
CONFIGS = click.option(
    "--configfile", "configs", type=FILE, multiple=True, help="Settings, as for snakemake."
)


@contextmanager
def problems_told() -> Iterator[None]:
    """Write problems of the input as they are, without a traceback, and end with status 1."""
    try:
        yield
    except InputError as error:
        click.echo("\n".join(map(str, error.problems)), err=True)
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
    if warnings := [problem for problem in problems if problem.severity == "warning"]:
        click.echo(f"\nThe checks warn:\n{_told(warnings)}", err=True)


@main.command()
@click.argument("sheet", type=FILE)
@CONFIGS
@click.option("--cores", type=click.IntRange(min=1), help="[default: all of this machine]")
@click.option(
    "--bins-per-hour", type=POSITIVE, help="Rate of a GPU (benchmarks/training.py stack)."
)
def check(
    sheet: Path, configs: tuple[Path, ...], cores: int | None, bins_per_hour: float | None
) -> None:
    """Say everything about a study before it runs: problems, cost and limits.

    Ends with status 1 if the study could not run.
    """
    from popnet.checks.forecast import forecast
    from popnet.checks.study import check_networks, read_study

    try:
        cohort, config = _loaded(sheet, configs)
        made = cohort.simulation.files if cohort.simulation else ()
        if not all(Path(path).exists() for path in made):
            click.echo("Sheet and settings are sound; the cells are simulated when the study runs.")
            return
        study = read_study(cohort, config)
        warnings = [*cohort.warnings, *study.warnings, *check_networks(cohort, study, config)]
    except InputError as error:
        # Numbered, as the workflow does.
        click.echo(str(error), err=True)
        sys.exit(1)
    # Not every system says which cores a process may use.
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or usable or 1
    for heading, lines in forecast(cohort, config, study, cores, bins_per_hour).items():
        click.echo("\n".join([heading, *(f"  {line}" for line in lines), ""]))
    click.echo(describe(warnings) if warnings else "No problems, no warnings.")
    settings = ["--configfile", DEFAULTS, *map(str, configs)] if configs else []
    told = shlex.join(["--cores", str(cores), "--config", f"cohort={sheet}", *settings])
    click.echo(f"Run it: snakemake {told}")


@main.command()
@click.argument("kind", type=click.Choice(["gene", "set", "module"]))
@click.argument("name")
@click.option("--results", type=FOLDER, help="[default: the only one in results/]")
def show(kind: str, name: str, results: Path | None) -> None:
    """Show all that a study says of a gene, a gene set or a module (its name or number)."""
    from popnet.findings.folder import StudyFolder
    from popnet.findings.lookup import look_up

    with problems_told():
        for heading, table in look_up(StudyFolder(results or _only_results()), kind, name).items():
            click.echo(f"{heading}\n{_text(table)}\n")


@main.command()
@click.argument("one", type=FOLDER)
@click.argument("other", type=FOLDER)
@click.option("--fdr", default=0.05, show_default=True, help="Largest q of a hit.")
def diff(one: Path, other: Path, fdr: float) -> None:
    """Say what two results agree on: of two studies, runs or seeds, or of two cell types."""
    from popnet.findings.agreement import compare, differing_settings

    with problems_told():
        agreement = compare(one, other, fdr)
        settings = differing_settings(one, other)
    click.echo(f"in_one: {one}, in_other: {other}\n{_text(agreement)}\n")
    for key, (own, its) in settings.items():
        click.echo(f"{key}: {own} | {its}")


@main.command()
@click.argument("sheet", type=FILE)
@CONFIGS
@click.option("--yes", is_flag=True, help="Remove them; without it they are listed.")
def clean(sheet: Path, configs: tuple[Path, ...], yes: bool) -> None:
    """Find results that the SHEET and the settings no longer ask for, and remove them.

    Of the folders results/<name>/ and logs/<name>/ alone, without following links.
    """
    from popnet.checks.leftovers import leftovers, remove

    with problems_told():
        found = leftovers(*_loaded(sheet, configs))
        for each in found:
            click.echo(f"{each.size / 1e6:>10,.1f} MB  {each.path}  (no such {each.reason})")
        if yes:
            remove(found)
    total = sum(each.size for each in found) / 1e6
    done = "Removed" if yes else "To be removed with --yes"
    click.echo(f"{done}: {len(found)}, {total:,.1f} MB" if found else "Nothing is left over.")


def _loaded(sheet: Path, configs: tuple[Path, ...]) -> tuple[Cohort, dict[str, Any]]:
    """Return the cohort of a sheet, and the settings that the workflow would have."""
    from popnet.checks.config import check_config
    from popnet.study.cohort import load_cohort, sheet_config
    from popnet.study.config import merged_config

    # In the order of the workflow: its defaults, the settings of the sheet, the user's.
    defaults = Path(DEFAULTS)
    own = [str(path) for path in configs if path.resolve() != defaults.resolve()]
    settings = [*[DEFAULTS] * defaults.exists(), *filter(None, [sheet_config(sheet)]), *own]
    config = merged_config(settings)
    problems = check_config(config, ", ".join(settings))
    try:
        cohort = load_cohort(sheet)
    except InputError as error:
        raise InputError(problems + error.problems) from None
    if problems:
        raise InputError(problems)
    return cohort, config


def _only_results() -> Path:
    found = sorted(path.parent for path in Path("results").glob("*/bins.tsv"))
    if len(found) != 1:
        names = ", ".join(map(str, found)) or "nothing"
        raise click.UsageError(f"Name the study with --results: results/ holds {names}")
    return found[0]


def _text(table: DataFrame) -> str:
    """Return a table for a terminal, without columns that are empty."""
    shown = table.dropna(axis=1, how="all")
    shown = shown.loc[:, (shown.astype(str) != "").any()]
    return str(shown.to_string(index=False, na_rep="", float_format=lambda x: f"{x:.3g}"))


def _told(problems: list[Problem]) -> str:
    """Return problems of a sheet that was checked under another name."""
    return "\n".join(f"- {one.field}: {one.message}\n    Remedy: {one.remedy}" for one in problems)


if __name__ == "__main__":
    main()
