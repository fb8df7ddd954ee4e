"""Tables of pandas and of Hugging Face's `datasets`, where somebody has them: their rows, and new columns for them.

Neither library is needed, and neither is loaded here unless it is asked for: what holds a table of theirs has loaded
it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, TypeVar

import numpy as np

from star_agents.engine.score_dataset.columns import COLUMNS, ScoreColumns
from star_agents.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


class Frame(Protocol):
    """What is asked of a DataFrame of pandas, so that types hold with and without its stubs."""

    @property
    def columns(self) -> Any:
        """Names of the columns."""

    @property
    def itertuples(self) -> Callable[..., Any]:
        """Iterates over rows."""

    @property
    def assign(self) -> Callable[..., Any]:
        """Makes a copy with more columns."""


class Dataset(Protocol):
    """What is asked of a Dataset of `datasets`."""

    @property
    def column_names(self) -> Any:
        """Names of the columns."""

    @property
    def with_format(self) -> Callable[..., Any]:
        """Makes one that gives its rows in another format."""

    @property
    def remove_columns(self) -> Callable[..., Any]:
        """Makes one without some columns."""


FrameT = TypeVar("FrameT", bound=Frame)
DatasetT = TypeVar("DatasetT", bound=Dataset)

_TEXTS = ("reason", "ifd_formula")


def is_frame(value: object) -> TypeGuard[Frame]:
    """Whether it is a DataFrame of pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def is_dataset(value: object) -> TypeGuard[Dataset]:
    """Whether it is a Dataset of `datasets`: one split, in memory or memory-mapped."""
    library = sys.modules.get("datasets")
    return library is not None and isinstance(value, library.Dataset)


def is_splits(value: object) -> TypeGuard[Mapping[str, object]]:
    """Whether it is several splits of `datasets` in one."""
    library = sys.modules.get("datasets")
    return library is not None and isinstance(value, (library.DatasetDict, library.IterableDatasetDict))


def rows_of_dataset(dataset: Dataset) -> Iterator[Mapping[str, Any]]:
    """Its rows in Python's own types, whatever format somebody has set."""
    rows: Iterator[Mapping[str, Any]] = iter(dataset.with_format(None))
    return rows


def rows_of_frame(frame: Frame) -> Iterator[Mapping[str, Any]]:
    """Its rows in Python's own types; what pandas counts as missing becomes ``None``.

    Raises:
        UsageError: two columns have one name.
    """
    names = [str(name) for name in frame.columns]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UsageError(f"the DataFrame has two columns {twice[0]!r}; rename one of them")
    for values in frame.itertuples(index=False, name=None):
        yield {name: _own(value) for name, value in zip(names, values, strict=True)}


def new_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a DataFrame.

    Raises:
        UsageError: pandas is not installed.
    """
    try:
        import pandas  # noqa: PLC0415
    except ImportError as error:
        raise UsageError("to_pandas() needs pandas, which is not installed: pip install pandas") from error
    return pandas.DataFrame.from_records([dict(row) for row in rows])


def frame_with(frame: FrameT, scores: Sequence[ScoreColumns]) -> FrameT:
    """A copy with the columns of scores, its index kept. A score that is missing is NaN."""
    columns: dict[str, Any] = {name: np.array(_column(scores, name), dtype=_dtype(name)) for name in COLUMNS}
    scored: FrameT = frame.assign(**columns)
    return scored


def dataset_with(dataset: DatasetT, scores: Sequence[ScoreColumns]) -> DatasetT:
    """A new dataset with the columns of scores, float64 and string; nothing else of it is copied."""
    import datasets  # noqa: PLC0415

    kept = dataset.remove_columns([name for name in COLUMNS if name in dataset.column_names])
    types = {name: datasets.Value("string" if name in _TEXTS else "float64") for name in COLUMNS}
    columns = {name: _column(scores, name) for name in COLUMNS}
    added = datasets.Dataset.from_dict(columns, features=datasets.Features(types))
    scored: DatasetT = datasets.concatenate_datasets([kept, added], axis=1) if kept.column_names else added
    return scored


def _column(scores: Sequence[ScoreColumns], name: str) -> list[Any]:
    return [dict(one)[name] for one in scores]


def _dtype(name: str) -> type:
    return object if name in _TEXTS else float


def _own(value: Any) -> Any:
    """A cell in Python's own types."""
    if isinstance(value, np.ndarray):
        return [_own(item) for item in value]
    if isinstance(value, (list, tuple)):
        return [_own(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _own(item) for name, item in value.items()}
    if isinstance(value, str):
        return value
    if sys.modules["pandas"].isna(value) is True:
        return None
    return value.item() if isinstance(value, np.generic) else value
