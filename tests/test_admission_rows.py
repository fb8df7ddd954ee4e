"""Rows of every recipe, children and seeds pass the filters: what is refused is kept apart, told, and earns nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from lines import read_jsonl, results, run
from openai_server import Answer, Body, OpenAIServer

from star_agents.admission.filters import Applied
from star_agents.admission.length import Length
from star_agents.admission.offered import offered_row, offered_seed, with_texts
from star_agents.config.admission import DuplicatesConfig
from star_agents.engine.admission import Admission
from star_agents.engine.configuration import check_config
from star_agents.engine.row_checks import AdmissionRules, look_at
from star_agents.errors import ConfigError
from star_agents.recipes.giving import done, sft
from star_agents.records import Outcome, Reward, Row, Sample, Seed, Trial
from star_agents.records.admitted import REFUSED
from star_agents.storage.results import Result
from star_agents.storage.store import Store

EXACT = AdmissionRules(DuplicatesConfig())
ROWS = AdmissionRules(DuplicatesConfig(of=("rows",)))
SHORT = AdmissionRules(DuplicatesConfig(), (Applied(Length(None, (2, 5)), "refuse"),))
LONG = "Name the three longest rivers of the north and say of each of them where it ends."


def seeds(*texts: str) -> list[Seed]:
    return [Seed.of(Sample(instruction=text, response="Yes."), source=f"s.jsonl:{n}") for n, text in enumerate(texts)]


def outcome(seed: Seed, *answers: str, instruction: str = "") -> Outcome:
    """Rows of one seed, each by an arm of its own."""
    samples = [Sample(instruction=instruction or seed.sample.instruction, response=answer) for answer in answers]
    return done(
        seed,
        rows=[sft(sample, from_trials=[place]) for place, sample in enumerate(samples)],
        trials=[Trial(arm=f"a{place}", sample=sample) for place, sample in enumerate(samples)],
        earned=[Reward(pool="p", arm=f"a{n}", value=1.0) for n in range(len(answers))],
        worth=0.8,
    )


async def commit(store: Store, given: Outcome, seed: Seed, rules: AdmissionRules = EXACT) -> Outcome:
    admission = Admission(given, look_at(given, seed, rules), rules, "", seed)
    await store.commit_outcome(given, foresee=lambda completed: {}, memory=None, revision=1, admit=admission)
    return admission.outcome


async def leased(store: Store, *texts: str) -> list[Seed]:
    await store.add_seeds(seeds(*texts))
    await store.add_revision("d", "{}")
    return await store.lease(len(texts))


async def test_of_two_outcomes_at_once_with_the_same_row_one_is_admitted_and_the_other_points_at_it(
    tmp_path: Path,
) -> None:
    async with await Store.open(tmp_path) as store:
        one, two = await leased(store, "First?", "Second?")
        given = [outcome(seed, "The same.", instruction="Both ask this.") for seed in (one, two)]
        ended: dict[str, Outcome] = {}

        async def settle(seed: Seed, made: Outcome) -> None:
            ended[seed.id] = await commit(store, made, seed)

        async with anyio.create_task_group() as both:
            both.start_soon(settle, one, given[0])
            both.start_soon(settle, two, given[1])
        first, second = sorted(ended.values(), key=lambda made: made.kind == "dropped")
        assert (len(first.rows), len(second.rows)) == (1, 0)
        (finding,) = second.findings
        assert (finding.action, finding.kind, finding.objection.filter) == ("refused", "row", "duplicates")
        assert finding.objection.points_at == f"{first.seed_id}:row 0"
        assert finding.row == given[0].rows[0]
        assert [reward.value for reward in second.earned] == [0.0]
        kept = [row.outcome for row in await store.outcomes(limit=5)]
    assert {made.seed_id: made.findings for made in kept} == {first.seed_id: (), second.seed_id: second.findings}


async def test_an_outcome_that_was_undone_by_a_kill_leaves_no_row_that_another_would_repeat(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        one, two = await leased(store, "First?", "Second?")
        given = outcome(one, "The same.", instruction="Both ask this.")
        admission = Admission(given, look_at(given, one, EXACT), EXACT, "", one)

        def dies(completed: object) -> dict[str, dict[str, object]]:
            raise KeyError("killed in the transaction")

        with pytest.raises(KeyError):
            await store.commit_outcome(given, foresee=dies, memory=None, revision=1, admit=admission)
        assert (await commit(store, outcome(two, "The same.", instruction="Both ask this."), two)).rows
        assert not (await commit(store, given, one)).rows


async def test_a_part_of_the_rows_refused_lessens_what_their_arms_and_the_seed_earn(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        (seed,) = await leased(store, "First?")
        given = outcome(seed, "Short and good.", "Much too long to be taken by it.", "Good.")
        made = await commit(store, given, seed, SHORT)
        told = {(one.part, one.reason): one for one in await store.failures()}
    assert [row.data["sample"]["response"] for row in made.rows] == ["Short and good."]
    assert [reward.value for reward in made.earned] == [1.0, 0.0, 0.0]
    assert made.worth == pytest.approx(0.8 / 3)
    assert made.kind == "kept"
    assert [REFUSED in trial.notes for trial in made.trials] == [False, True, True]
    assert {one.objection.reason for one in made.findings} == {
        "the response has more words than allowed",
        "the response has fewer words than asked for",
    }
    one = told["rows", "length: the response has more words than allowed"]
    assert (one.failures, one.tries) == (1, 3)


async def test_rows_are_compared_by_their_instruction_with_those_of_other_seeds_alone(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        one, two, three = await leased(store, LONG, f"{LONG} Please.", "Another thing.")
        first = await commit(store, outcome(one, "These.", "Those."), one, ROWS)
        second = await commit(store, outcome(two, "None."), two, ROWS)
        with_input = Sample(instruction=LONG, input="The rivers of the moon.", response="None.")
        third = await commit(store, done(three, rows=[sft(with_input)]), three, ROWS)
    assert (len(first.rows), len(second.rows), len(third.rows)) == (2, 0, 1)
    (finding,) = second.findings
    assert finding.objection.reason == "it nearly repeats an earlier instruction"
    assert finding.objection.points_at == f"{one.id}:row 0"
    assert finding.objection.evidence.endswith("alike: s.jsonl:0")


async def test_a_child_that_was_compared_when_it_was_made_is_not_compared_again_with_its_own_row(
    tmp_path: Path,
) -> None:
    async with await Store.open(tmp_path) as store:
        (seed, other) = await leased(store, "Of a document.", "Of another.")
        child = seed.child(Sample(instruction=LONG), recipe="next", kind="instruction")
        twin = other.child(Sample(instruction=LONG.upper()), recipe="next", kind="instruction")
        given = Outcome(seed_id=seed.id, kind="kept", recipe="r", children=(child,))
        assert (await commit(store, given, seed, ROWS)).kind == "kept"
        ended = await commit(store, Outcome(seed_id=other.id, kind="kept", recipe="r", children=(twin,)), other, ROWS)
        assert ended.kind == "dropped"
        assert [one.kind for one in ended.findings] == ["child"]
        (queued,) = await store.lease(5)
        assert (await commit(store, outcome(queued, "Here."), queued, ROWS)).rows


async def test_what_takes_the_place_of_an_outcome_repeats_nothing_of_it_and_where_it_fails_the_old_rows_are_known(
    tmp_path: Path,
) -> None:
    async with await Store.open(tmp_path) as store:
        one, two, three = await leased(store, "First?", "Second?", "Third?")
        both = "Both ask this."
        await commit(store, outcome(one, "The same.", instruction=both), one)
        await store.reopen([row.seq for row in await store.outcomes(limit=5)])
        (again,) = await store.lease(1)
        made = await commit(store, outcome(again, "The same.", "Another.", instruction=both), again)
        assert (len(made.rows), made.findings) == (2, ())
        assert not (await commit(store, outcome(two, "Another.", instruction=both), two)).rows
        await store.reopen([row.seq for row in await store.outcomes(limit=5) if row.outcome.seed_id == one.id])
        (again,) = await store.lease(1)
        await commit(store, Outcome(seed_id=again.id, kind="dropped", reason="nobody answers"), again)
        assert not (await commit(store, outcome(three, "Another.", instruction=both), three)).rows


async def test_what_was_refused_is_cleared_with_the_texts_of_its_seed_and_its_reason_stays(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        (seed,) = await leased(store, "First?")
        given = outcome(seed, "Short and good.", "Much too long to be taken by it.")
        await commit(store, given, seed, SHORT)
        assert await store.clear_texts(before=2e10) == 1
        ((kept),) = [row.outcome for row in await store.outcomes(limit=5)]
    (finding,) = kept.findings
    assert (finding.row, finding.objection.evidence) == (None, "")
    assert finding.objection.reason == "the response has more words than allowed"
    assert len(kept.rows) == 1


def test_a_finding_is_read_as_it_was_written() -> None:
    (seed,) = seeds("First?")
    made = outcome(seed, "x")
    rules = AdmissionRules(DuplicatesConfig(), (Applied(Length(None, (2, 5)), "refuse"),))
    checked = look_at(made, seed, rules)
    made = replace(made, findings=checked.rows[0].findings)
    assert Outcome.from_dict(json.loads(json.dumps(made.to_dict()))).findings == made.findings


def test_every_shape_is_looked_at_in_the_same_words() -> None:
    prompt = Sample(instruction="Which?", input="a or b")
    pair = Row(shape="preference", data={"prompt": prompt.to_dict(), "chosen": "a", "rejected": "b"})
    looked = offered_row(pair)
    assert (looked.instruction, looked.answers) == ("Which?\n\na or b", ("a", "b"))
    assert offered_seed(Seed.of(prompt), "seed").instruction == looked.instruction
    assert with_texts(pair.data, str.upper)["prompt"] == {"instruction": "WHICH?", "input": "A OR B"}


def config_with(url: str, admission: object, **more: object) -> dict[str, object]:
    return {
        "agents": {"a": {"model": "openai/m", "api_base": url, "api_key": "os.environ/LINE_TEST_KEY"}},
        "star": {"selection": "base", "base_pairs": [{"instruction": "keep", "response": "a"}]},
        "concurrency": 1,
        "memory": {"enabled": False},
        "admission": admission,
        **more,
    }


async def line(folder: Path, admission: object, *texts: str, answer: str = "Because it is so.") -> list[Result]:
    async with OpenAIServer(lambda body: Answer(text=answer)) as server:
        await run(check_config(config_with(server.url, admission)), seeds(*texts), folder / "out")
        asked = len(server.requests)
    ended = results(folder / "out")
    assert asked == sum(not one.outcome.reason.startswith("admission refused the seed") for one in ended)
    return ended


async def test_a_seed_that_is_refused_asks_nobody_and_stands_among_the_refused_with_its_reason(
    tmp_path: Path,
) -> None:
    admission = {"length": {"instruction": [3, 50]}, "duplicates": {"of": ["seeds"]}}
    ended = await line(tmp_path, admission, "Hi", LONG, f"{LONG} Please.")
    assert [one.outcome.kind for one in ended] == ["dropped", "base", "dropped"]
    refused = read_jsonl(tmp_path / "out" / "refused.jsonl")
    assert [(one["kind"], one["filter"]) for one in refused] == [("seed", "length"), ("seed", "duplicates")]
    assert refused[1]["points_at"] == ended[1].seed.id
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert any(one["sentence"].startswith("admission refused 1 of 3 seeds: length:") for one in summary["failures"])


WORDS = "Which of the rivers of the north is the longest one, and where does it end?"
OTHER_WORDS = "Of the rivers of the north, which one is the longest, and where does it end?"


async def by_vectors(folder: Path, url: str, of: list[str], *texts: str) -> list[Result]:
    admission = {"duplicates": {"minhash": "off", "embedding": 0.6, "of": of}}
    config = check_config({**config_with(url, admission), "memory": {"embedder": "hashing"}})
    await run(config, seeds(*texts), folder / "out")
    return results(folder / "out")


@pytest.mark.parametrize("of", ["rows", "seeds"])
async def test_what_says_the_same_by_its_vector_is_refused_over_runs_and_without_the_index_file(
    tmp_path: Path, of: str
) -> None:
    async with OpenAIServer(lambda body: Answer(text="The Lena.")) as server:
        await by_vectors(tmp_path, server.url, [of], WORDS, "Name a bird.")
        assert (tmp_path / "out" / "rows.hnsw").exists()
        (tmp_path / "out" / "rows.hnsw").unlink()
        first, bird, again, third = await by_vectors(tmp_path, server.url, [of], OTHER_WORDS, "What is tea made of?")
        asked = len(server.requests)
    assert [one.outcome.kind for one in (first, bird, again, third)] == ["base", "base", "dropped", "base"]
    (finding,) = again.outcome.findings
    assert finding.objection.reason == "it says the same as an earlier instruction in other words"
    assert finding.objection.points_at == (f"{first.seed.id}:row 0" if of == "rows" else first.seed.id)
    assert asked == (4 if of == "rows" else 3), "a seed that is refused asks nobody"


def test_vectors_that_nobody_makes_are_refused_with_the_field() -> None:
    with pytest.raises(ConfigError, match=r"admission\.duplicates\.embedding: compares vectors, and nothing makes any"):
        check_config(config_with("http://127.0.0.1:1/v1", {"duplicates": {"embedding": 0.9}}))


async def judged_line(
    folder: Path, *said: str, more: Mapping[str, object] | None = None, own: Sequence[str] = ()
) -> tuple[list[Result], int]:
    """A line in which agent `j` says these things of the rows that functions of one's ``own`` let pass, in turn."""
    answers = list(said)

    def handler(body: Body) -> Answer:
        return Answer(text=answers.pop(0) if body["model"] == "j" else "Here it is.")

    async with OpenAIServer(handler) as server:
        config = config_with(server.url, {"toxic": {"judge": "j", **(more or {})}, "own": [*own]})
        agents = config["agents"]
        assert isinstance(agents, dict)
        agents["j"] = {**agents["a"], "model": "openai/j", "roles": []}
        await run(check_config(config), seeds("First?", "Second?"), folder / "out")
        asked = [one for one in server.requests if one.body["model"] == "j"]
    return results(folder / "out"), len(asked)


async def test_a_row_of_which_the_judge_says_that_it_does_harm_is_refused_with_its_words(tmp_path: Path) -> None:
    (first, second), asked = await judged_line(tmp_path, "It tells how to pick a lock.\nyes", "Nothing.\nno")
    assert (first.outcome.kind, second.outcome.kind, asked) == ("dropped", "base", 2)
    (finding,) = first.outcome.findings
    assert (finding.action, finding.objection.reason) == ("refused", "j says that it does harm")
    assert finding.objection.evidence == "It tells how to pick a lock. yes"
    assert finding.row is not None


async def test_what_the_judge_does_not_say_refuses_the_row_and_what_is_reported_is_kept(tmp_path: Path) -> None:
    unread = ["I would rather not.", "I would rather not."]
    (first, second), _ = await judged_line(tmp_path, *unread, "It insults.\nyes", more={"action": "report"})
    assert [one.outcome.kind for one in (first, second)] == ["base", "base"]
    told = [one.outcome.findings[0] for one in (first, second)]
    assert [(one.action, one.objection.reason) for one in told] == [
        ("reported", "the judge said neither yes nor no"),
        ("reported", "j says that it does harm"),
    ]
    assert len(read_jsonl(tmp_path / "out" / "dataset.jsonl")) == 2


async def test_before_the_judge_functions_of_ones_own_are_asked_beside_the_line_too(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import threading\n\ndef beside(row):\n"
        "    return 'in the way' if threading.current_thread() is threading.main_thread() else None\n"
    )
    _, asked = await judged_line(tmp_path, "no", "no", own=(f"{tmp_path / 'mine.py'}:beside",))
    assert asked == 2, "what a filter refuses is not shown to the judge"


def test_a_judge_that_is_no_agent_is_refused_with_the_field() -> None:
    with pytest.raises(ConfigError, match=r"admission\.toxic\.judge: names an agent 'k' that is not in `agents`"):
        check_config(config_with("http://127.0.0.1:1/v1", {"toxic": {"judge": "k"}}))
