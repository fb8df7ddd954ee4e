"""Parts of the bench of the memory bank."""
