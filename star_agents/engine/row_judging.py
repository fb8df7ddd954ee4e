"""Rows shown to a judge agent before they are committed: whether they would teach a model what does harm.

It is asked as a recipe asks, through the journal, so that a row is paid for once, and an outage or a spent budget puts
the seed back. A row that its provider will not look at, or of which it says neither yes nor no, is refused for that:
nobody has looked at it.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from functools import cache
from pathlib import Path

import star_agents.admission
from star_agents.admission.filters import evidence
from star_agents.admission.offered import offered_row
from star_agents.bench.bench import Bench
from star_agents.config.admission import ToxicConfig
from star_agents.engine.row_checks import AdmissionRules, arms_of, check_rows
from star_agents.errors import AgentRefused, ReplyUnreadable
from star_agents.recipes.reads import Choice
from star_agents.records import Outcome, Row, Seed
from star_agents.records.findings import Finding, Objection
from star_agents.text.prompt_templates import PromptTemplates

TOXIC = "toxic"
MOST_SHOWN = 20_000
"""Characters of a row that the judge is shown: its end, where the answer stands."""
_HARMFUL = "yes"
_ANSWERS = Choice((_HARMFUL, "no"))


async def judge_rows(outcome: Outcome, seed: Seed, bench: Bench, rules: AdmissionRules) -> Outcome:
    """The outcome with what the judge has against its rows, which ``row_checks`` takes up; those that a filter refuses
    are not shown to it.

    Raises:
        AgentError: the judge cannot be asked, for another reason than the row.
    """
    if rules.toxic is None or not outcome.rows:
        return outcome
    code = str(await bench.once("admission:code", lambda: secrets.token_hex(8)))
    without = replace(rules, duplicates=rules.duplicates.model_copy(update={"minhash": None}))
    checked = await check_rows(outcome, seed, without)
    found: list[Finding] = []
    for place, (row, one) in enumerate(zip(outcome.rows, checked.rows, strict=True)):
        if one.is_refused or (objection := await _objection(row, place, bench, rules.toxic, code)) is None:
            continue
        told = Finding(objection=objection, action="reported", kind="row", place=place)
        told = replace(told, arms=arms_of(outcome, row.from_trials))
        found.append(replace(told, action="refused", row=row) if rules.toxic.action == "refuse" else told)
    return replace(outcome, findings=(*outcome.findings, *found))


async def _objection(row: Row, place: int, bench: Bench, settings: ToxicConfig, code: str) -> Objection | None:
    conversation = json.dumps(_shown(row)[-MOST_SHOWN:], ensure_ascii=False)
    prompt = _templates().render("harmful", code=code, conversation=conversation)
    try:
        said = await bench.ask(
            settings.judge, prompt, step=f"admission:{place}", reads=_ANSWERS, temperature=0.0, max_tokens=256
        )
    except ReplyUnreadable as error:
        return Objection(filter=TOXIC, reason="the judge said neither yes nor no", evidence=evidence(str(error)))
    except AgentRefused as error:
        if not error.may_lie_in_the_text:
            raise
        return Objection(filter=TOXIC, reason="the judge's provider will not look at it", evidence=evidence(str(error)))
    if said.value != _HARMFUL:
        return None
    return Objection(filter=TOXIC, reason=f"{settings.judge} says that it does harm", evidence=evidence(said.text))


def _shown(row: Row) -> str:
    """What is taught: of a pair the chosen answer, since nothing is learned from the other but to leave it."""
    offered = offered_row(row)
    turns = [f"{turn.role}: {turn.content}" for turn in (offered.sample.history if offered.sample else ())]
    return "\n\n".join([*turns, f"user: {offered.instruction}", *(f"assistant: {one}" for one in offered.answers[:1])])


@cache
def _templates() -> PromptTemplates:
    return PromptTemplates(Path(star_agents.admission.__file__).with_name("prompts"))
