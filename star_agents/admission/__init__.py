"""What may enter a dataset: language and near duplicates, told by the text alone. It keeps nothing: who asks does."""
