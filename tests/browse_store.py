"""A store with rows of every shape to look through, and the real HTTP door of `browse` before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from star_agents.engine.browsing import Browsed
from star_agents.records import Document, Outcome, Row, Sample, Seed, Trial
from star_agents.storage.readers import Readers
from star_agents.storage.store import Store
from star_agents.web.browsing.app import serve_browsing

SEEDS = 90
MARKUP = "<img src=x onerror=alert(1)><b>bold</b>"


def outcome_of(seed: Seed, number: int) -> Outcome:
    """Every third seed gives two samples, a preference and a reward row; every ninth is dropped."""
    if number % 9 == 8:
        return Outcome(seed_id=seed.id, kind="dropped", reason="nobody answered", recipe="mine")
    prompt = Sample(instruction=f"Ask {number}: what is Größe {number}?")
    trials = (
        Trial(
            arm="deep",
            sample=Sample(instruction=f"Ask {number} deeper.", response=f"Deep {number}. {MARKUP}"),
            measures={"depth": number / 100},
        ),
        Trial(
            arm="wide/gpt",
            sample=Sample(instruction=prompt.instruction, response='Wide\nand "quoted".'),
            measures={"depth": None},
        ),
    )
    rows = [
        Row(
            shape="sft",
            data={"sample": trials[0].sample.to_dict()},
            labels={"mine:type": f"type {number % 4}"},
            from_trials=(0,),
        )
    ]
    if number % 3 == 0:
        told = {"prompt": prompt.to_dict(), "chosen": f"Better {number}.", "rejected": f"Worse {number}."}
        rows += [
            Row(
                shape="sft",
                data={"sample": trials[1].sample.to_dict()},
                labels={"mine:type": "second"},
                from_trials=(1,),
            ),
            Row(shape="preference", data=told, labels={"mine:type": "pair"}, from_trials=(1, 0)),
            Row(shape="reward", data={**told, "margin": 1.0 + number}, from_trials=(1, 0)),
        ]
    return Outcome(seed_id=seed.id, kind="kept", recipe="mine", trials=trials, rows=tuple(rows), cost_usd=number / 1000)


async def _fill(folder: Path) -> None:
    async with await Store.open(folder) as store:
        seeds = [
            Seed.of(Document(text=f"Text {number}.", title=f"Title {number}"), source=f"{number}.md")
            for number in range(SEEDS)
        ]
        await store.add_seeds(seeds)
        await store.add_revision("d", "{}")
        numbers = {seed.id: number for number, seed in enumerate(seeds)}
        for seed in await store.lease(SEEDS):
            made = outcome_of(seed, numbers[seed.id])
            await store.commit_outcome(made, foresee=lambda completed: {}, memory=None, revision=1)


def fill(folder: Path) -> Path:
    """Make the store; its folder."""
    asyncio.run(_fill(folder))
    return folder


@asynccontextmanager
async def browsing(folder: Path, *, reviewer: str = "Ada", token: str = "") -> AsyncIterator[str]:
    """The door, and its address."""
    async with (
        Readers(folder) as readers,
        serve_browsing(
            Browsed(folder, readers, reviewer, now=lambda: 1_000.0),
            host="127.0.0.1",
            port=0,
            token=token,
            allowed_hosts=(),
        ) as url,
    ):
        yield url
