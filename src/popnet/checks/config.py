"""The config against what the other rooms have: names of methods, and the files that it names."""

from __future__ import annotations

from typing import Any

from popnet.comparisons.registry import EMBEDDINGS, INTERPRETATIONS, NETWORKS
from popnet.errors import Problem, nearest
from popnet.study.config import config_problems, fill_defaults
from popnet.study.problems import merged
from popnet.study.tables import read_markers

METHODS = {
    "embeddings": EMBEDDINGS,
    "interpretations": INTERPRETATIONS,
    "networks": NETWORKS,
    "sample_networks": NETWORKS,
}


def check_config(config: dict[str, Any], file: str) -> list[Problem]:
    """Return what is wrong with the config, which gains the defaults of keys that it lacks.

    Where all methods are compared (`null`), their names are put in.
    """
    fill_defaults(config)
    problems = config_problems(config, file)
    if not problems:
        problems = _method_problems(config["comparisons"], file)
        if markers := config["comparisons"]["markers"]:
            problems += read_markers(markers)[1]
    return merged(problems)


def _method_problems(compared: dict[str, Any], file: str) -> list[Problem]:
    problems = []
    for key, known in METHODS.items():
        if compared[key] is None:
            compared[key] = list(known)
        for name in sorted(set(compared[key]) - set(known)):
            remedy = nearest(name, list(known)) + f"Known are {', '.join(known)}"
            fault = "There is no such method"
            problems.append(Problem(file, f"comparisons.{key}", name, fault, remedy))
    return problems
