"""Battles between models: results, ratings with intervals, judge health. Pure: no I/O, no clock, no task."""
