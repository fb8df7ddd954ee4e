"""`judge-health`: judges held against people, on data of several forms, paid once, with honest intervals."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from chaos_nursery import Nursery
from click.testing import CliRunner
from daemons import star_agents
from openai_server import Answer, Body, Fault, Move, OpenAIServer
from test_arena_recipe import frames, reply

from star_agents.arena.agreement import Labelled, Side
from star_agents.arena.pair_health import Heard, pair_health
from star_agents.arena.people import PeoplesPair
from star_agents.cli.judge_health import command
from star_agents.engine.configuration import read_config
from star_agents.errors import ConfigError, UsageError
from star_agents.offline import PAIRS_PATH
from star_agents.offline.pairs import write
from star_agents.process.crash_points import VARIABLE
from star_agents.storage.incoming.labelled_pairs import read_pairs, read_verdicts

PANDALM = Path(__file__).resolve().parents[2] / "shared" / "data" / "pandalm"
PAIRS = 6
Points = Callable[[str, str], tuple[float, float]]
"""Of the first and of the second answer, as they are shown, to points for each."""


def pair(number: int, **changed: Any) -> dict[str, Any]:
    """The answer with more stars is the better one, and the first of the pair in every other row."""
    better, worse = f"It is {number}. ***", f"Well, it is about {number}, more or less. *"
    ahead = number % 2 == 0
    first, second = (better, worse) if ahead else (worse, better)
    return {"input": f"Say {number}.", "output_1": first, "output_2": second, "label": 1 if ahead else 2, **changed}


def written(folder: Path, rows: list[Any], name: str = "pairs.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return path


def stars(first: str, second: str) -> tuple[float, float]:
    return 1.0 + first.count("*"), 1.0 + second.count("*")


def judge(points: Mapping[str, Points]) -> Callable[[Body], Move]:
    def answer(body: Body) -> Move:
        code, shown = frames(body)
        first, second = (json.loads(shown[f"{place} answer"]) for place in ("first", "second"))
        return Answer(text=reply(code, *points[str(body["model"])](first, second)))

    return answer


def config(folder: Path, url: str, *judges: str, **keys: str) -> Path:
    agents = "\n".join(
        f'  {name}: {{model: openai/{name}, api_base: "{url}", api_key: os.environ/LINE_TEST_KEY, retries: 0}}'
        for name in (*judges, "player")
    )
    path = folder / "agents.yaml"
    rest = "".join(f"{key}: {value}\n" for key, value in keys.items())
    arena = f"recipe: arena\narena: {{target: player, opponents: [{judges[0]}], judges: [{judges[0]}]}}\n"
    path.write_text(f"agents:\n{agents}\n{arena}{rest}")
    return path


async def told(*arguments: str | Path) -> tuple[int, dict[str, Any], str]:
    """Exit code, what `--json` prints, and what was said beside."""
    ended = await anyio.to_thread.run_sync(lambda: star_agents("judge-health", "--json", "-q", *arguments))
    return ended.returncode, json.loads(ended.stdout) if ended.stdout else {}, ended.stderr


def one(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    (health,) = (each for each in found["judges"] if each["judge"] == name)
    return dict(health)


# What people say


def test_people_of_pandalm_agree_as_its_authors_have_published() -> None:
    """Cohen's kappa of its three annotators: 0.85, 0.88 and 0.86; 422 first, 472 second, 105 ties."""
    if not PANDALM.is_dir():
        pytest.skip("the shared data files are not at hand")
    files = [str(PANDALM / f"{name}-testset-v1.json") for name in ("pandalm-7b", "gpt-3.5-turbo")]
    words = [str(PANDALM / "testset-v1.json"), "--json", *(word for file in files for word in ("--verdicts", file))]
    found = json.loads(CliRunner().invoke(command, words, catch_exceptions=False).output)
    assert [round(kappa, 2) for kappa in found["people"]["kappas"]] == [0.85, 0.88, 0.86]
    assert found["people"]["labels"] == {"first": 422, "second": 472, "tie": 105}
    assert (found["pairs"], found["prompts"], found["bad_rows"]) == (999, 170, 0)
    assert round(one(found, "pandalm")["accuracy"]["value"], 4) == 0.6677, "as its authors have it"
    gpt = one(found, "gpt")
    assert (gpt["unreadable_votes"], gpt["read"], round(gpt["accuracy"]["value"] * gpt["read"])) == (25, 974, 697)
    assert gpt["orders_agree"]["value"] is None, "one order was recorded, and its place may have decided"


@pytest.mark.parametrize(
    ("row", "field", "what"),
    [
        (pair(0, label=3), "label", "is '3', which names no answer"),
        (pair(0, label=None), "label", "must name the better answer; found null"),
        (pair(0, output_2=["so"]), "output_2", "must be text; found a list of 1"),
        (pair(0, input=""), "input", "is empty"),
    ],
)
def test_a_bad_row_is_told_with_its_line_and_field(tmp_path: Path, row: Any, field: str, what: str) -> None:
    file = read_pairs(written(tmp_path, [pair(1), row, pair(2)]))
    (problem,) = file.problems
    assert (problem.where, problem.field, len(file.pairs)) == ("pairs.jsonl:2", field, 2)
    assert what in problem.message


def test_columns_of_any_name_and_verdicts_in_words_are_read(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(
        "question,good,bad,ann,bob,eve\n"
        "Why?,so,thus,model_a,model_b,a\n"
        "How?,so,thus,tie,tie (bothbad),second\n"
        "When?,so,thus,1,2,0\n"
    )
    with pytest.raises(UsageError, match="is of no form that is known here"):
        read_pairs(path)
    columns = {"prompt": "question", "first": "good", "second": "bad", "labels": ("ann", "bob", "eve")}
    pairs = read_pairs(path, columns).pairs
    assert [one.judged.label for one in pairs] == ["first", "tie", None]


def test_recorded_verdicts_are_joined_by_idx_and_never_to_other_pairs(tmp_path: Path) -> None:
    pairs = read_pairs(written(tmp_path, [pair(n, idx=n) for n in range(3)])).pairs
    said = written(
        tmp_path, [{"idx": 2, "x_result": "Tie"}, {"idx": 0, "x_result": 1}, {"idx": 1, "x_result": "?"}], "v"
    )
    said = said.rename(said.with_suffix(".jsonl"))
    found = read_verdicts(said, pairs)
    assert (found.judge, found.said) == ("x", ("first", None, "tie"))
    with pytest.raises(UsageError, match="has no verdict with idx 2"):
        read_verdicts(written(tmp_path, [{"idx": n, "x_result": 1} for n in (0, 1)], "few.jsonl"), pairs)
    unnamed = read_pairs(written(tmp_path, [pair(0)], "one.jsonl")).pairs
    with pytest.raises(UsageError, match="holds 3 verdicts and the data 1 pairs"):
        read_verdicts(said, unnamed)


# Intervals


def heard(prompts: int, per_prompt: int, right: Callable[[int], bool]) -> Iterator[Heard]:
    for prompt in range(prompts):
        for number in range(per_prompt):
            of = PeoplesPair(
                id=f"{prompt}.{number}", prompt=str(prompt), votes=("first",), first_chars=2, second_chars=1
            )
            side: Side = "first" if right(prompt) else "second"
            yield Heard(of, Labelled(label="first", forward=side, backward=side))


def test_pairs_over_one_prompt_count_no_more_than_the_prompt_does() -> None:
    """Ten copies of a pair tell nothing new: the interval of accuracy stays as wide."""
    single, copied = (pair_health("j", list(heard(60, n, lambda prompt: prompt % 3 > 0))).accuracy for n in (1, 10))
    assert single.value == copied.value == pytest.approx(2 / 3)
    assert copied.low == pytest.approx(single.low, abs=0.02)
    assert copied.high == pytest.approx(single.high, abs=0.02)


def test_a_judge_that_was_right_20_times_of_20_may_yet_be_wrong() -> None:
    found = pair_health("j", list(heard(20, 1, lambda _: True))).accuracy
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(0.839, abs=1e-3), "Wilson's, since all resamples are alike"


# Judges that are asked


async def test_judges_are_told_apart_by_what_decides_their_word(tmp_path: Path) -> None:
    """One sees the stars, one likes what is shown first, one what is long: of each pair the longer answer is worse."""
    points: dict[str, Points] = {
        "stars": stars,
        "place": lambda first, second: (7, 4),
        "long": lambda first, second: (len(first) / 10, len(second) / 10),
    }
    data = written(tmp_path, [pair(n) for n in range(PAIRS)])
    async with OpenAIServer(judge(points)) as server:
        path = config(tmp_path, server.url, *points)
        code, found, said = await told(data, "--judges", ",".join(points), "-c", path, "-o", tmp_path / "out")
    assert code == 0, said
    sees, by_place, by_length = (one(found, name) for name in points)
    assert (sees["accuracy"]["value"], sees["kappa"]["value"], sees["orders_agree"]["value"]) == (1, 1, 1)
    assert (by_place["position_bias"]["value"], by_place["to_first"], by_place["first_bonus"]["value"]) == (1, PAIRS, 3)
    assert (by_place["ties"]["value"], by_place["accuracy"]["value"]) == (1, 0)
    assert (by_length["accuracy"]["value"], by_length["longer"]["value"], by_length["length_bias"]["value"]) == (
        0,
        1,
        1,
    )
    assert one(found, "all together")["pairs"] == PAIRS
    assert found["spread"]["pairs"] == PAIRS
    assert json.loads((tmp_path / "out" / "judge_health.json").read_text()) == found


async def test_nothing_is_paid_twice_and_one_more_judge_costs_its_own_calls(tmp_path: Path) -> None:
    data = written(tmp_path, [pair(n) for n in range(PAIRS)])
    async with OpenAIServer(judge({"j": stars, "k": stars, "other": stars})) as server:
        path, out = config(tmp_path, server.url, "j", "k"), tmp_path / "out"
        await told(data, "--judges", "j", "-c", path, "-o", out, "-n", "2")
        assert len(server.charged) == 2 * 2
        await told(data, "--judges", "j", "-c", path, "-o", out)
        assert len(server.charged) == 2 * PAIRS
        _, found, _ = await told(data, "--judges", "j,k", "-c", path, "-o", out)
        assert len(server.charged) == 4 * PAIRS
        assert [each["pairs"] for each in found["judges"]] == [PAIRS] * 3
        path.write_text(path.read_text().replace("j: {model: openai/j,", "j: {model: openai/other,"))
        await told(data, "--judges", "j", "-c", path, "-o", out)
        assert len(server.charged) == 6 * PAIRS, "another model under the name is asked anew"


async def test_a_judge_whose_calls_fail_stops_the_run_and_the_same_command_goes_on(tmp_path: Path) -> None:
    data, is_down = written(tmp_path, [pair(n) for n in range(30)]), True
    right = judge({"j": stars})
    async with OpenAIServer(
        lambda body: Fault(status=404, message="no such model") if is_down else right(body)
    ) as server:
        path, out = config(tmp_path, server.url, "j", failure_limits="{after: 10}"), tmp_path / "out"
        code, found, said = await told(data, "--judges", "j", "-c", path, "-o", out)
        assert (code, found["judges"][0]["pairs"]) == (4, 0)
        assert "no such model" in said
        is_down = False
        code, found, said = await told(data, "--judges", "j", "-c", path, "-o", out)
        assert (code, found["judges"][0]["accuracy"]["value"]) == (0, 1), said


async def test_replies_that_cannot_be_read_are_counted_with_their_reason(tmp_path: Path) -> None:
    data, right = written(tmp_path, [pair(n) for n in range(PAIRS)]), judge({"j": stars})

    def mute(body: Body) -> Move:
        """Says nothing of use where the better answer is shown first."""
        shown = frames(body)[1]
        return Answer(text="The first one.") if "***" in shown["first answer"] else right(body)

    async with OpenAIServer(mute) as server:
        _, found, _ = await told(data, "--judges", "j", "-c", config(tmp_path, server.url, "j"), "-o", tmp_path / "out")
    (health,) = found["judges"]
    assert (health["votes"], health["unreadable_votes"], health["read"]) == (2 * PAIRS, PAIRS, 0)
    (reason,) = found["unread_because"]["j"]
    assert "holds no JSON object" in reason


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_killed_at_any_point_it_goes_on_and_pays_for_nothing_again(tmp_path: Path) -> None:
    data = written(tmp_path, [pair(n) for n in range(PAIRS)])
    with Nursery() as nursery:
        async with OpenAIServer(judge({"j": stars})) as server:
            path = config(tmp_path, server.url, "j", concurrency="1")

            def run(point: str, dies_at: str = "") -> int:
                words = ("judge-health", data, "--judges", "j", "-c", path, "-o", tmp_path / point, "-q")
                nursery.start(*words, **({VARIABLE: dies_at} if dies_at else {}))
                return nursery.ended()

            for point in ("answer_recorded", "outcome_before_commit", "outcome_committed"):
                assert await anyio.to_thread.run_sync(run, point, f"{point}:2") == -signal.SIGKILL
                assert await anyio.to_thread.run_sync(run, point) == 0
                bodies = Counter(json.dumps(body, sort_keys=True) for body in server.charged)
                assert len(bodies) == 2 * PAIRS, "each pair in both orders"
                counts = json.loads((tmp_path / point / "summary.json").read_text())["counts"]
                assert counts["calls_answered"] == 2 * PAIRS
                twice = bodies.total() - len(bodies)
                assert twice <= counts["calls_maybe_paid"] <= 1, "the other order's call, in flight at the kill"
                server.charged.clear()


# What ships


def test_the_sample_judge_is_right_where_it_should_be_and_the_pairs_are_those_of_their_module(tmp_path: Path) -> None:
    write(tmp_path / "pairs.jsonl")
    assert (tmp_path / "pairs.jsonl").read_bytes() == PAIRS_PATH.read_bytes()
    assert star_agents("init", "--recipe", "arena", tmp_path / "arena.yaml").returncode == 0
    words = ("judge-health", "offline", "--judges", "referee,tutor", "-c", tmp_path / "arena.yaml", "-n", "60")
    ended = star_agents(*words, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    shown = re.sub(r"\s+", " ", ended.stdout)
    for part in ("accuracy", "Cohen's kappa", "position decides", "the judges lie", "offline.judges/judge_health.json"):
        assert part in shown, shown
    found = json.loads((tmp_path / "offline.judges" / "judge_health.json").read_text())
    assert one(found, "referee")["accuracy"]["low"] > 0.6
    assert found["equal_answers"] == 2


def test_the_recipe_of_the_command_stands_in_no_agents_yaml(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text("agents: {j: {model: offline/referee}}\nrecipe: judging_pairs\n")
    with pytest.raises(ConfigError, match="is worked by a command of its own"):
        read_config(path)
    assert "judging_pairs" not in star_agents("recipes").stdout


def test_a_judge_of_no_agent_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text(
        "agents: {gpt-4: {model: offline/referee}}\nrecipe: evol\n"
        "evol: {writer: gpt-4, responder: gpt-4, judge: gpt-4}\n"
    )
    ended = star_agents("judge-health", "offline", "--judges", "gpt4", "-c", path, cwd=tmp_path)
    assert ended.returncode == 2
    assert "no agent is called 'gpt4'; did you mean `gpt-4`?" in ended.stderr
