"""Tests of networks and genotypes against a phenotype: one file per question, `paper` and `robust` in each."""
