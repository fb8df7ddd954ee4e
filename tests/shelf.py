"""A daemon as its HTTP door sees it, kept in lists: what the tests of the door serve."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import anyio
import anyio.lowlevel
from statuses import status_with

from star_agents.config.changes import ConfigMark
from star_agents.errors import Problem, SeedFileError, UsageError
from star_agents.observe.logs import LogFeed
from star_agents.observe.logs.feed import LogReader
from star_agents.observe.status import State, Status, Turn, Turns
from star_agents.observe.stories import CurvePoint, OutcomeSummary, QuarantinedSeed, SeedFacts, SeedStory, SeedText
from star_agents.web.backend import NotNow
from star_agents.web.model_results import EvaluatedQuestion, Evaluation, Rounds
from star_agents.web.problems import to_json
from star_agents.web.replies import Curve, Leaderboard, Taken

CANARY = "canary-4711"
"""Stands in every answer that holds data."""


def story_of(seed_id: str) -> SeedStory:
    """A seed that was not worked yet."""
    seed = SeedFacts(
        id=seed_id,
        kind="sample",
        recipe="",
        labels={},
        part="",
        parent="",
        round=0,
        sample=SeedText(instruction=CANARY, input="", response=None, messages=[]),
        source=f"{CANARY}:1",
        meta={},
        state="waiting",
        attempts=0,
        deaths=0,
        added_at=1.7e9,
    )
    return SeedStory(seed=seed, draw=None, calls=[], outcomes=[])


class Shelf:
    """A backend; a row without an instruction is a bad one."""

    def __init__(self) -> None:
        self.rows: list[Mapping[str, Any]] = []
        self.ready = True
        self.state: State = "ready"
        self.refuses: NotNow | None = None
        self.aside = ["s1", "s2", "s3"]
        self.committed: list[OutcomeSummary] = []
        self.log = LogFeed()
        self.asked = 0
        """How often outcomes were read."""
        self.told = 0
        """How often the status was read."""
        self.held = ""
        self.download: list[bytes] = [b'{"n":1}\n', b'{"n":2}\n']
        self.fails_after_the_download = False
        self.go_on = anyio.Event()
        self.go_on.set()
        self.downloading = 0
        self._requests: dict[str, tuple[str, str]] = {}

    def commit(self, count: int, question: str = CANARY) -> None:
        """So many seeds end."""
        for seq in range(len(self.committed) + 1, len(self.committed) + count + 1):
            self.committed.append(
                OutcomeSummary(
                    seq=seq,
                    at=1.7e9 + seq,
                    seed_id=f"{seq:032x}",
                    recipe="star",
                    kind="kept" if seq % 2 else "dropped",
                    reason="",
                    pair="keep/a",
                    pi=0.5,
                    gap=0.1,
                    ifd_small=0.9,
                    ifd_large=0.8,
                    cost_usd=None,
                    candidates=3,
                    failed=0,
                    rows=seq % 2,
                    children=0,
                    question=question,
                )
            )

    async def not_now(self) -> NotNow | None:
        return self.refuses

    async def add_document(self, body: bytes, name: str, source: str, request: tuple[str, str] | None) -> Taken:
        return await self.add_rows([{"instruction": f"{name}: {len(body)} bytes"}], source, request)

    async def add_rows(self, rows: Sequence[Mapping[str, Any]], source: str, request: tuple[str, str] | None) -> Taken:
        bad = [number for number, row in enumerate(rows, 1) if "instruction" not in row]
        if bad:
            raise SeedFileError(
                [Problem(where=f"{source}:{n}", field="instruction", message="is missing") for n in bad]
            )
        await anyio.lowlevel.checkpoint()
        self.rows.extend(rows)
        answer = Taken(new=len(rows), duplicates=0)
        if request is not None:
            assert request[0] not in self._requests, "a key is recorded once"
            self._requests[request[0]] = (request[1], to_json(answer).decode())
        return answer

    async def recall_request(self, key: str) -> tuple[str, str] | None:
        await anyio.lowlevel.checkpoint()
        return self._requests.get(key)

    async def story(self, seed_id: str) -> SeedStory | None:
        return story_of(seed_id) if any(one.seed_id == seed_id for one in self.committed) else None

    async def quarantine(self, limit: int) -> Sequence[QuarantinedSeed]:
        return [QuarantinedSeed(id=one, source=f"{CANARY}:1", attempts=3, deaths=3) for one in self.aside[:limit]]

    async def release_quarantined(self, seed_ids: Sequence[str] | None) -> int:
        released = self.aside if seed_ids is None else seed_ids
        if unknown := set(released) - set(self.aside):
            raise UsageError(f"seed {unknown.pop()} is not in quarantine; nothing was released")
        self.aside = [one for one in self.aside if one not in released]
        return len(released)

    def latest_seq(self) -> int:
        return len(self.committed)

    async def outcomes(
        self,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int,
        kind: str | None = None,
        pair: str | None = None,
        agent: str | None = None,
    ) -> Sequence[OutcomeSummary]:
        self.asked += 1
        await anyio.lowlevel.checkpoint()
        if after is not None:
            found = self.committed[after:]
        else:
            found = self.committed[: max(0, before - 1) if before is not None else None][::-1]
        wanted = {"kind": kind, "pair": pair}
        return [one for one in found if all(value in (None, vars(one)[name]) for name, value in wanted.items())][:limit]

    async def outcome(self, seq: int) -> SeedStory | None:
        return await self.story(f"{seq:032x}")

    async def curve(self, pool: str) -> Curve | None:
        if pool not in ("star.pairs", "mine.style"):
            return None
        mark = ConfigMark(revision=2, seq=0, at=1.7e9, changes=("~ candidates",))
        return Curve(points=[CurvePoint(seq=0, at=1.7e9, probabilities={"keep/a": 1.0})], marks=[mark])

    async def turns(self, name: str) -> Turns | None:
        if name != "mine.style":
            return None
        counts: dict[str, Any] = {
            "draws": 0,
            "rewards": 0,
            "mean_reward": None,
            "outcomes": 0,
            "dropped": 0,
            "measures": {},
        }
        of_all = Turn(name="", group="", mark="", share=1.0, share_at_start=1.0, **counts)
        return Turns(is_pool=True, recipe="", all=of_all, groups=[], rows=[], rows_left_out=0, sentences=[])

    async def leaderboard(self) -> Leaderboard:
        return Leaderboard(
            seq=0,
            anchor="",
            anchor_rating=1000,
            prompts=0,
            battles=0,
            one_order_only=0,
            players=[],
            points={},
            meetings={},
            judges=[],
            juror_spread=None,
            by_label={},
        )

    async def rounds(self) -> Rounds:
        return Rounds(unread=CANARY)

    async def evaluation(self) -> Evaluation:
        return Evaluation(unread=CANARY)

    async def evaluated_question(self, question: str) -> EvaluatedQuestion | None:
        return EvaluatedQuestion(id=question, category=CANARY, answers=())

    async def dataset(self, *, format: str, file: str, which: str, provenance: bool) -> AsyncGenerator[bytes, None]:
        self.downloading += 1
        try:
            for piece in self.download:
                yield piece
            await self.go_on.wait()
            if self.fails_after_the_download:
                raise OSError("the disk is gone")
        finally:
            self.downloading -= 1

    async def status(self) -> Status:
        self.told += 1
        await anyio.lowlevel.checkpoint()
        cost = {"candidates": 3, "wins": 1, "usd": 0.5, "candidates_of_unknown_cost": 0, "usd_per_win": 0.5}
        return status_with(
            version=CANARY,
            state=self.state,
            latest_seq=len(self.committed),
            pairs={"keep/a": 1.0},
            pair_costs={"keep/seed": cost},
        )

    async def pause(self) -> State:
        return self._switch("paused")

    async def resume(self) -> State:
        return self._switch("ready")

    def _switch(self, state: State) -> State:
        if self.state == "draining":
            raise UsageError("the daemon is draining")
        self.state = state
        return state

    async def readiness(self) -> Mapping[str, bool]:
        return {"store": self.ready}

    def held_because(self) -> str:
        return self.held

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        return f"star_agents_up 1 # {CANARY}\n".encode(), "text/plain; version=0.0.4; charset=utf-8"

    def logs(
        self, *, event: str | None, without: str | None, agent: str | None, seed: str | None, level: str, limit: int
    ) -> Sequence[Mapping[str, Any]]:
        return self.log.recent(
            event=event, without=without or "", agent=agent or "", seed=seed or "", level=level, limit=limit
        )

    def follow_logs(self, level: str) -> LogReader:
        return self.log.follow(maxlen=5, level=level)
