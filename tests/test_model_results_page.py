"""What a daemon tells of models: the evaluation that its folder holds, and the rounds that its store is part of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from daemons import Running, get, star_agents
from lines import read_jsonl
from model_results import STATE
from page_browser import chromium, opened
from playwright.sync_api import Browser, expect

QUESTIONS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation of sample agents in the place of the data of some rounds."""
    folder = tmp_path_factory.mktemp("rounds")
    assert star_agents("init", folder / "agents.yaml").returncode == 0
    words = ("--models", "tutor,dreamer", "--questions", "offline", "--judge", "referee", "-n", str(QUESTIONS), "-q")
    ended = star_agents("evaluate", *words, "-c", folder / "agents.yaml", "-o", folder / "data")
    assert ended.returncode == 0, ended.stderr
    (folder / "rounds.json").write_text(json.dumps(STATE))
    return folder


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with Running("serve", "-c", folder / "agents.yaml", "--data-dir", folder / "data", "--port", "0") as running:
        ready = running.wait_for("state_changed", lambda line: line["state"] == "ready")
        yield ready["detail"].split()[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def test_the_evaluation_is_told_as_it_was_written(folder: Path, url: str) -> None:
    told = get(url, "/v1/evaluation")
    written = json.loads((folder / "data" / "evaluation.json").read_text())
    assert (told["benchmark"], told["judge"], told["unread"]) == ("closed_world", "referee", "")
    assert [(one["model"], one["score"]) for one in told["models"]] == [
        (one["model"], one["score"]) for one in written["models"]
    ]
    assert len(told["questions"]) == QUESTIONS
    grades = read_jsonl(folder / "data" / "grades.jsonl")
    question = told["questions"][0]
    own = [one["score"] for one in grades if (one["question"], one["model"]) == (question["id"], "tutor")]
    assert question["scores"]["tutor"] == sum(own) / len(own)
    answers = get(url, f"/v1/evaluation/questions/{question['id']}")["answers"]
    assert [(one["turn"], one["model"]) for one in answers] == [
        (turn, model) for turn in (1, 2) for model in ("dreamer", "tutor")
    ]
    with pytest.raises(HTTPError, match="404"):
        get(url, "/v1/evaluation/questions/none")


def test_the_page_shows_answers_side_by_side_with_what_the_judge_wrote(browser: Browser, url: str) -> None:
    told = get(url, "/v1/evaluation")
    question = told["questions"][0]
    (written, *_) = [
        one for one in get(url, f"/v1/evaluation/questions/{question['id']}")["answers"] if one["model"] == "tutor"
    ]
    with opened(browser, url) as page:
        rows = page.locator("#evaluation table.scores-of-models tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text(f"tutor{told['models'][0]['score']['value']:.2f} (")
        page.select_option("#evaluation-choice", question["id"])
        cards = page.locator("#evaluation-answers .candidate")
        expect(cards).to_have_count(4)
        expect(cards.first).to_contain_text(written["answer"])
        cards.first.locator("summary").click()
        expect(cards.first).to_contain_text(written["judgement"].splitlines()[-1])


def test_the_page_shows_each_step_of_the_rounds_that_the_store_is_part_of(browser: Browser, url: str) -> None:
    with opened(browser, url) as page:
        rows = page.locator("#rounds tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.last).to_have_text("r1-sft60 (40 new)80 % of 506.502.500 → 1.250–––")
        expect(page.locator("#rounds-lead")).to_have_text("2 rounds; the target is r1-sft.")
        troubles = page.locator("#rounds-troubles li")
        expect(troubles.first).to_have_text("r1-sft: a training failed: <b>out of memory</b>")
        expect(troubles.last).to_have_text(STATE["troubles"][0])
