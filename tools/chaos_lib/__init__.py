"""The loops of tools/chaos, and how they are told of."""
