"""Snakemake's messages, as a terminal shows them: one line of progress, and whatever went wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from popnet.report.progress import Progress

# What the line of progress says instead; a log in .snakemake/log has all of it.
TOLD = {"job_started", "job_info", "job_finished", "progress", "shellcmd"}
TOLD |= {"workflow_started", "run_info", "resources_info", "group_info", "rulegraph"}
# Of other messages, those before the first job that nobody needs, and those after it that one does.
NOISE = (
    "Building DAG",
    "Assuming unrestricted",
    "Using shell",
    "Conda env",
    "Singularity",
    "Select",
)
NOISE += ("Updating checkpoint",)
SHOWN = ("Nothing to be done", "Complete log", "Elapsed time", "Trying to restart")
SHOWN += ("Will exit", "Shutting down", "Terminating processes")


class Terminal(logging.Filter):
    """A filter of Snakemake's messages that counts its jobs.

    Parameters
    ----------
    progress : Progress
    left : callable
        Returns the number of unfinished jobs by rule, and how many models they train; takes the ids
        of jobs that are finished, which Snakemake may not know yet.
    models_of : callable
        Returns the number of models that a job trains, by its rule and wildcards; None of rules
        that train none.
    """

    def __init__(
        self,
        progress: Progress,
        left: Callable[[set[int]], tuple[Mapping[str, int], int]],
        models_of: Callable[[str, Any], int | None],
    ):
        super().__init__()
        self.progress, self.left, self.models_of = progress, left, models_of
        self.finished: set[int] = set()
        self.total = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a message is written."""
        event = str(getattr(record, "event", None) or "")
        if event == "job_info":
            n_models = self.models_of(record.rule_name, record.wildcards)
            log = record.log[0] if n_models is not None and record.log else None
            self.progress.start(record.jobid, record.rule_name, n_models or 0, log)
        elif event == "job_finished":
            self.finished.add(record.job_id)
            self.progress.finish(record.job_id)
        elif event == "job_error":
            self.progress.fail(record.jobid)
        elif event == "run_info" or (event == "progress" and record.total != self.total):
            # Bins are planned, and with them many jobs, while the study runs.
            self.total = getattr(record, "total", 0)
            self.progress.plan(*self.left(self.finished))
        text = str(record.msg or "")
        started = self.progress.running or self.progress.n_done
        idle = not text.startswith(SHOWN) if started else text.startswith(NOISE)
        if event in TOLD or (record.levelno <= logging.INFO and idle):
            return False
        self.progress.make_room()
        return True
