"""Two checkouts of the product, old and new, in turns."""
