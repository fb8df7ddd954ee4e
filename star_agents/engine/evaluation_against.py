"""An evaluation beside an earlier one: the same turns, paired, with an interval. Pure.

Grades of two judges, or under two prompts, have no scale in common: that is refused. What else differs, such as the
longest answer, is what may be compared, and is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from star_agents.arena.grades import Change, Grade, Turn, change, medians
from star_agents.arena.mt_bench import Question
from star_agents.engine.evaluation import question_digest
from star_agents.errors import UsageError
from star_agents.storage.evaluation_files import Earlier

_SCALE = ("judge_temperature", "judge_max_tokens")
_SAID = ("benchmark", "answer_temperature", "answer_max_tokens", "system")
_SAID_OF_JUDGE = ("top_p", "extra")


@dataclass(frozen=True, kw_only=True, slots=True)
class Against:
    """What changed since an earlier evaluation."""

    folder: str
    changes: tuple[Change, ...]
    differences: tuple[str, ...]
    """What else is not the same, a sentence each."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        changes = [one.to_dict() for one in self.changes]
        return {"folder": self.folder, "changes": changes, "differences": list(self.differences)}


def compare(
    grades: Iterable[Grade],
    protocol: Mapping[str, Any],
    questions: Iterable[Question],
    repeats: int,
    earlier: Earlier,
) -> Against:
    """Each model beside its earlier self, by its name; where no name is there twice, every model beside every other.

    Args:
        grades: Of now.
        protocol: By which they were given.
        questions: That were asked.
        repeats: How often.
        earlier: What to compare with.

    Raises:
        UsageError: as ``refuse_incomparable`` has it.
    """
    asked = {one.id: one for one in questions}
    same = refuse_incomparable(protocol, asked.values(), earlier)
    now = _by_model(one for one in grades if one.question in same)
    before = _by_model(one for one in earlier.grades if one.question in same)
    common = [(name, name) for name in now if name in before]
    pairs = common or list(product(now, before))
    category_of = {name: one.category for name, one in asked.items()}
    alone = sorted(({*now} ^ {*before}) if common else set())
    return Against(
        folder=str(earlier.folder),
        changes=tuple(change((one, now[one]), (other, before[other]), category_of) for one, other in pairs),
        differences=(
            *_differences(protocol, earlier, repeats, len(asked), len(same)),
            *(f"{name} has grades in one of the two only, and is compared with nobody" for name in alone),
            *(() if pairs else ("one of the two has no grade yet, so there is nothing to compare",)),
        ),
    )


def refuse_incomparable(protocol: Mapping[str, Any], questions: Iterable[Question], earlier: Earlier) -> set[str]:
    """Refuse what was judged otherwise, or asked other questions, before anybody is asked; ids of those that are the
    same.

    Raises:
        UsageError: the two have no scale, or no question, in common; with what differs.
    """
    _refuse_other_scale(protocol, earlier)
    same = {one.id for one in questions if earlier.questions.get(one.id) == question_digest(one)}
    if not same:
        told = "no question is the same in both, by its text, its reference and its temperature"
        raise UsageError(f"--against {earlier.folder}: {told}; name an evaluation of the same benchmark")
    return same


def _refuse_other_scale(protocol: Mapping[str, Any], earlier: Earlier) -> None:
    """Raises UsageError."""
    before = earlier.protocol
    one, other = (_judge(told) for told in (protocol, before))
    for name in _SCALE:
        one[name], other[name] = protocol.get(name), before.get(name)
    if wrong := next((name for name, value in one.items() if value != other[name]), ""):
        told = f"its {wrong.replace('_', ' ')} is {other[wrong]}, and here it is {one[wrong]}"
        raise UsageError(f"--against {earlier.folder}: {told}: grades have no scale in common")


def _judge(protocol: Mapping[str, Any]) -> dict[str, Any]:
    judge, prompts = protocol.get("judge"), protocol.get("judge_prompts")
    return {
        "judge": judge.get("models") if isinstance(judge, Mapping) else None,
        "judge_prompts": prompts.get("versions") if isinstance(prompts, Mapping) else None,
    }


def _by_model(grades: Iterable[Grade]) -> dict[str, dict[Turn, float]]:
    found: dict[str, list[Grade]] = {}
    for one in grades:
        found.setdefault(one.model, []).append(one)
    return {model: medians(some) for model, some in found.items()}


def _differences(protocol: Mapping[str, Any], earlier: Earlier, repeats: int, asked: int, same: int) -> Iterable[str]:
    for name in _SAID:
        if (one := earlier.protocol.get(name)) != (other := protocol.get(name)):
            yield f"{name.replace('_', ' ')} was {one}, and is {other}"
    then, now = (told if isinstance(told := one.get("judge"), Mapping) else {} for one in (earlier.protocol, protocol))
    for name in _SAID_OF_JUDGE:
        if then.get(name) != now.get(name):
            yield f"the judge's {name} was {then.get(name)}, and is {now.get(name)}"
    if earlier.repeats != repeats:
        yield f"each question was asked {earlier.repeats} times then, and {repeats} times now"
    if same < max(asked, len(earlier.questions)):
        before = len(earlier.questions)
        yield f"{same:,} questions are the same, of {before:,} then and {asked:,} now; others are left out"
