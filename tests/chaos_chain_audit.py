"""What a store of the chain in ``chaos_chain`` must hold, computed anew from what its seeds became, in their order.

Nothing here is asked of the rooms that wrote it but the policies' arithmetic: rows, children, rewards that are due,
rewards that were earned, tallies and measures are counted once more in plain Python.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import chaos_chain as chain
from chaos_audit import Audit

from star_agents.config.sections import EvolutionConfig
from star_agents.engine.stored_status import status_of_folder
from star_agents.scheduling.policies import Policy, make_policy, restore_policy

STYLE, DEPTH, TONE = "study.style", "study.depth", "answer.tone"
FED_BACK = (STYLE, DEPTH)
"""Of the recipe that another follows."""
MICRO = 1_000_000


class ChainAudit(Audit):
    """Looks at a folder in which the chain is worked."""

    def check_method(self, connection: sqlite3.Connection) -> list[str]:
        """Rows, children, rewards, pools, tallies, and what the commands say of them."""
        used = connection.execute("SELECT payload ->> '$.data.sample.response' FROM rows")
        return [
            *self.check_use(response for (response,) in used),
            *chain_problems(connection),
            *status_problems(self.folder, connection),
        ]


class Lived(NamedTuple):
    """A seed with its outcome."""

    seq: int
    seed_id: str
    kind: str
    recipe: str
    drawn: list[tuple[str, str]]
    said: str
    """The text of its document, or its instruction."""
    parent: str
    labels: Mapping[str, str]

    @property
    def number(self) -> int:
        """Of a document."""
        return int(self.said.split()[-1])

    @property
    def is_study(self) -> bool:
        """Whether it is a document."""
        return self.recipe == "study"


@dataclass
class Due:
    """What is still to be heard of one draw's children."""

    children: int = 0
    heard: int = 0
    known: int = 0
    earned: float = 0.0

    def hear(self, worth: float | None) -> None:
        """Of one of them."""
        self.heard += 1
        if worth is not None:
            self.known += 1
            self.earned += worth


@dataclass
class Recount:
    """What follows from the outcomes."""

    due: dict[tuple[str, str, str], Due] = field(default_factory=dict)
    """By parent, pool and arm."""
    rewards: dict[str, list[tuple[int, list[tuple[str, float]]]]] = field(default_factory=lambda: defaultdict(list))
    """By pool: the outcome, and what it brought."""
    tallies: Counter[tuple[str, str]] = field(default_factory=Counter)
    measured: list[int] = field(default_factory=list)
    children: dict[str, str] = field(default_factory=dict)
    """Every instruction that was queued, and whose child it is."""


def chain_problems(connection: sqlite3.Connection) -> list[str]:
    """How the store differs from what its outcomes say; ``connection`` is in a transaction."""
    lives = list(_lives(connection))
    parents = dict(connection.execute("SELECT content ->> 'instruction', parent FROM seeds WHERE parent != ''"))
    if wrong := list(_outcome_problems(connection, lives)):
        return wrong  # What follows from such outcomes is not to be said.
    recount = recounted(lives, parents)
    return [
        *_children_problems(connection, recount, parents),
        *_due_problems(connection, recount),
        *_tally_problems(connection, recount),
        *_label_problems(connection, lives),
        *_pool_problems(connection, recount),
    ]


def status_problems(folder: Path, connection: sqlite3.Connection) -> Iterator[str]:
    """What `status` says is what stands in the tables."""
    if not connection.execute("SELECT 1 FROM revisions").fetchone():
        return  # Nothing was worked on yet, and `status` says so.
    said = status_of_folder(folder).to_dict()["recipes"]
    told = {
        (name, kind): n for name, one in said.items() for kind, n in {**one["outcomes"], **one["rows"]}.items() if n
    }
    told |= {(name, "child"): one["children"] for name, one in said.items() if one["children"]}
    there = """
    SELECT recipe, kind, count(*) FROM outcomes GROUP BY recipe, kind
    UNION ALL SELECT o.recipe, r.shape, count(*) FROM rows AS r JOIN outcomes AS o ON o.seq = r.seq GROUP BY 1, 2
    UNION ALL SELECT 'study', 'child', count(*) FROM seeds WHERE parent != '' HAVING count(*) > 0
    """
    counted = {(recipe, what): n for recipe, what, n in connection.execute(there)}
    if told != counted:
        yield f"status tells {told}, and there are {counted}"


def recounted(lives: Sequence[Lived], parents: Mapping[str, str]) -> Recount:
    """Learn from the outcomes in their order.

    Args:
        lives: The outcomes.
        parents: Instruction of every child in the store to the id of its parent.
    """
    found = Recount()
    for one in lives:
        found.tallies["recipes.outcomes", _item(one.recipe, one.kind)] += 1
        rows = 0 if one.kind == "dropped" else chain.ROWS if one.is_study else 1
        found.tallies["recipes.rows", _item(one.recipe, "sft")] += rows
        for pool, arm in one.drawn:
            found.tallies["pools.draws", _item(pool, arm)] += 1
        earned = _study(found, one, parents) if one.is_study else _answer(found, one)
        for pool, arm, value in earned:
            found.tallies["pools.rewards", _item(pool, arm)] += 1
            found.tallies["pools.earned", _item(pool, arm)] += round(value * MICRO)
        for pool in {pool for pool, _, _ in earned}:
            found.rewards[pool].append((one.seq, [(arm, value) for name, arm, value in earned if name == pool]))
    return found


def _study(found: Recount, one: Lived, parents: Mapping[str, str]) -> list[tuple[str, str, float]]:
    style, depth = (arm for _, arm in one.drawn)
    found.tallies["recipes.trials", _item("study", "")] += chain.ROWS
    found.tallies["pools.tried", _item(STYLE, style)] += chain.ROWS
    found.measured += chain.words(one.number)
    earned = [(DEPTH, depth, chain.depth_earned(one.number))]
    if one.kind == "dropped":
        return earned
    children = chain.children_of(one.number, style)
    due = found.due[one.seed_id, STYLE, style] = Due(children=len(children))
    for child in children:
        if parents.get(child, one.seed_id) == one.seed_id:
            found.children[child] = one.seed_id
            found.tallies["recipes.children", _item("study")] += 1
        else:
            due.hear(0.0)  # somebody else's already
    return [*earned, *_completed(found, one.seed_id, style)]


def _answer(found: Recount, one: Lived) -> list[tuple[str, str, float]]:
    style = one.labels[STYLE]
    if (due := found.due.get((one.parent, STYLE, style))) is not None:
        due.hear(chain.worth_of(one.said))
    return _completed(found, one.parent, style)


def _completed(found: Recount, parent: str, style: str) -> list[tuple[str, str, float]]:
    due = found.due.get((parent, STYLE, style))
    if due is None or due.heard < due.children:
        return []
    del found.due[parent, STYLE, style]
    return [(STYLE, style, due.earned / due.known)] if due.known else []


# The store beside it


def _lives(connection: sqlite3.Connection) -> Iterator[Lived]:
    sql = """
    SELECT o.seq, o.seed_id, o.kind, o.recipe, o.payload ->> 'drawn',
        coalesce(s.content ->> 'text', s.content ->> 'instruction'), s.parent, s.labels
    FROM outcomes AS o JOIN seeds AS s ON s.id = o.seed_id ORDER BY o.seq
    """
    for seq, seed_id, kind, recipe, drawn, said, parent, labels in connection.execute(sql):
        arms = [(pool, arm) for pool, arm in json.loads(drawn)]
        yield Lived(seq, seed_id, kind, recipe, arms, said, parent, json.loads(labels))


def _outcome_problems(connection: sqlite3.Connection, lives: Sequence[Lived]) -> Iterator[str]:
    """Each ended as its recipe says, with the rows that its recorded decisions lead to."""
    rows: defaultdict[int, list[str]] = defaultdict(list)
    for seq, instruction in connection.execute(
        "SELECT seq, payload ->> '$.data.sample.instruction' FROM rows ORDER BY seq, ord"
    ):
        rows[seq].append(instruction)
    steps: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for seed_id, step, value in connection.execute("SELECT seed_id, step, payload -> 'value' FROM steps"):
        steps[seed_id][step] = json.loads(value)
    for one in lives:
        decided = steps[one.seed_id]
        ended = _expected(one, decided)
        if ended is None:
            yield f"seed {one.seed_id} has an outcome, and not every decision behind it is recorded: {sorted(decided)}"
        elif (one.kind, one.drawn, rows[one.seq]) != ended:
            yield f"outcome {one.seq} of {one.said!r} is {(one.kind, one.drawn, rows[one.seq])}, and not {ended}"
    for seq in rows.keys() - {one.seq for one in lives}:
        yield f"outcome {seq} has rows and is not there"


def _expected(one: Lived, decided: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]], list[str]] | None:
    """Kind, draws and rows; ``None`` where a decision is not recorded."""
    pools = ("style", "depth") if one.is_study else ("tone",)
    steps = [f"once:draw:{pool}:0" for pool in pools]
    if not decided.keys() >= {*steps, *(["once:code"] if one.is_study else [])}:
        return None
    drawn = [(f"{one.recipe}.{pool}", decided[step][0]) for pool, step in zip(pools, steps, strict=True)]
    if one.is_study:
        is_dropped = chain.is_dropped(one.number)
        rows = chain.asked(one.number, drawn[0][1], drawn[1][1], decided["once:code"])
    else:
        is_dropped = chain.is_answer_dropped(one.said)
        rows = [one.said]
    return ("dropped", drawn, []) if is_dropped else ("kept", drawn, rows)


def _children_problems(connection: sqlite3.Connection, recount: Recount, parents: Mapping[str, str]) -> Iterator[str]:
    for instruction, parent in recount.children.items():
        if parents.get(instruction) != parent:
            yield f"the child {instruction!r} of seed {parent} is lost"
    for instruction in parents.keys() - recount.children.keys():
        yield f"the child {instruction!r} is there, and nobody's outcome gave it"
    (count,) = connection.execute("SELECT count(*) FROM seeds WHERE parent != ''").fetchone()
    if count != len(parents):
        yield f"{count} children are queued, and {len(parents)} of them are different"


def _due_problems(connection: sqlite3.Connection, recount: Recount) -> Iterator[str]:
    sql = "SELECT parent, pool, arm, children, heard, known, earned FROM rewards_due"
    kept = {(parent, pool, arm): Due(*numbers) for parent, pool, arm, *numbers in connection.execute(sql)}
    if kept != recount.due:
        wrong = [key for key in kept.keys() | recount.due.keys() if kept.get(key) != recount.due.get(key)]
        first = min(wrong)
        yield f"{len(wrong)} rewards due differ: {first} is {kept.get(first)}, and not {recount.due.get(first)}"


def _tally_problems(connection: sqlite3.Connection, recount: Recount) -> Iterator[str]:
    sql = "SELECT name, item, n FROM tallies WHERE name GLOB 'recipes.*' OR name GLOB 'pools.*'"
    kept = {(name, _item(*json.loads(item))): n for name, item, n in connection.execute(sql)}
    bins = Counter({key: n for key, n in kept.items() if key[0] == "recipes.measured"})
    counted = Counter({key: n for key, n in kept.items() if key not in bins})
    if +counted != +recount.tallies:
        wrong = sorted(key for key in counted.keys() | recount.tallies.keys() if counted[key] != recount.tallies[key])
        first = wrong[0]
        yield f"{len(wrong)} tallies differ: {first} is {counted[first]}, and not {recount.tallies[first]}"
    sums = connection.execute("SELECT n, total FROM measures WHERE recipe = 'study' AND name = 'words'").fetchone()
    expected = (len(recount.measured), float(sum(recount.measured)), len(recount.measured))
    if (*(sums or (0, 0.0)), bins.total()) != expected:
        yield f"the measure is {sums} with {bins.total()} in its bins, and not {expected}"


def _label_problems(connection: sqlite3.Connection, lives: Sequence[Lived]) -> Iterator[str]:
    """Answers are counted by the style that was drawn for their parent, those that were dropped apart."""
    expected: dict[str, tuple[int, int]] = {}
    for one in lives:
        if not one.is_study:
            outcomes, dropped = expected.get(one.labels[STYLE], (0, 0))
            expected[one.labels[STYLE]] = (outcomes + 1, dropped + (one.kind == "dropped"))
    sql = "SELECT value, outcomes, dropped FROM labelled WHERE recipe = 'answer' AND label = ?"
    kept = {value: (outcomes, dropped) for value, outcomes, dropped in connection.execute(sql, (STYLE,))}
    if kept != expected:
        yield f"by style there are {kept}, and not {expected}"


def _pool_problems(connection: sqlite3.Connection, recount: Recount) -> Iterator[str]:
    """The states are those of a replay, bit for bit."""
    revisions = [
        (after, json.loads(config))
        for after, config in connection.execute("SELECT after_seq, config FROM revisions ORDER BY id")
    ]
    pools = connection.execute("SELECT name, after_seq, state FROM pools").fetchall()
    if recount.rewards.keys() - {name for name, _, _ in pools}:
        yield f"pools {sorted(recount.rewards)} earned something, and only {pools} are kept"
    for name, after, kept in pools:
        rewards = recount.rewards.get(name, [])
        replayed = _learnt(name, revisions, rewards).state()
        # A kill between a revision and the state that it leads to leaves the state to the next start, which makes it.
        restored = _under(name, revisions[-1][1], json.loads(kept)).state()
        if replayed != restored:
            yield f"pool {name} is {restored}, and a replay is {replayed}"
        if rewards and after < rewards[-1][0]:
            yield f"pool {name} is of outcome {after}, and outcome {rewards[-1][0]} rewarded it"


def _learnt(
    name: str,
    revisions: Sequence[tuple[int, Mapping[str, Any]]],
    rewards: Sequence[tuple[int, list[tuple[str, float]]]],
) -> Policy:
    to_come = list(revisions)
    policy = _under(name, to_come.pop(0)[1], {})
    for seq, earned in rewards:
        while to_come and to_come[0][0] < seq:
            policy = _under(name, to_come.pop(0)[1], policy.state())
        policy.observe(earned)
    for _, config in to_come:
        policy = _under(name, config, policy.state())
    return policy


def _under(name: str, config: Mapping[str, Any], state: Mapping[str, Any]) -> Policy:
    arms = {STYLE: config["study"]["styles"], DEPTH: chain.DEPTHS, TONE: chain.TONES}[name]
    is_fed_back = name in FED_BACK and config.get("feedback", True)
    evolution = EvolutionConfig.model_validate(config["evolution"])
    policy = make_policy(evolution, arms, seeds=None, fed_back=is_fed_back)
    restore_policy(policy, state, arms)
    return policy


def _item(*parts: str | int) -> str:
    return json.dumps(parts)
