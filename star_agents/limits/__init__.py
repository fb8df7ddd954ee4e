"""How much may come from outside, in numbers and in structure, and what this machine refuses. Pure."""
