"""`judge-health`: judges of agents.yaml hear pairs that people judged, as a batch of its own in a folder of its own.

Each pair that a judge is to hear is a seed of recipe ``judging_pairs``: so calls go through journal, gates and budgets,
a run that was killed goes on, and one more judge, or more pairs, cost their own calls only. What people say is joined
to what judges said afterwards, from the data's own file.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from star_agents.arena.agreement import Labelled
from star_agents.arena.games import Game, games_of
from star_agents.arena.pair_health import JURY, Heard, PairHealth, Spread, heard_of, jurors_apart, pair_health
from star_agents.arena.people import People, people
from star_agents.arena.ratings import RESAMPLES
from star_agents.config.models import AgentConfig, Config
from star_agents.config.suggestions import did_you_mean
from star_agents.engine.derived_config import for_command
from star_agents.engine.stages import stages_of
from star_agents.errors import UsageError
from star_agents.recipes.judging_pairs import NAME, JudgingPairsSettings, pair_seed
from star_agents.records import Outcome, Seed
from star_agents.storage.incoming.labelled_pairs import AnsweredPair, Verdicts
from star_agents.storage.reader import StoreReader
from star_agents.text.content_hash import digest

_ASKED_BY = ("top_p", "extra")
"""What of an agent goes into a call beside what the recipe sets."""

_OWN = re.compile(r"judge:\S+: |\b[0-9a-f]{16}\b")
"""What of a reason is of one game alone: its step, and its code."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What came of it."""

    people: People
    pairs: int
    """That the figures can stand on: those with a verdict of people, and two answers."""
    equal: int
    """Pairs left out, since their answers are one."""
    prompts: int
    judges: tuple[PairHealth, ...]
    spread: Spread | None = None
    """Between the judges that were asked, where there are two or more."""
    unread_because: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    """By judge: votes by why they are none."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        apart = self.spread
        return {
            "people": self.people.to_dict(),
            "pairs": self.pairs,
            "prompts": self.prompts,
            "equal_answers": self.equal,
            "judges": [one.to_dict() for one in self.judges],
            "spread": None if apart is None else {"points": apart.points._asdict(), "pairs": apart.pairs},
            "unread_because": {judge: dict(reasons) for judge, reasons in self.unread_because.items()},
        }


def judging_config(config: Config, judges: Sequence[str]) -> Config:
    """The agents.yaml of a batch of pairs: agents, budgets and limits of this one, and judges asked as its arena asks.

    Raises:
        UsageError: a judge is none of its agents.
    """
    for judge in judges:
        if judge not in config.agents:
            raise UsageError(f"--judges: no agent is called {judge!r}; {did_you_mean(judge, sorted(config.agents))}")
    arena = getattr(config, "arena", None)
    known = JudgingPairsSettings.model_fields
    settings = {} if arena is None else {name: getattr(arena, name) for name in known if hasattr(arena, name)}
    own_prompt = {f"{NAME}/judge": text for name, text in config.prompt_texts.items() if name == "arena/judge"}
    return for_command(config, NAME, JudgingPairsSettings, settings, prompt_texts=own_prompt)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Pairs, and the judges that are to hear them."""

    config: Config
    """As ``judging_config`` makes it."""
    pairs: tuple[AnsweredPair, ...]
    judges: tuple[str, ...]

    def seeds(self) -> dict[str, tuple[str, str]]:
        """Id of each seed, to the judge and the id of the pair."""
        return {seed.id: (judge, pair) for judge, pair, seed in self._all()}

    def to_hear(self) -> list[Seed]:
        """What is to be worked, pair by pair."""
        return [seed for _, _, seed in self._all()]

    def _all(self) -> list[tuple[str, str, Seed]]:
        asked_as = {judge: self._asked_as(judge) for judge in self.judges}
        distinct = {one.judged.id: one for one in self.pairs if not one.answers_are_equal}
        return [
            (judge, pair.judged.id, pair_seed(pair.asked, pair.first, pair.second, judge, asked_as[judge]))
            for pair in distinct.values()
            for judge in self.judges
        ]

    def _asked_as(self, judge: str) -> str:
        """Changes whenever its answers may: with its model, how it is asked, and the prompt."""
        stage = stages_of(self.config)[NAME]
        assert stage.prompts is not None, "its folder is the arena's"
        agent: AgentConfig = self.config.agents[judge]
        models = [one.model for one in agent.endpoints]
        own = agent.model_dump(mode="json", include=set(_ASKED_BY))
        settings = stage.settings.model_dump(mode="json")
        return digest([models, own, settings, stage.prompts.version("judge")])


def draw_pairs(pairs: Sequence[AnsweredPair], limit: int | None) -> tuple[AnsweredPair, ...]:
    """So many pairs by chance, always the same ones, and of more also these; in the order of the data."""
    if limit is None or limit >= len(pairs):
        return tuple(pairs)
    places = sorted(range(len(pairs)), key=lambda place: digest([place, pairs[place].judged.id]))
    return tuple(pairs[place] for place in sorted(places[:limit]))


def measure_judges(
    pairs: Sequence[AnsweredPair],
    panel: Panel | None,
    out: Path,
    recorded: Sequence[tuple[str, Verdicts]] = (),
    *,
    resamples: int = RESAMPLES,
) -> Judged:
    """Every judge against people.

    Args:
        pairs: Of the data.
        panel: Who was asked; ``None``: nobody.
        out: The folder in which they were.
        recorded: What judges of others said of these pairs, each under a name.
        resamples: Of the bootstrap.
    """
    counted = [one.judged for one in pairs if one.judged.label is not None and not one.answers_are_equal]
    found = [_of_record(name, verdicts, pairs, resamples) for name, verdicts in recorded]
    games, costs = _heard(panel, out) if panel is not None else ({}, {})
    for judge, said in games.items():
        cost, unknown = costs[judge]
        heard = heard_of(counted, said)
        found.append(pair_health(judge, heard, resamples=resamples, cost_usd=cost, calls_of_unknown_price=unknown))
    every = [game for said in games.values() for game in said]
    spread = None
    if len(games) > 1:
        found.append(pair_health(JURY, heard_of(counted, every), resamples=resamples))
        spread = jurors_apart(counted, every, resamples=resamples)
    return Judged(
        people=people([one.judged for one in pairs]),
        pairs=len(counted),
        equal=sum(one.answers_are_equal for one in pairs),
        prompts=len({one.prompt for one in counted}),
        judges=tuple(found),
        spread=spread,
        unread_because={judge: _why_unread(said) for judge, said in games.items()},
    )


def _of_record(name: str, verdicts: Verdicts, pairs: Sequence[AnsweredPair], resamples: int) -> PairHealth:
    heard = [
        Heard(pair.judged, Labelled(label=label, forward=side, orders=1))
        for pair, side in zip(pairs, verdicts.said, strict=True)
        if (label := pair.judged.label) is not None and not pair.answers_are_equal
    ]
    return pair_health(name, heard, resamples=resamples, cost_usd=None)


def _heard(panel: Panel, out: Path) -> tuple[dict[str, list[Game]], dict[str, tuple[float | None, int]]]:
    """Games by judge, and what each judge's seeds cost with how many of them have no known price."""
    games: dict[str, list[Game]] = {judge: [] for judge in panel.judges}
    costs: dict[str, list[float | None]] = defaultdict(list)
    seeds = panel.seeds()
    with StoreReader(out) as reader:
        for result in reader.results():
            if result.header.seed_id in seeds:
                judge, pair = seeds[result.header.seed_id]
                outcome: Outcome = result.outcome
                costs[judge].append(outcome.cost_usd)
                if outcome.kind != "dropped":
                    games[judge] += games_of(outcome.trials, outcome.judgements, pair)
    return games, {judge: _sum(costs[judge]) for judge in panel.judges}


def _sum(costs: Sequence[float | None]) -> tuple[float | None, int]:
    known = [one for one in costs if one is not None]
    unknown = len(costs) - len(known)
    return (sum(known) if known or not unknown else None), unknown


def _why_unread(games: Sequence[Game]) -> dict[str, int]:
    reasons: dict[str, int] = defaultdict(int)
    for game in games:
        if not game.is_readable and not game.answers_are_equal:
            reasons[_OWN.sub("", game.reason)] += 1
    return dict(sorted(reasons.items(), key=lambda item: -item[1]))
