"""The settings of a test, and the shape that all questions share."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import popnet.associations
from popnet import presets
from popnet.associations.testing import Testing

MODULES = [module.name for module in pkgutil.iter_modules(popnet.associations.__path__)]
# What questions have in common. The wiring's outcome is no phenotype: it makes its own designs.
SHARED = {"designs", "expression_switch", "groups", "testing"}
# What the paper did not ask.
NEW = {"expression", "heteroplasmy", "programmes"}
QUESTIONS = sorted(set(MODULES) - SHARED - {"wiring"})


def test_settings_come_from_the_config():
    statistics = {"permutations": 99, "fdr": 0.1, "min_icc": 0.3, "adjust": []}
    assert Testing.from_config(statistics, 7) == Testing(99, 7, 0.1, 0.3, chance={})


@pytest.mark.parametrize("preset", presets.PRESETS)
@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_has_one_shape(name, preset):
    """`paper` and `robust` are asked alike, last of the design and the settings of the test."""
    module = importlib.import_module(f"popnet.associations.{name}")
    if preset == "paper" and name in NEW:
        assert not hasattr(module, "paper")
        return
    taken = inspect.signature(presets.answer(module, preset)).parameters
    required = [key for key, value in taken.items() if value.default is inspect.Parameter.empty]
    assert required[-2:] == ["design", "testing"]
    if hasattr(module, "paper"):
        assert required == list(inspect.signature(module.paper).parameters)
