"""Mitochondrial genotypes: reading them, one genome per donor, variables of genes."""
