"""What is tolerated is counted and told, and past a share it stops the work: real servers, scorers and processes."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from daemons import get, post, provider, rows
from daemons import star_agents as star
from daemons import start as start_daemon
from lines import agents_yaml, config_for, read_jsonl, results, run, seeds
from openai_server import Answer, Body, Fault, Move, OpenAIServer, brain
from storage_samples import keeping, make_outcome, make_seed
from tiny_models import save_model, train_tokenizer

from star_agents.config.models import Config
from star_agents.config.reading import parse_config
from star_agents.records import Message, Sample, Seed
from star_agents.records.failures import BUDGET_SPENT, OTHER, REASONS_KEPT, CountedFailure, Tried
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import Store

ONE_BY_ONE = "concurrency: 1"
REFUSES_SYSTEM = (
    "{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ raise_exception('the system role is not supported') }}{% endif %}"
    "<s>{{ message['role'] }}\n{{ message['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)


def is_judging(body: Body) -> bool:
    return "impartial referee" in str(body["messages"][0]["content"])


def unknown_model(*models: str) -> Any:
    """A server that does not know these models."""

    def handle(body: Body) -> Move:
        unknown = body["model"] in models and not is_judging(body)
        return Fault(status=404, message=f"no model {body['model']} here") if unknown else brain(body)

    return handle


def told(out: Path) -> list[str]:
    """The sentences of summary.json."""
    summary = json.loads((out / "summary.json").read_text())
    return [one["sentence"] for one in summary["failures"]]


def counted(out: Path) -> dict[tuple[str, str, str], tuple[int, int]]:
    """Failures and tries of a folder, by part, name and reason."""
    with StoreReader(out) as reader:
        return {(one.part, one.name, one.reason): (one.failures, one.tries) for one in reader.tallies().failures}


async def test_one_agent_of_three_that_always_fails_is_told_and_stops_nothing(tmp_path: Path) -> None:
    async with OpenAIServer(unknown_model("b")) as server:
        result = await run(config_for(server.url), seeds(40), tmp_path)
        asked = sum(1 for request in server.requests if request.body["model"] == "b")
    assert (result.stopped_by, result.failed_because) == ("", "")
    (sentence,) = told(tmp_path)
    assert sentence == (
        f"agent b failed {asked} of {asked} calls: the provider does not know the model (first: no model b here)"
    )


async def test_agents_that_take_most_candidates_with_them_stop_the_batch_early(tmp_path: Path) -> None:
    async with OpenAIServer(unknown_model("b", "c")) as server:
        result = await run(config_for(server.url, replaced=ONE_BY_ONE), seeds(60), tmp_path)
    assert "candidates failed; failure_limits allows 50%: agent " in result.stopped_by
    assert result.summary["counts"]["waiting"] > 30
    assert {sentence.partition(" failed")[0] for sentence in told(tmp_path)} == {"agent b", "agent c"}


@pytest.mark.parametrize("said", ["I think that the first one reads better.", "{}", "<b>A</b> or B"])
async def test_a_judge_that_cannot_be_read_stops_the_batch_with_what_it_said(tmp_path: Path, said: str) -> None:
    async with OpenAIServer(lambda body: Answer(text=said) if is_judging(body) else brain(body)) as server:
        result = await run(config_for(server.url, replaced=ONE_BY_ONE), seeds(60), tmp_path)
    assert result.stopped_by.startswith(
        "20 of the newest 20 votes failed; failure_limits allows 50%: referee a gave 20 of"
    )
    assert f"referee a gave 20 of 20 votes unreadable (first: “{said}”)" in told(tmp_path)
    assert result.summary["counts"]["kept"] == 0
    assert result.summary["counts"]["waiting"] > 30


async def test_a_judge_that_cannot_be_asked_stops_the_batch_and_is_named(tmp_path: Path) -> None:
    def no_judging(body: Body) -> Move:
        return Fault(status=400, message="no judging today") if is_judging(body) else brain(body)

    async with OpenAIServer(no_judging) as server:
        result = await run(config_for(server.url, replaced=ONE_BY_ONE), seeds(60), tmp_path)
    assert "referee a did not give" in result.stopped_by
    assert "votes: the provider refused the request. Look" in result.stopped_by
    assert told(tmp_path)[0].endswith("(first: no judging today)")
    assert "--retry-dropped" in result.stopped_by


async def test_a_juror_that_abstains_is_counted_beside_those_that_vote(tmp_path: Path) -> None:
    def b_cannot_judge(body: Body) -> Move:
        refuses = is_judging(body) and body["model"] == "b"
        return Fault(status=400, message="not my trade") if refuses else brain(body)

    async with OpenAIServer(b_cannot_judge) as server:
        config = config_for(server.url, replaced="referee: {agents: [a, b, c], exam: 'off'}")
        result = await run(config, seeds(12), tmp_path)
    assert (result.stopped_by, result.failed_because) == ("", "")
    ((part, name, reason), (failures, tries)) = next(iter(counted(tmp_path).items()))
    assert (part, name, reason, failures) == ("referee", "b", "the provider refused the request", tries)
    assert len(counted(tmp_path)) == 1


@pytest.mark.parametrize("fails", [Answer(text="Hm."), Fault(status=400, message="not my trade")])
async def test_one_juror_of_two_that_fails_leaves_no_verdict_and_stops_the_batch(tmp_path: Path, fails: Move) -> None:
    def b_cannot_judge(body: Body) -> Move:
        return fails if is_judging(body) and body["model"] == "b" else brain(body)

    async with OpenAIServer(b_cannot_judge) as server:
        replaced = f"referee: {{agents: [a, b], exam: 'off'}}\n{ONE_BY_ONE}"
        result = await run(config_for(server.url, replaced=replaced), seeds(60), tmp_path)
    assert result.summary["counts"]["kept"] == 0
    assert result.stopped_by.startswith("20 of the newest 20 verdicts failed; failure_limits allows 50%: referee b ")


async def test_seeds_wait_for_the_budget_of_a_juror_without_whom_there_is_no_verdict(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        text = agents_yaml(server.url, replaced=f"referee: {{agents: [a, b], exam: 'off'}}\n{ONE_BY_ONE}")
        spent = text.replace("model: openai/b\n", "model: openai/b\n    budget_calls: 10\n")
        result = await run(parse_config(spent), seeds(60), tmp_path)
    assert "agent b" in result.stopped_by
    assert result.summary["counts"]["waiting"] > 40
    assert result.summary["referee"]["without_verdict"] == 0


def with_embedder(server: OpenAIServer, *, path: str, more: str = "", replaced: str = "") -> Config:
    """The usual agents and an embedding model ``e``, which answers under ``/v1`` alone."""
    lost = f"{{model: openai/e, api_base: '{server.root}{path}', api_key: os.environ/LINE_TEST_KEY, roles: []{more}}}"
    text = agents_yaml(server.url, replaced=f"memory: {{embedder: 'agent:e'}}\n{ONE_BY_ONE}\n{replaced}")
    return parse_config(text.replace("agents:\n", f"agents:\n  e: {lost}\n", 1))


async def test_an_embedder_that_fails_is_named_and_costs_no_seed(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        config = with_embedder(server, path="/nowhere", replaced="failure_limits: {embedder: 1}")
        result = await run(config, seeds(30), tmp_path)
    assert result.stopped_by == ""
    assert {one.outcome.kind for one in results(tmp_path)} <= {"kept", "base"}
    (sentence,) = told(tmp_path)
    assert sentence.startswith("embedder e failed 30 of 30 instructions: the provider does not know the model")


async def test_an_embedder_that_fails_stops_the_batch_unless_told_otherwise(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        result = await run(with_embedder(server, path="/nowhere"), seeds(40), tmp_path)
    assert "20 of the newest 20 instructions for the embedder failed" in result.stopped_by
    assert "embedder e failed 20 of 20 instructions" in result.stopped_by
    assert len(results(tmp_path)) == 20


async def test_an_embedder_that_is_down_holds_up_no_seed_and_stops_the_batch_by_its_share(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        config = with_embedder(server, path="/v1", more=", retries: 0, wait_when_down_s: 0.1")
        e = config.agents["e"].model_copy(update={"api_base": "http://127.0.0.1:9/v1"})
        config = config.model_copy(update={"agents": {**config.agents, "e": e}})
        result = await run(config, seeds(40), tmp_path)
    assert "20 of the newest 20 instructions for the embedder failed" in result.stopped_by
    assert len(results(tmp_path)) == 20
    assert {name for _, name, _ in counted(tmp_path)} == {"e"}


@pytest.mark.parametrize("sent", ["[NaN, 1]", "[1e999, 1]", '["a", 1]', "[[1], [2]]", "[]", '"AAAA"'])
async def test_what_an_embedder_sends_that_is_no_vector_of_numbers_is_counted_and_costs_no_seed(
    tmp_path: Path, sent: str
) -> None:
    more = ", retries: 0, wait_when_down_s: 0.1"
    async with OpenAIServer() as server:
        server.sent_as_embedding = sent
        config = with_embedder(server, path="/v1", more=more, replaced="failure_limits: {embedder: 1}")
        result = await run(config, seeds(2), tmp_path)
    assert (result.stopped_by, len(results(tmp_path))) == ("", 2)
    assert {(part, name) for part, name, _ in counted(tmp_path)} == {("embedder", "e")}
    assert sum(failed for failed, _ in counted(tmp_path).values()) == 2
    async with await Store.open(tmp_path) as store:
        assert await store.memory_rows() == []


async def test_a_vector_that_is_0_says_that_a_text_could_not_be_embedded(tmp_path: Path) -> None:
    async with OpenAIServer() as server:
        server.sent_as_embedding = "[0, 0]"
        config = with_embedder(server, path="/v1", replaced="failure_limits: {embedder: 1}")
        await run(config, seeds(2), tmp_path)
    assert counted(tmp_path) == {("embedder", "e", "the text could not be embedded"): (2, 2)}


async def test_an_embedder_whose_budget_is_spent_is_done_without(tmp_path: Path) -> None:
    price = ", input_cost_per_token: 0.01, output_cost_per_token: 0, budget_usd: 1.0"
    async with OpenAIServer() as server:
        result = await run(with_embedder(server, path="/v1", more=price), seeds(30), tmp_path)
        embedded = sum(1 for request in server.requests if request.path == "/v1/embeddings")
    assert (result.stopped_by, result.failed_because, len(results(tmp_path))) == ("", "", 30)
    assert 0 < embedded < 30
    assert counted(tmp_path) == {("embedder", "e", BUDGET_SPENT): (30 - embedded, 30)}


async def test_an_embedder_that_breaks_after_the_draw_was_recorded_costs_no_seed(tmp_path: Path) -> None:
    async with OpenAIServer(lambda body: Fault(status=401, message="bad key")) as server:
        await run(config_for(server.url, replaced="memory: off"), seeds(5), tmp_path)
        server.handler = brain
        config = with_embedder(server, path="/nowhere", replaced="failure_limits: {embedder: 1}")
        await run(config, seeds(5), tmp_path, retry_dropped=True)
    kept = [one for one in results(tmp_path) if one.outcome.kind == "kept"]
    assert len(results(tmp_path)) == 5
    assert counted(tmp_path)["embedder", "e", "the provider does not know the model"] == (len(kept), len(kept))


async def test_a_scorer_whose_template_refuses_every_seed_stops_the_batch(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(chat_template=REFUSES_SYSTEM)
    models = [save_model(tmp_path / name, tokenizer, seed=n) for n, name in enumerate(("small", "large"))]
    scoring = f"scoring: {{small: {models[0]}, large: {models[1]}, device: cpu, threads: 1}}"
    some = [
        Seed.of(Sample(instruction=f"{n}?", response=f"{n}.", history=(Message(role="system", content="Be brief."),)))
        for n in range(60)
    ]
    async with OpenAIServer() as server:
        config = config_for(server.url, replaced=f"selection: dual\n{scoring}\n{ONE_BY_ONE}")
        result = await run(config, some, tmp_path / "out")
    assert "samples for the scorer failed" in result.stopped_by
    assert "the chat template refuses the conversation: the system role is not supported. Look" in result.stopped_by
    assert result.summary["counts"]["waiting"] > 40
    (sentence,) = told(tmp_path / "out")
    (one,) = result.summary["failures"]
    assert sentence.startswith(f"scorer refused {one['tries']} of {one['tries']} samples: the chat template refuses")


async def test_a_short_reply_and_an_empty_one_are_told_apart(tmp_path: Path) -> None:
    def flawed(body: Body) -> Move:
        if is_judging(body):
            return brain(body)
        moves = {"b": Answer(text="It is the", finish_reason="length"), "c": Answer(text=" ")}
        return moves.get(body["model"]) or brain(body)

    async with OpenAIServer(flawed) as server:
        config = config_for(server.url, replaced="candidates: 3\nfailure_limits: {candidates: 0.7}")
        await run(config, seeds(6), tmp_path)
    assert counted(tmp_path) == {
        ("agent", "b", "the reply was cut at its longest"): (6, 6),
        ("agent", "c", "the reply held no text"): (6, 6),
    }


async def test_counts_go_on_where_the_same_folder_is_worked_again(tmp_path: Path) -> None:
    async with OpenAIServer(unknown_model("b")) as server:
        config = config_for(server.url, replaced="candidates: 3")
        await run(config, seeds(5), tmp_path)
        await run(config, seeds(12), tmp_path)
        await run(config, seeds(12), tmp_path)
    assert counted(tmp_path) == {("agent", "b", "the provider does not know the model"): (12, 12)}


async def test_counts_are_a_sum_over_the_outcomes(tmp_path: Path) -> None:
    async with OpenAIServer(unknown_model("b")) as server:
        await run(config_for(server.url), seeds(15), tmp_path)
    tried = [one for result in results(tmp_path) for one in result.outcome.tried if one.name == "b"]
    failures = sum(failure.count for one in tried for failure in one.failures)
    assert list(counted(tmp_path).values()) == [(failures, sum(one.tries for one in tried))]


async def test_a_part_with_ever_new_reasons_fills_no_store(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        for number in range(40):
            await store.add_seeds([make_seed(number)])
            await store.lease(1)
            failure = CountedFailure(reason=f"reason {number}", example=f"example {number}")
            tried = Tried(part="agent", name="b", tries=1, failures=(failure,))
            outcome = make_outcome(make_seed(number), tried=(tried,))
            await store.commit_outcome(outcome, foresee=keeping({}), memory=None, revision=1)
        kept = await store.failures()
    assert len(kept) == REASONS_KEPT + 1
    assert {one.reason: one.failures for one in kept}[OTHER] == 40 - REASONS_KEPT
    assert {one.tries for one in kept} == {40}
    assert {one.reason: one.example for one in kept}["reason 0"] == "example 0"


async def test_what_a_judge_said_goes_with_the_texts_when_they_are_cleared(tmp_path: Path) -> None:
    async with OpenAIServer(lambda body: Answer(text="Hm.") if is_judging(body) else brain(body)) as server:
        config = config_for(server.url, replaced="failure_limits: {share: 1}")
        await run(config, seeds(3), tmp_path)
    assert "Hm." in (tmp_path / "summary.json").read_text()
    async with await Store.open(tmp_path, now=lambda: 4e9) as store:
        while await store.clear_texts(before=3e9):
            pass
        (one,) = await store.failures()
        assert (one.example, one.failures) == ("", one.tries)
        assert "Hm." not in str([row.outcome for row in await store.outcomes()])


async def test_no_key_stands_in_an_example(tmp_path: Path) -> None:
    said = "the key sk-line-test of sk-abcdefghijkl is wrong"
    async with OpenAIServer(lambda body: Fault(status=401, message=said)) as server:
        result = await run(config_for(server.url), seeds(3), tmp_path)
    assert "the provider refused the key" in result.failed_because
    about_the_key = [sentence for sentence in told(tmp_path) if "refused the key" in sentence]
    assert about_the_key
    assert [one for one in about_the_key if not one.endswith("(first: the key *** of *** is wrong)")] == []
    assert "sk-" not in (tmp_path / "summary.json").read_text()


# As processes


def write(folder: Path, text: str, count: int) -> tuple[Path, Path]:
    """agents.yaml and a seed file."""
    config, seed_file = folder / "agents.yaml", folder / "seeds.jsonl"
    config.write_text(text)
    seed_file.write_text("".join(json.dumps(row) + "\n" for row in rows(0, count)))
    return config, seed_file


@contextmanager
def failing_server(tmp_path: Path) -> Iterator[str]:
    """The test server's address with a path behind it that no API has: every call is a 404."""
    with provider(tmp_path / "book.jsonl") as url:
        yield url.removesuffix("/v1") + "/nothing-here"


@pytest.mark.parametrize("limit", [5, 1])
def test_a_few_seeds_that_all_fail_end_with_exit_code_4_and_say_why(tmp_path: Path, limit: int) -> None:
    with failing_server(tmp_path) as url:
        config, seed_file = write(tmp_path, agents_yaml(url), 30)
        out = tmp_path / "out"
        done = star("run", "-c", config, "-s", seed_file, "-o", out, "-n", limit)
        assert done.returncode == 4, done.stderr
        assert f"failed: {2 * limit} of the newest {2 * limit} candidates failed" in done.stderr
        assert "tolerated: agent " in done.stderr
        assert done.stderr.index("tolerated:") < done.stderr.index("failed: ")
        assert "Look with `check`, mend it, and run the same command again with --retry-dropped" in done.stderr
        shown = star("status", out)
        assert "tolerated: agent " in shown.stdout
        assert (
            json.loads(star("status", out, "--json").stdout)["failures"]
            == json.loads((out / "summary.json").read_text())["failures"]
        )
        log = read_jsonl(out / "log.jsonl")
        first = [line for line in log if line["event"] == "failure_first_seen"]
        assert {(line["level"], line["part"]) for line in first} == {("warning", "agent")}
        report = tmp_path / "report.html"
        assert star("report", out, "-o", report).returncode == 0
        assert "Failed, and done without" in report.read_text()


async def test_what_an_unreadable_judge_said_stands_in_the_summary_and_in_no_log_line(tmp_path: Path) -> None:
    def prose(body: Body) -> Move:
        return Answer(text="Both are \x1b[31mfine\x1b[0m to me.") if is_judging(body) else brain(body)

    async with OpenAIServer(prose) as server:
        config, seed_file = write(tmp_path, agents_yaml(server.url, replaced=ONE_BY_ONE), 60)
        out = tmp_path / "out"
        done = await anyio.to_thread.run_sync(star, "run", "-c", config, "-s", seed_file, "-o", out)
    assert done.returncode == 4, done.stderr
    said = "votes unreadable (first: “Both are \N{REPLACEMENT CHARACTER}[31mfine\N{REPLACEMENT CHARACTER}[0m to me.”)"
    assert f"tolerated: referee a gave 20 of 20 {said}" in done.stderr
    assert "\x1b[31m" not in done.stderr
    log = (out / "log.jsonl").read_text()
    (line,) = [line for line in read_jsonl(out / "log.jsonl") if line["event"] == "failure_limit_passed"]
    assert "20 of the newest 20 votes failed" in line["message"]
    assert "fine" not in log


def test_rows_that_were_left_out_are_counted_once_however_often_the_file_is_read(tmp_path: Path) -> None:
    with provider(tmp_path / "book.jsonl") as url:
        config, seed_file = write(tmp_path, agents_yaml(url), 5)
        with seed_file.open("a") as handle:
            handle.write('{"instruction": ""}\n{"instruction": " "}\n{"instruction": 7}\n')
        for _ in range(2):
            done = star("run", "-c", config, "-s", seed_file, "-o", tmp_path / "out", "--skip-bad")
            assert done.returncode == 0, done.stderr
    found = counted(tmp_path / "out")
    assert {(part, name) for part, name, _ in found} == {("seeds", "seeds.jsonl")}
    assert sum(failures for failures, _ in found.values()) == 3
    assert {tries for _, tries in found.values()} == {8}
    assert "rows of seeds.jsonl were left out" in done.stderr
    assert "seeds.jsonl:6" in done.stderr.partition("tolerated: ")[2]


def test_a_healthy_batch_says_nothing_of_failures_and_ends_with_0(tmp_path: Path) -> None:
    with provider(tmp_path / "book.jsonl") as url:
        config, seed_file = write(tmp_path, agents_yaml(url), 5)
        done = star("run", "-c", config, "-s", seed_file, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "tolerated" not in done.stderr + done.stdout
    assert told(tmp_path / "out") == []


@pytest.mark.parametrize("lifted_by", ["edit", "resume"])
def test_a_daemon_holds_says_so_everywhere_and_goes_on_once_it_is_mended(tmp_path: Path, lifted_by: str) -> None:
    with provider(tmp_path / "book.jsonl") as url:
        bad = agents_yaml(url.removesuffix("/v1") + "/nothing-here", replaced="concurrency: 2")
        daemon, base = start_daemon(tmp_path, bad)
        with daemon:
            post(base, rows(0, 60))
            held = daemon.wait_for("failure_limit_passed")
            message = held["message"]
            assert held["level"] == "warning"
            assert "candidates failed" in message
            assert "POST /v1/resume" in message
            status = get(base, "/v1/status")
            assert (status["state"], status["held_because"]) == ("ready", message)
            assert status["waiting_for"] == {"reason": message, "until": None}
            assert status["seeds"]["waiting"] > 40
            assert status["failures"][0]["sentence"].startswith("agent ")
            code, body = fetch(f"{base}/readyz")
            assert (code, json.loads(body)["reason"]) == (503, message)
            assert json.loads(body)["failures_within_limits"] is False
            assert message in fetch(f"{base}/readyz?verbose")[1]
            _, metrics = fetch(f"{base}/metrics")
            assert "star_agents_failure_hold 1.0" in metrics
            assert 'star_agents_tolerated_failures_total{agent="a",part="agent"}' in metrics
            if lifted_by == "edit":
                (tmp_path / "agents.yaml").write_text(agents_yaml(url, replaced="concurrency: 2"))
                lifted = daemon.wait_for("failure_hold_lifted")
                assert lifted["why"] == "agents.yaml was edited"
                daemon.wait_for("outcome_committed", lambda line: line["kind"] != "dropped")
                assert get(base, "/readyz")["failures_within_limits"] is True
            else:
                post(base, None, path="/v1/resume")
                assert daemon.wait_for("failure_hold_lifted")["why"] == "resumed"
                # Nothing was mended: it tries as often again, and holds again.
                again = daemon.wait_for("failure_limit_passed", lambda line: line["timestamp"] > held["timestamp"])
                assert "20 of the newest 2" in again["message"]
                done = get(base, "/v1/status")["seeds"]["dropped"]
                assert 20 <= done <= 24
            assert daemon.end() == 0


def fetch(url: str) -> tuple[int, str]:
    """Status and body, whatever the status is."""
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
