"""Degree centrality, and the genes that the graphs are made of."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from anndata import AnnData

from popnet.networks.centrality import central_genes, degree_centrality, in_graph


def test_degree_centrality_is_the_negative_error():
    np.testing.assert_array_equal(degree_centrality(np.array([0.1, 0.9])), [-0.1, -0.9])


def test_central_genes_are_the_union_over_bins():
    centrality = np.array([[5, 4, 0, 1, np.nan], [0, 5, 4, 1, 9.0]])
    np.testing.assert_array_equal(central_genes(centrality, 2), [0, 1, 4])
    for every in (None, "all", 5, 50):
        np.testing.assert_array_equal(central_genes(centrality, every), np.arange(5))


def test_central_genes_break_ties_by_position():
    np.testing.assert_array_equal(central_genes(np.zeros((2, 6)), 3), [0, 1, 2])


def test_degree_centrality_relative_to_the_bin():
    """The bins of one sample share a scale: halves of the variance are halves of the error."""
    errors = np.array([[0.5, 0.2, 0.0], [1.5, 1.8, 0.0]])
    variances = np.array([[0.5, 0.4, 0.0], [1.5, 1.6, 0.0]])
    found = degree_centrality(errors, variances)
    np.testing.assert_allclose(found[:, :2], [[-1, -0.5], [-1, -1.125]])
    assert np.isnan(found[:, 2]).all()


def test_a_constant_gene_is_no_hub():
    found = degree_centrality(np.array([0.0, 0.3, 0.0]), np.array([0.0, 1.0, 1e-9]))
    np.testing.assert_allclose(found, [np.nan, -0.3, np.nan])


def test_a_gene_is_in_the_graph_where_any_bin_has_it():
    degree = np.array([[np.nan, 2, np.nan], [np.nan, np.nan, 0]])
    bins = AnnData(np.zeros((2, 3)), layers={"degree": degree})
    np.testing.assert_array_equal(in_graph(bins), [False, True, True])


def test_degree_centrality_needs_no_igraph(root):
    """The environment of comparisons lacks it."""
    code = "import sys, popnet.networks.centrality; sys.exit('igraph' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root / "src")
