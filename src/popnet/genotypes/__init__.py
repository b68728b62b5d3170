"""Mitochondrial genotypes: reading, one genome per donor, and the burden of genes."""
