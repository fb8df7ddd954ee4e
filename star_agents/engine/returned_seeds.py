"""When a seed that is put back again and again is at fault itself, and no outage is.

An outage is put up with for as long as it lasts, so a seed on which a provider fails would come back for ever. What
tells the two apart is how others fare: where seeds end well between its returns, agents are up, and it is the seed.
So a seed that
came back twice lets others go first. Where nobody else is left in a batch, nobody can show anything; then it has to
be put back more often.
"""

from __future__ import annotations

from dataclasses import dataclass

from star_agents.records import Seed
from star_agents.storage.store import Store
from star_agents.storage.stranded import Taken

RETURNS = 3
"""Returns for one reason, others having ended well between them, after which a seed is not put back any more."""
RETURNS_ALONE = 10
"""The same for the last seed of a batch whose others have ended. A call for an agent that is down gives up after
`give_up_after_s`, so an outage of two hours is waited for."""
_PASSED_OVER = 32
"""At the most, when a seed is taken: in a long outage there are many that came back."""


@dataclass(slots=True)
class _Returns:
    reason: str
    times: int
    """For this reason, in a row."""
    proven: int
    """Of these, how many came after another seed had ended well since the last one."""
    ended_well: int
    """Seeds that had ended well at the last one."""


class ReturnedSeeds:
    """The seeds of a line that were put back in outages."""

    def __init__(self) -> None:
        self._returned: dict[str, _Returns] = {}
        self._ended_well = 0

    def ended(self, seed_id: str, *, well: bool) -> None:
        """Note an outcome."""
        self._returned.pop(seed_id, None)
        self._ended_well += well

    def returned(self, seed_id: str, reason: str) -> None:
        """Note that a seed is put back."""
        last = self._returned.get(seed_id)
        if last is None or last.reason != reason:
            self._returned[seed_id] = _Returns(reason, times=1, proven=1, ended_well=self._ended_well)
            return
        last.times += 1
        last.proven += self._ended_well > last.ended_well
        last.ended_well = self._ended_well

    def lets_others_first(self, seed_id: str) -> bool:
        """Whether it came back twice or more, and nobody has ended well since."""
        last = self._returned.get(seed_id)
        return last is not None and last.times > 1 and last.ended_well == self._ended_well

    async def take_one(self, store: Store, chain: Taken | None = None, *, newest_child: bool = False) -> list[Seed]:
        """Lease the seed that waits longest of those that a chain takes, or the child that was made last; one that lets
        others first only where no other waits."""
        passed: list[Seed] = []
        while leased := await _leased(store, chain, newest_child=newest_child):
            if len(passed) >= _PASSED_OVER or not self.lets_others_first(leased[0].id):
                break
            passed += leased
        taken = leased or passed[:1]
        for seed in passed:
            if seed not in taken:
                await store.release(seed.id)
        return taken

    def told(self, seed_id: str) -> str:
        """How often it was put back before, as a reason ends; empty where it was not."""
        last = self._returned.get(seed_id)
        return f" (it was put back {last.times} times before)" if last is not None and last.times > 1 else ""

    def is_at_fault(self, seed_id: str, *, is_alone: bool) -> bool:
        """Whether it was put back so often that its next try has to be its last.

        Args:
            seed_id: The seed.
            is_alone: It is the only one that a batch has in hand. Where no other came back either, none is left to
                end well.
        """
        last = self._returned.get(seed_id)
        if last is None:
            return False
        is_last = is_alone and len(self._returned) == 1 and self._ended_well > 0
        return last.proven >= RETURNS or (is_last and last.times >= RETURNS_ALONE)


async def _leased(store: Store, chain: Taken | None, *, newest_child: bool) -> list[Seed]:
    if newest_child:
        return await store.lease(1, taken=chain, newest_child=True)
    return await store.lease_one(taken=chain)
