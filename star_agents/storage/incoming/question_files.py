"""Questions of a benchmark, reference answers and judges' prompts, from files in the forms that the field has them in.

    {"question_id": 81, "category": "writing", "turns": ["...", "..."]}           FastChat: MT-bench, Vicuna-bench
    {"idx": 1, "Skill": "Math", "Difficulty": 3, "Instruction": "..."}            the WizardLM set
    {"question_id": 101, "choices": [{"turns": ["...", "..."]}]}                   FastChat's answers, as references
    {"name": "single-v1", "system_prompt": "...", "prompt_template": "..."}        FastChat's judge_prompts.jsonl

They are the user's own, wherever they lie: named by path, or found by a benchmark's name in one folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from star_agents.arena.mt_bench import MOST_TURNS, PROMPTS, JudgePrompt, Question, mistake_in
from star_agents.errors import Problem, SeedFileError, UsageError
from star_agents.storage.formats.row_fields import Row, RowError, found, items, optional, required
from star_agents.storage.formats.row_reading import scan_rows

T = TypeVar("T")
JUDGE_PROMPTS = "judge_prompts.jsonl"
_PLACES: Mapping[str, tuple[str, ...]] = {
    "mt_bench": ("mt_bench/question.jsonl", "mt_bench_question.jsonl", "mt_bench.jsonl"),
    "vicuna": ("vicuna_bench/question.jsonl", "vicuna_bench_question.jsonl", "vicuna_bench.jsonl", "vicuna.jsonl"),
    "wizardlm": ("wizardlm/question.jsonl", "WizardLM_testset.jsonl", "wizardlm_question.jsonl", "wizardlm.jsonl"),
}
"""Where the questions of a benchmark lie in a folder: as FastChat's ``data`` has them, or under one name each."""
BENCHMARKS = tuple(_PLACES)
MOST_QUESTIONS = 100_000
LONGEST_TEXT = 1_000_000
"""Characters of one turn, or of one prompt."""
LONGEST_ID = 200
HOTTEST = 5.0
PROBLEMS_TOLD = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class QuestionFiles:
    """Where the parts of a benchmark lie."""

    name: str
    """Of the benchmark."""
    questions: Path
    references: Path | None
    judge_prompts: Path | None


def find_questions(
    named: str, folder: Path | None, *, references: Path | None = None, judge_prompts: Path | None = None
) -> QuestionFiles:
    """The files of a benchmark, by its name or by the path of its questions.

    Args:
        named: ``mt_bench``, ``vicuna``, ``wizardlm``, or a file; one of FastChat's own folders has its references and
            judge prompts beside it.
        folder: Where the named ones are looked for; ``None``: nobody said.
        references: Instead of those that lie beside the questions; so are ``judge_prompts``.
        judge_prompts: Likewise.

    Raises:
        UsageError: it is not there, with where it was looked for.
    """
    name, questions = _questions_named(named, folder)
    places = (questions.parent, questions.parent.parent, *(() if folder is None else (folder,)))
    return QuestionFiles(
        name=name,
        questions=questions,
        references=references or _references_beside(questions),
        judge_prompts=judge_prompts or next((one for at in places if (one := at / JUDGE_PROMPTS).is_file()), None),
    )


def _questions_named(named: str, folder: Path | None) -> tuple[str, Path]:
    """A benchmark's name, and where its questions lie. Raises UsageError."""
    if named not in _PLACES:
        path = Path(named)
        if not path.is_file():
            fix = f"name a file of questions, or one of {', '.join(BENCHMARKS)}"
            raise UsageError(f"--questions {named}: there is no such file; {fix}")
        return benchmark_name(path), path
    if folder is None:
        fix = "write `evaluation: {questions: FOLDER}` into agents.yaml, or name the file itself"
        raise UsageError(f"--questions {named}: where the questions lie is not known; {fix}")
    for place in _PLACES[named]:
        if (folder / place).is_file():
            return named, folder / place
    raise UsageError(f"--questions {named}: {folder} holds none of {', '.join(_PLACES[named])}")


def benchmark_name(questions: Path) -> str:
    """What a file of questions is called: as the file, or as its folder where the file is called ``question``."""
    is_fastchats = questions.stem == "question" and questions.parent.name
    return questions.parent.name if is_fastchats else questions.name.partition(".")[0].removesuffix("_question")


def _references_beside(questions: Path) -> Path | None:
    """Raises UsageError where there are several."""
    beside = questions.parent
    found = sorted((beside / "reference_answer").glob("*.jsonl")) if questions.stem == "question" else []
    if questions.stem.endswith("_question"):
        found = sorted(beside.glob(f"{questions.stem.removesuffix('_question')}_reference*.jsonl"))
    if len(found) > 1:
        raise UsageError(f"{beside} has several files of references; name one: --references {found[0]}")
    return found[0] if found else None


def read_questions(files: QuestionFiles) -> list[Question]:
    """Every question with the reference answer that its judge is shown.

    Raises:
        SeedFileError: a row is none, an id is there twice, or a reference answer is missing; with line and field.
    """
    references = {} if files.references is None else read_references(files.references)
    problems: list[Problem] = []
    known: dict[str, str] = {}
    questions: list[Question] = []
    for where, row in _rows(files.questions, problems):
        try:
            question = _question(row, references)
        except RowError as bad:
            problems.append(Problem(where=where, field=bad.field, message=bad.message, fix=bad.fix))
            continue
        if question.id in known:
            told = f"{question.id} is there already, in {known[question.id]}"
            problems.append(Problem(where=where, field=_id_field(row), message=told, fix="give each question its own"))
        known[question.id] = where
        questions.append(question)
    _refuse(problems, files.questions, questions)
    return questions


def read_references(path: Path) -> dict[str, tuple[str, ...]]:
    """By id of the question, the right answer to each of its turns: the first choice, as in FastChat.

    Raises:
        SeedFileError: a row is none; with line and field.
    """
    return dict(_read(path, _reference))


def read_judge_prompts(path: Path, *, pairwise: bool = True) -> dict[str, JudgePrompt]:
    """The prompts of ``PROMPTS`` that the file holds, by name; others of it are left.

    Args:
        path: The file.
        pairwise: Whether those that compare are needed as well as those that grade.

    Raises:
        SeedFileError: one that is needed is missing, or one cannot be filled; with line and field.
    """
    found = dict(filter(None, _read(path, _judge_prompt)))
    needed = [name for name, use in PROMPTS.items() if pairwise or use.mode == "single"]
    if missing := [name for name in needed if name not in found]:
        told, fix = f"no prompt is called {missing[0]}", "FastChat's file holds all of them"
        raise SeedFileError([Problem(where=path.name, field="name", message=told, fix=fix)])
    return found


def _rows(path: Path, problems: list[Problem]) -> Iterator[tuple[str, Row]]:
    for number, one in enumerate(scan_rows(path)):
        if number >= MOST_QUESTIONS:
            problems.append(Problem(where=path.name, field="", message=f"holds more than {MOST_QUESTIONS:,} rows"))
            return
        if isinstance(one, Problem):
            problems.append(one)
        else:
            yield one


def _read(path: Path, read: Callable[[Row], T]) -> list[T]:
    problems: list[Problem] = []
    good: list[T] = []
    for where, row in _rows(path, problems):
        try:
            good.append(read(row))
        except RowError as bad:
            problems.append(Problem(where=where, field=bad.field, message=bad.message, fix=bad.fix))
    _refuse(problems, path, good)
    return good


def _refuse(problems: Sequence[Problem], path: Path, good: Sequence[object]) -> None:
    if problems:
        raise SeedFileError(problems[:PROBLEMS_TOLD])
    if not good:
        raise SeedFileError([Problem(where=path.name, field="", message="holds no rows")])


def _id_field(row: Row) -> str:
    return "question_id" if "question_id" in row else "idx"


def _id(row: Row) -> str:
    name = _id_field(row)
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not str(value).strip():
        raise RowError(name, f"must be a number or a text; found {_found(value)}", "give the question an id")
    if len(text := str(value)) > LONGEST_ID:
        raise RowError(name, f"is {len(text):,} characters long; {LONGEST_ID} are the most", "give it a shorter id")
    return text


def _found(value: Any) -> str:
    return "an empty text" if isinstance(value, str) else found(value)


def _question(row: Row, references: Mapping[str, tuple[str, ...]]) -> Question:
    """Raises RowError."""
    is_wizardlm = "Instruction" in row
    turns = (_text(row.get("Instruction"), "Instruction"),) if is_wizardlm else _turns(row.get("turns"), "turns")
    if len(turns) > MOST_TURNS:
        raise RowError("turns", f"holds {len(turns)} turns, and judges are asked about one or two", "leave it out")
    category = _text(row.get("Skill" if is_wizardlm else "category"), "Skill" if is_wizardlm else "category")
    names = ("Skill", "Difficulty", "skill", "difficulty")
    labels = {name.lower(): str(row[name]) for name in names if isinstance(row.get(name), (str, int, float))}
    question = Question(id=_id(row), category=category, turns=turns, own_temperature=_temperature(row), labels=labels)
    if not question.needs_reference:
        return question
    reference = references.get(question.id)
    if reference is None and row.get("reference"):
        reference = _turns(row["reference"], "reference")
    if reference is None:
        fix = "name their file by --references, or write `reference` into the row, an answer for each turn"
        raise RowError("category", f"is {category}, whose judge is shown a reference answer, and there is none", fix)
    if len(reference) < len(turns):
        raise RowError("turns", f"there are {len(turns)}, and reference answers to {len(reference)}", "add the others")
    return replace(question, reference=reference)


def _temperature(row: Row) -> float | None:
    value = row.get("required_temperature")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= HOTTEST:
        raise RowError("required_temperature", f"must be a number from 0 to {HOTTEST:g}; found {found(value)}")
    return float(value)


def _text(value: Any, field: str) -> str:
    text = required(value, field)
    if len(text) > LONGEST_TEXT:
        raise RowError(field, f"is {len(text):,} characters long; {LONGEST_TEXT:,} are the most", "leave it out")
    return text


def _turns(value: Any, field: str) -> tuple[str, ...]:
    turns = tuple(_text(one, f"{field}[{place}]") for place, one in enumerate(items(value, field)))
    if not turns:
        raise RowError(field, "is empty", "write what the user says, a text for each turn")
    return turns


def _reference(row: Row) -> tuple[str, tuple[str, ...]]:
    """Raises RowError."""
    choices = items(row.get("choices"), "choices")
    if not choices or not isinstance(choices[0], Mapping):
        raise RowError("choices", "holds no answer", 'write [{"turns": ["...", "..."]}]')
    return _id(row), _turns(choices[0].get("turns"), "choices[0].turns")


def _judge_prompt(row: Row) -> tuple[str, JudgePrompt] | None:
    """``None`` for a prompt that is not used here. Raises RowError."""
    name = required(row.get("name"), "name")
    if name not in PROMPTS:
        return None
    template = _text(row.get("prompt_template"), "prompt_template")
    if mistake := mistake_in(name, template):
        raise RowError("prompt_template", mistake)
    return name, JudgePrompt(system=optional(row.get("system_prompt"), "system_prompt"), template=template)
