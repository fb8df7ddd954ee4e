"""What filters look at: rows of any shape, children and seeds, each in the same words. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from star_agents.records import Document, Row, Sample, Seed
from star_agents.records.findings import OfferedKind
from star_agents.text.plain_data import to_json

TEXT_KEYS = frozenset({"instruction", "input", "response", "content", "chosen", "rejected", "arguments"})
"""What in a row's data says something; the rest are names, roles and schemas."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offered:
    """A row, a child, a seed or a trial."""

    kind: OfferedKind
    shape: str
    """Of a row (``sft``, ``preference``, ``reward``, ``instruction``), or the kind of a seed (``sample``,
    ``instruction``, ``document``)."""
    sample: Sample | None
    """The conversation: of two answers to one prompt the prompt alone. ``None``: it is a document."""
    instruction: str
    """What is asked, with the input; the text of a document."""
    answers: tuple[str, ...]
    """What is taught: the response, or the chosen answer and the rejected one."""
    data: Mapping[str, Any]
    """The row's data, or the content of the seed, as plain data."""
    labels: Mapping[str, str]

    @property
    def is_document(self) -> bool:
        """Whether instructions are yet to be made of it."""
        return self.sample is None

    @property
    def history(self) -> tuple[str, ...]:
        """The texts of the turns before the instruction and between it and the answer."""
        if self.sample is None:
            return ()
        turns = (*self.sample.history, *self.sample.tool_turns)
        return tuple(text for turn in turns for text in turn.texts if text)

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything that it says."""
        return (*self.history, self.instruction, *self.answers)


def offered_row(row: Row) -> Offered:
    """A row of the dataset."""
    if row.shape in ("sft", "instruction"):
        sample = Sample.from_dict(row.data["sample"])
        return _of_sample(sample, "row", row.shape, row.data, row.labels)
    prompt = Sample.from_dict(row.data["prompt"])
    return Offered(
        kind="row",
        shape=row.shape,
        sample=prompt,
        instruction=prompt.question,
        answers=(row.data["chosen"], row.data["rejected"]),
        data=row.data,
        labels=row.labels,
    )


def offered_seed(seed: Seed, kind: OfferedKind) -> Offered:
    """A seed from outside, or a child."""
    if isinstance(seed.content, Document):
        return Offered(
            kind=kind,
            shape=seed.kind,
            sample=None,
            instruction=seed.content.text,
            answers=(),
            data=seed.content.to_dict(),
            labels=seed.labels,
        )
    return _of_sample(seed.content, kind, seed.kind, {"sample": seed.content.to_dict()}, seed.labels)


def offered_trial(sample: Sample) -> Offered:
    """An attempt that a preference pair may be made of."""
    return _of_sample(sample, "trial", "sft", {"sample": sample.to_dict()}, {})


def _of_sample(
    sample: Sample, kind: OfferedKind, shape: str, data: Mapping[str, Any], labels: Mapping[str, str]
) -> Offered:
    return Offered(
        kind=kind,
        shape=shape,
        sample=sample,
        instruction=sample.question,
        answers=() if sample.response is None else (sample.response,),
        data=data,
        labels=labels,
    )


def with_texts(data: Any, change: Callable[[str], str], *, key: str = "") -> Any:
    """Plain data of a row with every text in it changed; names, roles and schemas of tools stay."""
    if isinstance(data, Mapping):
        return {name: with_texts(value, change, key=name) if name != "tools" else value for name, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [with_texts(one, change, key=key) for one in data]
    if not isinstance(data, str) or key not in TEXT_KEYS:
        return data
    return _with_arguments(data, change) if key == "arguments" else change(data)


def _with_arguments(text: str, change: Callable[[str], str]) -> str:
    """The arguments of a call with every value changed, so that they stay an object; a number that is changed becomes a
    text. What a model wrote that is no JSON is changed as a text."""
    try:
        arguments = json.loads(text)
    except ValueError:
        return change(text)
    changed = _with_values(arguments, change)
    return text if changed == arguments else to_json(changed)


def _with_values(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _with_values(one, change) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_values(one, change) for one in value]
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return value
    written = str(value)
    changed = change(written)
    return value if changed == written else changed
