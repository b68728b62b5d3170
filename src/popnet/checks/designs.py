"""Whether covariates and batches leave something of a phenotype to test."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from popnet.errors import Problem
from popnet.stats.designs import MAX_VIF, SAME, Design, make_design
from popnet.stats.units import encoded, with_factors
from popnet.study.cohort import Cohort, phenotype_definition
from popnet.study.definitions import Phenotype


def design_of_samples(cohort: Cohort, phenotype: Phenotype, samples: pd.DataFrame) -> Design:
    """Return how a phenotype is tested in samples that have its values and the covariates."""
    names = [covariate.name for covariate in cohort.covariates]
    definition = phenotype_definition(phenotype)
    values, binary = encoded(samples, definition), phenotype.type == "binary"
    own, adjusted, factors = with_factors(samples, definition, names)
    return make_design(own.index, own, values, binary, adjusted, factors=factors)


def check_designs(cohort: Cohort, samples: pd.DataFrame, problems: list[Problem]) -> None:
    """Find covariates and batches that leave nothing, or little, of a phenotype to test."""
    for phenotype in cohort.phenotypes:
        design = design_of_samples(cohort, phenotype, samples)
        for row in design.covariates.to_dict("records"):
            name, note = row["covariate"], row["note"]
            if phenotype.factors and name in phenotype.columns:
                continue
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
            field = "interactions" if phenotype.factors else field
            message = f"Of {design.n} observations: {'; '.join(design.remarks)}"
            remedy = "Take out batches or covariates, or add samples"
            problems.append(Problem(cohort.file, field, None, message, remedy, "warning"))
