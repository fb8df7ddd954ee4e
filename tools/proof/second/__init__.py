"""A second closed world, unlike the first, for what one world cannot decide.

Other tokens (notation, not English), other families (a state and operations on it), other flaws (steps left out, slips
that are carried on, answers that do not follow from their steps), and an examination whose hard half is as hard as the
questions that coaches write. *World*: ``families``, ``tasks``, ``pool``, ``targets``, ``table``. The rest are figures;
the modules of the method are the first world's.
"""
