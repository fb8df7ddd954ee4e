"""`arena`: models meet on a test set, nobody learns, and arenas with a model in common are rated together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from daemons import star_agents
from lines import results
from openai_server import Answer, Body, Fault, Move, OpenAIServer
from test_arena_recipe import frames, reply

from star_agents.engine.configuration import read_config
from star_agents.errors import ConfigError
from star_agents.offline import seeds
from star_agents.recipes.arena import redecide
from star_agents.recipes.arena_settings import ArenaSettings
from star_agents.records import Judgement, Outcome, Sample, Trial

PROMPTS = 25
EVERYBODY = ("novice", "tutor", "chatty", "terse", "scholar", "dreamer")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("arena")
    agents = ", ".join(f"{name}: {{model: offline/{name}}}" for name in (*EVERYBODY, "referee"))
    (made / "agents.yaml").write_text(
        f"agents: {{{agents}}}\nstar: {{pairs: [{{instruction: keep, response: tutor}}], selection: random,"
        " base_pairs: [{instruction: keep, response: novice}]}\n"
    )
    rows = [{**row, "set": ("diverse", "hard")[n % 2]} for n, row in enumerate(seeds.rows(PROMPTS, seed=3))]
    (made / "set.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return made


def arena(folder: Path, out: str, models: str, *more: str, code: int = 0) -> Any:
    files = (folder / "set.jsonl", "-c", folder / "agents.yaml", "-o", folder / out)
    ended = star_agents("arena", *files, "--models", models, "-q", "--json", *more)
    assert ended.returncode == code, ended.stderr
    return json.loads(ended.stdout) if code == 0 else ended.stderr


@pytest.fixture(scope="module")
def board(folder: Path) -> Any:
    return arena(folder, "one", "novice,terse,tutor", "--judges", "referee")


def test_everybody_meets_everybody_and_the_strongest_is_first(board: Any) -> None:
    assert board["players"][0]["player"] == "tutor"
    assert [one["battles"] for one in board["players"]] == [2 * PROMPTS] * 3
    assert all(one["low"] <= one["rating"] <= one["high"] for one in board["players"])
    assert board["by_label"]["set"].keys() == {"diverse", "hard"}


def test_a_test_set_teaches_nothing(folder: Path, board: Any) -> None:
    outcomes = [one.outcome for one in results(folder / "one")]
    assert len(outcomes) == PROMPTS
    assert not any(one.rows or one.earned or one.worth for one in outcomes)
    assert not (folder / "one" / "dataset.jsonl").exists()
    assert {trial.role for one in outcomes for trial in one.trials} == {"opponent"}
    assert (folder / "one" / "report.html").stat().st_size > 1000


def test_again_it_asks_nobody_and_rates_alike(folder: Path, board: Any) -> None:
    again = arena(folder, "one", "novice,terse,tutor", "--judges", "referee")
    assert board["calls_sent"] > 0
    assert again["calls_sent"] == 0
    assert again["players"] == board["players"]


def test_two_arenas_with_a_model_in_common_are_rated_on_one_scale(folder: Path, board: Any) -> None:
    arena(folder, "two", "dreamer,tutor", "--judges", "referee", "--anchor", "tutor")
    rated = star_agents("elo", folder / "one", folder / "two", "--anchor", "tutor", "--json")
    players = {one["player"]: one["battles"] for one in json.loads(rated.stdout)["players"]}
    assert players == {"tutor": 3 * PROMPTS, "terse": 2 * PROMPTS, "novice": 2 * PROMPTS, "dreamer": PROMPTS}
    assert json.loads(rated.stdout)["prompts"] == PROMPTS


def test_a_model_that_is_named_later_meets_those_who_were_there_and_nothing_else_is_asked_again(folder: Path) -> None:
    few = arena(folder, "later", "novice,tutor", "--judges", "referee")
    more = arena(folder, "later", "chatty,novice,tutor", "--judges", "referee")
    assert {one["player"]: one["battles"] for one in more["players"]} == dict.fromkeys(
        ("chatty", "novice", "tutor"), 2 * PROMPTS
    )
    assert more["points"]["tutor"]["novice"] == few["points"]["tutor"]["novice"]
    assert PROMPTS < more["calls_sent"] <= PROMPTS * (1 + 2 * 2)


@pytest.mark.parametrize(
    ("models", "more", "what"),
    [
        ("tutor", ("--judges", "referee"), "one player has nobody to meet"),
        ("tutor,tutor", ("--judges", "referee"), "opponents name somebody twice"),
        (
            "tutor,noviec",
            ("--judges", "referee"),
            "names an agent 'noviec' that is not in `agents` (did you mean `novic",
        ),
        ("tutor,terse", (), "name who scores: --judges NAME"),
        ("tutor,terse", ("--judges", "referee", "--anchor", "novice"), "--anchor novice: is none of the models"),
    ],
)
def test_who_cannot_meet_is_told_before_anybody_is_asked(
    folder: Path, models: str, more: tuple[str, ...], what: str
) -> None:
    assert what in arena(folder, "none", models, *more, code=2)
    assert not (folder / "none").exists()


def test_a_folder_in_which_others_met_is_refused(folder: Path, board: Any) -> None:
    told = arena(folder, "one", "novice,tutor", "--judges", "referee", code=2)
    assert "terse met others, and --models does not name them; name another -o" in told
    told = arena(folder, "one", "novice,terse,tutor", "--judges", "chatty", code=2)
    assert "was judged by referee, not by chatty" in told


def test_without_a_target_nobody_is_drawn_and_everybody_meets_everybody(tmp_path: Path) -> None:
    for settings in ("", "mode: target", "mode: round_robin, opponents_per_seed: 2"):
        path = tmp_path / "agents.yaml"
        agents = "{a: {model: offline/tutor}, b: {model: offline/terse}, j: {model: offline/referee}}"
        path.write_text(f"agents: {agents}\nrecipe: arena\narena: {{opponents: [a, b], judges: [j], {settings}}}\n")
        with pytest.raises(ConfigError, match="without a `target` everybody meets everybody"):
            read_config(path)


def test_without_a_target_other_thresholds_teach_nothing_either() -> None:
    trials = tuple(Trial(arm=name, role="opponent", sample=Sample(instruction="q", response=name)) for name in "ab")
    games = tuple(Judgement(judge="j", left=x, right=1 - x, scores=(9 - 8 * x, 1 + 8 * x), value=1 - x) for x in (0, 1))
    outcome = Outcome(seed_id="s", kind="kept", trials=trials, judgements=games)
    settings = ArenaSettings(opponents=("a", "b"), judges=("j",), mode="round_robin")
    assert redecide(outcome, settings) == ((), 0)
    assert redecide(outcome, ArenaSettings(target="b", opponents=("a",), judges=("j",))).rows


async def test_prompts_that_nobody_answered_are_asked_by_the_same_command_once_it_is_mended_and_no_others(
    tmp_path: Path,
) -> None:
    is_down = True

    def handler(body: Body) -> Move:
        if body["model"] != "judge":
            if is_down or "Say 4." in str(body["messages"]):
                return Fault(status=404, message="no such model")
            return Answer(text=f"So says {body['model']}.")
        code, shown = frames(body)
        said = reply(code, 6, 6)
        return Answer(text="I will not say." if "Say 3." in str(shown) else said)

    (tmp_path / "set.jsonl").write_text("".join(f'{{"instruction": "Say {n}."}}\n' for n in range(6)))
    async with OpenAIServer(handler) as server:
        way = f'api_base: "{server.url}", api_key: os.environ/LINE_TEST_KEY, retries: 0'
        agents = ", ".join(f"{name}: {{model: openai/{name}, {way}}}" for name in ("a", "b", "judge"))
        (tmp_path / "agents.yaml").write_text(
            f"agents: {{{agents}}}\nrecipe: arena\narena: {{target: a, opponents: [b], judges: [judge], exam: 'off'}}\n"
        )
        words = ("--judges", "judge")
        told = await anyio.to_thread.run_sync(lambda: arena(tmp_path, "out", "a,b", *words, code=4))
        assert "mend it, and run the same command again" in told
        assert "--retry-dropped" not in told
        is_down = False
        board = await anyio.to_thread.run_sync(lambda: arena(tmp_path, "out", "a,b", *words))
        assert (board["battles"], board["counts"]["dropped"]) == (4, 2)
        files = (tmp_path / "set.jsonl", "-c", tmp_path / "agents.yaml", "-o", tmp_path / "out")
        ended = await anyio.to_thread.run_sync(
            lambda: star_agents("arena", *files, "--models", "a,b", "-q", "--json", *words)
        )
    again = json.loads(ended.stdout)
    assert (again["calls_sent"], again["players"]) == (0, board["players"]), "what no judge rates stays so"
    assert ended.returncode == 4
    assert "failed: 1 of the newest 1" in ended.stderr, "it was asked for again, and the board is shown all the same"
