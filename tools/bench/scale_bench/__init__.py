"""A million seeds: a store of any size, and what reading and working it costs."""
