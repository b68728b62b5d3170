"""What figures show of the samples: donor, batch and the phenotypes of the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from popnet.files import read_table
from popnet.stats.units import columns_of, encoded

# More would make figures of all phenotypes unreadable.
MOST_PHENOTYPES = 6


def read_traits(
    paths: Sequence[str | Path], definitions: Sequence[Mapping[str, Any]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the phenotypes of the samples, the first six of the study.

    Parameters
    ----------
    paths : sequence of path
        The tables of the phenotypes.
    definitions : sequence of mapping
        How each is defined (:func:`popnet.study.cohort.phenotype_definition`).

    Returns
    -------
    samples : DataFrame, indexed by sample
        donor and batch; batch is empty where it is not known.
    phenotypes : DataFrame, indexed by sample
        A column per phenotype; of a binary one 1 for cases and 0 for controls.

    Raises
    ------
    InputError
        If a table is damaged.
    """
    values = {}
    for path, definition in list(zip(paths, definitions, strict=True))[:MOST_PHENOTYPES]:
        text = ["donor", "batch", *columns_of(definition)]
        table = read_table(path, text=text).set_index("sample")
        values[definition["name"]] = encoded(table, definition)
    samples = table[["donor", "batch"]].fillna("")
    return samples, pd.DataFrame(values, index=samples.index)


def names_of_groups(definitions: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Return the names of controls and cases of each binary phenotype, by its name."""
    return {
        one["name"]: (str(one["control"]), str(one["case"]))
        for one in definitions
        if one["type"] == "binary"
    }
