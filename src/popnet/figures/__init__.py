"""Figures: functions that draw tables which already hold the numbers."""
