"""A pool that a recipe brings with it, because it draws in a way of its own: with a memory of what won, for example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from star_agents.config.models import Config
from star_agents.records import Reward
from star_agents.scheduling.memory import MemoryBank, Remembered

State = Mapping[str, Any]


class OwnPool(Protocol):
    """What the engine does with it. Learning is split in two, so that memory never runs ahead of the store: ``foresee``
    gives the state that rewards would lead to, the caller commits it, and only then ``learn`` makes it ours."""

    recipe: str
    """Whose it is."""
    name: str
    """As the store keeps it."""
    bank: MemoryBank | None

    def restore(self, state: State) -> None:
        """Continue from the state that the store kept."""
        ...

    def state(self) -> dict[str, Any]:
        """What is known, for the store."""
        ...

    def states(self) -> dict[str, dict[str, Any]]:
        """The same by its name; nothing where nothing is drawn."""
        ...

    def probabilities(self) -> dict[str, float]:
        """How probable each arm is."""
        ...

    def foresee(self, rewards: Sequence[Reward], after: State | None = None) -> dict[str, Any]:
        """The state after these rewards, those of other pools aside. ``after``: one that is not learned yet, and that
        they come after."""
        ...

    def learn(self, state: State | None, remembered: Remembered | None) -> None:
        """Take over what was committed."""
        ...


class MakeOwnPool(Protocol):
    """Makes a recipe's own pool of arms."""

    def __call__(self, config: Config, *, bank: MemoryBank | None, seeds: int | None) -> OwnPool:
        """One for this config: ``seeds`` is the length of a batch, ``None`` in a daemon."""
        ...


class NoPool:
    """Stands where no recipe brings one; it keeps what was learned before, for a recipe that comes back."""

    recipe = ""
    name = ""

    def __init__(self, config: Config, *, bank: MemoryBank | None, seeds: int | None) -> None:
        self.bank = bank
        self._state: dict[str, Any] = {}

    def restore(self, state: State) -> None:
        """See ``OwnPool``."""
        self._state = dict(state)

    def state(self) -> dict[str, Any]:
        """See ``OwnPool``."""
        return self._state

    def states(self) -> dict[str, dict[str, Any]]:
        """See ``OwnPool``."""
        return {}

    def probabilities(self) -> dict[str, float]:
        """See ``OwnPool``."""
        return {}

    def foresee(self, rewards: Sequence[Reward], after: State | None = None) -> dict[str, Any]:
        """See ``OwnPool``."""
        return self._state

    def learn(self, state: State | None, remembered: Remembered | None) -> None:
        """See ``OwnPool``."""
