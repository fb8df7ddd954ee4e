"""`score --on ray`: every shard of a dataset by processes on the nodes of a cluster, and on from where a kill left off.

Rows never pass through here. A node reads a shard, scores it, writes it and says what it counted; a shard whose node or
process is lost is scored again elsewhere, under another draft's name, so that nobody ever sees half of one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from star_agents.config.sections import ScoringConfig
from star_agents.engine.progress_bar import ProgressBar
from star_agents.engine.score_dataset.job import as_loaded, options_of
from star_agents.engine.score_dataset.shard import OTHER_REASONS, REASONS, Task
from star_agents.engine.score_dataset.stopping import stop_on_signal
from star_agents.errors import UsageError, first_of_ours
from star_agents.scoring import Scorer
from star_agents.storage.formats.parquet_shards import Dataset, Manifest, Shard

IN_FLIGHT = 256
"""Shards that processes may have in hand at once, those that wait behind them included."""
MOST_FAILED = 10
"""Shards: where so many are left out, and more than are scored, the work ends."""
SIZE = "bytes of the source"
"""By which a manifest tells whether its shard is still the one that it was."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardsJob:
    """What to score, and where to."""

    source: str
    """URI or path of a folder of .parquet files, or of one."""
    out: str
    config: ScoringConfig
    fresh: bool = False


@dataclass(kw_only=True, slots=True)
class ScoredShards:
    """How far `score --on ray` came with a folder of shards."""

    shards: int = 0
    done: int = 0
    resumed: int = 0
    """Of those, shards that an earlier run had scored."""
    rows: int = 0
    """Of the shards that are done."""
    scored: int = 0
    positive: int = 0
    """Rows with a gap above 0."""
    moved: int = 0
    """Shards that were asked for again elsewhere, since their node was lost."""
    reasons: Counter[str] = field(default_factory=Counter[str])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    """Shards that could not be scored, each with why."""
    stopped_by: str = ""

    def add(self, manifest: Manifest) -> None:
        """Count a shard that is done."""
        self.done += 1
        self.rows += manifest["rows"]
        self.scored += manifest["scored"]
        self.positive += manifest["positive"]
        for reason, count in manifest["reasons"].items():
            known = reason in self.reasons or len(self.reasons) < REASONS
            self.reasons[reason if known else OTHER_REASONS] += count


async def score_shards(job: ShardsJob, scorer: Scorer) -> ScoredShards:
    """Score every shard of ``job.source`` into ``job.out``; ``scorer`` is entered only where some are left.

    SIGINT and SIGTERM end it early but whole: shards that are done stay, and the same call goes on with the others.

    Raises:
        UsageError: a dataset cannot be read or written, most of its shards cannot, or shards that are there were scored
            otherwise.
        ScorerError: when the models cannot be loaded anywhere.
    """
    found = ScoredShards()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop_on_signal, tasks.cancel_scope, found)
            await _Work(job, scorer, found).run()
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if (ours := first_of_ours(group)) is not None:
            raise ours from group
        raise
    return found


class _Work:
    """One call of ``score_shards``."""

    def __init__(self, job: ShardsJob, scorer: Scorer, found: ScoredShards) -> None:
        self._job = job
        self._scorer = scorer
        self._found = found
        self._out = Dataset(job.out)
        self._done_here = self._rows_here = 0

    async def run(self) -> None:
        """From the list of shards to the last of them."""
        shards = await to_thread.run_sync(Dataset(self._job.source).shards)
        await to_thread.run_sync(self._refuse_output)
        manifests = {} if self._job.fresh else await to_thread.run_sync(self._out.manifests)
        done = {shard: manifests[shard.name] for shard in shards if shard.name in manifests}
        self._refuse_other_work(done, options_of(self._job.config))
        for manifest in done.values():
            self._found.add(manifest)
        self._found.shards, self._found.resumed = len(shards), len(done)
        if left := [shard for shard in shards if shard not in done]:
            if not self._job.fresh:
                await to_thread.run_sync(self._refuse_foreign, left)
            await self._score(left, done)

    def _refuse_output(self) -> None:
        """A shard takes its name in the output, so the source would be written over."""
        if self._job.out.endswith(".parquet"):
            raise UsageError(f"{self._job.out}: with --on the output is a folder: shards keep their names in it")
        self._out.refuse_missing_bucket()
        if self._out.lies_in(Dataset(self._job.source)):
            raise UsageError(f"{self._job.out}: the output needs a folder outside the source {self._job.source}")

    def _refuse_foreign(self, left: list[Shard]) -> None:
        """Where nothing of ours lies yet, a file of a shard's name is somebody else's."""
        names = self._out.files_of_others()
        if foreign := [shard.name for shard in left if shard.name in names]:
            raise UsageError(
                f"{self._job.out} holds {foreign[0]} already, which no `score --on` wrote. Give --fresh to replace it, "
                "or choose another output"
            )

    def _refuse_other_work(self, done: Mapping[Shard, Manifest], work: Mapping[str, Any]) -> None:
        """What was scored by other models, or is of a source that was another then, must not stand beside the rest."""
        for shard, manifest in done.items():
            now = {**work, SIZE: shard.size}
            before = manifest["work"]
            differing = [
                f"{name}: {before.get(name)}, now {one}" for name, one in now.items() if before.get(name) != one
            ]
            if differing:
                raise UsageError(
                    f"{self._job.out} holds {shard.name} of other work ({'; '.join(differing)}). Give --fresh to score "
                    "all shards anew, or choose another output"
                )

    async def _score(self, left: list[Shard], done: Mapping[Shard, Manifest]) -> None:
        progress = ProgressBar("shards", len(left) + len(done), done=len(done), console=None, clock=time.monotonic)
        progress.prepare("loading models")
        with progress:
            async with self._scorer:
                work = {**options_of(self._job.config), **as_loaded(self._scorer.describe())}
                self._refuse_other_work(done, work)
                await to_thread.run_sync(self._out.begin, self._job.fresh)
                progress.begin()
                waiting = iter(left)
                try:
                    async with anyio.create_task_group() as tasks:
                        for _ in range(min(len(left), IN_FLIGHT)):
                            tasks.start_soon(self._take, waiting, work, progress)
                finally:
                    self._found.moved = self._scorer.stats().moved

    async def _take(self, waiting: Iterator[Shard], work: Mapping[str, Any], progress: ProgressBar) -> None:
        """One shard after another, until none is left."""
        for shard in waiting:
            task = Task(
                source=_whole(self._job.source),
                out=_whole(self._job.out),
                shard=shard.name,
                mode=self._job.config.mode,
                work={**work, SIZE: shard.size},
            )
            answer = await self._scorer.shard(task.to_dict())
            if isinstance(answer, str):
                self._found.failed[shard.name] = answer
                progress.say(f"{shard.name} is left out: {answer}")
                self._refuse_failures(answer)
            else:
                self._found.add(answer)
                self._done_here += 1
                self._rows_here += answer["rows"]
            progress.done += 1
            progress.show(f"{self._rows_here / progress.seconds:,.0f} rows/s")

    def _refuse_failures(self, last: str) -> None:
        """Where most shards fail, a node or the place is at fault, and would fail the others, too."""
        failed = len(self._found.failed)
        if failed >= MOST_FAILED and failed > self._done_here:
            raise UsageError(
                f"{failed:,} of {failed + self._done_here:,} shards could not be scored, so the others are not tried; "
                f"{self._found.done:,} are done and stay. The last one: {last}"
            )


def _whole(place: str) -> str:
    """A process on a node stands in another folder."""
    return place if "://" in place else str(Path(place).absolute())
