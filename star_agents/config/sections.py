"""Sections of agents.yaml that know of no agent: limits of failure, and the daemon's own."""

from __future__ import annotations

from pydantic import Field

from star_agents.config.base import LONGEST_S, MAX_COUNT, WHOLE_REFERENCE, Section


class FailureLimitsConfig(Section):
    """How much may fail before the work stops, since what it would bring were worthless.

    Counted are the newest tries of each essential part: base samples (one try for each seed, failed where no base pair
    gave one), candidates of all drawn pairs together, votes of all referees together, samples that were scored, and
    instructions that were embedded. Where more than `share` of them failed, `run` ends (exit code 4) and `serve` takes
    no seed until agents.yaml has changed or somebody resumes it; then, as after a restart, the counts begin anew. One
    agent of several that fails is told everywhere and stops nothing, until it takes the candidates of all pairs beyond
    the limit. What waits or was wished for, an agent that is down or out of budget, is no failure here.
    """

    share: float = Field(default=0.5, ge=0, le=1)
    """More than this share stops the work; 1 lets everything fail, and still tells."""
    after: int = Field(default=20, ge=1, le=1_000_000)
    """Tries of a part before it is judged; the newest five times as many count. Twice the seeds that are worked on at
    once have to end first, or once as many where everything fails. A `run` that ends sooner is judged at its end."""
    base: float | None = Field(default=None, ge=0, le=1)
    """Instead of `share`, for base samples."""
    candidates: float | None = Field(default=None, ge=0, le=1)
    """Likewise for candidates of drawn pairs."""
    referees: float | None = Field(default=None, ge=0, le=1)
    """Likewise for votes, unreadable ones and those that could not be had, and for verdicts, which take more than half
    of a jury: of two referees, one that fails leaves none."""
    scorer: float | None = Field(default=None, ge=0, le=1)
    """Likewise for samples that the scorer refuses."""
    embedder: float | None = Field(default=None, ge=0, le=1)
    """Likewise for instructions without a vector; the memory bank knows nothing of such a seed."""


class ServerConfig(Section):
    """Where `serve` listens and what it watches."""

    host: str = "127.0.0.1"
    """Address to bind. Beyond loopback a token is required; one is made where none is configured."""
    port: int = Field(default=8321, ge=0, le=65535)
    """TCP port; 0 takes a free one."""
    token: str | None = Field(default=None, pattern=WHOLE_REFERENCE)
    """`os.environ/NAME` of a bearer token for the API."""
    allowed_hosts: tuple[str, ...] = Field(default=(), max_length=1000)
    """Further host names under which the server may be addressed."""
    watch: str | None = None
    """Folder whose new files become seeds; `inbox` in the data folder when left out."""
    settle_s: float = Field(default=5.0, ge=0, le=3600)
    """Seconds for which a file there must not change before it is read; 12 times as long where its end seems to be
    missing. Whoever writes more slowly than that loses nothing, but is read in parts."""
    queue_limit: int = Field(default=1_000_000, ge=1, le=MAX_COUNT)
    """Waiting seeds beyond which the API answers 429: a client that sends in a loop must not fill the disk."""
    drain_s: float = Field(default=60.0, ge=0, le=LONGEST_S)
    """Seconds that SIGTERM, and Ctrl-C, wait for calls in flight, which are paid for; `run` keeps to it too."""
