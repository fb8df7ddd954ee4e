"""Does the method make better data? The paper's ablations in a world whose truth is known.

The product does not import this.

Three layers that must not mix. *World* (``pool``, ``candidates``, ``planted``, ``truth``) knows what is right. *Method*
(``scores``, ``answers``, ``arms``, ``outcomes``, ``replay``) sees texts, scores and verdicts, and nothing else; a test
reads its imports. *Figures* (``choices``, ``policies``, ``judging``, ``bootstrap``) put the two side by side.
"""
