"""Why a choice fell as it did, in one English sentence out of its numbers. Pure.

A trial whose recipe measures ``pi``, and what ``pi`` is made of, is spoken of in these numbers; of any other recipe it
is told what it gave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from star_agents.records import STAR, Judgement, Outcome, Trial


@dataclass(frozen=True, slots=True)
class _One:
    """A trial with what judges said of it."""

    trial: Trial
    said: Sequence[Judgement]

    @property
    def is_base(self) -> bool:
        return self.trial.role == "base"

    @property
    def pi(self) -> float | None:
        return self.trial.measures.get("pi")

    @property
    def gap(self) -> float | None:
        return self.trial.measures.get("gap")

    @property
    def has_verdict(self) -> bool:
        """Whether there is one, be it that nothing could be read."""
        return "pi_llm" in self.trial.measures

    @property
    def is_unread(self) -> bool:
        """Whether it was judged and nothing that was said could be read, or nobody answered."""
        return self.has_verdict and self.trial.measures["pi_llm"] is None

    @property
    def is_unanswered(self) -> bool:
        """Whether no judge answered."""
        return bool(self.said) and not any(one.judge for one in self.said)


def why(outcome: Outcome) -> str:
    """Why the chosen trial was chosen, or why none was.

    It is read from the numbers that stand behind the choice (Eq. 5 to 7), so it holds for every selection: where there
    are no gaps, or no verdicts, the sentence speaks of what there is.
    """
    if outcome.kind == "dropped":
        return f"Dropped: {outcome.reason or 'nothing usable was written'}."
    if outcome.recipe != STAR or not outcome.chosen:
        gave = [
            f"{len(some)} {name if len(some) > 1 else one}"
            for some, name, one in ((outcome.rows, "rows", "row"), (outcome.children, "children", "child"))
            if some
        ]
        return f"Recipe {outcome.recipe} gave {' and '.join(gave) or 'nothing for the dataset'}."
    ones = [_One(trial, outcome.judgements_of(place)) for place, trial in enumerate(outcome.trials)]
    winner = ones[outcome.chosen[0]]
    others = [one for one in ones if one is not winner]
    name = _name(winner)
    if winner.pi is None:
        return f"{name} was taken without scores or verdicts, as the selection asks."
    unread = [one for one in others if one.is_unread]
    if winner.is_base and unread and len(unread) == sum(bool(one.said) for one in others):
        said = "the one verdict" if len(unread) == 1 else f"none of the {len(unread)} verdicts"
        failed = any(one.is_unanswered for one in unread)
        could = f"could {'not ' if len(unread) == 1 else ''}be {'had' if failed else 'read'}"
        wins = "nothing wins without one" if failed else "nothing wins unread"
        return f"{name} was kept because {said} on another candidate {could}, and {wins}."
    if winner.pi <= 0:
        return f"{name} was kept because no candidate earned a π above 0{_what_was_lacking(ones)}."
    return f"{name} won with π {_number(winner.pi)}{_product(winner)}{_against(others)}."


def _name(one: _One, the: str = "The") -> str:
    return f"{the} base {one.trial.arm}" if one.is_base else one.trial.arm


def _product(one: _One) -> str:
    """How π came about: Eq. 7, or the factor that the selection has."""
    pi_dual, small = one.trial.measures.get("pi_dual"), one.trial.measures.get("ifd_small")
    if pi_dual is not None and one.has_verdict:
        from_gap = "" if one.gap is None else f" (gap {_number(one.gap)})"
        return f" = referee {_verdict(one)} × π_dual {_number(pi_dual)}{from_gap}"
    if pi_dual is not None:
        return ", its gap over the largest of this seed"
    if small is not None:
        return f", the highest IFD of the small model, {_number(small)}"
    return f": referee {_verdict(one)}" if one.has_verdict else ""


def _verdict(one: _One) -> str:
    value = one.trial.measures.get("pi_llm") or 0.0
    if one.is_base and value == 0.5:
        return f"{_number(value)} (against itself)"
    word = "better than" if value > 0.5 else "worse than" if value < 0.5 else "a tie with"
    return f"{_number(value)} ({word} the base)"


def _against(others: Sequence[_One]) -> str:
    """The next best, and what became of the rest."""
    ranked = sorted((one for one in others if one.pi is not None), key=lambda one: -(one.pi or 0.0))
    failed_votes = sum(one.is_unanswered for one in others)
    unread = sum(one.is_unread for one in others) - failed_votes
    unjudged = sum(one.pi is None and not one.trial.failure for one in others) - unread - failed_votes
    failed = sum(bool(one.trial.failure) for one in others)
    parts = [f"{_name(one, 'the')} came next with {_number(one.pi or 0.0)}" for one in ranked[:1]]
    if unjudged:
        parts.append(f"{unjudged} could not have won and {'was' if unjudged == 1 else 'were'} not judged")
    if unread:
        parts.append(f"no verdict on {unread} could be read")
    if failed_votes:
        parts.append(f"no verdict on {failed_votes} could be had")
    if failed:
        parts.append(f"{failed} could not be used")
    return "".join(f"; {part}" for part in parts)


def _what_was_lacking(ones: Sequence[_One]) -> str:
    """Why every π is 0."""
    usable = [one for one in ones if not one.trial.failure]
    gaps = [one.gap for one in usable if one.gap is not None]
    if gaps and max(gaps) <= 0:
        return f": no gap is positive, the largest is {_number(max(gaps))}"
    # The base, and what says the same as it, is a tie without being shown to anybody.
    judged = [one for one in usable if one.said]
    if judged and all(one.trial.measures.get("pi_llm") == 0 for one in judged):
        return f": {'the one' if len(judged) == 1 else f'all {len(judged)}'} that the referee judged lost to the base"
    return ""


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) >= 0.01 or not value else f"{value:.2g}"
