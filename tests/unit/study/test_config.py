"""The models of the config, and the files that are generated from those of config and sheet."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml
from pydantic import BaseModel

from popnet.presets import training_plan
from popnet.sivae import FeatureInput, settings_for
from popnet.sivae.settings import from_config
from popnet.study.config import Config, config_problems, fill_defaults, section_of
from popnet.study.generate import generated, main
from popnet.study.sheet import Sheet
from popnet.study.validation import Section, validated


def sections(model: type[BaseModel]) -> list[type[BaseModel]]:
    found = [section_of(field.annotation) for field in model.model_fields.values()]
    return [model] + [inner for section in found if section for inner in sections(section)]


@pytest.mark.parametrize("model", [Config, Sheet])
def test_every_key_is_described_and_no_other_is_taken(model):
    for section in sections(model):
        assert issubclass(section, Section)
        for key, field in section.model_fields.items():
            assert field.description or section_of(field.annotation), key


def test_generated_files_are_current(root):
    for path, text in generated(root).items():
        assert path.read_text(encoding="utf-8") == text, f"run `make generate`: {path}"


def test_generate_writes_what_is_lacking(root, tmp_path):
    (tmp_path / "config").mkdir()
    shutil.copy(root / "config" / "README.md", tmp_path / "config")
    main(tmp_path)
    for path in generated(root):
        assert (tmp_path / path.relative_to(root)).read_bytes() == path.read_bytes()
    (tmp_path / "config" / "README.md").write_text("no table")
    with pytest.raises(ValueError, match="0 tables with the marker: keys: config"):
        main(tmp_path)


@pytest.mark.parametrize(("name", "model"), [("config", Config), ("cohort", Sheet)])
def test_schemas_accept_what_the_models_do(root, name, model):
    """Editors hold files against the schema: `mask` and ids may be numbers, for instance."""
    validation = pytest.importorskip("jsonschema")
    schema = json.loads((root / "workflow" / "schemas" / f"{name}.schema.json").read_text())
    validation.Draft202012Validator.check_schema(schema)
    check = validation.Draft202012Validator(schema)
    folder = root / "config" / ("cohorts" if name == "cohort" else "")
    for path in folder.glob("*.yaml"):
        document = yaml.safe_load(path.read_text())
        assert list(check.iter_errors(document)) == [], path
        assert validated(model, document, path)[1] == []


def test_shipped_config_holds_the_defaults(root):
    shipped = yaml.safe_load((root / "config" / "config.yaml").read_text())
    filled: dict = {}
    fill_defaults(filled)
    assert filled == shipped
    assert config_problems(shipped, "config.yaml") == []


def test_defaults_fill_gaps_and_change_nothing():
    config = {
        "bins": {"size": 50},
        "sivae": {"gamma": 0, "feature_input": {"size": 3}},
        "seed": "1",
    }
    fill_defaults(config)
    assert config["bins"] == {"size": 50, "depth": None}
    assert config["sivae"]["gamma"] == 0
    assert isinstance(config["sivae"]["gamma"], int)
    assert config["sivae"]["feature_input"] == {"method": "cells", "size": 3}
    assert config["seed"] == "1"
    other: dict = {}
    fill_defaults(other)
    other["genes"]["keep"].append("X")
    assert Config().genes.keep == ["MT-*"]


def test_an_old_key_is_refused_with_its_new_name():
    problems = validated(Config, {"bins": {"old": 3}}, "f", {"bins.old": "bins.size"})[1]
    assert [(one.field, one.value) for one in problems] == [("bins.old", 3)]
    assert problems[0].remedy == "Write bins.size"


def resolved(**sections) -> tuple[str, object]:
    """Return the plan and the settings of a config."""
    config = dict(sections)
    fill_defaults(config)
    assert config_problems(config, "config.yaml") == []
    plan = training_plan(config)
    return plan, from_config(config["sivae"], plan)


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
    assert resolved()[1].kl == 0.1
    assert resolved(preset="paper")[1].kl == 1
    assert resolved(sivae={"kl": 0.5})[1].kl == 0.5
    _, settings = resolved(sivae={"feature_input": {"method": "cells"}, "genes_per_step": 7})
    assert settings.feature_input == FeatureInput()
    assert settings.genes_per_step == 7
