"""What `tools/bench/page` is made of."""
