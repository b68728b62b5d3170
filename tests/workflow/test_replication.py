"""A second cohort in the run of the discovery: what is planned, and what is refused."""

from __future__ import annotations

import re

import pytest

JOBS = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)
DISCOVERY = "config/cohorts/discovery.yaml"


@pytest.fixture
def sheets(clone):
    """A function that writes a discovery and its second cohort, both simulated."""
    folder = clone / "config" / "cohorts"
    text = (folder / "demo.yaml").read_text()
    table = (folder / "demo_samples.csv").read_text()
    (folder / "second.csv").write_text(table.replace("SIM", "REP"))

    def write(change=lambda text: text):
        first = text.replace("results/demo/", "results/discovery/").replace(
            "name: demo\n", "name: discovery\nreplicate: {cohort: second.yaml}\n"
        )
        second = text.replace("results/demo/", "results/second/").replace(
            "name: demo\n", "name: second\n"
        )
        second = second.replace("demo_samples.csv", "second.csv")
        second = second.replace("config: ../demo.yaml\n", "").replace("{seed: 1}", "{seed: 2}")
        (folder / "discovery.yaml").write_text(first)
        (folder / "second.yaml").write_text(change(second))

    return write


def test_both_cohorts_are_planned_with_the_genes_and_the_model_of_the_discovery(
    clone, sheets, plan, snakemake
):
    sheets()
    alone = plan(clone)
    status, output = snakemake(clone, "-n", "--config", f"cohort={DISCOVERY}")
    assert status == 0, output
    both = {name: int(n) for name, n in JOBS.findall(output) if name != "total"}
    own = {name: n for name, n in both.items() if not name.startswith("replication_")}
    added = {"write_hypotheses": 1, "replicate": 1, "draw_replication": 3}
    assert own == alone | added
    second = {name.removeprefix("replication_") for name in both.keys() - own.keys()}
    assert {"plan_bins", "simulate_cohort", "gather_networks", "associate_edges"} <= second
    assert {"name_modules", "associate_modules", "enrich_gene_sets"} <= second
    # What is frozen, and what replication does not need.
    assert not {"select_genes", "train_shared", "resolve_gene_sets", "associate_map"} & second
    assert not {"summarise_findings", "associate_variants"} & second
    made, of = "replication/progenitor/expression.h5ad", "results/discovery/progenitor/genes.tsv"
    assert [line for line in output.splitlines() if made in line and of in line]


def test_a_second_cohort_that_does_not_fit_is_refused(clone, sheets, snakemake):
    sheets(lambda text: text.replace("  outcome: {", "  result: {column: outcome, "))
    status, output = snakemake(clone, "-n", "--config", f"cohort={DISCOVERY}")
    assert status != 0
    assert "config/cohorts/second.yaml: phenotypes.outcome" in output
    assert "1 problem(s)" in output


def test_no_config_can_say_that_a_study_is_a_second_cohort(clone, snakemake):
    status, output = snakemake(clone, "-n", "--config", "discovery=demo")
    assert status != 0
    assert "discovery" in output
