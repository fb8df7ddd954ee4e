"""A real small LLM, its scorers and an embedder from the package registry, served on loopback: ``tools/real_model``."""
