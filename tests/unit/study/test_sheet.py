"""Tables that users make, the schemas, and the config held against its own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import yaml
from adapter import sivae_settings

from popnet.sivae import FeatureInput, settings_for
from popnet.study.sheet import (
    METHODS,
    SCHEMAS,
    check_config,
    read_markers,
    read_sheet_table,
    sheet_config,
    training_plan,
)


def test_table_that_is_not_utf8(tmp_path):
    (tmp_path / "t.csv").write_bytes("line,eff\nM\u00fcller,1\n".encode("latin-1"))
    assert "UTF-8" in read_sheet_table(str(tmp_path / "t.csv"))[2][0].remedy


@pytest.mark.parametrize("text", [None, "config: {\n", "config: none.yaml\n"])
def test_broken_sheets_have_no_config(tmp_path, text):
    path = tmp_path / "sheet.yaml"
    if text:
        path.write_text(text)
    assert sheet_config(path) is None


def closed(part: dict) -> list[dict]:
    """All mappings of a schema that have properties, with those below them."""
    found = [part] if "properties" in part else []
    for key, value in part.items():
        if key in ("properties", "$defs"):
            found += [inner for item in value.values() for inner in closed(item)]
        elif isinstance(value, dict) and key != "default":
            found += closed(value)
    return found


@pytest.mark.parametrize("name", ["config", "cohort"])
def test_schemas_are_closed_and_described(name):
    from jsonschema import Draft202012Validator

    schema = yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text())
    Draft202012Validator.check_schema(schema)
    for part in closed(schema):
        assert part["additionalProperties"] is False
        for key, field in part["properties"].items():
            assert field.get("description"), key


def test_config_defaults_are_those_of_the_schema(root):
    shipped = yaml.safe_load((root / "config" / "config.yaml").read_text())
    filled: dict = {}
    assert check_config(filled, "config.yaml") == []
    # What is null there is every method that there is.
    for kind in ("embeddings", "interpretations", "networks"):
        assert shipped["comparisons"][kind] is None
        shipped["comparisons"][kind] = list(METHODS[kind])
    assert filled == shipped
    assert check_config(shipped, "config.yaml") == []


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        (None, "preset", "robst", "did you mean 'robust'"),
        (None, "seed", -1, "below 0"),
        (None, "sede", 1, "did you mean 'seed'"),
        ("bins", "size", "100", "--configfile"),
        ("bins", "size", 5, "below 10"),
        ("bins", "size", 1.5, "whole number"),
        ("genes", "regress", ["batch", "batch"], "twice"),
        ("genes", "regress", ["cycle"], "cell_cycle"),
        ("sivae", "hidden", [], "fewer than 1"),
        ("sivae", "plan", "fats", "did you mean 'fast'"),
        ("sivae", "plan", "slow", "not one of fast, paper, null"),
        ("sivae", "steps", [1, 2], "fewer than 3"),
        ("sivae", "l2", [1e-4], "fewer than 2"),
        ("sivae", "genes_per_step", "al", "did you mean 'all'"),
        ("sivae", "genes_per_step", 0, "below 1"),
        ("sivae", "learning_rate", 0, "above 0"),
        ("sivae", "learning_rate", "5e-4", "without quotes"),
        ("sivae", "feature_input", {"method": "PCA"}, "did you mean 'pca'"),
        ("sivae", "feature_input", {"method": "pca"}, "must be a number"),
        ("sivae", "feature_input", {"size": 3}, "must be null"),
        ("sivae", "heldout", 1, "above 0.5"),
        ("training", "device", "gpu", "cuda"),
        ("training", "stack", 0, "below 1"),
        ("tuning", "latents", [], "fewer than 1"),
        ("tuning", "l2", [1e-3, 1e-3], "twice"),
        ("tuning", "hidden", [1024], "not a list"),
        ("networks", "closest", 0, "above 0"),
        ("networks", "central_genes", "al", "did you mean 'all'"),
        ("networks", "central_genes", 1, "below 2"),
        ("statistics", "fdr", 1, "below 1"),
        ("comparisons", "embeddings", [], "fewer than 1"),
        ("comparisons", "sample_networks", [], "fewer than 1"),
        ("comparisons", "networks", ["aracn"], "did you mean 'aracne'"),
        ("comparisons", "markers", "none.csv", "no such file"),
    ],
)
def test_bad_config(section, key, value, words):
    config = {section: {key: value}} if section else {key: value}
    problems = check_config(config, "config.yaml")
    field = f"{section}.{key}" if section else key
    assert all(problem.field.startswith(field) for problem in problems)
    assert any(words in problem.message + problem.remedy for problem in problems)


def test_markers_are_a_table_of_a_user(tmp_path):
    path = tmp_path / "markers.csv"
    path.write_bytes("\ufeffgene;cell_type\r\nCD3E;T\r\n".encode())
    assert read_markers(str(path)) == ([{"gene": "CD3E", "cell_type": "T"}], [])
    config = {"comparisons": {"markers": str(path)}}
    assert check_config(config, "config.yaml") == []
    path.write_text("symbol,cell_type\nCD3E,T\n")
    (problem,) = check_config(config, "config.yaml")
    assert (problem.file, problem.field) == (str(path), "table column gene")
    assert "symbol" in problem.remedy


def resolved(**sections) -> tuple[str, object]:
    """Return the plan and the settings of a config."""
    config = dict(sections)
    assert check_config(config, "config.yaml") == []
    params = SimpleNamespace(sivae=config["sivae"], plan=training_plan(config))
    return params.plan, sivae_settings(params)


def test_the_plan_is_the_presets_unless_it_is_given():
    common = {"standardise": False, "heldout": 0.1}
    assert resolved() == ("fast", settings_for(plan="fast", **common))
    assert resolved(preset="paper") == ("paper", settings_for(plan="paper", **common))
    assert resolved(preset="paper", sivae={"plan": "fast"}) == resolved()


def test_keys_win_over_the_plan():
    keys = {
        "gamma": 0,
        "steps": [1, 2, 3],
        "schedule": "decay",
        "l2": [0, 1e-3],
        "genes_per_step": "all",
        "feature_input": {"method": "downsample", "size": 5},
        "precision": "float32",
    }
    _, settings = resolved(sivae=keys)
    assert settings.gamma == 0
    assert settings.steps == (1, 2, 3)
    assert settings.schedule == "decay"
    assert settings.l2 == (0, 1e-3)
    assert settings.genes_per_step is None
    assert settings.feature_input == FeatureInput("downsample", 5)
    assert settings.precision == "float32"
    assert settings.learning_rate == settings_for(plan="fast").learning_rate
    _, settings = resolved(sivae={"feature_input": {"method": "cells"}, "genes_per_step": 7})
    assert settings.feature_input == FeatureInput()
    assert settings.genes_per_step == 7
