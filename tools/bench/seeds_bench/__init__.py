"""What a seed costs that asks for little: the product's work around it, beside the same rows written by hand."""
