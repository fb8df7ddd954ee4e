"""What several recipes are made of. Pure: no agent is asked here, and no file read."""
