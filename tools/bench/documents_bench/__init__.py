"""Documents made by hand, to be read at any number, and texts whose similarity is known."""
