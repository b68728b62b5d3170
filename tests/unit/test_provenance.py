"""Results follow the code: what a script reaches, and what changes its hash."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from popnet import provenance
from popnet.provenance import code_hash, commit, reached, versions

CLONE = Path(__file__).resolve().parents[2]
SCRIPTS = {
    path.relative_to(CLONE).as_posix(): path
    for path in sorted((CLONE / "workflow" / "scripts").rglob("*.py"))
}
MODULE = '''"""Rooms hold modules."""

from popnet.stats.ranks import rank

LIMIT = 0.05


def test(values, limit=LIMIT):
    """Return what passes."""
    return [value for value in rank(values) if value <= limit]
'''
FILES = {
    "src/popnet/__init__.py": "",
    "src/popnet/stats/__init__.py": '"""Statistics."""\n',
    "src/popnet/stats/ranks.py": "def rank(values):\n    return sorted(values)\n",
    "src/popnet/stats/other.py": "OTHER = 1\n",
    "src/popnet/genes/__init__.py": "",
    "src/popnet/genes/tests.py": MODULE,
    "workflow/scripts/adapter.py": "import popnet.stats.other\n",
    "workflow/scripts/genes/test.py": "import adapter\nfrom popnet.genes.tests import test\n",
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """What was parsed is remembered for a test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    provenance._known.cache_clear()
    provenance._read.cache_clear()
    yield
    provenance._known.cache_clear()


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A function that writes a file of a small clone, which holds `FILES`."""
    monkeypatch.setattr(provenance, "SOURCE", tmp_path / "src")
    monkeypatch.setattr(provenance, "RESOURCES", tmp_path / "src" / "popnet" / "resources")
    times = iter(range(10**9, 2 * 10**9))

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        # However fast the test is, a file that was written again is newer.
        os.utime(path, (next(times), next(times)))
        return path

    for name, text in FILES.items():
        write(name, text)
    write.script = tmp_path / "workflow" / "scripts" / "genes" / "test.py"
    return write


def names(code):
    return [provenance._name(path) for path in reached(code)]


def test_what_a_script_reaches(clone):
    assert names(clone.script) == [
        "workflow/scripts/genes/test.py",
        "src/popnet/genes/tests.py",
        "src/popnet/stats/other.py",
        "src/popnet/stats/ranks.py",
        "workflow/scripts/adapter.py",
    ]
    assert names("popnet.genes.tests") == ["src/popnet/genes/tests.py", "src/popnet/stats/ranks.py"]
    assert len(code_hash(clone.script)) == 16
    assert code_hash(str(clone.script)) == code_hash(clone.script)
    assert code_hash("popnet.genes.tests") != code_hash("popnet.stats.ranks")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 0.05", "# Customary.\nLIMIT = 0.05  # p"),
        ("LIMIT = 0.05", "LIMIT    =    (0.05)"),
        ("Return what passes.", "Say more of what passes."),
        ('    """Return what passes."""\n', ""),
        ("Rooms hold modules.", "Modules are held by rooms."),
        (
            "[value for value in rank(values) if value <= limit]",
            "[\n        value\n        for value in rank(values)\n        if value <= limit\n    ]",
        ),
        ("LIMIT = 0.05\n", "LIMIT = 0.05\n\n\n\n"),
    ],
)
def test_what_only_explains_leaves_the_hash(clone, old, new):
    before = code_hash(clone.script)
    assert MODULE.count(old) >= 1
    clone("src/popnet/genes/tests.py", MODULE.replace(old, new))
    assert code_hash(clone.script) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 0.05", "LIMIT = 0.06"),
        ("LIMIT = 0.05", "LIMIT = '0.05'"),
        ("LIMIT = 0.05", "LIMIT: float = 0.05"),
        ("value <= limit", "value < limit"),
        ("limit=LIMIT", "*, limit=LIMIT"),
        ("limit=LIMIT", "limit=0.05"),
        ("def test", "def tests"),
        ("    return [", "    return not ["),
        ("import rank\n", "import rank as ordered\n"),
    ],
)
def test_what_the_code_does_changes_the_hash(clone, old, new):
    before = code_hash(clone.script)
    assert old in MODULE
    clone("src/popnet/genes/tests.py", MODULE.replace(old, new))
    assert code_hash(clone.script) != before


@pytest.mark.parametrize("name", ["src/popnet/stats/ranks.py", "workflow/scripts/adapter.py"])
def test_whatever_is_reached_counts(clone, name):
    before, of_other = code_hash(clone.script), code_hash("popnet.stats.other")
    clone(name, FILES[name] + "MORE = 1\n")
    assert code_hash(clone.script) != before
    assert code_hash("popnet.stats.other") == of_other


@pytest.mark.parametrize(
    "text",
    [
        "def late():\n    from popnet.stats.other import OTHER\n",
        "def late():\n    import popnet.stats.other\n",
        "def late():\n    from popnet.stats import other\n",
        "if TYPE_CHECKING:\n    from popnet.stats.other import OTHER\n",
        "import popnet.stats.other as named\n",
        "METHODS = {'other': 'popnet.stats.other:OTHER'}\n",
        "METHODS = ('popnet.stats.other',)\n",
    ],
)
def test_however_a_module_is_named_it_counts(clone, text):
    clone("src/popnet/genes/tests.py", text)
    before = code_hash("popnet.genes.tests")
    assert names("popnet.genes.tests")[1:] == ["src/popnet/stats/other.py"]
    clone("src/popnet/stats/other.py", "OTHER = 2\n")
    assert code_hash("popnet.genes.tests") != before


def test_text_that_names_no_module_does_not_count(clone):
    clone(
        "src/popnet/genes/tests.py", "'popnet.stats.absent:f', 'see popnet.stats.other', 'popnet'"
    )
    assert names("popnet.genes.tests") == ["src/popnet/genes/tests.py"]


def test_a_package_that_passes_a_name_on_stands_for_its_module(clone):
    clone(
        "src/popnet/stats/__init__.py",
        "from popnet.stats.other import OTHER as another\nfrom popnet.stats.ranks import rank\n",
    )
    clone("src/popnet/genes/tests.py", "from popnet.stats import rank\n")
    assert names("popnet.genes.tests")[1:] == ["src/popnet/stats/ranks.py"]
    clone("src/popnet/genes/tests.py", "from popnet.stats import another\n")
    assert names("popnet.genes.tests")[1:] == ["src/popnet/stats/other.py"]
    # As a whole it is all that it passes on.
    clone("src/popnet/genes/tests.py", "import popnet.stats\n")
    assert names("popnet.genes.tests")[1:] == [
        "src/popnet/stats/__init__.py",
        "src/popnet/stats/other.py",
        "src/popnet/stats/ranks.py",
    ]


def test_imports_in_circles_end(clone):
    clone("src/popnet/stats/ranks.py", "from popnet.genes.tests import LIMIT\n")
    assert len(names("popnet.genes.tests")) == 2


def test_files_that_are_named_count(clone):
    """Templates beside a module, with those that they include, and tables of the package."""
    clone("src/popnet/genes/tests.py", "load('page.html.j2')\nread('genes.tsv')\n")
    clone("src/popnet/genes/templates/page.html.j2", '{% include "row.html.j2" %}')
    clone("src/popnet/genes/templates/row.html.j2", "{{ gene }}")
    clone("src/popnet/genes/templates/unused.html.j2", "")
    clone("resources/genes.tsv", "gene\n")
    resources = provenance.RESOURCES
    resources.symlink_to(Path("../../resources"))
    assert names("popnet.genes.tests")[1:] == [
        "src/popnet/genes/templates/page.html.j2",
        "src/popnet/genes/templates/row.html.j2",
        "src/popnet/resources/genes.tsv",
    ]
    seen = {code_hash("popnet.genes.tests")}
    for name, text in (
        ("src/popnet/genes/templates/row.html.j2", "{{ gene }}!"),
        ("resources/genes.tsv", "gene\nMT-ND1\n"),
    ):
        clone(name, text)
        seen.add(code_hash("popnet.genes.tests"))
    assert len(seen) == 3


def test_code_that_is_not_there_is_an_error(clone):
    for code in ("popnet.absent", "numpy", clone.script.with_name("absent.py")):
        with pytest.raises(FileNotFoundError, match="no script or module"):
            reached(code)


def test_what_was_parsed_is_remembered_and_may_be_lost(clone, tmp_path, monkeypatch):
    before = code_hash(clone.script)
    cache = tmp_path / "cache" / "popnet" / "code-1.json"
    assert len(json.loads(cache.read_text())) == 5
    for text in ("[]", "{", ""):
        cache.write_text(text)
        provenance._known.cache_clear()
        provenance._read.cache_clear()
        assert code_hash(clone.script) == before
    # Nor need there be a place for it.
    monkeypatch.setenv("XDG_CACHE_HOME", str(clone.script))
    provenance._known.cache_clear()
    provenance._read.cache_clear()
    assert code_hash(clone.script) == before


def test_every_script_is_followed(root):
    """What a script imports is among what it reaches, and so is the adapter."""
    hashes = {}
    for name, path in SCRIPTS.items():
        hashes[name] = code_hash(path)
        if path.stem in ("adapter", "terminal"):
            continue
        found = set(names(path))
        assert {name, "workflow/scripts/adapter.py", "src/popnet/errors.py"} <= found
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or not node.module.startswith("popnet"):
                continue
            source = f"src/{node.module.replace('.', '/')}"
            inner = [f"{source}/{alias.name}.py" for alias in node.names]
            wanted = {file for file in (f"{source}.py", *inner) if (root / file).exists()}
            assert wanted <= found
            assert wanted or any(file.startswith(f"{source}/") for file in found)
    assert len(set(hashes.values())) == len(SCRIPTS)
    assert all(len(digest) == 16 and int(digest, 16) for digest in hashes.values())


LOADED = """
import ast, sys
from pathlib import Path
script = Path(sys.argv[1])
sys.path[:0] = sys.argv[2:] + [str(script.parent)]
tree = ast.parse(script.read_text())
tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
exec(compile(tree, "script", "exec"), {})
for module in list(sys.modules.values()):
    if getattr(module, "__file__", None):
        print(module.__file__)
"""


@pytest.mark.parametrize(
    "script",
    [
        "associations/associate_centrality",
        "cells/plan_bins",
        "report/write_report",
        "findings/summarise_findings",
        "genotypes/read_genotypes",
        "sivae/train_sivae",
        "study/describe_samples",
    ],
)
def test_what_python_loads_is_reached(script):
    """Packages load what they pass on, whoever asks for a module of theirs: that aside."""
    path = SCRIPTS[f"workflow/scripts/{script}.py"]
    folders = [str(CLONE / "src"), str(CLONE / "workflow" / "scripts")]
    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(path), *folders],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {Path(line).resolve() for line in done.stdout.splitlines()}
    loaded = {
        file.relative_to(CLONE).as_posix()
        for file in loaded
        if any(file.is_relative_to(folder) for folder in folders)
    }
    assert len(loaded) > 5
    packages = {name for name in loaded if name.endswith("__init__.py")}
    passed_on = {name for package in packages for name in names(CLONE / package)}
    assert loaded - passed_on <= set(names(path))


HASHES = """
import json, sys
from pathlib import Path
from popnet.provenance import code_hash
clone = Path(sys.argv[1])
scripts = sorted((clone / "workflow" / "scripts").rglob("*.py"))
print(json.dumps({path.relative_to(clone).as_posix(): code_hash(path) for path in scripts}))
"""


def test_a_moved_clone_has_the_same_hashes(tmp_path):
    """And one whose code was changed has others, of the scripts that reach it alone."""
    moved = tmp_path / "elsewhere"
    for folder in ("src", "workflow/scripts", "resources"):
        shutil.copytree(
            CLONE / folder,
            moved / folder,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
        )

    def hashes():
        environment = {
            **os.environ,
            "PYTHONPATH": str(moved / "src"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        }
        done = subprocess.run(
            [sys.executable, "-c", HASHES, str(moved)],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    before = hashes()
    assert before == {name: code_hash(path) for name, path in SCRIPTS.items()}
    changed = moved / "src" / "popnet" / "stats" / "multiplicity.py"
    changed.write_text(changed.read_text() + "MORE = 1\n")
    after = hashes()
    different = {name for name in before if before[name] != after[name]}
    file = "src/popnet/stats/multiplicity.py"
    assert different == {name for name, path in SCRIPTS.items() if file in names(path)}
    assert "workflow/scripts/associations/associate_centrality.py" in different
    assert "workflow/scripts/cells/plan_bins.py" not in different


def test_templates_and_tables_of_the_package_are_reached():
    named = {
        text
        for path in (CLONE / "src" / "popnet").rglob("*.py")
        for text in provenance._read(path, provenance._stamp(path)).named
        if not text.startswith("popnet.")
    }
    found = {name for path in SCRIPTS.values() for name in names(path) if not name.endswith(".py")}
    templates = {
        path.relative_to(CLONE).as_posix() for path in (CLONE / "src" / "popnet").rglob("*.j2")
    }
    assert templates
    assert templates <= found
    tables = [path for path in (CLONE / "resources").iterdir() if path.name in named]
    assert {f"src/popnet/resources/{path.name}" for path in tables} <= found


def test_versions_of_what_is_installed_and_what_is_not():
    found = versions(("numpy", "no-such-package"))
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["no-such-package"] is None
    assert found["numpy"][0].isdigit()


def test_the_commit_says_whether_files_differ(clone, tmp_path):
    assert commit() is None

    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True
        )

    git("init")
    assert commit() is None  # nothing is committed yet
    git("add", "src")
    git("commit", "-m", "First")
    clean = commit()
    assert len(clean) == 12
    assert int(clean, 16)
    clone("src/popnet/stats/other.py", "OTHER = 2\n")
    assert commit() == f"{clean}-dirty"
