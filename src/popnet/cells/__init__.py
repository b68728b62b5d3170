"""Cells: files of counts, bins, selection of genes, and scaled expression."""
