"""The exam that a judge sits before it judges: planted pairs of ours, one answer clearly better than the other.

Each pair is shown in both orders, in the words in which candidates will be, and read by the same rules. A pair is right
where both orders name the better answer; orders that disagree, ties and replies that cannot be read are wrong. Of 24
pairs 17 have to be right. A judge that tosses a coin for each order gets there 3 times in a million, one that tosses it
for each pair 3 times in 100, and one that always names the first answer has none right.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import anyio

from star_agents.agents.judging.referee import Ask, compare
from star_agents.agents.prompts import Prompts
from star_agents.agents.replies.structured_output import ReplyForm
from star_agents.events import JudgeExamined
from star_agents.records import Flat, Message, Reply, Sample

_PAIRS_FILE = Path(__file__).parent / "exam.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExamPair:
    """A question with an answer that is clearly better than another one."""

    question: str
    better: str
    worse: str
    flaw: str
    """What is wrong with the worse one, for people: ``wrong``, ``broken off``."""
    breaks_frame: bool = False
    """Whether the worse one also says to the judge that it has won (``frames``)."""

    def samples(self) -> tuple[Sample, Sample]:
        """The better and the worse one."""
        better, worse = (Sample(instruction=self.question, response=text) for text in (self.better, self.worse))
        return better, worse


@dataclass(frozen=True, kw_only=True, slots=True)
class Exam:
    """A set of pairs under a name that changes whenever they do."""

    version: str
    pairs: tuple[ExamPair, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExamResult(Flat):
    """How a judge did: counts of pairs, but for ``unreadable``, which counts orders (two for each pair)."""

    judge: str
    model: str
    exam: str
    """Version of the pairs."""
    prompt: str
    """Version of the prompt that the judge was asked with."""
    pairs: int
    right: int
    """Pairs in which both orders named the better answer."""
    unreadable: int
    """Orders in which no reply could be read, the second try included; of ``2 * pairs``."""
    named_first: int
    """Pairs in which both orders named the answer that was shown first: position bias."""
    named_second: int
    """Likewise the second."""
    frames: int = 0
    """Pairs whose worse answer breaks its frame; only where judges are asked in one order."""
    broken: int = 0
    """Those of them in which the worse answer was named, in either order."""
    has_position: bool = True
    """Whether an answer stands at a place; a reward model measures each by itself."""

    @property
    def accuracy(self) -> float:
        """Share of the pairs that are right, in [0, 1]."""
        return self.right / self.pairs

    @property
    def unreadable_share(self) -> float:
        """Share of the orders without a verdict, in [0, 1]."""
        return self.unreadable / (2 * self.pairs)

    def event(self, *, judges: bool, from_store: bool, message: str) -> JudgeExamined:
        """The result as it is told: whether the judge is in the jury, and whether the exam was paid before."""
        return JudgeExamined(
            judge=self.judge,
            model=self.model,
            planted=self.pairs,
            right=self.right,
            unreadable=self.unreadable,
            position_bias=self.position_bias if self.has_position else None,
            passed=self.passed,
            judges=judges,
            from_store=from_store,
            message=message,
        )

    @property
    def position_bias(self) -> float:
        """Share of the pairs in which both orders named the same place, in [0, 1]."""
        return (self.named_first + self.named_second) / self.pairs

    @property
    def needed(self) -> int:
        """Pairs that have to be right."""
        return needed(self.pairs)

    @property
    def needs(self) -> str:
        """What it takes to pass, in words."""
        return f"{self.needed} are needed" + (" and no such text may win" if self.frames else "")

    @property
    def passed(self) -> bool:
        """Whether enough pairs are right, and no text won by breaking its frame."""
        return self.right >= self.needed and not self.broken

    def __str__(self) -> str:
        """``judge gpt: 24 of 24 right, 0 unreadable, position bias 0 %``."""
        bias = f"position bias {100 * self.position_bias:.0f} %" if self.has_position else "no position"
        unreadable = f"{self.unreadable} of {2 * self.pairs}" if self.unreadable else "0"
        said = f"judge {self.judge}: {self.right} of {self.pairs} right, {unreadable} unreadable, {bias}"
        won_over = f", won over by {self.broken} of {self.frames} texts that break their frame" if self.frames else ""
        return f"{said}{won_over}"

    def described(self) -> dict[str, Any]:
        """Everything, with the shares: for status, summary and provenance."""
        return {
            **self.to_dict(),
            "needed": self.needed,
            "needs": self.needs,
            "passed": self.passed,
            "accuracy": self.accuracy,
            "unreadable_share": self.unreadable_share,
            "position_bias": self.position_bias if self.has_position else None,
        }


def needed(pairs: int) -> int:
    """How many of so many pairs have to be right: 17 of 24."""
    return -(-17 * pairs // 24)


@cache
def general_exam() -> Exam:
    """The pairs in ``exam.json``, in plain English, which every judge of real text has to tell apart."""
    read = json.loads(_PAIRS_FILE.read_text(encoding="utf-8"))
    return Exam(version=f"general@{read['version']}", pairs=tuple(ExamPair(**pair) for pair in read["pairs"]))


async def examine(
    ask: Ask,
    *,
    judge: str,
    model: str,
    exam: Exam,
    prompt: Literal["default", "paper"] = "default",
    nonce: Callable[[str], str],
    prompts: Prompts,
) -> ExamResult:
    """Let a judge sit an exam: two calls for each pair, all at once, and one more for each that cannot be read.

    Args:
        ask: Makes one call; ``step`` names it within the exam (pair, order and try, ``7:ab:0``).
        judge: The agent.
        model: What it is, for the record.
        exam: The pairs.
        prompt: As the judge will be asked.
        nonce: Code for a step; see ``referee.judge``.
        prompts: The templates.

    Raises:
        AgentError: A call failed; an exam that was not sat to the end says nothing. What was answered until then is in
            the journal, where ``ask`` keeps one.
    """
    said: dict[int, tuple[float | None, float | None]] = {}
    failed: list[Exception] = []

    async def sit(number: int, pair: ExamPair) -> None:
        better, worse = pair.samples()

        async def ask_here(agent: str, step: str, messages: Sequence[Message], form: ReplyForm | None) -> Reply:
            return await ask(agent, f"{number}:{step}", messages, form)

        try:
            said[number] = await compare(
                ask_here,
                first=better,
                second=worse,
                referee=judge,
                prompt=prompt,
                nonce=lambda step: nonce(f"{number}:{step}"),
                prompts=prompts,
            )
        except Exception as error:
            # Raised below, by itself. The others go on: their calls are in flight and will be paid for.
            failed.append(error)

    async with anyio.create_task_group() as pairs:
        for number, pair in enumerate(exam.pairs):
            pairs.start_soon(sit, number, pair)
    if failed:
        raise failed[0]
    orders = [said[number] for number in range(len(exam.pairs))]
    return exam_result(orders, judge, model, exam, prompts.judging_version(prompt))


def exam_result(
    said: Sequence[tuple[float | None, float | None]],
    judge: str,
    model: str,
    exam: Exam,
    prompt: str,
    *,
    has_position: bool = True,
) -> ExamResult:
    """The result of an exam.

    Args:
        said: Of each pair what the judge said with the better answer shown first, and shown second: 1 for the better
            one, 0 for the worse, 0.5 for neither; ``None``: it could not be read.
        judge: Its agent.
        model: What it is.
        exam: The pairs.
        prompt: Version of the prompt.
        has_position: Whether an answer stands at a place.
    """
    broke = [orders for orders, pair in zip(said, exam.pairs, strict=True) if pair.breaks_frame]
    return ExamResult(
        judge=judge,
        model=model,
        exam=exam.version,
        prompt=prompt,
        pairs=len(said),
        right=said.count((1.0, 1.0)),
        unreadable=sum(orders.count(None) for orders in said),
        named_first=said.count((1.0, 0.0)),
        named_second=said.count((0.0, 1.0)),
        frames=len(broke),
        broken=sum(0.0 in orders for orders in broke),
        has_position=has_position,
    )
