"""One run of the product's own scheduler over a table, with the memory bank or without. Method: never sees the truth.

``Scheduler`` (policy, bank and ``draw_pairs``), ``Contest`` and the bank's rule of entry are the product's; the table
stands in for calls, scorer and referee. Every row comes once: where rows came again, a bank would only have to know
them by heart.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from star_agents.config.models import AgentConfig, Config
from star_agents.config.sections import EvolutionConfig, MemoryConfig
from star_agents.config.star import PairConfig, RefereeConfig, Reward, StarConfig
from star_agents.recipes.choosing import Contender, Contest, relative_gaps, worths
from star_agents.records import KEEP, PAIRS, AgentPair, Seed
from star_agents.records import Reward as Earned
from star_agents.scheduling.hashing_embedder import embed_by_hashing
from star_agents.scheduling.memory import MemoryBank, Remembered
from star_agents.scheduling.scheduler import Scheduler

IN_FLIGHT = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One way to configure evolution and memory; the defaults are the paper's readings."""

    policy: Literal["paper", "uniform", "thompson"] = "paper"
    scale: float = 5.0
    """β times the number of seeds."""
    goes_by_seen: bool = field(default=False, repr=False)
    """Whether β goes by the seeds seen, as ``rate: auto`` has it; ``scale`` then says nothing."""
    floor: float = 0.0
    reward: Reward = "chosen"
    memory: bool = True
    neighbours: int = 5
    """n"""
    draws: int = 2
    """l"""
    enters_above: float = field(default=0.0, repr=False)
    """π above which a winner enters the bank: 0 is the product's rule; 0.5 leaves out who only drew with the base."""

    @property
    def name(self) -> str:
        """As tables show it."""
        beta = "20/seen" if self.goes_by_seen else f"{self.scale:g}/N"
        rate = f", β = {beta}" if self.policy == "paper" else ""
        floor = f", floor {self.floor:g}" if self.floor else ""
        reward = f", reward: {self.reward}" if self.reward != "chosen" else ""
        entry = f" of π > {self.enters_above:g}" if self.enters_above else ""
        memory = f", bank{entry}, l = {self.draws}" if self.memory else ", no bank"
        return f"{self.policy}{rate}{floor}{reward}{memory}"

    @property
    def key(self) -> str:
        """As what was worked out is kept under."""
        entry = f", enters above {self.enters_above}" if self.enters_above else ""
        return f"{self}{', by the seeds seen' if self.goes_by_seen else ''}{entry}"

    def config(self, pairs: Sequence[AgentPair], m: int, steps: int, seed: int) -> Config:
        """As agents.yaml would say it."""
        agents = {name: AgentConfig(model="proof/none") for pair in pairs for name in pair.agents}
        return Config(
            agents=agents,
            star=StarConfig(
                pairs=tuple(PairConfig(instruction=pair.instruction, response=pair.response) for pair in pairs),
                referee=RefereeConfig(agents=(next(iter(agents)),)),
                candidates=m,
                reward=self.reward,
            ),
            memory=MemoryConfig(enabled=self.memory, neighbours=self.neighbours, draws=self.draws),
            evolution=EvolutionConfig(
                policy=self.policy,
                rate="auto" if self.goes_by_seen else self.scale / steps,
                floor=self.floor,
            ),
            random_seed=seed,
        )


SHIPPED = Line(goes_by_seen=True, floor=0.01, reward="judged")
"""What is left to itself, with a pool of fifteen pairs. (agents.yaml also has the end of the response scored.)"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """All that a line learns of a table. Columns: the base, then the pairs."""

    pairs: tuple[AgentPair, ...]
    seeds: tuple[Seed, ...]
    embeddings: NDArray[np.float32]
    """[seeds, d]: of the seeds' questions."""
    gap: NDArray[np.float64]
    """[seeds, 1 + pairs], NaN where there is no score."""
    verdict: NDArray[np.float64]
    """π_llm of the same shape."""
    same: NDArray[np.bool_]
    """Whether a candidate is the base sample again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """What happened, in order of drawing."""

    rows: NDArray[np.int64]
    """[steps]: which row of the table."""
    drawn: NDArray[np.int64]
    """[steps, M]: columns in order of drawing, those from the bank first."""
    from_memory: NDArray[np.int64]
    """[steps]: how many of them the bank proposed."""
    chosen: NDArray[np.int64]
    """[steps]: column of the chosen candidate; 0 is the base."""
    judged: NDArray[np.bool_]
    """[steps, M]: whose verdict was paid for, two calls each."""
    written: NDArray[np.int64]
    """[steps]: writing calls: a response per drawn pair, and one rewrite per instruction agent among them."""
    curve: NDArray[np.float64]
    """[100, pairs]: probabilities at every hundredth of the run."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """A seed on its way to the commit."""

    row: int
    chosen: int
    judged: tuple[bool, ...]
    """Per drawn pair."""
    rewards: tuple[tuple[str, float], ...]
    pi: float
    """Of the winner."""


def hashing(texts: Sequence[str]) -> NDArray[np.float32]:
    """The product's embedder without a model."""
    return np.stack([embed_by_hashing(text) for text in texts])


def run(known: Known, line: Line, m: int, rows: Sequence[int], seed: int) -> Course:
    """Work ``rows`` one after another with ``IN_FLIGHT`` of them open at a time.

    Each is drawn for when it is taken up, and learned from when it ends, which one does being chance.
    """
    config = line.config(known.pairs, m, len(rows), seed)
    scheduler = Scheduler(config, bank=MemoryBank("proof") if line.memory else None, seeds=len(rows))
    column = {pair: place for place, pair in enumerate(known.pairs, start=1)}
    rng, flying = random.Random(f"bank:{seed}"), list[_Ended]()
    steps: list[tuple[list[int], int, int, tuple[bool, ...]]] = []
    curve: list[list[float]] = []
    sequence = 0
    for step, row in enumerate(rows):
        if step * 100 // len(rows) >= len(curve):
            curve.append(list(scheduler.probabilities().values()))
        draw = scheduler.draw(known.seeds[row], known.embeddings[row] if line.memory else None)
        columns = [column[pair] for pair in draw.sampled]
        ended = _decide(known, row, columns, line.reward)
        steps.append((columns, draw.from_memory, ended.chosen, ended.judged))
        flying.append(ended)
        if len(flying) > IN_FLIGHT:
            sequence += 1
            _settle(scheduler, known, line, flying.pop(rng.randrange(len(flying))), sequence)
    drawn, from_memory, chosen, judged = (np.array(one) for one in zip(*steps, strict=True))
    return Course(
        rows=np.array(rows),
        drawn=drawn,
        from_memory=from_memory,
        chosen=chosen,
        judged=judged,
        written=writing_calls(known.pairs, drawn),
        curve=np.array(curve),
    )


def writing_calls(pairs: Sequence[AgentPair], drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """[steps]: a response per drawn pair, and one rewrite per instruction agent that is not ``keep``."""
    written = np.full(len(drawn), drawn.shape[1])
    for agent in sorted({pair.instruction for pair in pairs} - {KEEP}):
        written += np.array([False, *(pair.instruction == agent for pair in pairs)])[drawn].any(axis=1)
    return written


def _decide(known: Known, row: int, columns: Sequence[int], reward: Reward) -> _Ended:
    """Eq. 5 to 7 by the product's contest."""
    places, same = [0, *columns], known.same[row]
    gaps = [None if np.isnan(gap) else float(gap) for gap in known.gap[row, places]]
    worth = worths("dual", gaps, [None] * len(gaps), relative_gaps(gaps))
    contenders = [
        Contender(order=order, is_base=order == 0, worth=one, gap=gaps[order]) for order, one in enumerate(worth)
    ]
    contest, paid = Contest(contenders, base=0, judged_by_referee=True), set[int]()
    while (index := contest.next_to_judge(everybody=reward == "all")) is not None:
        is_base_again = same[places[index]]
        contest.settle(index, 0.5 if is_base_again else float(known.verdict[row, places[index]]))
        if not is_base_again:
            paid.add(index)
    winner, pi = contest.winner() or 0, contest.pi()
    names = {at: known.pairs[column - 1].name for at, column in enumerate(columns, start=1)}
    return _Ended(
        row=row,
        chosen=places[winner],
        judged=tuple(at in paid for at in names),
        rewards=_rewards(names, pi, winner, reward),
        pi=pi.get(winner, 0.0),
    )


def _rewards(
    names: Mapping[int, str], pi: Mapping[int, float], winner: int, reward: Reward
) -> tuple[tuple[str, float], ...]:
    """Who earned what (Eq. 8), in order of drawing."""
    if reward == "judged":
        return tuple((name, pi[at]) for at, name in names.items() if at in pi)
    return tuple((name, pi.get(at, 0.0) if reward == "all" or at == winner else 0.0) for at, name in names.items())


def _settle(scheduler: Scheduler, known: Known, line: Line, ended: _Ended, sequence: int) -> None:
    """Learn as the product's line does on a commit: a winner that is no base pair and has π > 0 enters the bank."""
    enters = ended.chosen > 0 and ended.pi > line.enters_above
    rewards = [Earned(pool=PAIRS, arm=pair, value=value) for pair, value in ended.rewards]
    remembered = Remembered(
        seq=sequence,
        pair=known.pairs[ended.chosen - 1].name,
        pi=ended.pi,
        embedding=known.embeddings[ended.row],
    )
    scheduler.learn(scheduler.foresee(rewards), remembered if enters else None)
