"""Per-sample gene networks from single-cell expression, and their tests against phenotypes."""
