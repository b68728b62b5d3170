"""Every rule's conda environment against what its script imports and against the pins."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, files, requires
from pathlib import Path

import pytest
import yaml
from as_pip import MODULES, PIP, dependencies, requirements
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from popnet.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "workflow" / "scripts"
BY_NAME = re.compile(r"popnet(?:\.\w+)+:\w+")
RULE = re.compile(r"^(?:    )?(?:rule|checkpoint) (\w+):\n((?:(?: .*)?\n)+)", re.MULTILINE)
RULES = {
    name: body
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk"))
    for name, body in RULE.findall(path.read_text() + "\n")
}
# What comes with another package.
BROUGHT = {"pydantic_core": "pydantic", "markupsafe": "jinja2"}
# PyTorch for CUDA, and for processors alone: which one, the config says.
TRAINING = ["training.yaml", "training_cpu.yaml"]
# What pandas imports for these methods.
IMPORTED_FOR = {"read_parquet": "pyarrow", "to_parquet": "pyarrow"}


def script_of(rule: str) -> Path:
    (path,) = re.findall(r'^ +script:\n +"(.+)"$', RULES[rule], re.MULTILINE)
    return (ROOT / "workflow" / "rules" / path).resolve()


def environments(rule: str) -> list[Path]:
    """Return the environments that a rule may run in."""
    (value,) = re.findall(r"^ +conda:\n +(.+)$", RULES[rule], re.MULTILINE)
    if value == "training_environment()":
        return [ROOT / "envs" / name for name in TRAINING]
    return [(ROOT / "workflow" / "rules" / value.strip('"')).resolve()]


def module_files(name: str) -> list[Path]:
    """Return the files of ours that importing a module runs; none if it is not ours."""
    parts = name.split(".")
    folder = ROOT / "src" if parts[0] == "popnet" else SCRIPTS
    files = []
    for depth in range(1, len(parts) + 1):
        path = folder.joinpath(*parts[:depth])
        files += [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()]
    return files


def imports(script: Path) -> tuple[set[str], set[str]]:
    """Return what a script imports from others, by itself and through ours, and these of ours.

    Functions and classes count where something that counts names them: a lazy import inside one
    that nobody calls does not. `popnet.provenance` follows whole files.
    """
    bodies = [ast.parse(script.read_text()).body]
    # Presets call the functions of their names.
    read, used, waiting, found = {script}, set(PRESETS), [], set()
    while bodies:
        for node in bodies.pop():
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name not in used:
                waiting.append(node)
                continue
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
            for part in ast.walk(node):
                used |= {getattr(part, "id", None), getattr(part, "attr", None)}
                names = [alias.name for alias in part.names] if isinstance(part, ast.Import) else []
                if isinstance(part, ast.ImportFrom):
                    names = [part.module, *(f"{part.module}.{alias.name}" for alias in part.names)]
                # Methods that are compared are imported by name, when one is called.
                if isinstance(part, ast.Constant) and BY_NAME.fullmatch(str(part.value)):
                    module, function = part.value.split(":")
                    names.append(module)
                    used.add(function)
                for name in names:
                    files = module_files(name)
                    if not files:
                        found.add(name.split(".")[0])
                    for file in files:
                        if file not in read:
                            read.add(file)
                            bodies.append(ast.parse(file.read_text()).body)
        if not bodies:
            bodies = [[node] for node in waiting if node.name in used]
            waiting = [node for node in waiting if node.name not in used]
    found |= {IMPORTED_FOR[name] for name in used & IMPORTED_FOR.keys()}
    found = {BROUGHT.get(name, name) for name in found}
    return found - sys.stdlib_module_names, {path.stem for path in read}


def test_rules_and_imports_were_found():
    assert len(RULES) >= 20
    assert imports(script_of("train_sivae"))[0] >= {"torch", "anndata", "h5py"}
    assert "scanpy" in imports(script_of("prepare_expression"))[0]
    assert "scanpy" not in imports(script_of("train_sivae"))[0]
    for rule, module in (
        ("associate_centrality", "permutation"),
        ("associate_burden", "skat"),
        ("embed_cells", "scvi_tools"),
    ):
        assert module in imports(script_of(rule))[1]


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule):
    assert re.search(r"^ +log:$", RULES[rule], re.MULTILINE)
    imported, _ = imports(script_of(rule))
    for environment in environments(rule):
        assert environment.parent == ROOT / "envs"
        lacking = imported - {MODULES.get(name, name) for name in dependencies(environment)}
        assert not lacking, f"{environment.name} lacks {lacking}"


def test_variants_of_training():
    """They differ in PyTorch's build alone."""
    gpu, cpu = (dependencies(ROOT / "envs" / name) for name in TRAINING)
    assert gpu.pop("pytorch-gpu") == cpu.pop("pytorch-cpu")
    assert gpu == cpu


def test_what_pip_installs_of_an_environment():
    wanted = requirements(ROOT / "envs" / "comparisons.yaml")
    assert wanted[0].startswith("numpy==")
    assert f"torch=={dependencies(ROOT / 'envs' / 'comparisons.yaml')['pytorch-cpu']}" in wanted
    assert "pip" in wanted
    # The script of the environment installs it.
    assert not [each for each in wanted if each.startswith("scETM")]


@pytest.mark.parametrize(
    "environment", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.stem
)
def test_pins(environment):
    assert environment in {each for rule in RULES for each in environments(rule)}
    channels = yaml.safe_load(environment.read_text())["channels"]
    assert channels[0] == "conda-forge"
    assert channels[-1] == "nodefaults"
    locked = dict(
        line.split("==")
        for part in ("run", "comparisons")
        for line in (ROOT / "requirements" / f"{part}.txt").read_text().splitlines()
        if "==" in line and not line.startswith((" ", "#"))
    )
    # It is installed by itself, for its dependencies.
    locked["scETM"] = re.findall(r"scETM==(\S+)", (ROOT / "Makefile").read_text())[0]
    pins = dependencies(environment)
    assert pins.pop("python") == "3.11"
    pins.pop("pip", None)
    assert pins == {name: locked[PIP.get(name, name)] for name in pins}


def closure(names: list[str]) -> set[str]:
    """Return packages and all that they require, as far as they are installed here."""
    found, waiting = set(), list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        try:
            required = requires(name) or []
        except PackageNotFoundError:
            continue
        if name not in found:
            found.add(name)
            wanted = map(Requirement, required)
            waiting += [each.name for each in wanted if not each.marker or each.marker.evaluate()]
    return found


def install(packages: set[str], folder: Path) -> None:
    """Link packages that are installed here into a folder."""
    for package in packages:
        for file in files(package) or []:
            top = file.parts[0]
            if top != ".." and not (folder / top).is_symlink():
                (folder / top).symlink_to(Path(file.locate()).parents[len(file.parts) - 1] / top)


IMPORT_ALL = """
import ast, sys
from pathlib import Path
sys.path.extend({paths!r})
for script in {scripts!r}:
    body = ast.parse(Path(script).read_text()).body
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), script, "exec"), {{}})
import popnet
print(popnet.__file__)
"""


@pytest.mark.parametrize("name", ["cells", "statistics", "variants", "figures", "training_cpu"])
def test_scripts_import_the_clone_where_nothing_else_is_installed(name, tmp_path):
    """An environment has what its file lists, and an older popnet that must not be taken."""
    environment = ROOT / "envs" / f"{name}.yaml"
    pinned = [PIP.get(package, package) for package in dependencies(environment)]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    (site,) = tmp_path.glob("lib/python*/site-packages")
    install(closure(pinned), site)
    (site / "popnet").mkdir()
    (site / "popnet" / "__init__.py").write_text("raise ImportError('another popnet')")
    scripts = [str(script_of(rule)) for rule in RULES if environment in environments(rule)]
    # As Snakemake extends the path of a script: by that of the process that planned.
    code = IMPORT_ALL.format(paths=[str(SCRIPTS), str(ROOT / "src")], scripts=scripts)
    run = [tmp_path / "bin" / "python", "-I", "-c", code]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == ROOT / "src" / "popnet" / "__init__.py"


ASKED = re.compile(r"\b(params|wildcards|input|output|files)\.(?!get\b|items\b|keys\b)([a-z]\w*)")


@pytest.mark.parametrize("rule", [rule for rule in RULES if "script:" in RULES[rule]])
def test_a_script_asks_for_what_its_rule_has(rule):
    paths = (ROOT / "workflow" / "rules").glob("*.smk")
    # With its file: names may stand in a list above, or in a rule that takes this one over.
    body = next(text for text in (path.read_text() for path in paths) if RULES[rule][:-1] in text)
    for kind, name in ASKED.findall(script_of(rule).read_text()):
        known = rf"\b{name}\b" if kind != "wildcards" else rf"\{{{name}\}}"
        assert re.search(known, body), f"{script_of(rule).name} asks for {kind}.{name}"
