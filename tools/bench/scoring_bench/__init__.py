"""How fast the scorer is, and whether its numbers are still the plain ones: what ``tools/bench/scoring`` runs."""
