"""What Arena Learning can be told: its section of agents.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from star_agents.arena.lessons import Mode, Thresholds
from star_agents.config.models import Config
from star_agents.config.recipes import (
    Agent,
    Calibration,
    Characters,
    Count,
    Judge,
    Location,
    Points,
    ReplyTokens,
    Some,
    Temperature,
)
from star_agents.recipes.protocol import Settings


class Keep(Settings):
    """By how many points a battle must be decided to teach something; `export --set` decides again at no cost."""

    sft: Points = Thresholds().sft
    """Of rows to fine-tune on: the target lost by at least so much. The paper's best: 3 in the first round, then 1."""
    preference: Points = Thresholds().preference
    """Of preference and reward pairs. The paper's best: 2."""
    min_winner: Points = Thresholds().min_winner
    """A winner with fewer points teaches nothing: a 4 that beats a 1 is no example. 0 for the paper, which has no such
    rule."""
    pairs: Count | None = 1
    """Preference pairs of one instruction, the clearest first; `null`: every clear battle."""

    @property
    def thresholds(self) -> Thresholds:
        """As the pure rules take them."""
        return Thresholds(sft=self.sft, preference=self.preference, min_winner=self.min_winner)


class JudgeSettings(Settings):
    """How judges that give points are asked."""

    judge_temperature: Temperature | None = 0.0
    """Of the judges; `null` leaves it to the provider."""
    judge_max_tokens: ReplyTokens = 1024
    """Longest reply of a judge."""

    @property
    def sampling(self) -> dict[str, Any]:
        """What each call is made with."""
        return {"temperature": self.judge_temperature, "max_tokens": self.judge_max_tokens}


class ArenaSettings(JudgeSettings):
    """What Arena Learning can be told."""

    target: Agent | None = None
    """The model that is to be trained; left out: nobody learns, the opponents meet each other and are rated."""
    opponents: Some[Agent]
    """Whom it meets."""
    judges: Some[Judge]
    """Who scores; several are a jury, whose mean decides. An agent, or a reward model as `reward:NAME_OR_FOLDER`, which
    costs nothing and knows no place: it measures each answer once."""
    mode: Mode = "target"
    """`target`: the target meets each opponent; `round_robin`: everybody meets everybody, as in the paper, which tells
    more of the opponents and teaches the target the same rows."""
    keep: Keep = Keep()
    """From where on a battle teaches something."""
    opponents_per_seed: Count | None = None
    """Draws so many opponents for each instruction, by what they taught the target so far; left out: all of them."""
    catch_up: bool = False
    """Whether finished instructions are judged once more where an opponent came later: its answer and its battles are
    paid, what was fought stays. An opponent that is taken out keeps the battles that it had."""
    history: Characters = 20_000
    """Characters of earlier turns that players and judges are shown, and that rows hold: the newest turns that fit."""
    exam: Literal["refuse", "warn", "off"] = "refuse"
    """The exam that each judge sits first: 30 planted pairs in both orders, paid once per judge and prompt. `refuse`:
    who fails leaves the jury; with nobody left `run` ends, and `serve` waits for an edit. `warn`: who fails judges all
    the same, and every row says so. `off`: no exam."""
    calibration: Calibration = 100
    """Battles that the scale of a reward model is made of, once for each jury, target and target's model; then it
    stays. Beside agents its margins are mapped to their gaps, quantile by quantile, and until then they judge alone.
    Where reward models alone judge, K points are the quantile K/9 of its margins, and instructions wait until then;
    `keep.min_winner` holds nobody, since a margin does not say how good a winner is."""

    @property
    def players(self) -> tuple[str, ...]:
        """Whoever may answer, the target first."""
        return self.opponents if self.target is None else (self.target, *self.opponents)

    def mistake(self) -> str:
        """Players and judges are distinct, and as many as are drawn; without a target everybody meets everybody."""
        if self.target is None and (self.mode != "round_robin" or self.opponents_per_seed is not None):
            return "without a `target` everybody meets everybody: name it, or write `mode: round_robin` and draw nobody"
        if len(self.players) < 2:
            return "one player has nobody to meet; name another opponent"
        if self.target in self.opponents:
            return f"the target {self.target} is among its opponents; it cannot meet itself"
        for names, what in ((self.opponents, "opponents"), (self.judges, "judges")):
            if len(set(names)) < len(names):
                return f"{what} name somebody twice"
        if self.catch_up and self.opponents_per_seed is not None:
            return "catch_up is for instructions that meet every opponent, and opponents_per_seed draws some of them"
        if (self.opponents_per_seed or 0) > len(self.opponents):
            return f"opponents_per_seed is more than there are opponents, {len(self.opponents)}"
        return ""

    def beside(self, config: Config) -> Iterator[tuple[Location, str, str]]:
        """As the base says: the model that rounds train is the one that fights."""
        if config.rounds is not None and (trained := config.rounds.target.agent) != self.target:
            told = f"is {self.target}, and `rounds.target.agent` is {trained}: what is trained would never fight"
            yield ("target",), told, f"write `target: {trained}`, or the other name there"
