"""Statistics on arrays and tables: units and designs, ranks, permutations, multiplicity."""
