"""Promises switched off one at a time, each in a copy of the package, and the loop that has to notice."""
