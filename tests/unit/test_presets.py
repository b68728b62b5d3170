"""What the presets mean, looked up in one place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from popnet import presets
from popnet.associations import genes, heteroplasmy
from popnet.sivae.settings import PLANS

CLONE = Path(__file__).resolve().parents[2]


def test_the_question_of_a_module_is_answered_by_preset():
    assert presets.answer(genes, "paper") is genes.paper
    assert presets.answer(genes, "robust") is genes.robust
    with pytest.raises(AttributeError):
        presets.answer(heteroplasmy, "paper")


def test_the_config_decides_on_the_plan_where_it_names_one():
    def planned(plan, preset):
        return presets.training_plan({"preset": preset, "sivae": {"plan": plan}})

    assert [planned(None, preset) for preset in ("robust", "paper")] == ["fast", "paper"]
    assert planned("paper", "robust") == "paper"
    assert planned("fast", "paper") == "fast"
    assert {preset.plan for preset in presets.PRESETS.values()} <= set(PLANS)


def test_networks_are_narrower_for_bins_of_few_cells():
    def widths(size, plan="fast", hidden=None):
        section = {"plan": plan, "hidden": hidden, "kl": 0.1}
        found = presets.sivae({"preset": "robust", "bins": {"size": size}, "sivae": section})
        assert found["kl"] == 0.1
        return found["hidden"]

    assert widths(1000) == widths(501) == widths(100, "paper") == [1024, 512, 128]
    assert widths(500) == widths(50) == [256, 128, 64]
    assert widths(50, hidden=[20]) == [20]


def test_counts_are_kept_for_the_estimator_that_reads_them():
    def needed(*names):
        return presets.needs_counts(
            {"preset": "robust", "networks": {"estimators": list(names) or None}}
        )

    assert needed("shared", "cs-core")
    assert not needed("clr", "spearman")
    assert not needed()


@pytest.mark.parametrize(
    ("preset", "depth", "adjusted"),
    [
        ("robust", None, ["cells"]),
        ("robust", "none", ["depth", "cells"]),
        ("paper", None, ["depth", "cells"]),
        ("paper", "match", ["cells"]),
    ],
)
def test_depth_that_is_made_equal_is_not_adjusted_for(preset, depth, adjusted):
    config = {
        "preset": preset,
        "bins": {"depth": depth},
        "statistics": {"adjust": ["depth", "cells"]},
    }
    assert presets.matches_depth(config) == ("depth" not in adjusted)
    assert presets.adjusted(config) == adjusted
    assert config["statistics"]["adjust"] == ["depth", "cells"]


@pytest.mark.parametrize("name", presets.PRESETS)
def test_a_preset_is_of_a_piece(name):
    preset = presets.PRESETS[name]
    assert presets.unit(name) == preset.unit
    assert presets.edges(name) == preset.edges
    assert presets.main_kernel(name) in presets.PRESETS[name].kernels
    assert set(preset.effects) == set(preset.burden_effects) == {"continuous", "binary"}
    assert presets.effect_name(name, "binary") == preset.effects["binary"]
    assert presets.burden_effect_name(name, "continuous") == preset.burden_effects["continuous"]


def test_what_the_paper_did():
    """The differences that are named in the design: the unit, the kernel, Pearson's correlation."""
    assert presets.unit("paper") == "bin"
    assert presets.unit("robust") == "donor"
    assert presets.main_kernel("paper") == "wl_degree"
    assert presets.burden_effect_name("paper", "continuous").startswith("Pearson")


def test_an_unknown_preset_is_an_error():
    with pytest.raises(KeyError):
        presets.unit("strict")


def test_no_other_file_asks_which_preset_it_is():
    """Neither by comparison with a name of one, nor by a table of its own."""
    names = set(presets.PRESETS)

    def texts(nodes):
        return {node.value for node in nodes if isinstance(node, ast.Constant)}

    found = []
    for folder in (CLONE / "src" / "popnet", CLONE / "workflow" / "scripts"):
        for path in sorted(folder.rglob("*.py")):
            if path == Path(presets.__file__):
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                compared = isinstance(node, ast.Compare) and texts([node.left, *node.comparators])
                table = isinstance(node, ast.Dict) and texts(node.keys)
                if (compared and compared & names) or (table and table >= names):
                    found.append(f"{path.relative_to(CLONE)}:{node.lineno}")
    for path in sorted((CLONE / "workflow").rglob("*.smk")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if any(f'"{name}"' in line for name in names):
                found.append(f"{path.relative_to(CLONE)}:{number}")
    assert found == []
