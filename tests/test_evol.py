"""Evol-Instruct: rounds that feed each other, elimination with reasons, lineage, and operators that learn."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from daemons import star_agents
from lines import origin, read_jsonl, results, run, take_in_seeds
from openai_server import Answer, Body, Fault, Move, OpenAIServer

from star_agents.engine.configuration import read_config
from star_agents.engine.wiring import open_engine
from star_agents.errors import ConfigError
from star_agents.events import Event, SeedReturned
from star_agents.observe.bus import Bus
from star_agents.process.crash_points import VARIABLE
from star_agents.recipes.evol import OPERATORS, evol
from star_agents.records import Message, Outcome, Sample, Seed
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import Store
from star_agents.text.prompt_templates import PromptTemplates

Say = Callable[[str], str | Move]
GOOD = "Here is an answer of some words."
assert evol.prompts is not None
PROMPTS = PromptTemplates(evol.prompts, prefix="evol/")
MARKS = {operator: PROMPTS.render(operator, instruction="", history=[])[0].content for operator in OPERATORS}


class Model:
    """Plays writer, judge and responder by what it is asked; each part can be replaced, and keeps what it was asked."""

    def __init__(self, **parts: Say) -> None:
        self.parts = parts
        self.evolved: list[tuple[str, str]] = []
        """Operator and instruction of each evolution."""
        self.compared: list[str] = []
        self.answered: list[str] = []

    def __call__(self, body: Body) -> Move:
        messages = body["messages"]
        system, user = str(messages[0]["content"]), str(messages[-1]["content"])
        operator = next((name for name, mark in MARKS.items() if mark == system), "")
        if operator:
            found = re.search(r"<instruction>\n(.*)\n</instruction>", user, re.DOTALL)
            assert found is not None
            self.evolved.append((operator, found[1]))
            said = self._say("evolve", found[1], f"{found[1]} And {len(self.evolved)} more.")
        elif "<first>" in user:
            self.compared.append(user)
            said = self._say("compare", user, "They differ.\ndifferent")
        else:
            self.answered.append(user)
            said = self._say("answer", user, GOOD)
        return Answer(text=said) if isinstance(said, str) else said

    def _say(self, part: str, asked: str, otherwise: str) -> str | Move:
        return self.parts[part](asked) if part in self.parts else otherwise


def written(folder: Path, url: str, settings: str = "", more: str = "") -> Path:
    path = folder / "agents.yaml"
    agent = f'{{model: openai/m, api_base: "{url}", api_key: os.environ/LINE_TEST_KEY}}'
    path.write_text(
        f"agents: {{w: {agent}, r: {agent}, j: {agent}}}\nrecipe: evol\n"
        f"evol: {{writer: w, responder: r, judge: j, {settings}}}\nconcurrency: 1\n{more}\n"
    )
    return path


def seed_of(instruction: str = "Name a river.", response: str | None = "The Rhine.", **rest: object) -> Seed:
    return Seed.of(Sample(instruction=instruction, response=response, **rest))  # type: ignore[arg-type]


async def outcomes(
    folder: Path, model: Model, seeds: Sequence[Seed], settings: str = "", more: str = ""
) -> list[Outcome]:
    async with OpenAIServer(model) as server:
        await run(read_config(written(folder, server.url, settings, more)), list(seeds), folder / "out")
    return [one.outcome for one in results(folder / "out")]


async def outcome_of(folder: Path, model: Model, seed: Seed | None = None, settings: str = "") -> Outcome:
    (outcome,) = await outcomes(folder, model, [seed or seed_of()], settings)
    return outcome


def failures(outcome: Outcome) -> list[str]:
    return [str(one.failure) if one.failure else "" for one in outcome.trials]


async def test_each_round_evolves_what_the_round_before_it_made(tmp_path: Path) -> None:
    model = Model()
    outcome = await outcome_of(tmp_path, model, settings="rounds: 3")
    texts = ["Name a river.", "Name a river. And 1 more.", "Name a river. And 1 more. And 2 more."]
    assert [text for _, text in model.evolved] == texts
    assert model.answered == [*texts[1:], f"{texts[2]} And 3 more."]
    assert [one.sample.question for one in outcome.trials] == [*texts, f"{texts[2]} And 3 more."]
    assert [one.measures["round"] for one in outcome.trials] == [0, 1, 2, 3]
    assert [one.measures["words"] for one in outcome.trials] == [3, 6, 9, 12]


async def test_every_round_that_is_kept_is_a_row_after_the_seed_itself(tmp_path: Path) -> None:
    await outcome_of(tmp_path, Model(), settings="rounds: 2")
    rows = read_jsonl(tmp_path / "out" / "dataset.jsonl")
    said = [[turn["content"] for turn in row["messages"]] for row in rows]
    assert said == [
        ["Name a river.", "The Rhine."],
        ["Name a river. And 1 more.", GOOD],
        ["Name a river. And 1 more. And 2 more.", GOOD],
    ]


async def test_a_row_says_which_operators_made_it_and_of_what(tmp_path: Path) -> None:
    model = Model()
    await outcome_of(tmp_path, model, settings="rounds: 2")
    told = [origin(row) for row in read_jsonl(tmp_path / "out" / "dataset.jsonl")]
    labels = [one["labels"] for one in told]
    drawn = [operator for operator, _ in model.evolved]
    assert [one["operator"] for one in labels] == ["seed", *drawn]
    assert [one["operators"] for one in labels] == ["", drawn[0], " > ".join(drawn)]
    assert [one["round"] for one in labels] == ["0", "1", "2"]
    assert [one["evolved_from"] for one in labels] == ["", labels[0]["instruction"], labels[1]["instruction"]]
    assert labels[0]["instruction"] == told[0]["seed_id"]
    assert [one["arm"] for one in told[2]["trials"]] == ["seed", *drawn]
    assert told[2]["trials"][2]["prompts"] == [PROMPTS.version(drawn[1]), PROMPTS.version("equal")]
    assert set(told[2]["trials"][2]["models"]) == {"writer", "judge", "responder"}


async def test_a_seed_of_which_nothing_was_kept_stays_as_it_is_and_is_answered_where_it_has_no_response(
    tmp_path: Path,
) -> None:
    model = Model(compare=lambda _: "equal")
    outcome = await outcome_of(tmp_path, model, seed_of(response=None), settings="rounds: 2, keep: last")
    assert outcome.kind == "base"
    assert model.answered == ["Name a river."]
    assert [(row.data["sample"]["response"], row.labels["round"]) for row in outcome.rows] == [(GOOD, "0")]


async def test_a_seed_that_cannot_be_answered_and_of_which_nothing_was_kept_is_dropped_with_every_reason(
    tmp_path: Path,
) -> None:
    model = Model(answer=lambda _: "Sorry.")
    outcome = await outcome_of(tmp_path, model, seed_of(response=None), settings="rounds: 1")
    assert (outcome.kind, outcome.rows) == ("dropped", ())
    assert outcome.reason == "nothing could be kept: format: the answer refuses: an apology in fewer than 80 words"
    assert [one.value for one in outcome.earned] == [0.0]


async def test_keep_last_gives_one_row_of_the_last_good_instruction(tmp_path: Path) -> None:
    model = Model()
    outcome = await outcome_of(tmp_path, model, seed_of(response=None), settings="rounds: 2, keep: last")
    (row,) = outcome.rows
    assert row.data["sample"]["instruction"] == "Name a river. And 1 more. And 2 more."
    assert "Name a river." not in model.answered


async def test_a_seed_without_a_response_is_answered_first_where_a_row_of_it_is_wanted(tmp_path: Path) -> None:
    model = Model()
    outcome = await outcome_of(tmp_path, model, seed_of(response=None), settings="rounds: 1")
    assert model.answered[0] == "Name a river."
    assert [row.data["sample"]["response"] for row in outcome.rows] == [GOOD, GOOD]


async def test_a_failed_evolution_keeps_the_last_good_one_and_the_next_round_goes_on_from_it(tmp_path: Path) -> None:
    model = Model(answer=lambda text: "I am sorry." if text.endswith("2 more.") else GOOD)
    outcome = await outcome_of(tmp_path, model, settings="rounds: 3")
    assert [text for _, text in model.evolved][1:] == ["Name a river. And 1 more."] * 2
    assert [one.measures["kept"] for one in outcome.trials] == [1, 1, 0, 1]
    assert [row.labels["round"] for row in outcome.rows] == ["0", "1", "3"]
    last = outcome.rows[-1]
    assert last.from_trials == (0, 1, 3)
    assert last.labels["evolved_from"] == outcome.rows[1].labels["instruction"]


ELIMINATIONS: list[tuple[str, dict[str, Say], str, tuple[int, int]]] = [
    ("judged equal", {"compare": lambda _: "Same thing.\nequal"}, "the judge finds the instruction equal", (1, 0)),
    ("refused", {"answer": lambda _: "Sorry, I cannot help with that."}, "the answer refuses: an apology", (1, 1)),
    ("without words", {"answer": lambda _: "It is the."}, "the answer holds nothing but punctuation", (1, 1)),
    ("copied", {"evolve": lambda text: f"Rewritten prompt: {text} Why?"}, "words of the prompt were copied", (0, 0)),
    ("same words", {"evolve": lambda text: f"  {text.upper()}"}, "the same words as its parent", (0, 0)),
]


@pytest.mark.parametrize(
    ("parts", "reason", "paid"), [one[1:] for one in ELIMINATIONS], ids=[one[0] for one in ELIMINATIONS]
)
async def test_what_comes_to_nothing_is_a_trial_with_its_reason_and_no_further_call_is_paid_for_it(
    parts: dict[str, Say], reason: str, paid: tuple[int, int], tmp_path: Path
) -> None:
    model = Model(**parts)
    outcome = await outcome_of(tmp_path, model, settings="rounds: 1")
    trial = outcome.trials[1]
    assert trial.failure is not None
    assert trial.failure.kind == "format"
    assert reason in trial.failure.detail
    assert (len(model.compared), len(model.answered)) == paid
    assert (trial.measures["round"], trial.measures["kept"]) == (1, 0)
    assert [(one.arm, one.value) for one in outcome.earned] == [(trial.arm, 0.0)]
    assert outcome.kind == "base"
    assert [row.data["sample"]["response"] for row in outcome.rows] == ["The Rhine."]


async def test_an_empty_reply_of_the_writer_eliminates_and_one_of_the_judge_says_nothing_of_the_operator(
    tmp_path: Path,
) -> None:
    for folder in ("writer", "judge"):
        (tmp_path / folder).mkdir()
    silent = await outcome_of(tmp_path / "writer", Model(evolve=lambda _: ""), settings="rounds: 1")
    assert failures(silent)[1].startswith("empty: writer w: ")
    assert [one.value for one in silent.earned] == [0.0]
    vague = await outcome_of(tmp_path / "judge", Model(compare=lambda _: "Hard to say."), settings="rounds: 1")
    assert vague.earned == ()
    assert vague.kind == "dropped"
    assert "judge j: equal:1: the reply does not say one of: equal, different" in vague.reason


async def test_operators_earn_one_for_what_was_kept_and_their_pool_learns_of_it(tmp_path: Path) -> None:
    broken = Model(answer=lambda text: "Sorry, no." if "broken" in text else GOOD)
    broken.parts["evolve"] = lambda text: f"{text} {'broken' if broken.evolved[-1][0] == 'deepen' else 'fine'}"
    seeds = [seed_of(f"Name river {number}.") for number in range(30)]
    found = await outcomes(
        tmp_path, broken, seeds, "rounds: 2, operators: [deepen, breadth]", "evolution: {policy: thompson}"
    )
    earned = {(one.arm, one.value) for outcome in found for one in outcome.earned}
    assert earned == {("deepen", 0.0), ("breadth", 1.0)}
    with StoreReader(tmp_path / "out") as reader:
        counts = reader.pools()["evol.operators"].state["counts"]
    drawn = [operator for operator, _ in broken.evolved]
    assert len(drawn) == 60
    assert counts["deepen"][1] - 1 == drawn.count("deepen")
    assert counts["breadth"][0] - 1 == drawn.count("breadth") > drawn.count("deepen")


async def test_a_call_that_is_refused_earns_its_operator_nothing_and_the_seed_can_be_queued_again(
    tmp_path: Path,
) -> None:
    refused = Model(evolve=lambda _: Fault(status=400, message="no such thing"))
    outcome = await outcome_of(tmp_path, refused, settings="rounds: 2")
    assert outcome.kind == "dropped"
    assert "no evolution came to an end: call: writer w: " in outcome.reason
    assert outcome.earned == ()
    assert [one.measures["kept"] for one in outcome.trials] == [1, None, None]
    assert outcome.trials[1].measures["words"] is None


async def test_an_outage_puts_the_seed_back_and_what_was_evolved_before_it_is_not_paid_again(tmp_path: Path) -> None:
    returned: list[SeedReturned] = []

    def hear(event: Event) -> None:
        if isinstance(event, SeedReturned):
            returned.append(event)

    model = Model(answer=lambda _: GOOD if returned else Fault(status=503, message="gone fishing"))
    bus = Bus()
    bus.subscribe(hear)
    async with OpenAIServer(model) as server:
        path = written(tmp_path, server.url, "rounds: 1")
        patient = path.read_text().replace("LINE_TEST_KEY}", "LINE_TEST_KEY, retries: 20, give_up_after_s: 4}")
        path.write_text(patient.replace("concurrency: 1", "concurrency: 4"))
        async with (
            await Store.open(tmp_path / "out") as store,
            open_engine(read_config(path), store, bus=bus, seeds_expected=6, ends_when_empty=True) as engine,
        ):
            await take_in_seeds(engine, [seed_of(f"Name river {number}.") for number in range(6)], "test")
            await engine.work()
    assert returned
    earned = [[one.value for one in found.outcome.earned] for found in results(tmp_path / "out")]
    assert earned == [[1.0]] * 6
    assert (len(model.evolved), len(model.compared)) == (6, 6)


async def test_an_input_becomes_part_of_the_instruction_and_a_history_stays(tmp_path: Path) -> None:
    history = (Message(role="system", content="Be kind."), Message(role="user", content="Hi"))
    model = Model()
    seed = seed_of("Sort these.", input="3, 1, 2", history=history)
    outcome = await outcome_of(tmp_path, model, seed, "rounds: 1")
    assert model.evolved[0][1] == "Sort these.\n\n3, 1, 2"
    evolved = outcome.trials[1].sample
    assert (evolved.instruction, evolved.input) == ("Sort these.\n\n3, 1, 2 And 1 more.", "")
    assert evolved.history == history


async def test_what_a_tool_gave_is_not_evolved(tmp_path: Path) -> None:
    model = Model()
    outcome = await outcome_of(tmp_path, model, seed_of("<tool_response>\n4\n</tool_response>"))
    assert (outcome.kind, model.evolved) == ("dropped", [])


async def test_a_second_run_in_the_same_folder_pays_for_nothing(tmp_path: Path) -> None:
    seeds = [seed_of(f"Name river {number}.") for number in range(4)]
    async with OpenAIServer(Model()) as server:
        config = read_config(written(tmp_path, server.url, "rounds: 2"))
        first = await run(config, seeds, tmp_path / "out")
        sent = len(server.requests)
        second = await run(config, seeds, tmp_path / "out")
        assert len(server.requests) == sent == 4 * 2 * 3
    assert (first.calls, second.calls) == (sent, 0)


async def test_a_run_that_dies_after_an_answer_goes_on_and_pays_for_no_answer_again(tmp_path: Path) -> None:
    (tmp_path / "seeds.jsonl").write_text('{"instruction": "Name a river."}\n')
    ends: list[int] = []
    sent: list[int] = []
    async with OpenAIServer(Model()) as server:
        config = written(tmp_path, server.url, "rounds: 2")
        files = ("-c", config, "-s", tmp_path / "seeds.jsonl", "-o", tmp_path / "out")
        for dies in (True, True, False):  # A third death with the seed in hand would put it into quarantine.
            environment = {VARIABLE: "answer_recorded"} if dies else {}
            done = await asyncio.to_thread(star_agents, "run", *files, "-q", environ=environment)
            ends.append(done.returncode)
            sent.append(len(server.requests))
        paid = [str(request.body["messages"]) for request in server.requests]
    assert [end == 0 for end in ends] == [False, False, True]
    assert sent == [1, 2, 7]
    assert len(set(paid)) == 7
    assert len(read_jsonl(tmp_path / "out" / "dataset.jsonl")) == 3


async def test_every_operator_is_drawn_and_only_those_that_are_named(tmp_path: Path) -> None:
    for name, settings, expected in (("all", "", set(OPERATORS)), ("few", "operators: [breadth]", {"breadth"})):
        (tmp_path / name).mkdir()
        model = Model()
        await outcomes(tmp_path / name, model, [seed_of(f"River {number}?") for number in range(12)], settings)
        assert {operator for operator, _ in model.evolved} == expected


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("operators: [deepn]", r"evol.operators\[0\]: .*deepen"),
        ("operators: []", r"evol.operators: "),
        ("rounds: 0", r"evol.rounds: "),
        ("keep: all", r"evol.keep: "),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_its_place(settings: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"agents.yaml:3: {told}"):
        read_config(written(tmp_path, "http://127.0.0.1:1/v1", settings))


@pytest.mark.parametrize("role", ["responder", "judge"])
def test_a_role_that_may_be_left_out_must_name_an_agent_all_the_same(role: str, tmp_path: Path) -> None:
    path = written(tmp_path, "http://127.0.0.1:1/v1")
    path.write_text(re.sub(rf"{role}: \w", f"{role}: nobody", path.read_text()))
    with pytest.raises(ConfigError, match=rf"agents.yaml:3: evol.{role}: names an agent 'nobody'"):
        read_config(path)


def test_the_version_of_a_prompt_names_its_template_and_changes_with_the_frame(tmp_path: Path) -> None:
    (tmp_path / "frame.jinja").write_text("[user]\n{% block move %}{% endblock %}\n")
    (tmp_path / "one.jinja").write_text('{# version 3 #}{% extends "frame.jinja" %}{% block move %}go{% endblock %}')
    before = PromptTemplates(tmp_path, prefix="p/")
    (tmp_path / "frame.jinja").write_text("[user]\nPlease {% block move %}{% endblock %}\n")
    after = PromptTemplates(tmp_path, prefix="p/")
    assert before.version("one").startswith("p/one@3:")
    assert before.version("one") != after.version("one")
    assert [one.content for one in after.render("one")] == ["Please go"]
