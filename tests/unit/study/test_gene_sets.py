"""Gene sets: files of them, and those that a sheet asks for."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from popnet.errors import InputError
from popnet.files import read_table, resource
from popnet.study.gene_sets import bundled_gene_sets, read_gmt, resolve_gene_sets


def spec(name, **given):
    return SimpleNamespace(**({"name": name, "prefix": None, "gmt": None, "genes": None} | given))


def test_read_gmt_written_on_any_system(tmp_path):
    path = tmp_path / "sets.gmt"
    path.write_bytes("\ufeffA b|1\tabout\tMT-ND1\tHLA-A\tMT-ND1\t\r\n\r\nB\t\tX\r\n".encode())
    assert read_gmt(path) == {"A b|1": ["MT-ND1", "HLA-A"], "B": ["X"]}


def test_bundled_sets_are_human_genes():
    sets = {one.name: one.genes for one in bundled_gene_sets()}
    assert len(sets) == 10
    genes = [gene for members in sets.values() for gene in members]
    assert [gene for gene in genes if not re.fullmatch("[A-Z][A-Z0-9-]+", gene)] == []
    # Nuclear subunits as counted in structures: 37 distinct ones of complex I (NDUFAB1 twice in it)
    # and 7 of mtDNA; 10 of complex III.
    assert len(sets["Respiratory complex I"]) == 44
    assert len(sets["Respiratory complex III"]) == 10
    of_mtdna = read_table(resource("mtdna_genes.tsv"))
    complexes = ["Respiratory complex I", "Respiratory complex III", "Respiratory complex IV"]
    names = dict(zip(["I", "III", "IV", "V"], [*complexes, "ATP synthase"], strict=True))
    for gene, name in zip(of_mtdna["gene"], of_mtdna["complex"].map(names), strict=True):
        assert gene in sets[name]
    phases = read_table(resource("cell_cycle_genes.tsv"))
    assert list(sets["Cell cycle: S phase"]) == phases.query("phase == 'S'")["gene"].tolist()
    assert not {"IFNG", "IFNB1", "IFNA2"} & set(genes)


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
