"""Problems with what a user gave us, collected and reported together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with the input, and how to put it right.

    Parameters
    ----------
    file : str
        The file that holds the fault.
    field : str
        Where in the file: a dotted key, a column, a record.
    value : object
        The offending value, or None where something is missing.
    message : str
        What is wrong.
    remedy : str
        What to do about it.
    severity : {"error", "warning"}
        Errors stop the study before any work; warnings are shown beside them.
    """

    file: str
    field: str
    value: object
    message: str
    remedy: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        value = "" if self.value is None else f" = {self.value!r}"
        return f"{self.file}: {self.field}{value}\n    {self.message}\n    Remedy: {self.remedy}"


class InputError(ValueError):
    """Raised once, with every problem that was found."""

    def __init__(self, problems: Sequence[Problem]):
        self.problems = list(problems)
        super().__init__(describe(self.problems))

    def __reduce__(self) -> tuple[type[InputError], tuple[list[Problem]]]:
        """Let it pass from one process to another with its problems."""
        return type(self), (self.problems,)


def describe(problems: Iterable[Problem]) -> str:
    """Return the problems as numbered text, errors before warnings."""
    ordered = sorted(problems, key=lambda problem: problem.severity != "error")
    n_errors = sum(problem.severity == "error" for problem in ordered)
    heading = f"{n_errors} problem(s) to put right before anything can run:"
    if not n_errors:
        heading = f"{len(ordered)} warning(s):"
    return "\n".join(
        [heading]
        + [
            f"{number}. {'' if problem.severity == 'error' else '(warning) '}{problem}"
            for number, problem in enumerate(ordered, 1)
        ]
    )


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return ``"did you mean 'x'? "`` for the closest choice, or an empty string."""
    lowered = {str(choice).lower(): str(choice) for choice in choices}
    found = get_close_matches(str(word).lower(), lowered, n=1, cutoff=0.5)
    return f"did you mean {lowered[found[0]]!r}? " if found else ""
