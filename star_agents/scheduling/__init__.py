"""Which pairs work on which seed: seed queue, bandit policies, pair draw and the instruction memory bank."""
