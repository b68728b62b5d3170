"""Genotypes of the sheet."""

from __future__ import annotations

IDS = ["a|1", "b/2", "007", "d"]


def test_filters_taken_as_pass(tmp_path, obs, write_cells, sheet_of, study_of, problems_of):
    write_cells(tmp_path / "cells.h5ad", obs)
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *IDS]
    record = ["MT", "1", ".", "A", "G", ".", "fa", ".", "GT", *"0101"]
    (tmp_path / "v.vcf").write_text(
        '##fileformat=VCFv4.2\n##contig=<ID=MT>\n##FILTER=<ID=fa,Description="x">\n'
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="x">\n'
        + "".join("\t".join(row) + "\n" for row in (columns, record))
    )
    sheet = sheet_of(variants={"path": "v.vcf"})
    (problem,) = problems_of(tmp_path, sheet)
    assert "is filtered: fa" in problem.message
    sheet["variants"]["keep_filters"] = ["fa"]
    assert len(study_of(tmp_path, sheet).samples) == 4
