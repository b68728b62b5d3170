from __future__ import annotations

from popnet.study.tables import read_sheet_table


def test_table_that_is_not_utf8(tmp_path):
    (tmp_path / "t.csv").write_bytes("line,eff\nM\u00fcller,1\n".encode("latin-1"))
    assert "UTF-8" in read_sheet_table(str(tmp_path / "t.csv"))[2][0].remedy
