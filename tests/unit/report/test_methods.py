"""The methods of a study: what was run, with numbers, and references that exist."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pandas as pd
import pytest
import yaml

from popnet.files import write_table
from popnet.report import methods
from popnet.report.references import REFERENCES

SHARED = {"latent": 32, "hidden": [256, 128], "gamma": 0.05, "kl": 0.1, "steps": [500, 300, 1000]}
SHARED |= {"minibatch": 128, "learning_rate": 0.002, "schedule": "one-cycle", "heldout": 0.1}


@pytest.fixture
def described(write_study, root):
    """A function that returns the methods of a small study as text, and its references."""

    def describe(preset="robust", networks=("shared",), shared=True) -> tuple[str, list[str]]:
        results = write_study()
        config = yaml.safe_load((root / "config" / "config.yaml").read_text()) | {"preset": preset}
        record = {"cohort": "small", "preset": preset, "seed": 7, "config": config}
        record |= {"versions": {"popnet": "0.1.0", "torch": "2.13.0", "cyvcf2": None}}
        record |= {"commit": "0123456789ab", "excluded": [{"sample": "left"}]}
        record["shared_models"] = {"T, all": {"part": "all", "settings": SHARED}} if shared else {}
        record["trained_on"] = [{"device": "cuda", "n_models": 3, "hours": 0.5}]
        record["machine"] = {"processor": "x", "cores": 2, "memory_gb": 24, "system": "Linux"}
        (results.folder / "cohort.json").write_text(json.dumps(record))
        write_table(pd.DataFrame({"gene": ["a"] * 1234}), results.folder / "t/genes.tsv")
        adjusted = pd.DataFrame({"item": ["adjusted for"], "value": ["sex, cells"]})
        write_table(adjusted, results.folder / "t/associations/p/shared/design.tsv")
        results = replace(
            results,
            files=results.files | {"cohort.json", "t/genes.tsv"},
            study=results.study | {"networks": list(networks)},
        )
        shown = methods.section(results).shown
        assert shown["hardware"][0] == "3 models trained on cuda, 0.5 hours"
        return "\n".join(shown["paragraphs"]), shown["references"]

    return describe


def test_methods_say_what_was_run(described):
    text, references = described()
    assert "800 cells of 8 samples of 8 donors" in text
    assert "bins of 1,000 cells (8 bins)" in text
    assert "1 sample" in text
    assert "1,234 genes" in text
    assert "KL weight 0.1, 500 + 300 + 1,000 steps" in text
    assert "linear mixed model, adjusted for cells and sex:" in text
    assert "torch 2.13.0" in text
    assert "cyvcf2" not in text
    assert "seed 7" in text
    cited = [int(number) for number in re.findall(r"\[(\d+)\]", text)]
    assert list(dict.fromkeys(cited)) == list(range(1, len(references) + 1))
    assert not re.search(r"\[[a-z]+\]", text)


def test_methods_of_the_paper_are_those_of_its_preset(described):
    text, references = described("paper", ["sivae"], shared=False)
    assert "every bin counted as one observation" in text
    assert "was trained from scratch (32 latent dimensions" in text
    assert "by the training plan 'paper'" in text
    assert "the Euclidean distance of the genes' loadings" in text
    assert "mixed model" not in text
    assert REFERENCES["limma"] not in references


def test_every_word_for_a_method_has_its_reference():
    keys = re.findall(r"\[(\w+)\]", " ".join(methods.WORDS.values()))
    assert set(keys) <= set(REFERENCES)
    assert len(set(REFERENCES.values())) == len(REFERENCES)
