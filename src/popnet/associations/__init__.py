"""Tests of networks and genotypes against a phenotype.

One file per question, with a function for each preset: `paper` and `robust`.
"""
