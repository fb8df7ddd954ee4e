"""Why a choice fell as it did, in one English sentence out of its numbers. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from star_agents.records import Assessed, Outcome


def why(outcome: Outcome) -> str:
    """Why the chosen candidate was chosen, or why none was.

    It is read from the numbers that stand behind the choice (Eq. 5 to 7), so it holds for every selection: where there
    are no gaps, or no verdicts, the sentence speaks of what there is.
    """
    winner = outcome.winner
    if winner is None and outcome.kind != "dropped":
        gave = [
            f"{len(some)} {name if len(some) > 1 else one}"
            for some, name, one in ((outcome.rows, "rows", "row"), (outcome.children, "children", "child"))
            if some
        ]
        return f"Recipe {outcome.recipe} gave {' and '.join(gave) or 'nothing for the dataset'}."
    if winner is None:
        return f"Dropped: {outcome.reason or 'nothing usable was written'}."
    others = [one for one in outcome.candidates if one is not winner]
    name = _name(winner)
    if winner.pi is None:
        return f"{name} was taken without scores or verdicts, as the selection asks."
    unread = [one for one in others if one.is_without_verdict]
    if winner.candidate.is_base and unread and len(unread) == sum(_was_judged(one) for one in others):
        said = "the one verdict" if len(unread) == 1 else f"none of the {len(unread)} verdicts"
        failed = any(one.verdict is not None and one.verdict.failure for one in unread)
        could = f"could {'not ' if len(unread) == 1 else ''}be {'had' if failed else 'read'}"
        wins = "nothing wins without one" if failed else "nothing wins unread"
        return f"{name} was kept because {said} on another candidate {could}, and {wins}."
    if winner.pi <= 0:
        return f"{name} was kept because no candidate earned a π above 0{_what_was_lacking(outcome.candidates)}."
    return f"{name} won with π {_number(winner.pi)}{_product(winner)}{_against(others)}."


def _was_judged(one: Assessed) -> bool:
    """By somebody: the base, and what says the same as it, is a tie without being shown to anybody."""
    return one.verdict is not None and bool(one.verdict.votes or one.verdict.failure)


def _name(one: Assessed, the: str = "The") -> str:
    return f"{the} base {one.candidate.pair.name}" if one.candidate.is_base else one.candidate.pair.name


def _product(one: Assessed) -> str:
    """How π came about: Eq. 7, or the factor that the selection has."""
    if one.pi_dual is not None and one.verdict is not None:
        gap = one.score.gap if one.score is not None else None
        from_gap = "" if gap is None else f" (gap {_number(gap)})"
        return f" = referee {_verdict(one)} × π_dual {_number(one.pi_dual)}{from_gap}"
    if one.pi_dual is not None:
        return ", its gap over the largest of this seed"
    if one.score is not None and one.score.ifd_small is not None:
        return f", the highest IFD of the small model, {_number(one.score.ifd_small)}"
    return f": referee {_verdict(one)}" if one.verdict is not None else ""


def _verdict(one: Assessed) -> str:
    value = (one.verdict.value if one.verdict else None) or 0.0
    if one.candidate.is_base and value == 0.5:
        return f"{_number(value)} (against itself)"
    word = "better than" if value > 0.5 else "worse than" if value < 0.5 else "a tie with"
    return f"{_number(value)} ({word} the base)"


def _against(others: Sequence[Assessed]) -> str:
    """The next best, and what became of the rest."""
    ranked = sorted((one for one in others if one.pi is not None), key=lambda one: -(one.pi or 0.0))
    failed_votes = sum(one.verdict is not None and bool(one.verdict.failure) for one in others)
    unread = sum(one.is_without_verdict for one in others) - failed_votes
    unjudged = sum(one.pi is None and not one.candidate.failure for one in others) - unread - failed_votes
    failed = sum(bool(one.candidate.failure) for one in others)
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


def _what_was_lacking(candidates: Sequence[Assessed]) -> str:
    """Why every π is 0."""
    usable = [one for one in candidates if not one.candidate.failure]
    gaps = [one.score.gap for one in usable if one.score is not None and one.score.gap is not None]
    if gaps and max(gaps) <= 0:
        return f": no gap is positive, the largest is {_number(max(gaps))}"
    judged = [one for one in usable if _was_judged(one)]
    if judged and all(one.verdict is not None and one.verdict.value == 0 for one in judged):
        return f": {'the one' if len(judged) == 1 else f'all {len(judged)}'} that the referee judged lost to the base"
    return ""


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) >= 0.01 or not value else f"{value:.2g}"
