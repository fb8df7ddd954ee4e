"""Section `admission` of agents.yaml: what may enter the dataset, of any recipe."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from star_agents.config.base import MAX_COUNT, Section
from star_agents.config.contamination import ContaminationConfig
from star_agents.config.documents import LanguageCode

Verdict = Literal["refuse", "report"]
"""``refuse``: it is kept apart, and neither exported nor trained on; ``report``: it is in the dataset, and told."""
Share = Annotated[float, Field(gt=0, le=1)]
Compared = Literal["instructions", "rows", "seeds"]


def _in_order(bounds: tuple[int, int]) -> tuple[int, int]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"the least, {bounds[0]}, is more than the most, {bounds[1]}; write [LEAST, MOST]")
    return bounds


Words = Annotated[int, Field(ge=0, le=MAX_COUNT)]
WordBounds = Annotated[tuple[Words, Words], AfterValidator(_in_order)]


class DuplicatesConfig(Section):
    """What repeats something that was admitted before, in whatever run into the folder; the earlier one stays, and the
    refused one points at it."""

    exact: bool = True
    """Rows that say the same as an earlier one, of the same shape, to the letter; equal seeds are one seed in any
    case."""
    minhash: Share | None = 0.7
    """Share of common n-grams of words (Jaccard, estimated by MinHash) from which an instruction counts as a repetition
    of another one that goes with the same text, history and tools; `off` takes them all."""
    embedding: Share | None = None
    """Cosine similarity of their vectors from which one instruction counts as a repetition of another, in whatever
    words; by the memory bank's embedder (`memory.embedder`). 0.95 is a beginning; look at what is refused: each
    embedder has a scale of its own. Left out, or `off`: vectors are not compared."""
    of: tuple[Compared, ...] = Field(default=("instructions",), strict=False, max_length=3)
    """What is compared so: `instructions` that are made of documents, as they are made; `rows` of every recipe, and
    children for the next one; `seeds` from outside, before anything is paid for them."""

    @field_validator("exact", mode="before")
    @classmethod
    def _on_or_off(cls, value: object) -> object:
        return {"on": True, "off": False}.get(value, value) if isinstance(value, str) else value

    @field_validator("minhash", "embedding", mode="before")
    @classmethod
    def _all_are_taken(cls, value: object) -> object:
        return None if value == "off" else value

    def least_of(self, what: Compared) -> float | None:
        """Similarity from which one of these repeats another; ``None``: they are not compared."""
        return self.minhash if what in self.of else None

    def nearest_of(self, what: Compared) -> float | None:
        """The same for the similarity of vectors."""
        return self.embedding if what in self.of else None


class LengthConfig(Section):
    """Bounds in words, `[least, most]`; in scripts without spaces, such as Chinese, Japanese and Thai, each character
    is a word."""

    instruction: WordBounds | None = None
    """Of an instruction, its input included. Seeds are held to it before anything is paid for them."""
    response: WordBounds | None = None
    """Of what is taught; of a preference pair both answers."""
    action: Verdict = "refuse"
    """What becomes of what lies beyond."""

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.instruction is None and self.response is None:
            raise ValueError("bounds nothing; write `length: {instruction: [LEAST, MOST]}`, or `response`")
        return self


class ToxicConfig(Section):
    """Who says whether a row is toxic or helps with what is illegal, and what becomes of one that is."""

    judge: str = Field(min_length=1)
    """Who is asked; an agent that only judges has `roles: []`."""
    action: Verdict = "refuse"
    """`refuse` or `report`. A row of which the judge says neither yes nor no is treated alike."""


class AdmissionConfig(Section):
    """What may enter the dataset: each refusal with its reason, told by filter and by what was drawn for it."""

    duplicates: DuplicatesConfig = DuplicatesConfig()
    """Repetitions. A number is short for `{minhash: NUMBER}`, and `off` takes everything."""
    languages: tuple[LanguageCode, ...] | None = Field(default=None, max_length=200)
    """Only instructions in these languages (`[en, de]`, ISO 639), of seeds, children and rows; `[]`: in all; left out:
    in all, but what is made of documents in those of `documents.languages`. Where nobody can tell the language it is
    taken."""
    length: LengthConfig | None = None
    """How long instructions and answers may be; left out: any length."""
    refusals: Verdict | None = None
    """Answers that refuse or speak of themselves as a model ("As an AI language model"), told by how they begin, in
    eleven languages; of a pair the chosen one. `on` is `refuse`."""
    repetition: Verdict | None = None
    """Answers of 50 words or more of which three tenths stand in runs of ten words that stood there before. `on` is
    `refuse`."""
    personal_data: Literal["refuse", "report", "redact"] | None = None
    """Mail addresses, telephone numbers, payment cards, IBANs and secret keys. `redact` writes `[mail]`, `[phone]` and
    so on in their place; the store keeps the trials as they were written."""
    toxic: ToxicConfig | None = None
    """A judge says of each row whether it would teach a model what does harm: `toxic: {judge: AGENT}`. It costs a call
    for each row that the other filters let pass."""
    own: tuple[str, ...] = Field(default=(), max_length=20)
    """Functions of your own, `./file.py:function` (the path begins beside this file) or `module:function`: each takes a
    row as a dict, and returns why it is refused, or None. One that fails refuses the row for that."""
    contamination: ContaminationConfig | None = None
    """Items of benchmarks, which nothing of a dataset should hold; left out: nothing is looked for."""

    @field_validator("refusals", "repetition", "personal_data", mode="before")
    @classmethod
    def _in_a_word(cls, value: object) -> object:
        return {"on": "refuse", "off": None}.get(value, value) if isinstance(value, str) else value

    @field_validator("own", mode="before")
    @classmethod
    def _one_function(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value

    @field_validator("duplicates", mode="before")
    @classmethod
    def _in_short(cls, value: object) -> object:
        if value is None or value == "off":  # Null as older releases kept it.
            return {"exact": False, "minhash": "off"}
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return {"minhash": value}
        return value
