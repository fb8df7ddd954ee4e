"""ArenaInstruct with a real small LLM in every part: `.venv/bin/pytest -m slow -s tests/test_real_hybrid.py`.

It is weak: its rows are no data, and its exam is failed. What is held is the line: nothing crashes, everything ends
with rows or a reason, and what could not be read is counted by part. The shares are printed; their bounds are generous.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from lines import origin, read_jsonl, results
from real_llm import DATA, ROOT, counted, real_llm

from star_agents.process.crash_points import VARIABLE
from star_agents.storage.reader import StoreReader
from star_agents.storage.results import Result

sys.path.insert(0, str(ROOT / "tools"))
from real_model_lib.inputs import write_documents
from real_model_lib.parts import Figures, figures, table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]
DOCUMENTS = ("peps/pep-0020.rst", "rust_book/ch06-02-match.md", "sherlock/a-scandal-in-bohemia.xhtml")
DIES_AT = 30
"""Answers that are durable before the process is killed."""
IN_FLIGHT = 4
MADE = ("writer", "suggester", "editor", "transformer", "answerer")
ALONE_FORM = ("judge", "target", "opponent")


@dataclass
class Worked:
    """A run that was killed, went on, and was started a third time."""

    out: Path
    printed: str = ""
    asked: list[int] = field(default_factory=list[int])
    """Requests that the server had seen after each of the three."""
    repeated: int = 0
    """Of them, those that it had seen before."""

    @property
    def results(self) -> list[Result]:
        return results(self.out)

    @property
    def figures(self) -> Figures:
        return figures(self.out)


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Worked:
    if not DATA.is_dir():
        pytest.skip("the folder with real data is not beside this checkout")
    folder = tmp_path_factory.mktemp("real_hybrid")
    (folder / "docs").mkdir()
    for name in DOCUMENTS:
        shutil.copy(DATA / "documents" / name, folder / "docs")
    seeds = write_documents(folder / "documents.jsonl", len(DOCUMENTS), folder / "docs")
    with real_llm(folder, "arena_instruct") as llm, counted(llm.url) as server:
        (folder / "agents.yaml").write_text(llm.agents_yaml.replace(llm.url, server.url))
        files = map(str, ("-c", folder / "agents.yaml", "-s", seeds, "-o", folder / "out"))
        run = [sys.executable, "-m", "star_agents", "run", *files]
        found = Worked(folder / "out")
        for ending, environment in ((-signal.SIGKILL, {VARIABLE: f"answer_recorded:{DIES_AT}"}), (0, {}), (0, {})):
            done = subprocess.run(run, capture_output=True, text=True, check=False, env={**os.environ, **environment})
            assert done.returncode == ending, done.stdout + done.stderr
            found.printed = done.stdout + done.stderr if len(found.asked) == 1 else found.printed
            found.asked.append(len(server.asked))
        found.repeated = len(server.asked) - len(set(server.asked))
    print(f"\n{table(found.figures)}\n{found.printed}")
    return found


def test_every_document_and_every_instruction_ends_with_rows_or_a_reason(worked: Worked) -> None:
    assert {one.seed.kind for one in worked.results} == {"document", "instruction"}
    assert sum(one.seed.kind == "document" for one in worked.results) == len(DOCUMENTS)
    children = Counter(one.seed.parent for one in worked.results if one.seed.kind == "instruction")
    assert children.total() > 0
    for one in worked.results:
        outcome, made = one.outcome, len(one.outcome.rows) + children[one.seed.id]
        judged = [said for said in outcome.judgements if said.readable]
        print(f"{one.seed.kind} {outcome.kind}: {made} made, {len(judged)} games read; {outcome.reason}")
        assert made or outcome.reason or judged, "points that decide nothing teach nothing, and are its reason"
        for trial in outcome.trials:
            assert trial.failure is None or trial.failure.detail
    with StoreReader(worked.out) as reader:
        counts = reader.counts()
    assert (counts.waiting, counts.working) == (0, 0)


def test_what_was_answered_before_the_kill_is_asked_of_nobody_again(worked: Worked) -> None:
    with StoreReader(worked.out) as reader:
        counts = reader.counts()
    killed, ended, once_more = worked.asked
    assert DIES_AT <= killed <= DIES_AT + IN_FLIGHT
    assert ended > killed
    assert worked.repeated <= counts.calls_maybe_paid <= IN_FLIGHT
    assert once_more == ended, "a third run asks nobody"


def test_replies_that_cannot_be_read_are_few_enough_to_work_with_and_counted_by_part(worked: Worked) -> None:
    parts = {one.agent: one for one in worked.figures.parts}
    assert {"writer", "suggester", "editor", *ALONE_FORM} <= parts.keys()
    for name in ALONE_FORM:
        assert parts[name].unreadable <= 0.25, name
    for name in MADE:
        assert name not in parts or parts[name].unreadable <= 0.85, name
    said = [name for name, one in parts.items() if one.without_form + one.cut]
    assert all(f"agent {name} failed" in worked.printed for name in said), "told at the end of the run, too"


def test_the_judge_fails_its_exam_in_forms_that_can_be_read_and_every_row_says_so(worked: Worked) -> None:
    with StoreReader(worked.out) as reader:
        (exams,) = reader.point_exams().values()
    exam = exams.judges["judge"]
    assert not exam.passed
    assert exam.unreadable <= exam.pairs / 4
    (judge,) = (one for one in worked.figures.parts if one.agent == "judge")
    games = sum(len(one.outcome.judgements) for one in worked.results)
    assert judge.calls - judge.repairs <= 2 * exam.pairs + games, "it sat one exam, although it was killed in it"
    path = worked.out / "dataset.jsonl"
    rows = read_jsonl(path) if path.exists() else []
    taught = Counter("warn: " in json.dumps(origin(row)) for row in rows)
    print(f"{len(rows)} rows; {exam}")
    assert not taught[False]
