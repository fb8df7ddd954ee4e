"""A campaign put together: what agents.yaml and the seeds come to, checked before anything is spent, and its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from star_agents.config.models import Config
from star_agents.engine.campaign.campaign import Campaign
from star_agents.engine.campaign.plan import Plan, exam_prompts, fixed_by, plan_of, rounds_of
from star_agents.engine.campaign.report import write_rounds
from star_agents.engine.campaign.state import CampaignState
from star_agents.engine.campaign.stopping import WordsToStop
from star_agents.engine.campaign.training import check_training
from star_agents.errors import SeedFileError
from star_agents.events import Event
from star_agents.records import Seed
from star_agents.storage.file_systems import make_folder
from star_agents.storage.incoming.seed_files import read_seeds
from star_agents.storage.lock import FolderLock
from star_agents.text.consoles import say_on


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRounds:
    """Rounds that can be begun."""

    config: Config
    path: Path
    """Of agents.yaml."""
    plan: Plan
    seeds: Sequence[Seed]
    prompts: Sequence[Seed]
    """Of the exam."""
    source: str
    """What the seeds are called."""


def plan_checked(config: Config, rounds: int) -> Plan:
    """The steps of so many rounds.

    Raises:
        UsageError: agents.yaml has no rounds, or names options of trainings that there are not.
    """
    plan = plan_of(config, rounds)
    check_training(rounds_of(config).training, plan.methods)
    return plan


def planned_rounds(config: Config, path: Path, plan: Plan, seeds: Sequence[Seed], source: str) -> PlannedRounds:
    """Rounds over these seeds.

    Raises:
        SeedFileError: a row of the exam's file is none.
        UsageError: the seeds do not suffice.
    """
    prompts = exam_prompts(config, plan, seeds, _exam_seeds(config, path.parent))
    return PlannedRounds(config=config, path=path, plan=plan, seeds=seeds, prompts=prompts, source=source)


@contextmanager
def campaign_in(
    out: Path,
    planned: PlannedRounds,
    *,
    console: Console,
    retry_dropped: bool = False,
    words: WordsToStop | None = None,
    owns_process: bool = True,
    hear: Callable[[Event], None] = lambda event: None,
) -> Iterator[Campaign]:
    """The campaign of a folder, which nobody else works in meanwhile; its page is written after each phase.

    Raises:
        StoreLocked: somebody else works there.
        UsageError: the folder holds other rounds, or a run.
        StoreError: its state cannot be read.
    """
    make_folder(out)
    lock = FolderLock.acquire(out)
    try:
        config, plan = planned.config, planned.plan
        yield Campaign(
            config=config,
            plan=plan,
            state=CampaignState.opened(out, fixed_by(config, plan, planned.prompts), plan.rounds),
            seeds=planned.seeds,
            prompts=planned.prompts,
            source=planned.source,
            where=planned.path.name,
            beside=planned.path.parent,
            console=console,
            tell=partial(say_on, console),
            after_phase=partial(_write, out),
            words=words or WordsToStop(),
            retry_dropped=retry_dropped,
            owns_process=owns_process,
            hear=hear,
        )
    finally:
        lock.release()


def _write(out: Path) -> None:
    """The page of rounds at work."""
    write_rounds(out, is_at_work=True)


def _exam_seeds(config: Config, beside: Path) -> Sequence[Seed]:
    """Of the exam's file, whose path begins beside agents.yaml; none where prompts are held out of the seeds. Raises
    SeedFileError."""
    if (name := rounds_of(config).exam.file) is None:
        return ()
    file = read_seeds(beside / name)
    if file.problems:
        raise SeedFileError(file.problems)
    return file.seeds
