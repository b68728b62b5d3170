"""Gene sets: files of them, and those that a sheet asks for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from popnet.errors import InputError
from popnet.study.gene_sets import read_gmt, resolve_gene_sets


def spec(name, **given):
    return SimpleNamespace(**({"name": name, "prefix": None, "gmt": None, "genes": None} | given))


def test_read_gmt_written_on_any_system(tmp_path):
    path = tmp_path / "sets.gmt"
    path.write_bytes("\ufeffA b|1\tabout\tMT-ND1\tHLA-A\tMT-ND1\t\r\n\r\nB\t\tX\r\n".encode())
    assert read_gmt(path) == {"A b|1": ["MT-ND1", "HLA-A"], "B": ["X"]}


def test_read_gmt_names_every_bad_line(tmp_path):
    path = tmp_path / "sets.gmt"
    path.write_text("A\tabout\tX\nB X Y\nC\tabout\nA\tabout\tY\n")
    with pytest.raises(InputError) as caught:
        read_gmt(path)
    assert [problem.field for problem in caught.value.problems] == ["line 2", "line 3", "line 4"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00A"])
def test_read_gmt_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "sets.gmt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        read_gmt(path)


def test_read_kegg(shared_data):
    sets = read_gmt(shared_data / "msigdb_v2025.1.Hs_c2_KEGG_legacy.gmt")
    assert len(sets) == 186
    assert "UBB" in sets["KEGG_PARKINSONS_DISEASE"]


def test_resolve_gene_sets(tmp_path):
    path = tmp_path / "sets.gmt"
    path.write_text("A\tabout\tX\tY\n")
    specs = [spec("MT", prefix="MT-"), spec("file", gmt=path), spec("mine", genes=["X", "X", "Q"])]
    sets = resolve_gene_sets(specs, ["MT-ND1", "X", "MT-CO1", "MTOR"])
    assert sets == {"MT": ["MT-ND1", "MT-CO1"], "A": ["X", "Y"], "mine": ["X", "Q"]}


def test_two_sets_of_one_name(tmp_path):
    path = tmp_path / "sets.gmt"
    path.write_text("A\tabout\tX\tY\n")
    same = [spec("A", genes=["Y", "X"]), spec("file", gmt=path)]
    assert list(resolve_gene_sets(same, [])) == ["A"]
    with pytest.raises(InputError, match="has this name"):
        resolve_gene_sets([spec("A", genes=["X"]), spec("file", gmt=path)], [])
