"""Hypotheses of a discovery, under a seal, and their tests in a second cohort."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtridf, stdtrit

from popnet.associations.expression import MEASURES
from popnet.associations.modules import COUNTED
from popnet.associations.replicated import FAMILIES
from popnet.errors import InputError, Problem
from popnet.files import reading
from popnet.networks.verdicts import NOT_MEASURABLE
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.replication import (
    ALPHA,
    Prior,
    estimate_prior,
    expected_replication,
    one_sided_p,
    pi1,
    power_at_estimate,
    sign_concordance,
)

NAMES = ["measure", "name1", "name2"]
# Analyses whose names are not those of genes.
OF_GROUPS = ("gene_sets", "enrichment", "programmes", "modules")
GROUP = ["phenotype", "cell_type", "analysis"]
EFFECT = ["estimate", "low", "high", "t", "p"]
# The second stage of called pairs.
PLAIN = ["correlation_estimate", "correlation_p"]
NO_SUCH_TEST = "the second cohort has no such test"
NOT_EXPRESSED = "not expressed in the second cohort"
UNMEASURABLE = "not measurable in the second cohort"


def common_tests(analysis: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return the tests of an analysis as all analyses have them.

    Parameters
    ----------
    analysis : str
        A key of `FAMILIES`.
    table : DataFrame
        Of one network; without the mixed model's columns nothing can be replicated, and there are
        no rows.

    Returns
    -------
    DataFrame
        measure, name1, name2 (text, "" where there is none), estimate, low, high, t, p, q,
        correlation_estimate and correlation_p (of the analysis "edges", else NaN), verdict ("" if
        unknown). A pair that only the network calls has no q in the analysis "edges". The estimate
        of an enrichment is its normalised score, which has no confidence interval and no t.
    """
    family = FAMILIES[analysis]
    if not {"estimate", "low", "high", "t"} <= set(table):
        table = table.iloc[:0].reindex(columns=[*table, "estimate", "low", "high", "t"])
    if "agrees" in table:
        table = table[table["gene_set"] == "all"]
    if analysis in MEASURES:
        table = table[table["measure"] == analysis]
    if analysis == "modules":
        table = table[table["kind"].isin(COUNTED)]
    if analysis == "enrichment":
        table = table.assign(estimate=table["nes"], low=np.nan, high=np.nan, t=np.nan)
    if analysis in ("edges", "model_edges"):
        table = table[table["gene_set"] == "all"] if "gene_set" in table else table
    found = pd.DataFrame(index=table.index)
    found["measure"] = table[family.measure] if family.measure else ""
    found["name1"] = table[family.names[0]]
    found["name2"] = table[family.names[-1]] if len(family.names) == 2 else ""
    found = found.astype(str)
    found[["estimate", "low", "high", "t"]] = table[["estimate", "low", "high", "t"]].astype(float)
    found["p"], found["q"] = table[family.p].astype(float), table[family.q].astype(float)
    found[PLAIN] = np.nan
    if analysis == "edges":
        called = table["agrees"].fillna(False).astype(bool)
        found["q"] = table[["q", "correlation_q"]].max(axis=1).where(called)
        found[PLAIN] = table[PLAIN].astype(float)
    found["verdict"] = table["verdict"].fillna("") if "verdict" in table else ""
    return found.reset_index(drop=True)


def hypotheses(tests: pd.DataFrame, fdr: float) -> pd.DataFrame:
    """Return the hits among tests, with their direction.

    Parameters
    ----------
    tests : DataFrame
        Of :func:`common_tests`.
    fdr : float

    Returns
    -------
    DataFrame
        measure name1 name2 direction ("up" or "down") estimate low high t p q correlation_estimate
        correlation_p, sorted by p.
    """
    hits = tests[tests["q"] <= fdr].sort_values("p", kind="stable", ignore_index=True)
    hits.insert(3, "direction", np.where(hits["estimate"] > 0, "up", "down"))
    return hits.drop(columns="verdict")


def prior_weights(tests: pd.DataFrame) -> dict[str, list[float]]:
    """Return how true effects are distributed, by the column of p that says it."""
    columns = {"p": tests["p"], "correlation_p": tests["correlation_p"]}
    return {
        name: estimate_prior(p.to_numpy()).weights.tolist()
        for name, p in columns.items()
        if p.notna().any()
    }


def sealed(table: str | Path, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the seal of a file of hypotheses.

    Parameters
    ----------
    table : str or Path
    about : mapping
        What the hypotheses and their tests depend on, as JSON: genes, models, settings.

    Returns
    -------
    dict
        sha256 (of all that follows), table (the SHA-256 of the file) and what is in `about`.
    """
    content = {"table": sha256(Path(table).read_bytes()).hexdigest(), **about}
    return {"sha256": _digest(content), **content}


def open_sealed(table: str | Path, seal: str | Path, now: Mapping[str, Any]) -> dict[str, Any]:
    """Return the seal of a file of hypotheses, if nothing was changed since.

    Parameters
    ----------
    table, seal : str or Path
    now : mapping
        Parts of the seal as they are now.

    Raises
    ------
    InputError
        If the table, the seal or any of these parts is another.
    """
    with reading(seal):
        found: dict[str, Any] = json.loads(Path(seal).read_text("utf-8"))
    content = {key: value for key, value in found.items() if key != "sha256"}
    parts = {"table": sha256(Path(table).read_bytes()).hexdigest(), **now}
    changed = [name for name, value in parts.items() if found.get(name) != value]
    if found.get("sha256") != _digest(content):
        changed.append("seal")
    if changed:
        message = f"Not as they were when the hypotheses were written: {', '.join(changed)}"
        remedy = "Delete the file: the discovery writes its hypotheses again"
        raise InputError([Problem(str(table), "sha256", found.get("sha256"), message, remedy)])
    return found


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return sha256(text.encode()).hexdigest()


def replicate(
    claims: pd.DataFrame,
    tests: pd.DataFrame,
    priors: Mapping[str, Sequence[float]],
    fdr: float,
    expressed: pd.Index | None = None,
) -> pd.DataFrame:
    """Test the hypotheses of a family in a second cohort, each in its direction.

    A called pair is replicated if the network's weight and the plain correlation both are
    (intersection-union test): its p is the larger one, and what is expected is the smaller.

    Parameters
    ----------
    claims : DataFrame
        Of :func:`hypotheses`, of one phenotype, cell type and analysis.
    tests : DataFrame
        Of :func:`common_tests` in the second cohort.
    priors : mapping
        Of :func:`prior_weights` in the discovery.
    fdr : float
    expressed : Index, optional
        The genes that any cell of the second cohort expresses.

    Returns
    -------
    DataFrame
        The columns of `claims`; second_estimate, second_low, second_high, second_t, p_one_sided,
        q_one_sided (Benjamini-Hochberg over these hypotheses), replicated (p_one_sided <= 0.05),
        confirmed (q_one_sided <= `fdr`), same_sign, expected and expected_at_most (probability of
        replicated), why_not (why there is no test).
    """
    claims = claims.reset_index(drop=True)
    columns = [*NAMES, *EFFECT, *PLAIN, "verdict"]
    found = claims[NAMES].merge(tests[columns].drop_duplicates(NAMES), how="left", on=NAMES)
    up = np.where(claims["direction"] == "up", 1.0, -1.0)
    table = claims.join(found[["estimate", "low", "high", "t"]].add_prefix("second_"))
    p = one_sided_p(found["p"].to_numpy(), found["estimate"].to_numpy(), up)
    expected, at_most = _expected(claims, found, priors["p"]) if len(claims) else (p, p)
    if claims["correlation_p"].notna().any():
        names = {"correlation_estimate": "estimate", "correlation_p": "p"}
        first, second = (_with_t(one, names) for one in (claims, found))
        of_second = second["p"].to_numpy(), second["estimate"].to_numpy()
        p = np.maximum(p, one_sided_p(of_second[0], of_second[1], up))
        of_plain = _expected(first, second, priors["correlation_p"])
        expected, at_most = np.minimum(expected, of_plain[0]), np.minimum(at_most, of_plain[1])
    tested = np.isfinite(p)
    table["p_one_sided"], table["q_one_sided"] = p, benjamini_hochberg(p)
    table["replicated"] = table["p_one_sided"] <= ALPHA
    table["confirmed"] = table["q_one_sided"] <= fdr
    table["same_sign"] = np.sign(found["estimate"]) == up
    table["expected"] = np.where(tested, expected, np.nan)
    table["expected_at_most"] = np.where(tested, at_most, np.nan)
    absent = np.zeros(len(claims), bool)
    if expressed is not None:
        genes = claims[["name1", "name2"]].isin([*expressed, ""])
        absent = ~genes.all(axis=1).to_numpy()
    verdict = found["verdict"].fillna("").to_numpy()
    table["why_not"] = np.select(
        [tested, verdict == NOT_MEASURABLE, absent],
        ["", UNMEASURABLE, NOT_EXPRESSED],
        default=NO_SUCH_TEST,
    )
    return table


def _with_t(table: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return the second stage with the t of the degrees of freedom of the first."""
    df = _degrees(table)
    renamed = table[list(names)].rename(columns=dict(names))
    t = -stdtrit(np.minimum(df, 1e10), renamed["p"].to_numpy(float) / 2)
    t = t * np.sign(renamed["estimate"].to_numpy(float))
    se = np.abs(renamed["estimate"] / t)
    half = se * stdtrit(np.minimum(df, 1e10), 0.975)
    return renamed.assign(t=t, low=renamed["estimate"] - half, high=renamed["estimate"] + half)


def _degrees(table: pd.DataFrame) -> np.ndarray:
    """Return the degrees of freedom of t, from the width of the confidence interval."""
    half = (table["high"] - table["low"]).to_numpy(float) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        quantile = half / (table["estimate"] / table["t"]).abs().to_numpy(float)
    # Six digits cannot tell more degrees of freedom from a normal distribution.
    few = stdtridf(0.975, np.maximum(quantile, 1.96))
    df: np.ndarray = np.where(quantile > 1.9605, few, np.inf)
    return df


def _expected(
    claims: pd.DataFrame, found: pd.DataFrame, weights: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is expected of hypotheses, given all tests, and at their estimates."""
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (
            (one["estimate"] / one["t"]).abs().to_numpy(float) for one in (claims, found)
        )
    ratio, df, t = first / second, _degrees(found), claims["t"].to_numpy()
    prior = Prior(np.array(weights))
    return (
        expected_replication(claims["p"].to_numpy(), t, ratio, df, prior),
        power_at_estimate(t, ratio, df),
    )


def rates(replicated: pd.DataFrame) -> pd.DataFrame:
    """Return how many hypotheses of each family come back, beside how many should.

    Parameters
    ----------
    replicated : DataFrame
        phenotype, cell_type, network, analysis and what :func:`replicate` returns.

    Returns
    -------
    DataFrame
        phenotype cell_type network analysis hypotheses tested replicated rate (of those tested)
        expected expected_at_most (means over them) confirmed same_sign sign_share sign_p pi1.
    """
    rows = []
    for (*about, network), family in replicated.groupby([*GROUP, "network"], sort=False):
        tested = family[family["p_one_sided"].notna()]
        up = np.where(tested["direction"] == "up", 1.0, -1.0)
        same, n, sign_p = sign_concordance(tested["second_estimate"].to_numpy(float), up)
        rows.append(
            dict(zip(GROUP, about, strict=True))
            | {
                "network": network,
                "hypotheses": len(family),
                "tested": n,
                "replicated": int(tested["replicated"].sum()),
                "rate": tested["replicated"].mean(),
                "expected": tested["expected"].mean(),
                "expected_at_most": tested["expected_at_most"].mean(),
                "confirmed": int(tested["confirmed"].sum()),
                "same_sign": same,
                "sign_share": same / n if n else np.nan,
                "sign_p": sign_p,
                "pi1": pi1(tested["p_one_sided"].to_numpy()),
            }
        )
    columns = [*GROUP, "network", "hypotheses", "tested", "replicated", "rate", "expected"]
    columns += ["expected_at_most", "confirmed", "same_sign", "sign_share", "sign_p", "pi1"]
    return pd.DataFrame(rows, columns=columns)
