"""Per-sample gene networks from single-cell expression, and their tests against phenotypes."""

__version__ = "0.1.0"
