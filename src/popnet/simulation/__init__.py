"""Simulated cohorts and tables with planted effects."""
