"""Write what follows from the models of config and sheet: ``python -m popnet.study.generate``.

Defaults with comments (``config/config.yaml``), schemas for editors (``workflow/schemas/``) and the
tables of keys in ``config/README.md``. Run it in the clone after a change of a model.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from popnet.study.config import Config, section_of
from popnet.study.sheet import (
    CovariateEntry,
    GeneSetEntry,
    OwnNetworkEntry,
    PhenotypeEntry,
    ReplicateEntry,
    SampleEntry,
    SamplesOfCells,
    SampleTable,
    Sheet,
)

WIDTH = 100
HEADING = """\
# How to analyse a cohort. What the data is stands in the cohort sheet; config/README.md explains
# every key. Change values in a file of your own and give it after this one with --configfile.
# `python -m popnet.study.generate` writes this file.
"""
TABLES: dict[str, type[BaseModel]] = {
    "config": Config,
    "sheet": Sheet,
    "sample": SampleEntry,
    "table of samples": SampleTable,
    "samples of the cells": SamplesOfCells,
    "phenotype": PhenotypeEntry,
    "covariate": CovariateEntry,
    "gene set": GeneSetEntry,
    "own network": OwnNetworkEntry,
    "replication": ReplicateEntry,
}


def main(root: Path = Path()) -> None:
    """Write all generated files of a clone."""
    for path, text in generated(root).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def generated(root: Path) -> dict[Path, str]:
    """Return the text of every generated file of a clone."""
    readme = root / "config" / "README.md"
    schemas = root / "workflow" / "schemas"
    return {
        root / "config" / "config.yaml": HEADING + "".join(_settings(Config)),
        schemas / "config.schema.json": _schema(Config),
        schemas / "cohort.schema.json": _schema(Sheet),
        readme: _with_tables(readme.read_text(encoding="utf-8")),
    }


def _settings(model: type[BaseModel], indent: str = "") -> Iterator[str]:
    """Yield the lines of the defaults, each with the first sentence of its description."""
    for key, field in model.model_fields.items():
        section = section_of(field.annotation)
        nested = section is not None and field.default_factory is not None
        line = f"{indent}{key}:" + ("" if nested else f" {_flow(field.default)}")
        comment = re.split(r"\. ", _description(field))[0].replace("`", "")
        if len(f"{line} # {comment}") > WIDTH:
            for part in textwrap.wrap(comment, WIDTH - len(indent) - 2):
                yield f"{indent}# {part}\n"
            yield f"{line}\n"
        else:
            yield f"{line} # {comment}\n"
        if section and nested:
            yield from _settings(section, indent + "  ")


def _flow(value: Any) -> str:
    """Return a value as one line of YAML."""
    value = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"))
    return text.removesuffix("...\n").strip()


def _description(field: FieldInfo) -> str:
    section = section_of(field.annotation)
    text = field.description or (section and section.__doc__) or ""
    return " ".join(text.split()).removesuffix(".")


def _schema(model: type[BaseModel]) -> str:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(schema | model.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def _with_tables(text: str) -> str:
    """Return a page with the tables between its markers written again."""
    for name, model in TABLES.items():
        marker = rf"(<!-- keys: {name} -->\n).*?(<!-- end -->\n)"
        rows = "".join(_rows(model))
        text, n_found = re.subn(
            marker,
            lambda found, rows=rows: found[1] + rows + found[2],  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
        if n_found != 1:
            raise ValueError(f"the page has {n_found} tables with the marker: keys: {name}")
    return text


def _rows(model: type[BaseModel]) -> Iterator[str]:
    yield "| Key | Default | What it is |\n| --- | --- | --- |\n"
    for key, field in _keys(model):
        default = ""
        if field.is_required():
            default = "required"
        elif field.default_factory is None and (
            model is Config or field.default not in (None, "", {}, ())
        ):
            default = f"`{_flow(field.default)}`"
        yield f"| `{key}` | {default} | {_description(field)} |\n"


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield the dotted keys of a model and of the sections in it."""
    for key, field in model.model_fields.items():
        yield prefix + key, field
        if section := section_of(field.annotation):
            yield from _keys(section, f"{prefix}{key}.")


if __name__ == "__main__":
    main()
