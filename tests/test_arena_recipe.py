"""Arena Learning: shared answers, both orders or none, equal answers at no cost, and rows where the target lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from daemons import star_agents
from hypothesis import given
from hypothesis import strategies as st
from lines import origin, read_jsonl, results, run
from openai_server import Answer, Body, Fault, Move, OpenAIServer

from star_agents.arena.games import battles_of, games_of
from star_agents.engine.configuration import read_config
from star_agents.errors import ConfigError, RecipeError, UsageError
from star_agents.recipes.arena import arena, redecide
from star_agents.recipes.arena_settings import ArenaSettings, Keep
from star_agents.records import Document, Judgement, Message, Outcome, Sample, Seed, Trial
from star_agents.storage.outgoing.game_files import read_games
from star_agents.storage.reader import StoreReader
from star_agents.text.prompt_templates import PromptTemplates

PLAYERS = ("target", "good", "fair", "poor")
assert arena.prompts is not None
PROMPTS = PromptTemplates(arena.prompts, prefix="arena/")
Points = Callable[[str, str, str], tuple[float, float] | str]
"""Judge, first answer, second answer, to points or to a reply as it stands."""


def frames(body: Body) -> tuple[str, dict[str, str]]:
    """The code of a judge's prompt, and what stands in its frames."""
    shown = "\n".join(str(one["content"]) for one in body["messages"] if one["role"] != "assistant")
    found = re.search(r"<message (\w+)>", shown)
    assert found is not None
    code = found[1]
    inside = re.findall(rf"<([a-z ]+) {code}>\n(.*)\n</\1 {code}>", shown)
    return code, dict(inside)


class Model:
    """Players say what the test has them say; judges give points by the texts."""

    def __init__(self, said: Mapping[str, str | Move], points: Points) -> None:
        self.said, self.points = said, points
        self.asked: list[str] = []
        self.answered: list[tuple[str, list[Message]]] = []
        self.games: list[tuple[str, str, str]] = []
        self.shown: list[dict[str, str]] = []

    def __call__(self, body: Body) -> Move:
        name, messages = str(body["model"]), body["messages"]
        if not str(messages[0]["content"]).startswith("You score"):
            turns = [Message(role=one["role"], content=str(one["content"])) for one in messages]
            self.answered.append((name, turns))
            said = self.said[name]
            return said if not isinstance(said, str) else Answer(text=said)
        code, shown = frames(body)
        first, second = (json.loads(shown[f"{place} answer"]) for place in ("first", "second"))
        self.games.append((name, first, second))
        self.shown.append(shown)
        given = self.points(name, first, second)
        return Answer(text=given.replace("CODE", code) if isinstance(given, str) else reply(code, *given))


def reply(code: str, first: float, second: float) -> str:
    said = {"code": code, "first_reason": "so", "second_reason": "thus", "first_score": first, "second_score": second}
    return f"Let me see.\n{json.dumps(said)}"


def by_text(worth: Mapping[str, float]) -> Points:
    return lambda _, first, second: (worth[first], worth[second])


SAID = {"target": "A weak answer.", "good": "The best answer.", "fair": "A fair answer.", "poor": "Nonsense."}
WORTH = {"A weak answer.": 5.0, "The best answer.": 9.0, "A fair answer.": 8.0, "Nonsense.": 1.0}


def written(folder: Path, url: str, settings: str = "", judges: Sequence[str] = ("j",)) -> Path:
    path = folder / "agents.yaml"
    agents = [
        f'{name}: {{model: openai/{name}, api_base: "{url}", api_key: os.environ/LINE_TEST_KEY}}'
        for name in (*PLAYERS, *judges)
    ]
    opponents = "" if "opponents:" in settings else "opponents: [good, fair, poor], "
    path.write_text(
        f"agents: {{{', '.join(agents)}}}\nrecipe: arena\nconcurrency: 1\n"
        f"arena: {{target: target, {opponents}judges: [{', '.join(judges)}], exam: 'off', {settings}}}\n"
    )
    return path


async def fight(
    folder: Path, model: Model, seeds: Sequence[Seed] = (), settings: str = "", judges: Sequence[str] = ("j",)
) -> list[Outcome]:
    some = list(seeds) or [Seed.of(Sample(instruction="Name a river.", response="The Rhine."))]
    async with OpenAIServer(model) as server:
        await run(read_config(written(folder, server.url, settings, judges)), some, folder / "out")
    return [one.outcome for one in results(folder / "out")]


async def test_the_target_learns_the_best_winners_answer_and_the_clearest_battle_is_a_pair(tmp_path: Path) -> None:
    model = Model(SAID, by_text(WORTH))
    (outcome,) = await fight(tmp_path, model)
    (row,) = read_jsonl(tmp_path / "out" / "dataset.jsonl")
    assert [turn["content"] for turn in row["messages"]] == ["Name a river.", "The best answer."]
    labels = {"winner": "good", "loser": "target", "score": "9", "margin": "4"}
    assert origin(row)["labels"] == labels
    (pair,) = read_jsonl(tmp_path / "out" / "preferences.jsonl")
    assert [pair[name][0]["content"] for name in ("chosen", "rejected")] == ["The best answer.", "A weak answer."]
    (reward,) = read_jsonl(tmp_path / "out" / "rewards.jsonl")
    assert reward["margin"] == 4
    points = {"score": 5.0, "target_score": 5.0, "best_score": 9.0, "gap": 4.0}
    of_target = {**points, "lost": pytest.approx(2 / 3), "usefulness": 1.0}
    assert dict(outcome.trials[0].measures) == of_target
    assert [(one.arm, one.role) for one in outcome.trials] == [
        ("target", "target"),
        ("good", "opponent"),
        ("fair", "opponent"),
        ("poor", "opponent"),
    ]
    assert outcome.trials[0].prompts == (PROMPTS.version("judge"),)
    assert outcome.worth == 1


async def test_each_answer_is_asked_once_and_each_battle_is_judged_in_both_orders(tmp_path: Path) -> None:
    model = Model(SAID, by_text(WORTH))
    await fight(tmp_path, model)
    assert sorted(name for name, _ in model.answered) == sorted(PLAYERS)
    weak = SAID["target"]
    expected = [("j", *order) for name in PLAYERS[1:] for order in ((weak, SAID[name]), (SAID[name], weak))]
    assert sorted(model.games) == sorted(expected)


async def test_in_a_round_robin_everybody_meets_everybody_and_the_target_learns_the_same(tmp_path: Path) -> None:
    model = Model(SAID, by_text(WORTH))
    (outcome,) = await fight(tmp_path, model, settings="mode: round_robin")
    assert len(model.games) == 12
    (row,) = [one for one in outcome.rows if one.shape == "sft"]
    assert row.labels["winner"] == "good"
    (pair,) = [one for one in outcome.rows if one.shape == "preference"]
    assert (pair.labels["winner"], pair.labels["loser"]) == ("good", "poor")


async def test_equal_answers_are_a_tie_that_costs_nothing_and_share_their_games(tmp_path: Path) -> None:
    said = {**SAID, "good": SAID["target"], "poor": SAID["fair"]}
    model = Model(said, by_text(WORTH))
    (outcome,) = await fight(tmp_path, model, settings="mode: round_robin")
    assert len(model.games) == 2, "two different answers make one battle"
    battles = battles_of(games_of(outcome.trials, outcome.judgements)).battles
    assert len(battles) == 6
    tied = {(one.left, one.right) for one in battles if one.left_score is None}
    assert tied == {("good", "target"), ("fair", "poor")}
    assert {one.result().value for one in battles if one.left_score is None} == {0.5}


async def test_a_game_that_cannot_be_read_makes_its_battle_none(tmp_path: Path) -> None:
    def points(_: str, first: str, second: str) -> tuple[float, float] | str:
        return "I would rather not say." if first == SAID["good"] else (WORTH[first], WORTH[second])

    model = Model(SAID, points)
    (outcome,) = await fight(tmp_path, model)
    asked = [game for game in model.games if game[1] == SAID["good"]]
    assert len(asked) == 2, "asked once more"
    assert [one.readable for one in outcome.judgements].count(False) == 1
    (row,) = [one for one in outcome.rows if one.shape == "sft"]
    assert row.labels["winner"] == "fair", "the other order of the best answer counts for nothing"


async def test_what_replies_cost_that_could_not_be_read_stands_with_the_game_and_the_answer(tmp_path: Path) -> None:
    """One game is repaired, one never read, and one player's answer is cut: their parts add up to what was paid."""

    class Mumbling(Model):
        def __call__(self, body: Body) -> Move:
            answer = super().__call__(body)
            is_asked_again = len(body["messages"]) > 1 and "That cannot be used" in str(body["messages"][-1]["content"])
            if is_asked_again and self.games[-1][1:] == (SAID["target"], SAID["fair"]):
                return answer
            is_game = str(body["model"]) == "j" and SAID["fair"] in self.games[-1]
            return Answer(text="Hm.") if is_game else answer

    model = Mumbling({**SAID, "poor": Answer(text="It is the", finish_reason="length")}, by_text(WORTH))
    async with OpenAIServer(model) as server:
        path = written(tmp_path, server.url)
        price = "input_cost_per_token: 0.001, output_cost_per_token: 0.002"
        path.write_text(path.read_text().replace("api_key:", f"{price}, api_key:"))
        await run(read_config(path), [Seed.of(Sample(instruction="Name a river."))], tmp_path / "out")
    (outcome,) = [one.outcome for one in results(tmp_path / "out")]
    costs = {
        (outcome.trials[one.left].arm, outcome.trials[one.right].arm): one.cost_usd or 0.0 for one in outcome.judgements
    }
    read_at_once = costs["target", "good"]
    assert read_at_once > 0
    assert costs["target", "fair"] > 1.5 * read_at_once, "repaired: both calls"
    assert costs["fair", "target"] > 1.5 * read_at_once, "never read: both calls"
    assert [one.readable for one in outcome.judgements].count(False) == 1
    assert outcome.trials[3].failure is not None
    assert (outcome.trials[3].cost_usd or 0.0) > 0, "an answer that is cut was paid for"
    parts = [*(one.cost_usd for one in outcome.trials), *(one.cost_usd for one in outcome.judgements)]
    assert sum(part or 0.0 for part in parts) == pytest.approx(outcome.cost_usd)
    with StoreReader(tmp_path / "out") as reader:
        assert outcome.cost_usd == pytest.approx(reader.counts().cost_usd)
    rows = read_jsonl(tmp_path / "out" / "battles.jsonl")
    assert {(row["first"], row["second"]): row["cost_usd"] for row in rows} == costs


async def test_where_no_battle_can_be_judged_the_seed_is_dropped_with_its_reason(tmp_path: Path) -> None:
    (outcome,) = await fight(tmp_path, Model(SAID, lambda *_: "no points"))
    assert outcome.kind == "dropped"
    assert outcome.reason.startswith("no battle could be judged in both orders: format: judge:j:")
    assert len(outcome.judgements) == 6


async def test_a_judge_that_names_what_stands_first_makes_ties_and_teaches_nothing(tmp_path: Path) -> None:
    (outcome,) = await fight(tmp_path, Model(SAID, lambda *_: (9, 2)))
    assert outcome.kind == "kept"
    assert outcome.rows == ()
    assert outcome.trials[0].measures["gap"] == 0


async def test_a_jury_is_the_mean_of_its_judges(tmp_path: Path) -> None:
    def points(judge: str, first: str, second: str) -> tuple[float, float]:
        return (WORTH[first], WORTH[second]) if judge == "j" else (6, 6)

    (outcome,) = await fight(tmp_path, Model(SAID, points), judges=("j", "k"))
    assert outcome.trials[0].measures["target_score"] == 5.5
    assert outcome.trials[0].measures["best_score"] == 7.5
    assert len(outcome.judgements) == 12
    assert [one.shape for one in outcome.rows] == ["preference", "reward"], "2 points are no 3"


async def test_a_player_that_gives_no_answer_meets_nobody(tmp_path: Path) -> None:
    said: dict[str, str | Move] = {**SAID, "good": Fault(status=400, message="no")}
    (outcome,) = await fight(tmp_path, Model(said, by_text(WORTH)))
    assert outcome.trials[1].failure is not None
    assert {place for one in outcome.judgements for place in (one.left, one.right)} == {0, 2, 3}
    (row,) = [one for one in outcome.rows if one.shape == "sft"]
    assert row.labels["winner"] == "fair"


async def test_without_an_answer_of_the_target_nothing_is_judged(tmp_path: Path) -> None:
    model = Model({**SAID, "target": Fault(status=400, message="no")}, by_text(WORTH))
    (outcome,) = await fight(tmp_path, model)
    assert outcome.kind == "dropped"
    assert model.games == []


async def test_players_and_judges_see_the_newest_turns_that_fit_and_rows_hold_them(tmp_path: Path) -> None:
    history = (
        Message(role="system", content="Be kind."),
        Message(role="user", content="old " * 30),
        Message(role="assistant", content="older answer"),
        Message(role="user", content="Hello"),
        Message(role="assistant", content="Hi"),
    )
    model = Model(SAID, by_text(WORTH))
    await fight(tmp_path, model, [Seed.of(Sample(instruction="Name a river.", history=history))], "history: 40")
    kept = [history[0], *history[3:]]
    assert {tuple(turns) for _, turns in model.answered} == {(*kept, Message(role="user", content="Name a river."))}
    assert {one["conversation"] for one in model.shown} == {json.dumps([turn.to_dict() for turn in kept])}
    (row,) = read_jsonl(tmp_path / "out" / "dataset.jsonl")
    assert [turn["content"] for turn in row["messages"][:3]] == ["Be kind.", "Hello", "Hi"]


async def test_drawn_opponents_earn_what_they_teach_the_target(tmp_path: Path) -> None:
    seeds = [Seed.of(Sample(instruction=f"Name river {number}.")) for number in range(12)]
    outcomes = await fight(tmp_path, Model(SAID, by_text(WORTH)), seeds, "opponents_per_seed: 2")
    earned = {(one.arm, one.value) for outcome in outcomes for one in outcome.earned}
    assert earned <= {("good", 1.0), ("fair", 1.0), ("poor", 0.0)}
    assert {arm for arm, _ in earned} == {"good", "fair", "poor"}
    assert all(len(one.trials) == 3 and len(one.earned) == 2 for one in outcomes)


async def test_every_game_is_a_line_of_battles_that_elo_reads(tmp_path: Path) -> None:
    said = {**SAID, "poor": SAID["target"]}
    seed = Seed.of(Sample(instruction="Name a river."), meta={"category": "geography", "language": "en"})
    (outcome,) = await fight(tmp_path, Model(said, by_text(WORTH)), [seed])
    found = read_games(tmp_path / "out")
    assert found.games == [replace(one, reason="") for one in games_of(outcome.trials, outcome.judgements, seed.id)]
    assert found.labels == {seed.id: {"category": "geography", "language": "en"}}
    assert found.lengths[seed.id, "good"] == len(SAID["good"])
    rows = read_jsonl(tmp_path / "out" / "battles.jsonl")
    assert [row["answers_are_equal"] for row in rows] == [False] * 4 + [True]
    assert rows[0]["reason"] == "1: so\n2: thus"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("opponents: [good, target]", "the target target is among its opponents"),
        ("opponents: [good, good]", "opponents name somebody twice"),
        ("opponents_per_seed: 4", "more than there are opponents"),
        ("opponents: [gone]", "names an agent 'gone'"),
    ],
)
def test_settings_that_cannot_work_are_told(tmp_path: Path, settings: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_config(written(tmp_path, "http://127.0.0.1:1/v1", settings))


def exported(folder: Path, *options: str) -> list[dict[str, object]]:
    path = folder / "again.jsonl"
    path.unlink(missing_ok=True)
    ended = star_agents("export", folder / "out", "-o", path, *options)
    assert ended.returncode == 0, ended.stderr
    return read_jsonl(path)


async def test_export_decides_again_from_the_games_what_a_run_would_have_given(tmp_path: Path) -> None:
    seeds = [Seed.of(Sample(instruction=f"Name river {number}.")) for number in range(2)]
    model = Model(SAID, by_text(WORTH))
    await fight(tmp_path, model, seeds)
    sent = len(model.games) + len(model.answered)
    assert len(exported(tmp_path, "--set", "arena.keep.sft=4")) == 2
    none = star_agents("export", tmp_path / "out", "-o", tmp_path / "none.jsonl", "--set", "arena.keep.sft=4.5")
    assert "under arena.keep.sft=4.5 nothing is taught" in none.stderr
    pairs = exported(tmp_path, "-f", "dpo", "--set", "arena.keep.pairs=null", "--set", "arena.keep.preference=3")
    told = [origin(row)["labels"] for row in pairs]
    assert [(one["winner"], one["loser"]) for one in told] == [
        ("good", "target"),
        ("target", "poor"),
        ("fair", "target"),
    ] * 2
    (first, *_) = exported(tmp_path, "--set", 'arena.opponents=["fair"]')
    assert origin(first)["labels"]["winner"] == "fair"
    assert len(model.games) + len(model.answered) == sent
    assert len(exported(tmp_path)) == 2, "the store stays as it is"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("arena.mode=round_robin", "needs 6 calls that nobody made"),
        ('arena.opponents=["good", "j"]', "needs 3 calls that nobody made"),
        ('arena.judges=["j", "k"]', "needs 6 calls that nobody made"),
        ("arena.keep.sft=11", "arena.keep.sft: Input should be less than or equal to 10"),
        ("arena.keep.sfx=1", "arena.keep.sfx: Extra inputs are not permitted"),
        ("arena.opponents_per_seed=7", "opponents_per_seed is more than there are opponents"),
        ("star.keep=1", "no recipe star works here; there are: arena"),
        ("arena", "is no setting; write it as RECIPE.KEY=VALUE"),
    ],
)
async def test_what_cannot_be_decided_again_is_refused_and_says_why(tmp_path: Path, change: str, told: str) -> None:
    await fight(tmp_path, Model(SAID, by_text(WORTH)))
    ended = star_agents("export", tmp_path / "out", "-o", tmp_path / "again.jsonl", "--set", change)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert not (tmp_path / "again.jsonl").exists()


@st.composite
def arenas(draw: st.DrawFn) -> tuple[Outcome, ArenaSettings]:
    """An outcome of a round robin, some of whose answers are equal, with thresholds."""
    texts = draw(st.lists(st.sampled_from("abcde"), min_size=4, max_size=4))
    trials = tuple(
        Trial(arm=player, role="opponent" if place else "target", sample=Sample(instruction="?", response=text))
        for place, (player, text) in enumerate(zip(PLAYERS, texts, strict=True))
    )
    given = {text: draw(st.integers(2, 20)) / 2 for text in "abcde"}
    judgements = [
        Judgement(judge="j", left=left, right=right, scores=(given[texts[left]], given[texts[right]]))
        for left, right in permutations(range(4), 2)
        if texts[left] != texts[right]
    ]
    keep = Keep(sft=draw(st.sampled_from([0.0, 1.0, 3.0])), preference=draw(st.sampled_from([0.0, 2.0])))
    settings = ArenaSettings(target="target", opponents=PLAYERS[1:], judges=("j",), mode="round_robin", keep=keep)
    return Outcome(seed_id="s", kind="kept", trials=trials, judgements=tuple(judgements)), settings


@given(arenas())
def test_battles_of_the_target_alone_teach_it_what_a_round_robin_does(
    fought: tuple[Outcome, ArenaSettings],
) -> None:
    outcome, settings = fought
    alone = settings.model_copy(update={"mode": "target"})
    everybody, target = redecide(outcome, settings), redecide(outcome, alone)
    assert (everybody.missing_calls, target.missing_calls) == (0, 0)
    taught = [[row for row in found.rows if row.shape == "sft"] for found in (everybody, target)]
    assert taught[0] == taught[1]


async def test_answers_that_were_cleared_are_not_decided_again(tmp_path: Path) -> None:
    (outcome,) = await fight(tmp_path, Model(SAID, by_text(WORTH)))
    cleared = tuple(replace(one, sample=Sample(instruction="")) for one in outcome.trials)
    settings = ArenaSettings(target="target", opponents=PLAYERS[1:], judges=("j",))
    with pytest.raises(RecipeError, match="were cleared"):
        redecide(replace(outcome, trials=cleared), settings)


STUDY = '''
from star_agents.recipes.protocol import done, recipe
from star_agents.records import Sample


@recipe(takes="document", pools={"topic": ["rivers", "weather"]}, gives="instruction")
async def study(seed, bench, settings):
    """One instruction about a document."""
    (topic,) = await bench.draw("topic")
    asked = Sample(instruction=f"{topic} of {seed.document.text}")
    return done(seed, children=[bench.child(asked, labels={"topic": topic})])
'''


async def test_what_an_instruction_taught_rewards_what_was_drawn_for_it(tmp_path: Path) -> None:
    """In a chain the usefulness of battles is what the draws of the recipe before it earn."""
    (tmp_path / "study.py").write_text(STUDY)

    def worth(text: str) -> float:
        return {"rivers,": 9.0, "weather,": 6.0}[text.split()[0]] if "best" in text else 4.0

    def play(body: Body) -> Move:
        name, asked = str(body["model"]), str(body["messages"][-1]["content"])
        if name == "j":
            return judge(body)
        return Answer(text=f"{asked.split()[0]}, {'best' if name == 'good' else 'weak'} of {name}")

    judge = Model({}, lambda _, first, second: (worth(first), worth(second)))
    async with OpenAIServer(play) as server:
        path = written(tmp_path, server.url)
        path.write_text(path.read_text().replace("recipe: arena", "recipe: [./study.py:study, arena]"))
        documents = [Seed.of(Document(text=f"place {number}")) for number in range(8)]
        await run(read_config(path), documents, tmp_path / "out")
    with StoreReader(tmp_path / "out") as reader:
        arms = reader.tallies().pools["study.topic"]
    assert arms["rivers"].mean_reward == 1, "the best is good, and the target is far behind"
    assert arms["weather"].mean_reward == 0, "nobody is good at it: too hard, or broken"


async def test_elo_rates_what_a_store_holds_also_before_a_file_is_written(tmp_path: Path) -> None:
    seed = Seed.of(Sample(instruction="Name a river."), meta={"category": "geography"})
    await fight(tmp_path, Model(SAID, by_text(WORTH)), [seed])
    of_the_file = read_games(tmp_path / "out" / "battles.jsonl")
    (tmp_path / "out" / "battles.jsonl").unlink()
    assert read_games(tmp_path / "out") == of_the_file
    ended = star_agents("elo", tmp_path / "out", "--target", "target")
    assert ended.returncode == 0, ended.stderr
    assert "rows by threshold" in ended.stdout


async def test_a_folder_in_which_nobody_played_is_told(tmp_path: Path) -> None:
    async with OpenAIServer(Model(SAID, by_text(WORTH))) as server:
        config = read_config(written(tmp_path, server.url))
        await run(config, [], tmp_path / "out")
    with pytest.raises(UsageError, match="holds no games"):
        read_games(tmp_path / "out")


@pytest.mark.parametrize("agent", ["j", "good"])
async def test_where_the_budget_of_a_judge_or_a_player_is_spent_the_seeds_wait_and_nothing_is_paid_again(
    tmp_path: Path, agent: str
) -> None:
    model = Model(SAID, by_text(WORTH))
    seeds = [Seed.of(Sample(instruction=f"Name river {number}.")) for number in range(4)]
    async with OpenAIServer(model) as server:
        path = written(tmp_path, server.url)
        whole = path.read_text()
        path.write_text(whole.replace(f"{agent}: {{", f"{agent}: {{budget_calls: {8 if agent == 'j' else 2}, "))
        await run(read_config(path), seeds, tmp_path / "out")
        with StoreReader(tmp_path / "out") as reader:
            counts = reader.counts()
        assert (counts.dropped, counts.waiting > 0) == (0, True)
        path.write_text(whole)
        await run(read_config(path), seeds, tmp_path / "out")
    assert len(read_jsonl(tmp_path / "out" / "dataset.jsonl")) == 4
    assert (len(model.answered), len(model.games)) == (4 * 4, 4 * 6)


async def test_a_jurys_calls_are_reserved_before_they_are_sent_so_that_it_never_passes_the_budget(
    tmp_path: Path,
) -> None:
    """All games of an instruction go out at once, each judge's; what is in flight and paid stays within the budget."""
    price, longest, budget = 0.001, 50, 15.0
    worst: list[float] = []

    class Meter(Model):
        def __call__(self, body: Body) -> Move:
            # What was charged so far, and the most that this call may cost: the prompt's words and the longest reply.
            spent = sum(price * (words(sent) + 1) for sent in server.charged)
            worst.append(spent + price * longest)
            return super().__call__(body)

    def words(body: Body) -> int:
        return sum(len(str(one["content"]).split()) for one in body["messages"])

    model = Meter(SAID, by_text(WORTH))
    seeds = [Seed.of(Sample(instruction=f"Name river {number}.")) for number in range(6)]
    judges = ("j", "k", "l")
    async with OpenAIServer(model) as server:
        path = written(tmp_path, server.url, f"judge_max_tokens: {longest}", judges)
        priced = f"max_tokens: {longest}, input_cost_per_token: {price}, output_cost_per_token: {price}, api_key:"
        text = path.read_text().replace("api_key:", priced)
        whole = text.replace("recipe: arena", "concurrency: 4\nrecipe: arena").replace("\nconcurrency: 1", "")
        path.write_text(f"{whole}budget_usd: {budget}\n")
        stopped = await run(read_config(path), seeds, tmp_path / "out")
        assert "budget_usd" in stopped.stopped_by
        counts = stopped.summary["counts"]
        assert (counts["dropped"], counts["waiting"] > 0) == (0, True)
        assert 0 < stopped.summary["cost"]["known_usd"] <= budget
        assert max(worst) <= budget
        path.write_text(whole)
        await run(read_config(path), seeds, tmp_path / "out")
    assert (len(model.answered), len(model.games)) == (6 * 4, 6 * 6 * len(judges)), "nothing is paid again"


async def test_an_opponent_that_an_edit_adds_plays_from_then_on_and_past_battles_stay(tmp_path: Path) -> None:
    model = Model(SAID, by_text(WORTH))
    seeds = [Seed.of(Sample(instruction=f"Name river {number}.")) for number in range(3)]
    await fight(tmp_path, model, seeds[:2], "opponents: [good]")
    await fight(tmp_path, model, seeds, "opponents: [good, poor]")
    assert [len(one.outcome.judgements) for one in results(tmp_path / "out")] == [2, 2, 4]
    assert (len(model.answered), len(model.games)) == (2 + 2 + 3, 2 + 2 + 4), "nothing is asked again"
    assert len(exported(tmp_path, "--set", "arena.keep.sft=1")) == 3, "what the newcomer lacks is no matter of points"
    every = ("-o", tmp_path / "again.jsonl", "--set", "arena.mode=round_robin")
    refused = star_agents("export", tmp_path / "out", *every)
    assert "needs 6 calls that nobody made" in refused.stderr, "the opponents' two games over each of three"
    ended = star_agents("elo", tmp_path / "out", "--json")
    assert [one["player"] for one in json.loads(ended.stdout)["players"]] == ["good", "target", "poor"]
