"""`evaluate`: a scripted judge's grades come out as given, every call is paid once, and costs are known before."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import anyio.to_thread
import pytest
from chaos_nursery import Nursery
from daemons import star_agents
from lines import read_jsonl, results
from openai_server import Answer, Body, Fault, Move, OpenAIServer

from star_agents.cli.evaluation_live import LivePage
from star_agents.engine.configuration import read_config
from star_agents.engine.evaluation import Evaluation, read_benchmark
from star_agents.engine.local_players import with_local_models
from star_agents.events import OutcomeCommitted
from star_agents.offline import MODELS_PATH
from star_agents.process.crash_points import VARIABLE
from star_agents.records import Outcome
from star_agents.storage.incoming.question_files import find_questions

PRICES = "input_cost_per_token: 0.001, output_cost_per_token: 0.002"
QUESTIONS: tuple[dict[str, Any], ...] = (
    {"question_id": 1, "category": "writing", "turns": ["Write of q1.", "Shorter, of q1."]},
    {"question_id": 2, "category": "math", "turns": ["Count q2.", "And q2 again?"], "reference": ["two", "four"]},
    {"question_id": 3, "category": "stem", "turns": ["Explain q3.", "Why q3?"]},
    {"question_id": 4, "category": "fermi", "turns": ["Guess q4.", "Sure of q4?"]},
)
Grades = Callable[[str, int, int], str]
"""Model, question and turn to what the judge writes."""


def by_hash(model: str, question: int, turn: int) -> str:
    return f"So so. Rating: [[{1 + (sum(map(ord, model)) * 7 + question * 3 + turn) % 10}]]"


def answer_of(model: str, question: str, turn: int) -> str:
    return f"<{model}|{question}|{turn}>"


def scripted(grades: Grades = by_hash, better: str = "b") -> Callable[[Body], Move]:
    """A judge that knows who wrote what, and models that say who they are; every call takes 10 and 5 tokens."""

    def said(body: Body) -> str:
        texts = [str(message["content"]) for message in body["messages"]]
        if str(body["model"]) != "judge":
            (question,) = re.findall(r"q\d", texts[-1])
            return answer_of(str(body["model"]), question, sum(one["role"] == "user" for one in body["messages"]))
        shown = re.findall(r"<(\w+)\|q(\d)\|(\d)>", texts[-1])
        if "You compare" in texts[0]:
            first = shown[0][0]
            return "[[A]]" if first == better else "[[B]]" if better in {model for model, _, _ in shown} else "[[C]]"
        model, question, turn = shown[-1]
        return grades(model, int(question), int(turn))

    return lambda body: Answer(text=said(body), prompt_tokens=10, completion_tokens=5)


def config(folder: Path, url: str, **keys: str) -> Path:
    way = f'api_base: "{url}", api_key: os.environ/LINE_TEST_KEY, retries: 0, {PRICES}'
    agents = "\n".join(f"  {name}: {{model: openai/{name}, {way}}}" for name in ("a", "b", "c", "judge"))
    path = folder / "agents.yaml"
    path.write_text(
        f"agents:\n{agents}\nrecipe: evol\nevol: {{writer: a}}\n" + "".join(f"{k}: {v}\n" for k, v in keys.items())
    )
    return path


def questions(folder: Path, *rows: dict[str, Any], name: str = "q.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(f"{json.dumps(one)}\n" for one in rows or QUESTIONS), "utf-8")
    return path


def config_of_samples(folder: Path) -> Path:
    path = folder / "samples.yaml"
    assert star_agents("init", "--recipe", "evol", path).returncode == 0
    return path


class Evaluate:
    """The command over a folder of one test."""

    def __init__(self, folder: Path, url: str, *rows: dict[str, Any], **keys: str) -> None:
        self.folder = folder
        self.words = (
            "-c",
            config(folder, url, **keys),
            "--questions",
            questions(folder, *rows),
            "--judge",
            "judge",
            "-q",
        )

    async def told(self, models: str, *more: str | Path, out: str = "out") -> tuple[int, Any, str]:
        """Exit code, what `--json` prints, and what was said beside."""
        words = ("evaluate", *self.words, "--models", models, "-o", self.folder / out, "--json", *more)
        ended = await anyio.to_thread.run_sync(lambda: star_agents(*words))
        return ended.returncode, json.loads(ended.stdout) if ended.stdout else None, ended.stderr


def model(found: Any, name: str) -> Any:
    (one,) = (each for each in found["models"] if each["model"] == name)
    return one


def given(name: str, rows: tuple[dict[str, Any], ...] = QUESTIONS) -> list[float]:
    """What the scripted judge gives a model, turn by turn."""
    said = [by_hash(name, one["question_id"], turn) for one in rows for turn in (1, 2)]
    return [float(text.split("[[")[1].split("]]")[0]) for text in said]


async def test_a_scripted_judges_grades_come_out_exactly_and_are_written_down(tmp_path: Path) -> None:
    async with OpenAIServer(scripted()) as server:
        code, found, said = await Evaluate(tmp_path, server.url).told("a,b")
    assert code == 0, said
    assert found["protocol"]["judge_prompts"]["from"] == "star_agents' own wording of the protocol"
    for name in ("a", "b"):
        one = model(found, name)
        assert one["score"]["value"] == pytest.approx(fmean(given(name)))
        assert one["by_turn"]["2"]["value"] == pytest.approx(fmean(given(name)[1::2]))
        assert one["by_category"]["math"]["value"] == pytest.approx(fmean(given(name)[2:4]))
        assert (one["graded"], one["unreadable"], one["missing"]) == (8, 0, 0)
    assert [one["model"] for one in found["models"]] == sorted("ab", key=lambda name: -fmean(given(name)))
    out = tmp_path / "out"
    rows = list(csv.DictReader((out / "table.csv").read_text().splitlines()))
    assert {row["part"] for row in rows} == {"all", "turn 1", "turn 2", "writing", "math", "stem", "fermi"}
    assert {row["model"]: float(row["score"]) for row in rows if row["part"] == "all"} == {
        name: pytest.approx(fmean(given(name))) for name in "ab"
    }
    grades = {(one["model"], one["question"], one["turn"]): one for one in read_jsonl(out / "grades.jsonl")}
    assert [grades["a", str(1 + place // 2), 1 + place % 2]["score"] for place in range(8)] == given("a")
    assert grades["b", "3", 2]["answer"] == answer_of("b", "q3", 2)
    assert json.loads((out / "evaluation.json").read_text())["models"] == found["models"]
    page = (out / "report.html").read_text()
    assert "&lt;b|q3|2&gt;" in page
    assert "<b|q3|2>" not in page, "what a model writes is never markup"
    assert 'http-equiv="refresh"' not in page
    assert "in our own wording of the protocol" in page
    for name in ("radar.svg", "bars.svg"):
        assert (out / name).read_text().startswith("<svg")


async def test_models_are_asked_turn_by_turn_and_the_judge_with_both_in_view(tmp_path: Path) -> None:
    async with OpenAIServer(scripted()) as server:
        await Evaluate(tmp_path, server.url).told("a")
        bodies = [one.body for one in server.requests]
    asked = {body["messages"][-1]["content"]: body for body in bodies if body["model"] == "a"}
    assert len(asked) == 8
    for one, temperature in zip(QUESTIONS, (0.7, 0.0, 0.1, 0.7), strict=True):
        first, second = (asked[turn] for turn in one["turns"])
        q = f"q{one['question_id']}"
        assert [message["content"] for message in first["messages"]] == one["turns"][:1]
        assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user"]
        assert second["messages"][1]["content"] == answer_of("a", q, 1)
        assert {body["temperature"] for body in (first, second)} == {temperature}
        assert {body["max_tokens"] for body in (first, second)} == {1024}
    judged = [body for body in bodies if body["model"] == "judge"]
    assert {(body["temperature"], body["max_tokens"]) for body in judged} == {(0, 2048)}
    texts = [body["messages"][-1]["content"] for body in judged]
    assert len(texts) == 8
    both = [text for text in texts if answer_of("a", "q2", 1) in text and answer_of("a", "q2", 2) in text]
    assert len(both) == 1
    assert [sum(reference in text for text in texts) for reference in ("two", "four")] == [2, 1]


async def test_what_cannot_be_read_is_counted_shown_and_in_no_mean(tmp_path: Path) -> None:
    def odd(name: str, question: int, turn: int) -> str:
        return {(1, 1): "I will not say.", (1, 2): "", (2, 1): "[[ten]]", (3, 1): "[[25]]"}.get(
            (question, turn), by_hash(name, question, turn)
        )

    async with OpenAIServer(scripted(odd)) as server:
        command = Evaluate(tmp_path, server.url)
        code, found, _ = await command.told("a")
        shown = await anyio.to_thread.run_sync(
            lambda: star_agents("evaluate", *command.words, "--models", "a", "-o", tmp_path / "out").stdout
        )
        assert code == 0
        assert len(server.charged) == 16, "the judge is not asked to mend what it wrote, and nobody again"
    one = model(found, "a")
    expected = [25.0 if place == 4 else score for place, score in enumerate(given("a")) if place not in (0, 1, 2)]
    assert one["score"]["value"] == pytest.approx(fmean(expected))
    assert (one["graded"], one["unreadable"], one["missing"], one["outside_1_to_10"]) == (5, 3, 0, 1)
    assert "without a grade: 2, because: the judge wrote no [[n]]" in shown
    assert "1 grades lie beyond 1 to 10" in shown


async def test_a_judge_that_grades_nothing_ends_the_work_with_a_reason(tmp_path: Path) -> None:
    async with OpenAIServer(scripted(lambda *_: "Fine.")) as server:
        code, _, said = await Evaluate(tmp_path, server.url).told("a")
    assert code == 4
    assert "failed: 100% of the judgements of judge hold no grade; failure_limits allows 50%. grades.jsonl has" in said


async def test_who_mends_what_failed_runs_the_same_command_again_and_no_option_is_named_that_there_is_not(
    tmp_path: Path,
) -> None:
    async with OpenAIServer(lambda body: Fault(status=404, message="no such model")) as server:
        command = Evaluate(tmp_path, server.url, failure_limits="{after: 4}")
        code, _, said = await command.told("a")
        assert code == 4
        assert "mend it, and run the same command again" in said
        assert "--retry-dropped" not in said
        server.handler = scripted()
        code, found, said = await command.told("a")
    assert (code, model(found, "a")["missing"]) == (0, 0), said


async def test_an_estimate_over_what_is_done_already_asks_nobody_again_whose_grade_could_not_be_read(
    tmp_path: Path,
) -> None:
    def mute_on_one(name: str, question: int, turn: int) -> str:
        return "I will not say." if question == 1 else by_hash(name, question, turn)

    async with OpenAIServer(scripted(mute_on_one)) as server:
        command = Evaluate(tmp_path, server.url)
        assert (await command.told("a"))[0] == 0
        code, told, said = await command.told("a", "--estimate")
        assert (code, len(server.charged)) == (0, told["calls"]), said


async def test_answers_that_were_cut_or_are_empty_are_judged_as_they_are_and_counted(tmp_path: Path) -> None:
    right = scripted()

    def short(body: Body) -> Move:
        if body["model"] == "judge":
            return Answer(text="[[2]]", prompt_tokens=10, completion_tokens=5)
        text = str(body["messages"][-1]["content"])
        if "q1" in text:
            return Answer(text="It goes on", finish_reason="length")
        if "q4" in text:
            return Answer(text="It is", finish_reason="content_filter")
        return Answer(text="") if text == "Why q3?" else right(body)

    async with OpenAIServer(short) as server:
        command = Evaluate(tmp_path, server.url)
        code, found, said = await command.told("a")
        shown = await anyio.to_thread.run_sync(
            lambda: star_agents("evaluate", *command.words, "--models", "a", "-o", tmp_path / "out").stdout
        )
    assert code == 0, said
    one = model(found, "a")
    assert (one["cut_answers"], one["broken_off_answers"], one["empty_answers"], one["graded"]) == (2, 2, 1, 8)
    assert "a: 2 answers were broken off, as by a filter" in " ".join(shown.split())


async def test_a_model_that_refuses_a_question_is_missing_there_and_asked_again_by_the_next_run(tmp_path: Path) -> None:
    right = scripted()

    def refusing(body: Body) -> Move:
        refused = body["model"] == "a" and "q4" in str(body["messages"])
        return Fault(status=400, message="not that") if refused else right(body)

    async with OpenAIServer(refusing) as server:
        command = Evaluate(tmp_path, server.url)
        _, found, _ = await command.told("a,b")
        assert (model(found, "a")["graded"], model(found, "a")["missing"]) == (6, 2)
        assert model(found, "b")["missing"] == 0
        before = len(server.charged)
        server.handler = right
        code, found, _ = await command.told("a,b")
        assert (code, model(found, "a")["missing"], len(server.charged) - before) == (0, 0, 4)


async def test_questions_that_are_refused_again_fail_no_evaluation_that_they_were_too_few_to_fail_before(
    tmp_path: Path,
) -> None:
    right = scripted()

    def refusing(body: Body) -> Move:
        refused = body["model"] == "a" and "q4" in str(body["messages"])
        return Fault(status=400, message="not that") if refused else right(body)

    async with OpenAIServer(refusing) as server:
        command = Evaluate(tmp_path, server.url)
        code, first, said = await command.told("a,b")
        assert (code, model(first, "a")["missing"]) == (0, 2), said
        code, again, said = await command.told("a,b")
        assert (code, again["models"], again["calls_sent"]) == (0, first["models"], 0), said
        assert again["failures"], "and it is told"
        server.handler = lambda body: Fault(status=400, message="not that")
        code, _, said = await command.told("c", out="other")
        assert code == 4, "where all fail, the evaluation does"
        code, _, said = await command.told("c", out="other")
        assert code == 4, said


async def test_a_folder_of_a_run_is_no_place_for_an_evaluation(tmp_path: Path) -> None:
    ended = star_agents("run", "-c", config_of_samples(tmp_path), "-s", "offline", "-n2", "-o", tmp_path / "out", "-q")
    assert ended.returncode == 0, ended.stderr
    async with OpenAIServer(scripted()) as server:
        code, _, said = await Evaluate(tmp_path, server.url).told("a")
    assert (code, len(server.charged)) == (2, 0)
    assert "holds a run, and no evaluation" in said
    assert not (tmp_path / "out" / "protocol.json").exists()


async def test_nothing_is_paid_twice_and_a_model_or_repeat_that_comes_later_pays_its_own_calls_only(
    tmp_path: Path,
) -> None:
    async with OpenAIServer(scripted()) as server:
        command = Evaluate(tmp_path, server.url)
        counts = []
        for models, *more in (("a",), ("a",), ("a,b",), ("b,a", "--repeats", "2"), ("a,b,c", "--repeats", "2")):
            code, found, said = await command.told(models, *more)
            assert code == 0, said
            counts.append((found["calls_sent"], len(server.charged)))
    assert counts == [(16, 16), (0, 16), (16, 32), (32, 64), (32, 96)]
    one = model(found, "a")
    assert one["repeats"]["means"] == [pytest.approx(fmean(given("a")))] * 2
    assert one["score"]["value"] == pytest.approx(fmean(given("a")))
    assert found["counted"] == "median of each turn over repeats"


async def test_an_estimate_says_what_is_then_spent_and_what_it_worked_is_not_paid_again(tmp_path: Path) -> None:
    many = tuple(
        {**QUESTIONS[0], "question_id": n, "turns": [f"Of q{n % 9}.", f"More of q{n % 9}."]} for n in range(30)
    )
    async with OpenAIServer(scripted()) as server:
        command = Evaluate(tmp_path, server.url, *many)
        _, told, _ = await command.told("a,b", "--pairwise", "--estimate")
        assert len(server.charged) == 10 * (2 * 4 + 4)
        code, found, said = await command.told("a,b", "--pairwise")
        assert code == 0, said
        assert told["calls"] == len(server.charged) == 30 * (2 * 4 + 4)
    parts = (told["questions to models"], told["comparisons"])
    assert sum(one["calls"]["expected"] for one in parts) == pytest.approx(told["calls"])
    spent = 360 * (10 * 0.001 + 5 * 0.002)
    assert sum(one["usd"]["expected"] for one in parts) == pytest.approx(spent)
    assert found["cost"]["known_usd"] == pytest.approx(spent)


async def test_pairs_are_compared_in_both_orders_and_elo_takes_them(tmp_path: Path) -> None:
    async with OpenAIServer(scripted(better="b")) as server:
        command = Evaluate(tmp_path, server.url)
        await command.told("a,b")
        code, found, said = await command.told("a,b,c", "--pairwise")
        assert code == 0, said
        assert len(server.charged) == 3 * 16 + 3 * 4 * 2 * 2
        again = (await command.told("c,b,a"))[1]
    assert (again["calls_sent"], again["pairs"]["missing"]) == (0, 0), "what was compared stays, whoever asks"
    assert again["pairs"]["rates"] == found["pairs"]["rates"]
    rates = {(one["model"], one["against"]): one for one in found["pairs"]["rates"]}
    assert (rates["b", ""]["wins"], rates["b", ""]["ties"], rates["b", ""]["losses"]) == (16, 0, 0)
    assert (rates["a", "c"]["ties"], rates["a", "c"]["rate"]["value"]) == (8, 0.5)
    board = json.loads(star_agents("elo", tmp_path / "out", "--json").stdout)
    assert (board["battles"], board["points"]["b"]["a"], board["points"]["a"]["c"]) == (24, 8, 4)
    assert board["prompts"] == len(QUESTIONS), "both turns of a question are drawn together"


async def test_a_winner_and_a_tie_are_a_tie_as_fastchat_has_it_and_elo_is_told_so(tmp_path: Path) -> None:
    right = scripted()

    def wavering(body: Body) -> Move:
        texts = [str(message["content"]) for message in body["messages"]]
        if "You compare" not in texts[0]:
            return right(body)
        first = re.findall(r"<(\w+)\|", texts[-1])[0]
        return Answer(text="[[A]]" if first == "a" else "[[C]]", prompt_tokens=10, completion_tokens=5)

    async with OpenAIServer(wavering) as server:
        _, found, _ = await Evaluate(tmp_path, server.url).told("a,b", "--pairwise")
    assert [one["ties"] for one in found["pairs"]["rates"]] == [8, 8]
    assert (found["pairs"]["orders_agree"], found["pairs"]["orders_read"]) == (0, 8)
    by_mean = json.loads(star_agents("elo", tmp_path / "out", "--json").stdout)
    agreed = json.loads(star_agents("elo", tmp_path / "out", "--json", "--orders-must-agree").stdout)
    assert (by_mean["points"]["a"]["b"], agreed["points"]["a"]["b"]) == (8, 4)


async def test_an_earlier_evaluation_is_compared_turn_by_turn_and_one_by_another_judge_is_refused(
    tmp_path: Path,
) -> None:
    def better(name: str, question: int, turn: int) -> str:
        return f"[[{min(10, given(name)[2 * (question - 1) + turn - 1] + 1):g}]]"

    async with OpenAIServer(scripted()) as server:
        command = Evaluate(tmp_path, server.url)
        await command.told("a,b", out="before")
        server.handler = scripted(better)
        before = tmp_path / "before"
        agents = tmp_path / "agents.yaml"
        agents.write_text(agents.read_text().replace("model: openai/judge", "top_p: 0.5, model: openai/judge"))
        _, found, said = await command.told("a", "--against", before, "-n", "3", out="now")
        agents.write_text(agents.read_text().replace("top_p: 0.5, ", ""))
        refused = await command.told("a", "--against", before, "--judge", "c", out="other")
        other = await command.told("a", "--judge", "c", out="before")
    (one,) = found["against"]["changes"]
    asked = {row["question"] for row in read_jsonl(tmp_path / "now" / "grades.jsonl")}
    places = [place for place in range(8) if str(1 + place // 2) in asked]
    apart = [min(10, given("a")[place] + 1) - given("a")[place] for place in places]
    assert (one["model"], one["against"], one["turns"]) == ("a", "a", 6), said
    assert one["difference"]["value"] == pytest.approx(fmean(apart))
    assert found["against"]["differences"] == [
        "the judge's top_p was None, and is 0.5",
        "3 questions are the same, of 4 then and 3 now; others are left out",
        "b has grades in one of the two only, and is compared with nobody",
    ]
    assert refused[0] == other[0] == 2
    assert "its judge is ['openai/judge'], and here it is ['openai/c']: grades have no scale in common" in refused[2]
    assert "holds an evaluation by another protocol: judge was" in other[2]
    assert not (tmp_path / "other").exists(), "nobody was asked"


async def test_an_evaluation_without_a_question_in_common_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    async with OpenAIServer(scripted()) as server:
        command = Evaluate(tmp_path, server.url, QUESTIONS[0])
        await command.told("a", out="before")
        paid = len(server.charged)
        questions(tmp_path, QUESTIONS[2])
        code, _, said = await command.told("a", "--against", tmp_path / "before", out="now")
        assert (code, len(server.charged)) == (2, paid)
    assert "no question is the same in both, by its text, its reference and its temperature" in said
    assert not (tmp_path / "now").exists()


async def test_work_that_stops_before_its_first_grade_says_why_whatever_it_was_to_be_compared_with(
    tmp_path: Path,
) -> None:
    async with OpenAIServer(scripted()) as server:
        command = Evaluate(tmp_path, server.url)
        await command.told("a", out="before")
        server.handler = lambda body: Fault(status=404, message="no such model")
        code, found, said = await command.told("a", "--against", tmp_path / "before", out="now")
    assert code == 4
    assert "no such model" in said
    assert found["against"]["changes"] == []
    assert "nothing to compare" in found["against"]["differences"][-1]
    assert (tmp_path / "now" / "evaluation.json").is_file()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--models", "a,nobody"), "--models: no agent is called 'nobody', and no folder of a model"),
        (("--models", "a,a"), "name each model once"),
        (("--models", "a", "--judge", "jugde"), "--judge: no agent is called 'jugde'"),
        (("--models", "a", "--pairwise"), "--pairwise: one model has nobody to be compared with"),
        (("--models", "a", "--questions", "mt_bench"), "where the questions lie is not known"),
        (("--models", "a", "--references", "nowhere.jsonl"), "--references nowhere.jsonl: there is no such file"),
        (("--models", "a", "--against", "nowhere"), "nowhere holds no evaluation"),
    ],
)
def test_what_cannot_work_is_told_before_anybody_is_asked(tmp_path: Path, words: tuple[str, ...], what: str) -> None:
    command = Evaluate(tmp_path, "http://127.0.0.1:9/v1")
    ended = star_agents("evaluate", *command.words, "-o", tmp_path / "out", *words)
    assert ended.returncode == 2
    assert what in ended.stderr
    assert not (tmp_path / "out").exists()


async def test_benchmarks_are_found_in_the_folder_that_agents_yaml_names(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    questions(tmp_path / "bench", *QUESTIONS, name="mt_bench_question.jsonl")
    async with OpenAIServer(scripted()) as server:
        command = Evaluate(
            tmp_path, server.url, evaluation="{questions: ./bench, answer_max_tokens: 77, system: Be brief.}"
        )
        code, found, said = await command.told("a", "--questions", "mt_bench")
        asked = next(one.body for one in server.requests if one.body["model"] == "a")
    assert (code, found["protocol"]["benchmark"]) == (0, "mt_bench"), said
    assert (asked["max_tokens"], asked["messages"][0]) == (77, {"role": "system", "content": "Be brief."})


@pytest.mark.parametrize(
    "points",
    [
        ("answer_recorded:3", "outcome_before_commit:6"),
        pytest.param(
            (
                "answer_recorded:1",
                "outcome_committed:1",
                "outcome_before_commit:2",
                "outcome_committed:2",
                "answer_recorded:4",
            ),
            marks=pytest.mark.slow,
        ),
    ],
)
async def test_killed_where_it_hurts_it_goes_on_and_pays_for_no_answer_that_it_has_again(
    tmp_path: Path, points: tuple[str, ...]
) -> None:
    with Nursery() as nursery:
        async with OpenAIServer(scripted()) as server:
            command = Evaluate(tmp_path, server.url, *QUESTIONS[:2], concurrency="1")

            def run(dies_at: str = "") -> int:
                words = ("evaluate", *command.words, "--models", "a,b", "--pairwise", "-o", tmp_path / "out")
                nursery.start(*words, **({VARIABLE: dies_at} if dies_at else {}))
                return nursery.ended()

            for dies_at in points:
                assert await anyio.to_thread.run_sync(run, dies_at) == -signal.SIGKILL
            assert await anyio.to_thread.run_sync(run) == 0
            bodies = Counter(json.dumps(body, sort_keys=True) for body in server.charged)
    counts = json.loads((tmp_path / "out" / "summary.json").read_text())["counts"]
    assert counts["calls_answered"] == len(bodies) == 2 * 2 * 2 * 2 + 2 * 2 * 2
    twice = bodies.total() - len(bodies)
    assert twice <= counts["calls_maybe_paid"] <= len(points), "the other turn's call, where it was in flight at a kill"
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert model(found, "a")["score"]["value"] == pytest.approx(fmean(given("a")[:4]))


def test_what_lies_in_a_folder_of_a_model_is_part_of_what_was_asked(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    read = read_config(config(tmp_path, "http://127.0.0.1:9/v1"))
    benchmark = read_benchmark(find_questions(str(questions(tmp_path)), None))

    def seeds() -> list[str]:
        with_models, names = with_local_models(read, [str(folder), "a"])
        evaluation = Evaluation(
            config=with_models, benchmark=benchmark, questions=benchmark.questions, models=tuple(names), judge="judge"
        )
        return [one.id for one in evaluation.graded_seeds()]

    before = seeds()
    assert seeds() == before
    (tmp_path / "mine").rename(tmp_path / "elsewhere")
    (tmp_path / "there").mkdir()
    shutil.copytree(tmp_path / "elsewhere", tmp_path / "there" / "mine")
    folder = tmp_path / "there" / "mine"
    assert seeds() == before, "wherever it lies"
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert [one == other for one, other in zip(seeds(), before, strict=True)] == [False, True] * len(QUESTIONS)


@pytest.mark.slow
async def test_a_folder_of_a_model_answers_in_a_process_of_its_own_and_another_one_there_is_asked_anew(
    tmp_path: Path,
) -> None:
    shutil.copytree(MODELS_PATH / "small", tmp_path / "mine")
    async with OpenAIServer(lambda body: Answer(text="[[4]]")) as server:
        command = Evaluate(tmp_path, server.url, *QUESTIONS[:2], evaluation="{answer_max_tokens: 16}")
        code, found, said = await command.told(str(tmp_path / "mine"))
        assert code == 0, said
        assert {str(body["model"]) for body in server.charged} == {"judge"}
        assert (model(found, "mine")["score"]["value"], found["calls_sent"]) == (4, 8)
        with (tmp_path / "mine" / "config.json").open("a") as handle:
            handle.write("\n")
        assert (await command.told(str(tmp_path / "mine")))[1]["calls_sent"] == 8
    outcomes = [one.outcome for one in results(tmp_path / "out")]
    assert {trial.models["answer"] for one in outcomes for trial in one.trials} == {f"transformers/{tmp_path}/mine"}


# The page while it runs


def test_the_page_is_written_while_it_runs_no_more_often_than_told_and_what_fails_is_said() -> None:
    now, pages = [0.0], list[str]()

    def write(running: str) -> None:
        pages.append(running)
        if len(pages) == 2:
            raise OSError("no space left")

    page = LivePage(write, every_s=5, clock=lambda: now[0])
    hear = page.begin(9)
    for second in (1.0, 4.0, 5.0):
        now[0] = second
        hear(committed())
    assert page.close() == ""
    assert pages == ["3 of 9 done"]
    page = LivePage(write, every_s=5, clock=lambda: now[0])
    now[0] = 20.0
    page.hear(committed())
    assert page.close() == "no space left"


def committed() -> OutcomeCommitted:
    return OutcomeCommitted(seq=1, outcome=Outcome(seed_id="s", kind="kept"), probabilities={}, seconds=1.0)
