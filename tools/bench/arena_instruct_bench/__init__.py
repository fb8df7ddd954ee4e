"""Whether ArenaInstruct turns to what its target cannot do: planted targets, with feedback and without."""
