"""Tables of a whole study: all tests of centrality, what was left out, and its record."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from popnet.networks.trained import untrained
from popnet.stats.multiplicity import strongest_first, study_wide

BIN = ["cell_type", "sample", "bin"]
SHOWN = ["gene", "statistic", "p", "q", "p_family", "icc", "explained_by"]


def all_associations(
    tests: Iterable[tuple[str, str, pd.DataFrame, np.ndarray]], seed: int
) -> pd.DataFrame:
    """Return the tests of centrality of all cell types and phenotypes, corrected for each other.

    Parameters
    ----------
    tests : iterable of (cell type, phenotype, table, maxima)
        centrality.tsv, and the largest statistic of every permutation.
    seed : int

    Returns
    -------
    DataFrame with columns cell_type, phenotype, the columns in `SHOWN`, study_q, study_p_family
        The smallest p first.
    """
    families, shown = [], []
    for cell_type, phenotype, table, maxima in tests:
        table = table.reindex(columns=SHOWN)
        families.append((table, maxima))
        table.insert(0, "cell_type", cell_type)
        table.insert(1, "phenotype", phenotype)
        shown.append(table)
    found = pd.concat(shown, ignore_index=True)
    found[["study_q", "study_p_family"]] = study_wide(families, seed)
    return strongest_first(found)


def excluded_cells(
    unbinned: pd.DataFrame, bins: pd.DataFrame, trained: pd.DataFrame
) -> pd.DataFrame:
    """Return the cells that are in no network: of no bin, and of bins of which no model trained.

    Parameters
    ----------
    unbinned : DataFrame with columns cell_type, sample, n_cells, reason
        unbinned.tsv.
    bins : DataFrame with columns cell_type, sample, bin, n_cells
        bins.tsv.
    trained : DataFrame with columns cell_type, sample, bin, status
        One row per model, of all training jobs.
    """
    failed = bins.merge(untrained(trained, BIN)[[*BIN, "status"]], on=BIN)
    failed["reason"] = "bin " + failed["bin"].astype(str) + " did not train: " + failed["status"]
    return pd.concat([unbinned, failed[list(unbinned.columns)]])


def cohort_record(
    cohort: str,
    config: Mapping[str, Any],
    bins: pd.DataFrame,
    excluded: pd.DataFrame,
    trained: pd.DataFrame,
    shared: Mapping[str, Mapping[str, Any]] | None = None,
    depths: Mapping[str, Mapping[str, Any]] | None = None,
    fits: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return what a study was made of: settings, seeds, models, samples kept and left out.

    Parameters
    ----------
    cohort : str
        Its name.
    config : mapping
    bins : DataFrame with columns cell_type, sample
        bins.tsv.
    excluded : DataFrame
        Of `excluded_cells`.
    trained : DataFrame with columns cell_type, status, version, code, device, seconds
        One row per model, of all training jobs; version and code of what trained it.
    shared : mapping of model to mapping, optional
        basis.json of the models of the cohort: what they were trained with, and on which samples.
    depths : mapping of cell type to mapping, optional
        depth_target.json: the depths that samples were thinned to, and from which samples they are.
    fits : iterable of mapping
        fit.json of the models of the cohort: device and seconds.
    """
    sample = ["cell_type", "sample"]
    failed = excluded[excluded["reason"].str.contains(" did not train: ", regex=False)]
    n_left = bins.groupby(sample).size().sub(failed.groupby(sample).size(), fill_value=0)
    kept = n_left[n_left > 0].reset_index()
    models = trained[trained["status"] == "trained"].groupby(["cell_type", "version", "code"])
    return {
        "cohort": cohort,
        "sheet": config["cohort"],
        "preset": config["preset"],
        "seed": config["seed"],
        "config": dict(config),
        "bins": bins.groupby("cell_type").size().to_dict(),
        "samples_kept": {
            cell_type: sorted(rows["sample"]) for cell_type, rows in kept.groupby("cell_type")
        },
        "depth_targets": dict(depths or {}),
        "shared_models": dict(shared or {}),
        "trained_on": trained_on(trained, fits),
        "models": models.size().rename("n_models").reset_index().to_dict("records"),
        "excluded": excluded.to_dict("records"),
    }


def trained_on(
    trained: pd.DataFrame, fits: Iterable[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Return how many models were trained on each device, and in how many hours.

    Parameters
    ----------
    trained : DataFrame with columns status, device, seconds
        A row per model of a bin.
    fits : iterable of mapping
        device and seconds of the models of the cohort.
    """
    columns = ["device", "seconds"]
    of_bins = trained[trained["status"] == "trained"].reindex(columns=columns)
    of_cohort = pd.DataFrame([[fit[name] for name in columns] for fit in fits], columns=columns)
    both = pd.concat([one for one in (of_cohort, of_bins) if len(one)] or [of_cohort])
    return [
        {"device": str(device), "n_models": len(rows), "hours": float(rows["seconds"].sum() / 3600)}
        for device, rows in both.groupby("device")
    ]


def machine() -> dict[str, Any]:
    """Return this machine: processor, cores, memory_gb (None if unknown) and system."""
    processor = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        processor = next(iter(named), processor)
    memory = None
    with suppress(ValueError, OSError):
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "memory_gb": memory,
        "system": f"{platform.system()} {platform.release()}",
    }
