"""Finished studies that are to be combined: are they comparable, are their donors others?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from popnet import presets
from popnet.errors import InputError, Problem
from popnet.files import read_table, reading
from popnet.study.problems import quoted

FIELD = "meta.studies"
# Sections of the config that say what values of genes mean.
ALIKE = ("bins", "genes", "networks", "sivae")


@dataclass(frozen=True)
class FinishedStudy:
    """A study of which the results are there.

    Parameters
    ----------
    folder : str
    record : dict
        cohort.json.
    samples : DataFrame with columns sample, donor
        samples.tsv.
    """

    folder: str
    record: dict[str, Any]
    samples: pd.DataFrame

    @property
    def name(self) -> str:
        """The name of its cohort."""
        return str(self.record["cohort"])

    def tested(self) -> set[tuple[str, str, str]]:
        """Return cell types, phenotypes (names of folders) and networks of which it has tests."""
        tables = Path(self.folder).glob("*/associations/*/*/centrality.tsv")
        return {(path.parts[-5], path.parts[-3], path.parts[-2]) for path in tables}


def read_studies(folders: Sequence[str]) -> list[FinishedStudy]:
    """Read what finished studies are made of.

    Raises
    ------
    InputError
        A folder has no finished study.
    """
    problems, studies = [], []
    for folder in folders:
        files = [Path(folder, name) for name in ("cohort.json", "samples.tsv")]
        if lacking := [file.name for file in files if not file.exists()]:
            message = f"There is no finished study: {' and '.join(lacking)} is missing"
            remedy = "Name the folder of its results, results/<cohort>, and let the study finish"
            problems.append(Problem("config", FIELD, folder, message, remedy))
            continue
        with reading(files[0]):
            record = json.loads(files[0].read_text(encoding="utf-8"))
        studies.append(FinishedStudy(folder, record, read_table(files[1])))
    if problems:
        raise InputError(problems)
    return studies


def check_studies(studies: Sequence[FinishedStudy]) -> list[Problem]:
    """Return why studies cannot be combined, or should not be.

    Studies must have other donors. A donor is taken for the same where its id and that of one of
    its samples are in both studies; an id alone, such as 1, may stand for two people.
    """
    problems = []

    def problem(value: object, message: str, remedy: str, severity: Any = "error") -> None:
        problems.append(Problem("config", FIELD, value, message, remedy, severity))

    if len(studies) < 2:
        remedy = "Name at least two folders, meta: {studies: [results/a, results/b]}"
        problem([one.folder for one in studies], "A meta-analysis needs several studies", remedy)
    for one in studies:
        if presets.unit(one.record["preset"]) == "bin":
            message = "With preset paper every bin is an observation, and effects have no error"
            problem(one.folder, message, "Run the study with preset robust")
    for first, second in combinations(studies, 2):
        both = [first.folder, second.folder]
        if Path(first.folder).resolve() == Path(second.folder).resolve():
            problem(both, "The study is given twice", "Keep one of them")
            continue
        if first.name == second.name:
            remedy = "Give one of the sheets another `name`"
            problem(both, f"Both studies are called {first.name!r}", remedy)
        donors, samples = (_shared(first, second, column) for column in ("donor", "sample"))
        if donors and samples:
            message = f"Both studies have the donors {quoted(donors)}: they are not independent"
            remedy = "Leave them out of one study (samples.exclude), or make one study of both"
            problem(both, message, remedy)
        elif donors or samples:
            shared = f"the donors {quoted(donors)}" if donors else f"the samples {quoted(samples)}"
            remedy = "If they are the same people, leave them out of one study (samples.exclude)"
            problem(both, f"Both studies have {shared}", remedy, "warning")
        unlike = [
            f"{section}.{key}"
            for section in ALIKE
            for key in first.record["config"][section]
            if first.record["config"][section][key]
            != second.record["config"].get(section, {}).get(key)
        ]
        versions = [one.record["versions"]["popnet"] for one in (first, second)]
        if unlike or versions[0] != versions[1]:
            what = (
                f"settings: {', '.join(unlike)}" if unlike else f"versions: {', '.join(versions)}"
            )
            remedy = "Effects are standardised; run both alike if you can"
            problem(both, f"The studies were made with different {what}", remedy, "warning")
    return problems


def _shared(first: FinishedStudy, second: FinishedStudy, column: str) -> list[str]:
    ids = (set(one.samples[column].dropna()) for one in (first, second))
    return sorted(set.intersection(*ids))
