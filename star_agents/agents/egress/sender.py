"""Which process sends a request: the one with fewest in flight, or this one where no other can.

Decisions stay here: a request comes after its admission, with its slot of a gate taken and its intent durable. The
processes share nothing but numbers in flight.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from star_agents.agents.egress.link import EgressChannel, Link
from star_agents.agents.local_network import is_loopback
from star_agents.agents.transports.http import HttpReply, HttpRequest, HttpSender
from star_agents.observe.status import EgressProcess, EgressState

LostCalls = Callable[[str, Exception, int], None]


class EgressSender:
    """Sends over links to other processes.

    Args:
        own: Sends from this process what no link can: where there is none, and to addresses of this machine where no
            link ends on it.
    """

    def __init__(self, own: HttpSender) -> None:
        self._own = own
        self._links: dict[Link, bool] = {}
        """With whether its process is on this machine."""
        self.sent_here = 0
        """Requests that this process sent itself."""
        self._lost = 0
        self._calls_lost = 0

    @property
    def links(self) -> tuple[Link, ...]:
        """Those that are open."""
        return tuple(self._links)

    def state(self) -> EgressState:
        """As a status tells it."""
        return EgressState(
            processes=[EgressProcess(name=one.name, in_flight=one.in_flight, sent=one.sent) for one in self._links],
            sent_here=self.sent_here,
            lost=self._lost,
            calls_lost=self._calls_lost,
        )

    def join(self, channel: EgressChannel, *, is_here: bool, on_lost: LostCalls) -> Link:
        """Send over a channel too, from now on.

        Args:
            channel: Reaches the process.
            is_here: Whether it runs on this machine, so that its ``localhost`` is ours.
            on_lost: Hears its name, why it was lost, and how many requests it had in flight.
        """

        def lost(link: Link, error: Exception, in_flight: int) -> None:
            self._links.pop(link, None)
            self._lost += 1
            self._calls_lost += in_flight
            on_lost(link.name, error, in_flight)

        link = Link(channel, lost)
        self._links[link] = is_here
        return link

    async def leave(self, link: Link) -> None:
        """Give it nothing more, and close it once nothing is in flight there."""
        self._links.pop(link, None)
        await link.drained()
        link.close()

    async def send(self, request: HttpRequest) -> HttpReply:
        """As ``HttpSender.send``; CallLost where the process that had it is gone."""
        link = self._pick(request)
        if link is not None:
            return await link.send(request)
        self.sent_here += 1
        return await self._own.send(request)

    async def aclose(self) -> None:
        """Close every link, whatever is in flight, and every connection of this process."""
        links, self._links = self._links, {}
        for link in links:
            link.close()
        await self._own.aclose()

    def _pick(self, request: HttpRequest) -> Link | None:
        links = self._links
        if not links:
            return None
        only_here = stays_here(request.proxy or request.url)
        able = [link for link, is_here in links.items() if is_here or not only_here]
        return min(able, key=_in_flight, default=None)


@lru_cache(maxsize=10_000)
def stays_here(address: str) -> bool:
    """Whether an address means this machine and no other."""
    return is_loopback(address)


def _in_flight(link: Link) -> int:
    return link.in_flight
