"""What the bench of a recipe whose judges give points offers beside every workbench: their exam."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

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
