"""Which of Snakemake's messages a terminal shows, and what the line of progress makes of others."""

from __future__ import annotations

import io
import logging

import pytest
from terminal import Terminal

from popnet.report.progress import Progress


@pytest.fixture
def shown():
    """A function that sends a message, and returns whether it is written; and the progress."""
    progress = Progress(io.StringIO())
    planned = [({"train_sivae": 2, "plot": 1}, 20)]

    def left(finished):
        return planned[0]

    def models_of(rule, wildcards):
        return 10 if rule == "train_sivae" else None

    terminal = Terminal(progress, left, models_of)

    def send(message="", level=logging.INFO, **fields):
        record = logging.LogRecord("snakemake", level, "", 0, message, (), None)
        record.__dict__.update(fields)
        return terminal.filter(record)

    send.planned = planned
    yield send, progress
    progress.close()


def job(number, rule):
    fields = {"event": "job_info", "jobid": number, "rule_name": rule}
    return fields | {"wildcards": {}, "log": []}


def test_jobs_are_counted_and_not_told(shown):
    send, progress = shown
    assert send("Building DAG of jobs...") is False
    assert send("Job stats: ...", event="run_info", stats={}) is False
    assert send(event="job_started", jobs=[1]) is False
    assert send(**job(1, "train_sivae")) is False
    assert send("Removing temporary output x") is False
    assert send(event="job_finished", job_id=1) is False
    # After the checkpoint there is more to do.
    send.planned[0] = ({"train_sivae": 1, "plot": 8}, 10)
    assert send(event="progress", done=1, total=10) is False
    assert progress.line() == "1 of 10 steps, 10 of 20 models"


def test_what_went_wrong_is_told(shown):
    send, progress = shown
    send(event="run_info")
    send(**job(1, "plot"))
    assert send("Error in rule plot", logging.ERROR, event="job_error", jobid=1) is True
    assert send("a warning", logging.WARNING) is True
    assert send("Complete log(s): x") is True
    assert progress.running == {}


def test_before_the_first_job_unknown_messages_are_told(shown):
    send, _ = shown
    assert send("The study: ...", logging.WARNING) is True
    assert send("Nothing to be done (all requested files are present and up to date).") is True
    assert send("Something new") is True
