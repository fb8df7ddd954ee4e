"""What `tools/bench/calls` is made of."""
