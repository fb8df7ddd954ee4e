"""A store with many finished seeds, as a daemon would have left it: written by the ledger itself, without the calls."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from star_agents.config.models import Config
from star_agents.config.reading import config_digest
from star_agents.recipes.star_records import Assessed, Candidate, star_outcome
from star_agents.records import PAIRS, AgentPair, Outcome, Reply, Sample, Score, Seed, Verdict, Vote
from star_agents.storage import journal, ledger
from star_agents.storage.connection import connect
from star_agents.storage.migrations import migrate, scripts
from star_agents.storage.rows import Intent
from star_agents.storage.store import STORE_FILE

ANSWER = "It goes on in this manner for a while, because a measured answer is about as long as an answer is. " * 8
PER_COMMIT = 500
BEGAN = 1.79e9
"""When the first seed was done, seconds since 1970; one a second since then."""


def fill(folder: Path, config: Config, outcomes: int) -> None:
    """Write so many outcomes, each with its calls, its draw and its candidates; always the same ones."""
    folder.mkdir(parents=True)
    path, rng = folder / STORE_FILE, random.Random(1)
    with closing(connect(path)) as connection:
        migrate(connection, path, scripts())
        connection.execute("PRAGMA synchronous = OFF")  # Nobody needs it if it is not whole.
        weights: Mapping[str, float] = {pair.name: 1 / len(config.pool) for pair in config.pool}
        revision = ledger.add_revision(connection, config_digest(config), config.model_dump_json(), BEGAN)
        ledger.save_pools(connection, {PAIRS: _state(weights)}, revision)
        for start in range(0, outcomes, PER_COMMIT):
            connection.execute("BEGIN")
            for number in range(start, min(start + PER_COMMIT, outcomes)):
                weights = _finish(connection, config, number, weights, rng, revision)
            connection.execute("COMMIT")
        # The daemon starts on a store that is folded together.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _finish(
    connection: sqlite3.Connection,
    config: Config,
    number: int,
    weights: Mapping[str, float],
    rng: random.Random,
    revision: int,
) -> Mapping[str, float]:
    """One seed from intake to outcome; returns the probabilities after it."""
    at = BEGAN + number
    seed = Seed.of(Sample(instruction=f"Finished case {number}. {ANSWER[:300]}"), source=f"filled:{number}")
    drawn = rng.sample(config.pool, min(config.star.candidates, len(config.pool)))
    ledger.add_seeds(connection, [seed], at)
    draw = {"base": [config.base[0].name], "sampled": [pair.name for pair in drawn], "from_memory": rng.randrange(3)}
    journal.record_step(connection, seed.id, "draw", draw)
    for pair in (config.base[0], *drawn):
        _call(connection, seed, pair, revision, at)
    outcome = _outcome(seed, [_assessed(pair, seed, rng) for pair in (config.base[0], *drawn)], rng)
    gained = {**weights, drawn[0].name: weights[drawn[0].name] + 1e-4} if outcome.kind == "kept" else weights
    total = sum(gained.values())
    gained = {name: weight / total for name, weight in gained.items()}
    ledger.commit_outcome(
        connection, outcome, foresee=lambda _: {PAIRS: _state(gained)}, memory=None, revision=revision, at=at
    )
    return gained


def _call(connection: sqlite3.Connection, seed: Seed, pair: AgentPair, revision: int, at: float) -> None:
    key, agent = f"{seed.id}:{pair.name}", pair.response
    intent = Intent(
        key=key, seed_id=seed.id, step="respond", agent=agent, revision=revision, parameters={}, reserved_usd=0.001
    )
    reply = Reply(
        text=ANSWER, finish_reason="stop", agent=agent, model="filled", prompt_tokens=90, completion_tokens=200,
        cost_usd=0.0004,
    )  # fmt: skip
    journal.intend(connection, [intent], at - 2)
    journal.record_answers(connection, [(key, reply)], at - 1)


def _assessed(pair: AgentPair, seed: Seed, rng: random.Random) -> Assessed:
    candidate = Candidate(
        pair=pair,
        is_base=pair.instruction == "keep" and pair.response == "base",
        sample=Sample(instruction=seed.sample.instruction, response=ANSWER),
        models={"response": "filled"},
        cost_usd=0.0004,
    )
    value = 0.5 if candidate.is_base else rng.choice([0.0, 0.5, 1.0, 1.0])
    votes = () if candidate.is_base else (Vote(referee="judge", value=value, agreed=rng.random() < 0.8),)
    score = Score(ifd_small=0.9, ifd_large=rng.uniform(0.3, 1.2), response_tokens=200)
    verdict = Verdict(value=value, votes=votes)
    return Assessed(candidate=candidate, score=score, pi_dual=0.5, verdict=verdict, pi=0.5 * value)


def _outcome(seed: Seed, candidates: list[Assessed], rng: random.Random) -> Outcome:
    """Kept for the most part, base now and then, dropped seldom."""
    die = rng.random()
    pairs = [one.candidate.pair.name for one in candidates if not one.candidate.is_base]
    drawn: dict[str, Any] = {"drawn": tuple((PAIRS, pair) for pair in pairs), "recalled": rng.randrange(3)}
    if die < 0.03:
        return star_outcome(seed.id, "dropped", candidates, reason="keep/base: length: cut", **drawn)
    chosen = 0 if die < 0.3 else 1
    return star_outcome(seed.id, "kept" if chosen else "base", candidates, chosen=chosen, cost_usd=0.0016, **drawn)


def _state(weights: Mapping[str, float]) -> dict[str, object]:
    return {"policy": "paper", "weights": dict(weights)}
