"""Sending in another process: requests go there in batches, prepared and admitted here; raw replies come back so."""
