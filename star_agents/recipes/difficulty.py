"""How difficult an instruction is, rated 0 to 10 by a judge: what WizardArena's hard set is chosen by (`arena-set`).

In a chain, such as ``[difficulty, arena]``, each instruction goes on with its rating as a note. A rating that cannot be
read, though it was asked once more, drops the seed: nobody knows how difficult it is.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from star_agents.arena.test_sets import EASIEST, HARDEST
from star_agents.config.recipes import Agent, Characters, ReplyTokens, Temperature
from star_agents.recipes.parts.history import newest_turns
from star_agents.recipes.protocol import Measure, Settings, Workbench, done, recipe
from star_agents.recipes.reads import Rating
from star_agents.records import Outcome, Seed, Trial

MEASURE = "difficulty"


class DifficultySettings(Settings):
    """What the rating of difficulty can be told."""

    judge: Agent
    """Who rates."""
    history: Characters = 20_000
    """Characters of earlier turns that the judge is shown: the newest that fit."""
    temperature: Temperature | None = 0.0
    """Of the judge; `null` leaves it to the provider."""
    max_tokens: ReplyTokens = 1024
    """Longest reply of the judge."""


@recipe(
    takes=("sample", "instruction"),
    gives=("sample", "instruction"),
    settings=DifficultySettings,
    measures=[
        Measure(MEASURE, low=EASIEST, high=HARDEST, better="", what="of the instruction, as the judge rates it"),
    ],
)
async def difficulty(seed: Seed, bench: Workbench, settings: DifficultySettings) -> Outcome:
    """How difficult an instruction is, rated 0 to 10 by a judge, which is told with whatever is made of it."""
    code = str(await bench.once("code", lambda: secrets.token_hex(8)))
    sample = seed.sample
    conversation = [turn.to_dict() for turn in newest_turns(sample.history, settings.history)]
    prompt = bench.prompt(
        "rate",
        code=code,
        conversation=json.dumps(conversation, ensure_ascii=False) if conversation else "",
        message=json.dumps(sample.question, ensure_ascii=False),
    )
    sampling: dict[str, Any] = {"temperature": settings.temperature, "max_tokens": settings.max_tokens}
    said = await bench.ask(settings.judge, prompt, step="rate", reads=Rating(EASIEST, HARDEST), **sampling)
    trial = Trial(
        arm=settings.judge,
        sample=sample,
        role="judge",
        measures={MEASURE: said.value},
        models={"judge": said.reply.model},
        prompts=(prompt.version,),
        cost_usd=said.reply.cost_usd,
        notes={"said": said.text},
    )
    return done(seed, trials=[trial], children=[bench.child(sample, notes={MEASURE: f"{said.value:g}"})])
