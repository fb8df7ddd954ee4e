"""What `tools/bench/cluster` is made of."""
