"""Bandit policies over agent-pairs: how probable each pair is, which are drawn, and what an outcome teaches.

Policies are pure: they own no task, clock or file, and every random choice comes from the generator handed in. Their
state is plain data whose floats survive JSON exactly, so a replay of the same outcomes gives the same bits.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from star_agents.config.models import Config
from star_agents.config.sections import EvolutionConfig

Rewards = Sequence[tuple[str, float]]
"""Pair name and π in [0, 1] for every pair drawn for one seed of which something is known; one that earned nothing
stands with 0."""


_SCALES = {"auto": 20.0, "paper": 5.0}
"""β times the length of the run. At 5 the first two thirds of a run still weigh in at its end; 20 chooses more good
rows at no more calls, given a reward that is not the winner's alone (tools/proof/RESULTS.md)."""
MOST = 0.05
"""Largest β of ``rate: auto``: one outcome that wins with π = 1 moves probabilities by 5 points at the most. 20 / N
alone is 0.33 in a run of 60 seeds, whose curves then swing by 42 points; at 0.05 they swing by 13, and what is chosen
is as good within its interval (tools/proof/RESULTS.md, "rates")."""
FED_BACK = 0.1
"""β of ``rate: auto`` in pools that learn by what becomes of children. That moves with whoever judges it: a target that
was trained no longer loses where it did. 20 / N weighs all that was ever seen, so that a type which stopped earning
keeps half its share for more than 500 instructions in 2 worlds of 30, and in 14 of them where the length is unknown; at
0.1 in none (tools/bench/RESULTS.md, ArenaInstruct's feedback)."""
_FLOOR_SHARE = 0.15
"""``floor: auto``, as a share of an even draw: what finds a pair that turned good again, at next to no cost (ibid.)."""


class Policy(Protocol):
    """What the scheduler asks of a policy: three methods, and state that can be kept."""

    def probabilities(self) -> dict[str, float]:
        """Weight of each pair in order of configuration; they add up to 1."""
        ...

    def draw(self, count: int, rng: random.Random, among: Iterable[str]) -> list[str]:
        """Draw ``count`` distinct pairs (or all there are) from ``among``, in order of drawing."""
        ...

    def observe(self, rewards: Rewards) -> None:
        """Learn from one outcome, replacing what was known: a shallow copy made before stays as it was."""
        ...

    def configure(self, pairs: Sequence[str], *, at_floor: bool = False) -> None:
        """Take over a changed list of pairs, keeping what is known of those that stay. ``at_floor``: new ones start
        with the least probability that any has, where the policy knows one."""
        ...

    def state(self) -> dict[str, Any]:
        """Plain data to keep; ``weights`` are the probabilities as of now, for whoever shows them."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Inverse of ``state``."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """β of Eq. 8 by how many outcomes were learned from: ``scale`` / that number, within ``least`` and ``most``.

    So what is learned weighs by the seeds that were seen, whether or not anybody knows how many will come: a daemon's
    first hundred count as much as those of a run of a hundred, and late ones cannot overturn what thousands said.
    """

    least: float
    most: float
    scale: float

    def at(self, outcomes: int) -> float:
        """β for the outcome that comes after so many."""
        return min(self.most, max(self.least, self.scale / outcomes)) if outcomes else self.most

    @property
    def is_constant(self) -> bool:
        """Whether the number of outcomes makes no difference."""
        return self.least >= self.most

    @property
    def settled_after(self) -> int:
        """Outcomes after which it stays at ``least``."""
        return math.ceil(self.scale / self.least)


def constant(beta: float) -> Rate:
    """The same β for every outcome, as in the paper."""
    return Rate(least=beta, most=beta, scale=0.0)


class PaperPolicy:
    """Eq. 8 of the paper: p̃ = p + β·π for each rewarded pair, then normalise.

    Args:
        pairs: Pair names; each starts with the same probability.
        rate: β, the same for every outcome or by their number.
        floor: Least probability of a pair (0, as in the paper, lets a pair die out). Pairs below it are lifted to it
            and the others shrink in proportion, so the result stays a distribution.
    """

    kind: ClassVar[str] = "paper"

    def __init__(self, pairs: Sequence[str], *, rate: float | Rate, floor: float = 0.0) -> None:
        self._rate = rate if isinstance(rate, Rate) else constant(rate)
        self._floor = floor
        self._outcomes = 0
        self._weights = {pair: 1 / len(pairs) for pair in pairs}

    def probabilities(self) -> dict[str, float]:
        """The sampling probabilities p_jk (Eq. 3)."""
        return dict(self._weights)

    def draw(self, count: int, rng: random.Random, among: Iterable[str]) -> list[str]:
        """Draw without replacement, each time by the probabilities of what is left, renormalised."""
        left = {pair: self._weights[pair] for pair in among if pair in self._weights}
        drawn: list[str] = []
        while left and len(drawn) < count:
            pair = _choose(left, rng)
            drawn.append(pair)
            del left[pair]
        return drawn

    def observe(self, rewards: Rewards) -> None:
        """Apply Eq. 8 once for all rewarded pairs of one seed. Pairs that are no longer configured earn nothing."""
        rate = self._rate.at(self._outcomes)
        self._outcomes += 1
        earned = [(pair, value) for pair, value in rewards if value > 0 and pair in self._weights]
        if not earned or rate == 0:
            return
        weights = dict(self._weights)
        for pair, value in earned:
            weights[pair] += rate * value
        self._weights = _with_floor(_normalised(weights), self._floor)

    def configure(self, pairs: Sequence[str], *, at_floor: bool = False) -> None:
        """A new pair enters with the mean probability 1/K, or at the floor (without one, at that of ``floor: auto``);
        those that stay share the rest in proportion."""
        least = self._floor or _FLOOR_SHARE / max(1, len(pairs))
        self._weights = _merged(self._weights, pairs, least if at_floor else None)
        self._weights = _with_floor(self._weights, self._floor)

    def state(self) -> dict[str, Any]:
        """``{"policy": "paper", "weights": {pair: p}}``, and ``outcomes`` where β goes by their number."""
        state = {"policy": self.kind, "weights": dict(self._weights)}
        return state if self._rate.is_constant else {**state, "outcomes": self._outcomes}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over kept probabilities; those that were learned at a constant β are not unlearned at a larger one."""
        self._weights = dict(state["weights"])
        if not self._rate.is_constant:
            self._outcomes = state.get("outcomes", self._rate.settled_after)


class UniformPolicy(PaperPolicy):
    """Every pair alike, whatever happens: the paper's ablation without evolution."""

    kind = "uniform"

    def __init__(self, pairs: Sequence[str]) -> None:
        super().__init__(pairs, rate=0.0)

    def configure(self, pairs: Sequence[str], *, at_floor: bool = False) -> None:
        """A new pair is as probable as all others."""
        super().configure(pairs)


class ThompsonPolicy:
    """Thompson sampling with Beta posteriors: the field's common bandit, to compare Eq. 8 with.

    A drawn pair with reward π counts as π successes and 1 - π failures (Agrawal and Goyal 2012, rewards in [0, 1]).
    """

    def __init__(self, pairs: Sequence[str]) -> None:
        self._counts = dict.fromkeys(pairs, (1.0, 1.0))

    def probabilities(self) -> dict[str, float]:
        """Posterior means, normalised: comparable over time, though not the chance of being drawn."""
        return _normalised({pair: wins / (wins + losses) for pair, (wins, losses) in self._counts.items()})

    def draw(self, count: int, rng: random.Random, among: Iterable[str]) -> list[str]:
        """Sample each posterior once and take the highest."""
        known = [pair for pair in among if pair in self._counts]
        sampled = {pair: rng.betavariate(*self._counts[pair]) for pair in known}
        return sorted(known, key=lambda pair: -sampled[pair])[:count]

    def observe(self, rewards: Rewards) -> None:
        """Add each drawn pair's reward to its posterior."""
        counts = dict(self._counts)
        for pair, value in rewards:
            if pair in counts:
                wins, losses = counts[pair]
                counts[pair] = (wins + value, losses + 1 - value)
        self._counts = counts

    def configure(self, pairs: Sequence[str], *, at_floor: bool = False) -> None:
        """A new pair starts from the uniform prior: there is no floor."""
        self._counts = {pair: self._counts.get(pair, (1.0, 1.0)) for pair in pairs}

    def state(self) -> dict[str, Any]:
        """``{"policy": "thompson", "counts": {pair: [wins, losses]}, "weights": {pair: p}}``."""
        counts = {pair: list(counts) for pair, counts in self._counts.items()}
        return {"policy": "thompson", "counts": counts, "weights": self.probabilities()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over kept posteriors."""
        self._counts = {pair: (wins, losses) for pair, (wins, losses) in state["counts"].items()}


def make_policy(config: EvolutionConfig, pairs: Sequence[str], *, seeds: int | None, fed_back: bool = False) -> Policy:
    """Build the configured policy.

    Args:
        config: The ``evolution`` section.
        pairs: Names of the configured pairs.
        seeds: Length of the run, for the rates that go by it; ``None`` where it is unknown, then the horizon.
        fed_back: They earn by what becomes of children.
    """
    if config.policy == "thompson":
        return ThompsonPolicy(pairs)
    if config.policy == "uniform":
        return UniformPolicy(pairs)
    rate = FED_BACK if fed_back and config.rate == "auto" else _rate_of(config, seeds or config.horizon)
    floor = _FLOOR_SHARE / max(1, len(pairs)) if config.floor == "auto" else config.floor
    return PaperPolicy(pairs, rate=rate, floor=floor)


def _rate_of(config: EvolutionConfig, length: int) -> float | Rate:
    if not isinstance(config.rate, str):
        return config.rate
    scale = _SCALES[config.rate]
    least = scale / max(1, length)
    return least if config.rate == "paper" else Rate(least=min(least, MOST), most=MOST, scale=scale)


def probabilities_of(config: Config, state: Mapping[str, Any]) -> dict[str, float]:
    """Probabilities that a kept state stands for, under the config that it was kept with."""
    names = [pair.name for pair in config.pool]
    policy = make_policy(config.evolution, names, seeds=None)
    restore_policy(policy, state, names)
    return policy.probabilities()


def restore_policy(policy: Policy, state: Mapping[str, Any], pairs: Sequence[str]) -> None:
    """Continue from kept ``state`` where it is of the same kind, then take over today's list of pairs."""
    if state.get("policy") == policy.state()["policy"]:
        policy.restore(state)
    policy.configure(pairs)


def _choose(weights: Mapping[str, float], rng: random.Random) -> str:
    total = sum(weights.values())
    if total <= 0:
        return rng.choice(list(weights))
    point = rng.random() * total
    for pair, weight in weights.items():
        point -= weight
        if point < 0 and weight > 0:
            return pair
    return max(weights, key=lambda pair: weights[pair])


def _normalised(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {pair: weight / total for pair, weight in weights.items()}


def _merged(old: Mapping[str, float], pairs: Sequence[str], share_of_new: float | None = None) -> dict[str, float]:
    if list(old) == list(pairs):
        return dict(old)
    even = 1 / len(pairs) if pairs else 0.0
    mean = even if share_of_new is None else min(even, share_of_new)
    new = [pair for pair in pairs if pair not in old]
    staying = sum(old[pair] for pair in pairs if pair in old)
    if staying <= 0:
        return dict.fromkeys(pairs, even)
    share = (1 - mean * len(new)) / staying
    return {pair: old[pair] * share if pair in old else mean for pair in pairs}


def _with_floor(weights: Mapping[str, float], floor: float) -> dict[str, float]:
    """Lift what is below ``floor`` to it and shrink the rest in proportion, until nothing is below."""
    lifted: set[str] = set()
    result = dict(weights)
    while low := {pair for pair, weight in result.items() if pair not in lifted and weight < floor}:
        lifted |= low
        free = sum(weights[pair] for pair in weights if pair not in lifted)
        share = (1 - floor * len(lifted)) / free if free > 0 else 0.0
        result = {pair: floor if pair in lifted else weights[pair] * share for pair in weights}
    return result
