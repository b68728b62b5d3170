"""A study as a Workflow Run RO-Crate: what was run on what, by which parameters, and what it made.

https://w3id.org/ro/wfrun/workflow/0.5
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

# Larger files have no checksum, which would take longer than all else.
LARGEST = 100 * 2**20
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
WORKFLOW = "Snakefile"
TYPES = {bool: "Boolean", int: "Integer", float: "Float", str: "Text"}
MIME = {
    ".tsv": "text/tab-separated-values",
    ".parquet": "application/vnd.apache.parquet",
    ".h5ad": "application/x-hdf5",
}


def study_crate(
    folder: Path,
    files: Iterable[str],
    inputs: Mapping[str, Iterable[str]],
    record: Mapping[str, Any],
    description: str,
    hide_donors: bool,
) -> str:
    """Return the metadata of a crate, ro-crate-metadata.json.

    Parameters
    ----------
    folder : Path
        That of the study, which is the crate; the workflow's Snakefile lies in it.
    files : iterable of str
        What the workflow made, relative to `folder`.
    inputs : mapping of kind to paths
        What the sheet names, and the sheet, outside of the crate. Files of the kind "samples"
        belong to single samples.
    record : mapping
        cohort.json.
    description : str
        What the study is; may be empty.
    hide_donors : bool
        Whether files of single samples are counted and not named.
    """
    crate = ROCrate(version="1.1")
    crate.metadata.extra_contexts.append(CONTEXT)
    versions = {name: one for name, one in record["versions"].items() if one}
    made = [(folder / file).stat().st_mtime for file in files]
    crate.name = f"{record['cohort']}: gene networks of samples"
    crate.description = description or f"A study of popnet of the cohort {record['cohort']}."
    crate.datePublished = _time(max(made))
    crate.license = crate.add(
        ContextEntity(
            crate,
            "#no-license",
            {
                "@type": "CreativeWork",
                "name": "No licence",
                "description": "The authors of the study have not said how it may be used.",
            },
        )
    )
    workflow = crate.add_workflow(
        dest_path=WORKFLOW,
        properties={
            "name": "popnet",
            "description": "Population-scale per-sample gene network studies with siVAE",
            "version": versions["popnet"],
            "encodingFormat": "text/plain",
            "conformsTo": {"@id": BIOSCHEMAS},
            "license": {"@id": "https://spdx.org/licenses/MIT"},
        }
        | ({"identifier": f"commit {record['commit']}"} if record["commit"] else {}),
        main=True,
        lang="snakemake",
        lang_version=versions.get("snakemake"),
    )
    crate.root_dataset["conformsTo"] = [
        crate.add(ContextEntity(crate, id, {"@type": ["CreativeWork", "Profile"], "name": name}))
        for id, name in PROFILES.items()
    ]
    workflow["softwareRequirements"] = [
        crate.add(
            ContextEntity(
                crate,
                f"pkg:{'generic' if name in ('python', 'popnet') else 'pypi'}/{name}@{version}",
                {"@type": "SoftwareApplication", "name": name, "softwareVersion": version},
            )
        )
        for name, version in versions.items()
    ]
    objects, parameters = _inputs(crate, inputs, hide_donors), []
    for key, value in _flat(record["config"]):
        parameter, given = _parameter(crate, key, value)
        parameters.append(parameter)
        objects += [given] if given is not None else []
    workflow["input"] = parameters
    action = crate.add_action(
        workflow,
        "#run",
        object=objects,
        result=[_result(crate, folder, file) for file in files],
        properties={
            "@type": "CreateAction",
            "name": f"popnet {versions['popnet']} on the cohort {record['cohort']}",
            "description": f"Preset {record['preset']}, seed {record['seed']}",
            "startTime": _time(min(made)),
            "endTime": _time(max(made)),
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    )
    crate.root_dataset["mentions"] = action
    return json.dumps(crate.metadata.generate(), indent=1, ensure_ascii=False) + "\n"


def _inputs(crate: ROCrate, inputs: Mapping[str, Iterable[str]], hide: bool) -> list[ContextEntity]:
    """Return the entities of the files that the study read, which lie outside of the crate."""
    found = []
    for kind, paths in inputs.items():
        if kind == "samples" and hide:
            named = [(None, f"{len(list(paths))} files of single samples")]
        else:
            named = [(path, Path(path).name) for path in paths]
        for path, name in named:
            about = {"@type": "CreativeWork", "name": name, "description": f"input: {kind}"}
            about |= _measured(Path(path)) if path else {}
            about |= {"identifier": path} if path and not Path(path).is_absolute() else {}
            found.append(crate.add(ContextEntity(crate, f"#input-{len(found) + 1}-{kind}", about)))
    return found


def _parameter(crate: ROCrate, key: str, value: Any) -> tuple[ContextEntity, ContextEntity | None]:
    """Return a parameter of the workflow, and the value that it had; None where it had none."""
    kind = TYPES.get(type(value), "Text")
    parameter = crate.add_formal_parameter(key, kind, identifier=f"#parameter-{key}")
    if value is None:
        return parameter, None
    given = ContextEntity(
        crate,
        f"#value-{key}",
        {
            "@type": "PropertyValue",
            "name": key,
            "value": value if type(value) in TYPES else json.dumps(value, ensure_ascii=False),
            "exampleOfWork": {"@id": parameter.id},
        },
    )
    return parameter, crate.add(given)


def _result(crate: ROCrate, folder: Path, file: str) -> Any:
    suffix = Path(file).suffix
    kind = MIME.get(suffix) or mimetypes.guess_type(file)[0] or "application/octet-stream"
    about = {"name": file, "encodingFormat": kind} | _measured(folder / file)
    return crate.add_file(dest_path=file, properties=about)


def _measured(path: Path) -> dict[str, str]:
    """Return the size of a file, and its checksum where that is cheap; nothing of an absent one."""
    if not path.is_file():
        return {}
    size = path.stat().st_size
    if size > LARGEST:
        return {"contentSize": str(size)}
    with path.open("rb") as file:
        digest = sha256(file.read()).hexdigest()
    return {"contentSize": str(size), "sha256": digest}


def _flat(config: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Return dotted keys and values of a nested config."""
    found = []
    for key, value in config.items():
        nested = isinstance(value, Mapping)
        found += _flat(value, f"{before}{key}.") if nested else [(f"{before}{key}", value)]
    return found


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
