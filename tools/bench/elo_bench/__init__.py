"""Ratings held against arenas whose strengths are known."""
