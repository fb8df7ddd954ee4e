"""How soon a daemon answers while it takes in long POSTs."""
