"""What agents may call while they are asked: a search of the documents at hand, Python, functions of the user's own."""
