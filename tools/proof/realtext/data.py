"""Real rows: answers that people or GPT-4 compared, rows to train on, and texts to distil with. Knows files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from proof.realtext.halves import HALVES, Half, half_of
from star_agents.records import Sample

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
"""Beside the checkout, where the tests read real data too."""
PANDALM = "pandalm/testset-v1.json"
"""WeOpenML/PandaLM at 3871806, Apache-2.0."""
SEED_TASKS = "self_instruct/seed_tasks.jsonl"
"""yizhongw/self-instruct at 0b26cca, Apache-2.0."""
VICUNA = "fastchat/vicuna_eval_2023"
"""lm-sys/FastChat at 69d085e, Apache-2.0."""
REVIEWS = ("others/review_llama_alpaca-13b.jsonl", "vicuna-13b_20230322-clean-lang")
"""One Vicuna model against the four others, and the two weakest of those against each other: 400 answers. The reviews
of two more Vicuna models ask the same 80 questions, so they add to the cost of scoring and hardly to what is known."""
GPTEACHER = "gpteacher"
"""teknium1/GPTeacher at 4810751, MIT: rows of role play."""
DOCUMENTS = ("documents/peps", "documents/rust_book", "documents/sherlock")
TIE = 0
READ = "distillation"
"""Salt of the split of ``rows_to_train_on``: one half is read in distillation, arms choose from the other."""
POOL, SHORTEST = 200, 20


class NoData(Exception):
    """A file of real rows is not there, or not what it should be; the message says which and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two answers to one question, and who was preferred."""

    source: str
    asked: Sample
    """Without a response."""
    answers: tuple[str, str]
    votes: tuple[int, ...]
    """Of each judge: 1 or 2, or ``TIE``."""
    category: str

    @property
    def half(self) -> Half:
        """Of its instruction: all pairs of a question are on one side."""
        return half_of(self.asked.question)

    @property
    def preferred(self) -> int | None:
        """Place of the answer that most judges prefer; ``None`` for a tie, or where there is no majority."""
        for place in (0, 1):
            if 2 * self.votes.count(place + 1) > len(self.votes):
                return place
        return None

    @property
    def is_unanimous(self) -> bool:
        """Whether every judge prefers the same answer."""
        return self.preferred is not None and len(set(self.votes)) == 1

    def sample(self, place: int) -> Sample:
        """The question with one of its answers."""
        return replace(self.asked, response=self.answers[place])


def pandalm(data: Path = DATA) -> list[Pair]:
    """Every pair of PandaLM's test set with its three human verdicts."""
    return [
        Pair(
            source="PandaLM",
            asked=Sample(instruction=_text(row["instruction"]), input=_text(row["input"])),
            answers=(_text(row["response1"]), _text(row["response2"])),
            votes=tuple(int(row[f"annotator{number}"]) for number in (1, 2, 3)),
            category=_text(row["motivation_app"]),
        )
        for row in _json(data / PANDALM)
    ]


def vicuna(data: Path = DATA) -> list[Pair]:
    """FastChat's answers to Vicuna-bench as GPT-4 compared them, in one order only."""
    folder = data / VICUNA
    questions = {row["question_id"]: row for row in _lines(folder / "question.jsonl")}
    answers = {
        row["answer_id"]: row["text"] for path in sorted((folder / "answer").glob("*.jsonl")) for row in _lines(path)
    }
    pairs = []
    for review in _reviews(folder / "review"):
        first, second = review["score"]
        question = questions[review["question_id"]]
        pairs.append(
            Pair(
                source="Vicuna",
                asked=Sample(instruction=question["text"]),
                answers=(answers[review["answer1_id"]], answers[review["answer2_id"]]),
                votes=(TIE if first == second else 1 if first > second else 2,),
                category=question["category"],
            )
        )
    return pairs


def rows_to_train_on(data: Path = DATA) -> list[Sample]:
    """GPTeacher's role play and Self-instruct's seed tasks, each instruction once."""
    found: dict[str, Sample] = {}
    for sample in (*_gpteacher(data), *_seed_tasks(data)):
        if (sample.response or "").strip():
            found.setdefault(sample.question, sample)
    return list(found.values())


def pool(data: Path = DATA, count: int = POOL) -> list[Sample]:
    """Rows for arms to choose from, none of which the small model has read: seed tasks first, then role play."""
    unread = [one for one in (*_seed_tasks(data), *_gpteacher(data)) if half_of(one.question, READ) == "confirmation"]
    return [sample for sample in dict.fromkeys(unread) if (sample.response or "").strip()][:count]


def misaligned(samples: Sequence[Sample]) -> list[tuple[Sample, Sample]]:
    """Each sample with a copy that answers another question of its half: neighbours by length change their answers.

    So lengths tell nothing. Answers of fewer than ``SHORTEST`` characters are left out, since *Yes.* may be right
    anywhere, and so is one that is left over.
    """
    found = []
    for half in HALVES:
        own = [one for one in samples if half_of(one.question) == half and len(one.response or "") >= SHORTEST]
        own.sort(key=lambda one: (len(one.response or ""), one.question))
        for one, other in zip(own[::2], own[1::2], strict=False):
            if one.response != other.response:
                found += [(one, replace(one, response=other.response)), (other, replace(other, response=one.response))]
    return found


def documents(data: Path = DATA) -> list[str]:
    """Texts of no instruction: Python's PEPs, chapters of the Rust book, stories."""
    paths = [path for folder in DOCUMENTS for path in sorted((data / folder).iterdir()) if "LICENSE" not in path.name]
    return [_read(path) for path in paths]


def _gpteacher(data: Path) -> Iterator[Sample]:
    for path in sorted((data / GPTEACHER).glob("*.json")):
        for row in _json(path):
            yield Sample(instruction=row["instruction"], input=row["input"], response=row["response"])


def _seed_tasks(data: Path) -> Iterator[Sample]:
    for row in _lines(data / SEED_TASKS):
        instance = row["instances"][0]
        yield Sample(instruction=row["instruction"], input=instance["input"], response=instance["output"])


def _reviews(folder: Path) -> Iterator[dict[str, Any]]:
    for name in REVIEWS:
        place = folder / name
        for path in sorted(place.glob("*.jsonl")) if place.is_dir() else [place]:
            yield from _lines(path)


def _text(value: object) -> str:
    """PandaLM holds the answer *True* as JSON's ``true``."""
    return value if isinstance(value, str) else str(value)


def _json(path: Path) -> Sequence[dict[str, Any]]:
    rows: Sequence[dict[str, Any]] = json.loads(_read(path))
    return rows


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _read(path).splitlines() if line.strip()]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise NoData(
            f"{path}: {error.strerror}; tools/proof/realtext/data.py names the repository it is from"
        ) from error
