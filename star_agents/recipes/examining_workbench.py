"""What the bench of a recipe whose judges give points offers beside every workbench: their exam."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from star_agents.arena.quantile_map import Measured, QuantileMap
from star_agents.recipes.protocol import Workbench
from star_agents.records import Sample


class Examined(NamedTuple):
    """How a judge did at its exam."""

    passed: bool
    told: str
    """``judge gpt: 24 of 24 right, 0 unreadable, position bias 0 %``."""


GivePoints = Callable[[Workbench, str, Sample, Sample, str], Awaitable[tuple[float, float]]]
"""Of a bench, a judge, two answers in the order in which they are shown, and a code: points for each.

Raises ``ReplyUnreadable`` where the judge gave none.
"""


@runtime_checkable
class ExaminingWorkbench(Workbench, Protocol):
    """The bench of one seed whose recipe has judges that give points."""

    async def examined(
        self, judge: str, give_points: GivePoints, *, prompt: str, sampling: Mapping[str, Any]
    ) -> Examined:
        """How a judge does at the planted pairs, asked as the recipe asks; sat once for all seeds of a folder.

        Args:
            judge: Its agent.
            give_points: Asks it.
            prompt: Version of the prompt, which the result holds for.
            sampling: As it is asked, which the result holds for, too.

        Raises:
            AgentError: the judge does not answer.
        """
        ...


@runtime_checkable
class RewardingWorkbench(ExaminingWorkbench, Protocol):
    """The bench of one seed whose judges may be reward models, ``reward:MODEL``."""

    async def reward_examined(self, judge: str) -> Examined:
        """How a reward model does at the planted pairs; measured once for all seeds of a folder."""
        ...

    async def rewards(self, judge: str, samples: Sequence[Sample]) -> list[float | str]:
        """What a reward model says of each sample, in units of its own, or why it says nothing; recorded."""
        ...

    async def scales(
        self, measured: Mapping[str, Sequence[Measured]], *, target: str | None, jury: Sequence[str], battles: int
    ) -> Mapping[str, QuantileMap]:
        """What the rewards of each reward model of a jury stand for, which is made once and then stays.

        Empty before it is made, and for a seed whose battles it is made of: the other judges decide that alone. Where
        there are none, such a seed is put off until it is made, and then decided by it.

        Args:
            measured: By reward model, the battles over the seed that it measured (and that the other judges scored).
            target: Who learns, if anybody does. Another one, or another model of it, has another scale.
            jury: Who judges, agents included; likewise.
            battles: How many it is made of; in a batch without others that judge, of fewer where its seeds end.

        Raises:
            Postponed: the seed is put off.
        """
        ...
