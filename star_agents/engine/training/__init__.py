"""`train`: from rows to a model, resumable; where training meets storage, scoring and report."""
