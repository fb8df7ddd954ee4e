"""What agents and referees are told: the templates of recipe `star`, and those by which every recipe judges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal

from star_agents.records import Message, Sample
from star_agents.text.prompt_templates import PromptTemplates

TEMPLATES = Path(__file__).parents[1] / "recipes" / "prompts"
STAR, JUDGING = "star", "judging"
"""Folders of templates."""


class Prompts:
    """The product's prompts, read when they are first needed.

    Args:
        overrides: By ``star/NAME`` or ``judging/NAME``: a text that takes the place of the file's.
        folder: Where the folders ``star`` and ``judging`` lie.
    """

    def __init__(self, overrides: Mapping[str, str] | None = None, *, folder: Path = TEMPLATES) -> None:
        self._overrides = overrides or {}
        self._folder = folder

    @cached_property
    def _star(self) -> PromptTemplates:
        return PromptTemplates(self._folder / STAR, overrides=overrides_of(STAR, self._overrides))

    @cached_property
    def _judging(self) -> PromptTemplates:
        return PromptTemplates(self._folder / JUDGING, overrides=overrides_of(JUDGING, self._overrides))

    def version(self, name: Literal["respond", "rewrite", "judge", "judge_form", "judge_paper"]) -> str:
        """``respond@1:5f2c9a10``: the version that the file declares and the beginning of its SHA-256."""
        return (self._star if name in ("respond", "rewrite") else self._judging).version(name)

    def judging_version(self, prompt: Literal["default", "paper"]) -> str:
        """Of everything that a referee is told: what its exam holds for."""
        if prompt == "paper":
            return self.version("judge_paper")
        return f"{self.version('judge')}+{self.version('judge_form')}"

    def respond(self, sample: Sample, reference: str | None = None) -> list[Message]:
        """What a response agent sees: the conversation itself, after a system message where there is a reference."""
        system = self._without_reference if reference is None else self._star.render("respond", reference=reference)
        turns = list(sample.prompt)
        if system and turns[0].role == "system":
            joined = f"{turns[0].content}\n\n{system[0].content}"
            return [Message(role="system", content=joined), *turns[1:]]
        return [*system, *turns]

    @cached_property
    def _without_reference(self) -> list[Message]:
        """What stands before every conversation: asked for by each candidate of each seed, and the same for all."""
        return self._star.render("respond", reference=None)

    def rewrite(self, sample: Sample) -> list[Message]:
        """What an instruction agent sees (Eq. 2)."""
        return self._star.render(
            "rewrite", instruction=sample.instruction, input=sample.input, history=list(sample.history)
        )

    def judge(self, question_a: str, answer_a: str, question_b: str, answer_b: str, nonce: str) -> list[Message]:
        """What a referee sees: our rubric, answers as JSON strings in frames that carry the code ``nonce``."""
        return self._judging.render(
            "judge",
            nonce=nonce,
            question_a=_quoted(question_a),
            answer_a=_quoted(answer_a),
            question_b=_quoted(question_b),
            answer_b=_quoted(answer_b),
        )

    def judge_form(self, nonce: str, *, with_reason: bool) -> str:
        """What a referee is told besides where its reply is bound to a JSON schema."""
        return "\n\n".join(
            one.content for one in self._judging.render("judge_form", nonce=nonce, with_reason=with_reason)
        )

    def judge_paper(self, question_a: str, answer_a: str, question_b: str, answer_b: str) -> list[Message]:
        """What a referee sees in the paper (Table 5, verbatim)."""
        return self._judging.render(
            "judge_paper", question_a=question_a, answer_a=answer_a, question_b=question_b, answer_b=answer_b
        )


def overrides_of(group: str, overrides: Mapping[str, str]) -> dict[str, str]:
    """Those of one folder, by the name in it."""
    return {name.removeprefix(f"{group}/"): text for name, text in overrides.items() if name.startswith(f"{group}/")}


def question(sample: Sample) -> str:
    """What was asked, as readable text: the conversation so far, where there is one, and the last question."""
    if not sample.history:
        return sample.question
    turns = "\n\n".join(f"{message.role}: {message.content}" for message in sample.history)
    return f"The conversation so far:\n\n{turns}\n\nThe last message, which was answered:\n\n{sample.question}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
