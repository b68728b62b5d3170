"""Whether covariates and batches leave something of a phenotype to test."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from popnet.errors import Problem
from popnet.stats.designs import MAX_VIF, SAME, make_design
from popnet.stats.units import encode_phenotype
from popnet.study.cohort import Cohort


def check_designs(cohort: Cohort, samples: pd.DataFrame, problems: list[Problem]) -> None:
    """Find covariates and batches that leave nothing, or little, of a phenotype to test."""
    names = [covariate.name for covariate in cohort.covariates]
    for phenotype in cohort.phenotypes:
        values = encode_phenotype(
            samples[phenotype.name], phenotype.type, phenotype.case, phenotype.control
        )
        design = make_design(samples.index, samples, values, phenotype.type == "binary", names)
        for row in design.covariates.to_dict("records"):
            name, note = row["covariate"], row["note"]
            if note == SAME:
                field = "cells.batch" if name == "batch" else f"covariates.{name}"
                message = f"It is the same as phenotype {phenotype.name!r} in all its samples"
                remedy = "Take one of the two out: given the one nothing is left of the other"
                # The other contrasts of a categorical phenotype can be tested.
                problem = Problem(cohort.file, field, name, message, remedy)
                problems.append(
                    replace(problem, severity="warning") if phenotype.source else problem
                )
            elif note or row["vif"] > MAX_VIF:
                why = note or f"variance inflation {row['vif']:.0f}"
                message = f"For phenotype {phenotype.name!r} it adds next to nothing: {why}"
                remedy = "Nothing, or take it out of the covariates"
                field = f"covariates.{name}"
                problems.append(Problem(cohort.file, field, name, message, remedy, "warning"))
        if not design.testable and SAME not in set(design.covariates["note"]):
            field = f"phenotypes.{phenotype.written}"
            message = f"Of {design.n} observations: {'; '.join(design.remarks)}"
            remedy = "Take out batches or covariates, or add samples"
            problems.append(Problem(cohort.file, field, None, message, remedy, "warning"))
