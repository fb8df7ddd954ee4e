"""`card` and `push`: a folder's rows as a dataset that others can read, trust and load."""
