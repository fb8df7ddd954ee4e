"""What leaves for the world: the card of a dataset, and the hub that it goes to."""
