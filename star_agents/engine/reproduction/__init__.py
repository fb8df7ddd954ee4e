"""The papers' own experiments, as one command each: their arms and tables, at another scale."""
