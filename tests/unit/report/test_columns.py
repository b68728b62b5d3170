"""What the columns of tables of results mean."""

from __future__ import annotations

import pytest

from popnet.report.columns import PAGE, explain, page, tables


def test_the_page_is_current(root):
    assert (root / PAGE).read_text(encoding="utf-8") == page(), "run `make generate`"


def test_every_listed_column_has_a_meaning():
    common, described = tables()
    for table in described:
        for column in table.columns + table.sometimes:
            assert table.here.get(column) or common.get(column), (table.name, column)
        known = {*table.columns, *table.sometimes}
        assert not [one for one in table.here if "<" not in one and one not in known], table.name
        assert len(known) == len(table.columns + table.sometimes)
    for text in [*common.values(), *(text for one in described for text in one.here.values())]:
        assert text
        assert not text.endswith(".")
        assert "\n" not in text


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("T cells/associations/age/centrality.tsv", "mean_q", "`mean_p`"),
        ("T/associations/age/shared/centrality.tsv", "mean_q", "`mean_p`"),
        ("T/networks/shared/centrality.tsv", "mean_q", "in this sample"),  # A sample of this name.
        ("centrality.tsv", "dropout_p", "dropout rate"),
        ("replication/T/associations/age/edges.tsv", "agrees", "both stages"),
        ("T/associations/age/programmes.tsv", "estimate", "logarithm of the variance"),
        ("T/networks/shared/programmes.tsv", "loading", "Loading"),
        ("T/associations/age/shared/edges.null.tsv", "significant", "by chance"),
        ("associations/age/cell_types.tsv", "B cells: estimate", "this cell type"),
        ("study/phenotypes/age.tsv", "age", "Value of the sample"),
        ("T/composition.tsv", "state12", "in this state"),
        ("T/associations/age/composition.tsv", "state", "Number of the state"),
        ("figures/T/depth.tsv", "sequenced_depth", "before thinning"),
        ("figures/T/age/centrality.tsv", "mean_q", "`mean_p`"),
        ("T/depth.tsv", "matched_depth", "after thinning"),
        ("another.tsv", "p_family", "Family-wise"),
        ("comparisons/hubs.tsv", "rho", "predicted and true"),
        ("hubs.tsv", "mean", "Mean centrality over samples"),
        ("comparisons/methods.tsv", "status", "not asked for"),
        ("comparisons/embeddings/pca_types.tsv", "recall", "classified correctly"),
        ("figures/comparisons/embeddings.tsv", "mean", "over folds"),
        ("figures/comparisons/neighbour_overlap.tsv", "clr", "Jaccard"),
        ("T cells/comparisons/agreement.tsv", "method", "siVAE per bin"),
        ("figures/comparisons/T cells/agreement.tsv", "rho", "siVAE and by the method"),
        ("T/comparisons/age/hits.tsv", "clr_q", "this p"),
        ("T/comparisons/networks/1.tsv", "reason", "failed"),
        ("training/1.tsv", "status", "`trained`"),
        ("meta/dementia/meta.tsv", "tested", "two studies"),
        ("meta/dementia/T/age.tsv", "seaad: error", "Standard error"),
        ("meta/dementia/figures/T/age.tsv", "study", "`together`"),
        ("meta/networks/shared/centrality.tsv", "007", "in this sample"),  # A type of this name.
    ],
)
def test_a_column_is_explained_by_its_table(table, column, words):
    assert words in explain(table, column)


def test_nothing_is_said_of_what_is_not_known():
    assert explain("T/associations/age/centrality.tsv", "<script>") == ""
    assert explain("<script>", "none such") == ""
