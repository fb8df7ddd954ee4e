"""`score`: IFD of two models for rows in memory, by the scorer of the command `score`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypedDict, Unpack, overload

from pydantic import ValidationError

from star_agents import offline
from star_agents.api.inputs import PathLike, rows_in
from star_agents.api.job import Job, Words
from star_agents.api.result import Row
from star_agents.api.tables import DatasetT, FrameT, dataset_with, frame_with, is_dataset, is_frame
from star_agents.config.sections import ScoreMode, ScoringConfig
from star_agents.engine.score_dataset.columns import columns_of
from star_agents.engine.score_dataset.rows import score_samples
from star_agents.engine.score_dataset.source import sample_of
from star_agents.errors import UsageError
from star_agents.records import Sample, Score, Seed
from star_agents.scoring import Scorer
from star_agents.storage.formats.row_fields import found
from star_agents.storage.incoming.seed_rows import row_of_seed
from star_agents.text.consoles import progress_console, say_on

SOURCE = "rows"
"""What rows are called in messages, with their number."""


class ScoringOptions(TypedDict, total=False):
    """How `score` scores, as `scoring` in agents.yaml; what is left out is as there."""

    mode: ScoreMode
    """Which IFD."""
    device: Literal["auto", "cpu", "cuda"]
    """``auto`` takes a GPU where there is one."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"]
    """``auto`` is bfloat16 on a GPU and float32 on a CPU."""
    max_length: int
    """Tokens per sequence; a longer response is cut on the right."""
    tokens_per_batch: int
    """Tokens that go through a model at once."""
    threads: int
    """CPU threads; torch's own choice unless given."""
    trust_remote_code: bool
    """Let the model repositories run their own code."""


@overload
def score(
    rows: DatasetT, *, small: PathLike, large: PathLike, progress: bool = ..., **options: Unpack[ScoringOptions]
) -> DatasetT: ...


@overload
def score(
    rows: FrameT, *, small: PathLike, large: PathLike, progress: bool = ..., **options: Unpack[ScoringOptions]
) -> FrameT: ...


@overload
def score(
    rows: Iterable[Sample | Seed],
    *,
    small: PathLike,
    large: PathLike,
    progress: bool = ...,
    **options: Unpack[ScoringOptions],
) -> list[Score]: ...


@overload
def score(
    rows: PathLike | Iterable[Mapping[str, Any]],
    *,
    small: PathLike,
    large: PathLike,
    progress: bool = ...,
    **options: Unpack[ScoringOptions],
) -> list[Row]: ...


def score(
    rows: object, *, small: PathLike, large: PathLike, progress: bool = True, **options: Unpack[ScoringOptions]
) -> object:
    """Score rows by how much the instruction helps each of two models to the response (IFD, Eq. 4 of the paper).

    What comes back is what was given, with the columns of the command `score`: a list of dicts for dicts (new ones, in
    the same order), a `datasets.Dataset` for a Dataset, a DataFrame with the same index for a DataFrame. Columns of
    these names are replaced. ``Sample`` and ``Seed`` have no columns, so a list of ``Score`` comes for them.

        ifd_small, ifd_large   perplexity of the response given the instruction / perplexity of it alone: near or above
                               1 the instruction does not help; no unit; missing (None, NaN) where there is no score
        gap                    ifd_small - ifd_large: large where it is hard for the small model and within the large
                               one's reach
        reason                 why a row has no score; empty where it has one. Such a row never gets a 0
        ifd_formula            which IFD it is: ``mode``

    It works in scripts, notebooks and running event loops, which wait meanwhile. All rows are held in memory; for
    files of any length, which go on after a kill, there is the command `score`. Ctrl-C ends it, and no score is kept.

    Args:
        rows: Rows of any format that seed files have, with a response each: an iterable of dicts, of ``Sample`` or of
            ``Seed``; a Dataset; a DataFrame; or the path of a file.
        small: The target model: Hugging Face name or path; ``offline/small`` is a sample.
        large: The stronger model; ``offline/large`` is a sample.
        progress: Show progress on standard error.
        options: As in ``ScoringOptions``.

    Raises:
        UsageError: an argument makes no sense, or what was given holds no rows.
        SeedFileError: the file cannot be read.
        ScorerError: a model cannot be loaded, or is lost.
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    config = _config(small=os.fspath(small), large=os.fspath(large), **options)
    given = list(rows_in(rows))
    samples = [_sample_of(row, f"{SOURCE}:{number}") for number, row in enumerate(given, start=1)]
    if len({isinstance(row, Mapping) for row in given}) > 1:
        raise UsageError("rows must all be dicts, or all be Sample or Seed: what comes back is of one kind")
    return _joined(rows, given, _scored(samples, config, progress=progress) if samples else [])


def _joined(rows: object, given: Sequence[object], scores: list[Score]) -> object:
    """Scores in the form in which rows were given."""
    if is_dataset(rows):
        return dataset_with(rows, [columns_of(one) for one in scores])
    if is_frame(rows):
        return frame_with(rows, [columns_of(one) for one in scores])
    dicts = [row for row in given if isinstance(row, Mapping)]
    if len(dicts) < len(given):
        return scores
    return [{**row, **columns_of(one)} for row, one in zip(dicts, scores, strict=True)]


def _config(**options: Any) -> ScoringConfig:
    try:
        return ScoringConfig(**options)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        name = ".".join(map(str, wrong["loc"][:1]))
        raise UsageError(f"{name}={options.get(name)!r}: {wrong['msg']}") from None


def _sample_of(row: object, where: str) -> Sample | str:
    """The row's sample, or why it has none."""
    if isinstance(row, Mapping):
        return sample_of(row, where)
    if isinstance(row, (Sample, Seed)):
        seed = row if isinstance(row, Seed) else Seed.of(row)
        try:
            return sample_of(row_of_seed(replace(seed, meta={})), where)
        except ValueError:
            return "unreadable row: history: is no whole number of exchanges"
    raise UsageError(f"{where} must be a dict of columns, a Sample or a Seed; found {found(row)}")


def _scored(samples: Sequence[Sample | str], config: ScoringConfig, *, progress: bool) -> list[Score]:
    console = progress_console(quiet=not progress)

    async def work(words: Words) -> list[Score]:
        scorer = Scorer(config, embedder=None, resolve=offline.resolve_model, tell=partial(say_on, console))
        return await score_samples(samples, scorer, mode=config.mode, console=console)

    return Job(work).wait()
