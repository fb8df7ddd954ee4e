"""The proof on real text: a real small model, answers that people compared, and what training on chosen rows gives.

Everything is chosen on one half of the instructions and confirmed once on the other (``halves``).
"""
