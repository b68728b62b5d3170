"""Hypotheses of a discovery, their seal, and their tests in a second cohort."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from popnet.associations.replication import (
    NO_SUCH_TEST,
    NOT_EXPRESSED,
    UNMEASURABLE,
    common_tests,
    hypotheses,
    open_sealed,
    prior_weights,
    rates,
    replicate,
    sealed,
)
from popnet.associations.replication_files import parts_of
from popnet.errors import InputError
from popnet.stats.multiplicity import benjamini_hochberg
from popnet.stats.replication import power_at_estimate

DF = 12


def centrality(t, se=0.1, genes=None, verdict="measurable"):
    t = np.asarray(t, float)
    p = 2 * stats.t.sf(np.abs(t), DF)
    half = se * stats.t.isf(0.025, DF)
    return pd.DataFrame(
        {
            "gene": genes or [f"G{number}" for number in range(len(t))],
            "estimate": t * se,
            "low": t * se - half,
            "high": t * se + half,
            "t": t,
            "p": p,
            "q": benjamini_hochberg(p),
            "verdict": verdict,
        }
    )


def edges(t, plain):
    table = centrality(t).rename(columns={"gene": "gene1"}).assign(gene2="H", gene_set="all")
    table["correlation_estimate"] = np.asarray(plain) * 0.05
    table["correlation_p"] = 2 * stats.t.sf(np.abs(plain), DF)
    table["correlation_q"] = table["correlation_p"]
    table["agrees"] = (table["q"] <= 0.05) & (table["correlation_p"] <= 0.05)
    return pd.concat([table, table.assign(gene_set="MT")])


def test_hits_become_hypotheses_with_a_direction():
    tests = common_tests("centrality", centrality([9, -8, 0.2, 7]))
    claims = hypotheses(tests, 0.05)
    assert list(claims["name1"]) == ["G0", "G1", "G3"]
    assert list(claims["direction"]) == ["up", "down", "up"]
    assert (claims["name2"] == "").all()


def test_called_pairs_are_hypotheses_once_and_need_both_stages():
    table = edges([9, 9, 8, 0.1], [5, 0.2, 6, 0.1])
    called, by_network = (
        hypotheses(common_tests(one, table), 0.05) for one in ("edges", "model_edges")
    )
    assert list(called["name1"]) == ["G0", "G2"]
    assert list(by_network["name1"]) == ["G0", "G1", "G2"]
    tests = common_tests("edges", table)
    again = common_tests("edges", edges([4, 4, 4, 1], [3, 3, -3, 1]))
    found = replicate(called, again, prior_weights(tests), 0.05)
    # Each stage one-sided, of which the larger counts.
    first, plain = stats.t.sf(4, DF), stats.t.sf(3, DF)
    assert found["p_one_sided"].to_numpy() == pytest.approx([max(first, plain), 1 - plain])
    assert list(found["replicated"]) == [True, False]
    assert (found["expected"] <= found["expected_at_most"] + 1e-9).all()


def test_enriched_sets_are_tested_in_their_direction():
    """An enrichment has a score and p of its own, no t: what is expected is not known."""
    table = centrality([0.1, 0.2, 0.3], genes=["A", "B", "C"]).rename(columns={"gene": "gene_set"})
    table = table.assign(model_p=table["p"], model_q=table["q"], nes=[2.1, -1.9, 0.8])
    table = table.assign(p=[0.001, 0.002, 0.7], q=[0.003, 0.003, 0.7])
    assert hypotheses(common_tests("gene_sets", table), 0.05).empty
    first = common_tests("enrichment", table)
    claims = hypotheses(first, 0.05)
    assert claims[["name1", "direction"]].values.tolist() == [["A", "up"], ["B", "down"]]
    second = common_tests("enrichment", table.assign(nes=[1.5, 1.2, 1], p=[0.06, 0.04, 0.5]))
    found = replicate(claims, second, prior_weights(first), 0.05)
    assert found["p_one_sided"].to_numpy() == pytest.approx([0.03, 0.98])
    assert list(found["replicated"]) == [True, False]
    assert found["expected"].isna().all()
    about = dict(phenotype="ill", cell_type="T", network="shared", analysis="enrichment")
    summary = rates(found.assign(**about)).iloc[0]
    assert (summary["tested"], summary["rate"], summary["same_sign"]) == (2, 0.5, 1)


def test_of_modules_density_and_coupling_are_hypotheses():
    table = centrality([9, 9, -9]).drop(columns="gene")
    table = table.assign(
        kind=["density", "eigengene", "coupling"], name1="A", name2=["A", "A", "B"]
    )
    claims = hypotheses(common_tests("modules", table), 0.05)
    assert claims[["measure", "name2", "direction"]].values.tolist() == [
        ["density", "A", "up"],
        ["coupling", "B", "down"],
    ]


def test_the_seal_holds_the_lists_of_genes(tmp_path):
    """Whatever else is in the tables: names of modules follow from the gene sets."""
    (tmp_path / "shared").mkdir()
    genes, modules, sets = (tmp_path / name for name in ("genes.tsv", "shared/modules.tsv", "s"))
    genes.write_text("gene\nA\nB\n")
    modules.write_text("module\tgene\tname\n1\tA\tx\n1\tB\tx\n")
    sets.write_text("{}")
    frozen = [["T", genes, [], [modules]]]
    before = parts_of(frozen, sets, {})
    assert set(before["modules"]["T"]) == {"shared"}
    modules.write_text("module\tgene\tname\n1\tB\ty\n1\tA\ty\n")
    assert parts_of(frozen, sets, {}) == before
    modules.write_text("module\tgene\tname\n1\tB\ty\n2\tA\ty\n")
    sets.write_text('{"S": []}')
    after = parts_of(frozen, sets, {})
    assert [name for name in before if after[name] != before[name]] == ["modules", "gene_sets"]


def test_a_second_cohort_tests_the_hypotheses_alone_and_one_sided():
    first = common_tests("centrality", centrality([9, -8, 0.2, 7]))
    claims = hypotheses(first, 0.05)
    second = common_tests("centrality", centrality([2, 3, 50, -1], se=0.2))
    found = replicate(claims, second, prior_weights(first), 0.05)
    p = [stats.t.sf(2, DF), stats.t.cdf(3, DF), stats.t.cdf(1, DF)]
    assert found["p_one_sided"].to_numpy() == pytest.approx(p)
    assert found["q_one_sided"].to_numpy() == pytest.approx(benjamini_hochberg(np.array(p)))
    assert list(found["same_sign"]) == [True, False, False]
    at_most = power_at_estimate(np.array([9, 8, 7]), np.full(3, 0.5), np.full(3, float(DF)))
    assert found["expected_at_most"].to_numpy() == pytest.approx(at_most, abs=1e-4)


def test_what_is_not_tested_says_why_and_does_not_count():
    first = common_tests("centrality", centrality([9, 8, 7, 6]))
    second = centrality([9, 0, 0, np.nan]).assign(gene=["G0", "x", "y", "G3"])
    second.loc[3, "verdict"] = "not measurable"
    found = replicate(
        hypotheses(first, 0.05),
        common_tests("centrality", second),
        prior_weights(first),
        0.05,
        pd.Index(["G0", "G1", "G3"]),
    )
    assert list(found["why_not"]) == ["", NO_SUCH_TEST, NOT_EXPRESSED, UNMEASURABLE]
    about = dict(phenotype="ill", cell_type="T", network="shared", analysis="centrality")
    summary = rates(found.assign(**about)).iloc[0]
    assert (summary["hypotheses"], summary["tested"], summary["rate"]) == (4, 1, 1)
    assert (summary["same_sign"], summary["pi1"]) == (1, 1)


def test_tables_without_a_mixed_model_have_no_hypotheses():
    table = centrality([9, 8]).drop(columns=["estimate", "low", "high", "t"])
    tests = common_tests("centrality", table)
    assert tests.empty
    assert hypotheses(tests, 0.05).empty
    assert prior_weights(tests) == {}


def test_no_hypotheses_make_empty_tables():
    tests = common_tests("centrality", centrality([0.1, 0.2]))
    found = replicate(hypotheses(tests, 0.05), tests, prior_weights(tests), 0.05)
    assert found.empty
    about = dict.fromkeys(["phenotype", "cell_type", "network", "analysis"], "")
    assert rates(found.assign(**about)).empty


@pytest.mark.parametrize("changed", ["nothing", "table", "seal", "genes"])
def test_a_seal_breaks_if_anything_is_changed(tmp_path, changed):
    table, seal = tmp_path / "hypotheses.tsv", tmp_path / "hypotheses.json"
    table.write_text("name\tdirection\nA\tup\n")
    about = {"genes": {"T": "abc"}, "fdr": 0.05}
    content = sealed(table, about)
    if changed == "table":
        table.write_text("name\tdirection\nA\tdown\n")
    if changed == "seal":
        content["fdr"] = 0.1
    seal.write_text(json.dumps(content))
    now = {"genes": {"T": "xyz" if changed == "genes" else "abc"}}
    if changed == "nothing":
        assert open_sealed(table, seal, now)["sha256"] == sealed(table, about)["sha256"]
    else:
        with pytest.raises(InputError, match=changed):
            open_sealed(table, seal, now)
