"""What may enter a dataset: language, near duplicates, contamination, told by the text alone. It keeps nothing."""
