"""Processes of a cluster that send calls, as a status tells them."""

from __future__ import annotations

from collections.abc import Sequence

from star_agents.observe.status.model import view_model


@view_model
class EgressProcess:
    """One process that sends."""

    name: str
    """Where it is."""
    in_flight: int
    """Requests without a reply yet."""
    sent: int
    """Requests that it was given."""


@view_model
class EgressState:
    """Who sends the requests of calls beside the daemon."""

    processes: Sequence[EgressProcess]
    sent_here: int
    """Requests that the daemon sent itself: no process was at work, or none that reaches this machine's own servers."""
    lost: int
    """Processes that were lost so far."""
    calls_lost: int
    """Requests that they had in flight: they were sent again, and count as maybe paid twice."""

    @property
    def sentence(self) -> str:
        """All of it in words."""
        places = ", ".join(f"{one.name} ({one.in_flight:,} in flight, {one.sent:,} sent)" for one in self.processes)
        lost = f"; {self.lost:,} lost with {self.calls_lost:,} requests in flight" if self.lost else ""
        return f"calls are sent by {places or 'no process of the cluster'}; {self.sent_here:,} from here{lost}"
