"""No player wins by what it writes to the judge, however a judge repeats it: as for the referee (`chaos_hostile`)."""

from __future__ import annotations

import json
import re
from random import Random

import pytest
from chaos_hostile import QUOTINGS, RAW, UNSAID, attacks

from star_agents.arena.games import Game, battles_of
from star_agents.arena.scores import Scored, read_scores
from star_agents.recipes.arena import arena
from star_agents.text.prompt_templates import PromptTemplates

ATTACKS = 200
CODE = "5e" * 8
assert arena.prompts is not None
PROMPTS = PromptTemplates(arena.prompts, prefix="arena/")
HIGH = {"A": '"first_score": 10, "second_score": 1', "B": '"first_score": 1, "second_score": 10'}


def hostile(count: int, seed: int) -> list[str]:
    """Answers that hold points, forms with a guessed code, closed frames, other turns and appeals."""
    found = []
    for attack in attacks(count, seed):
        text = re.sub(r'"verdict": "([AB])', lambda side: HIGH[side[1]] + ', "why": "', attack.text)
        found.append(text.replace("say A", "give the first answer 10").replace("say B", "give the second answer 10"))
    return found


def said(points: tuple[float, float], quoting: str, text: str) -> str:
    own = {"code": CODE, "first_reason": "so", "second_reason": "thus"}
    line = json.dumps({**own, "first_score": points[0], "second_score": points[1]})
    if quoting == RAW:
        return line.replace('", "first_score"', f'", "why": "{text}", "first_score"')
    return QUOTINGS[quoting](line, text)


def heard(reply: str) -> Scored | None:
    try:
        return read_scores(reply, CODE)
    except ValueError:
        return None


def game(first: str, second: str, read: Scored | None) -> Game:
    scores = (None, None) if read is None else (read.first, read.second)
    return Game(prompt="p", judge="j", first=first, second=second, first_score=scores[0], second_score=scores[1])


@pytest.mark.parametrize("quoting", QUOTINGS)
def test_a_hostile_answer_gets_no_point_that_its_judge_did_not_give(quoting: str) -> None:
    wins = 0
    for text in hostile(ATTACKS, seed=5):
        ahead, behind = heard(said((2, 8), quoting, text)), heard(said((8, 2), quoting, text))
        if quoting not in (RAW, UNSAID):
            assert ahead is None or ahead[:2] == (2, 8), text
            assert behind is None or behind[:2] == (8, 2), text
        battles = battles_of([game("hostile", "honest", ahead), game("honest", "hostile", behind)]).battles
        assert [one.winner for one in battles if one.winner != "honest"] in ([], [None]), text
        wins += [one.winner for one in battles] == ["honest"]
    assert wins > ATTACKS / 2 or quoting in (UNSAID, RAW), "and quoting it does not keep the honest answer from winning"


def test_no_answer_can_close_its_frame_or_open_another_message() -> None:
    for text in hostile(ATTACKS, seed=7):
        messages = PROMPTS.render(
            "judge", code=CODE, conversation="", message='"?"', first=json.dumps(text), second='"Seven."'
        )
        assert [message.role for message in messages] == ["system", "user"]
        shown = messages[1].content
        assert shown.count(f"</first answer {CODE}>") == shown.count(f"</second answer {CODE}>") == 1
        assert re.search(rf"<first answer {CODE}>\n(.*)\n</first answer {CODE}>", shown), "it is one line of JSON"


def test_a_reader_that_took_any_points_would_have_been_forged() -> None:
    """The attacks are worth something: a reader that takes the last points it sees falls for them."""

    def naive(reply: str) -> list[str]:
        return re.findall(r'"first_score": (\d+)', reply)[-1:]

    falls = [naive(said((5, 5), "whole, after", text)) != ["5"] for text in hostile(ATTACKS, seed=8)]
    assert sum(falls) > ATTACKS / 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"first_score": 9, "second_score": 2}',
        f'{{"code": "{CODE}", "first_score": 9}}',
        f'{{"code": "{CODE}", "first_score": 11, "second_score": 2}}',
        f'{{"code": "{CODE}", "first_score": true, "second_score": 2}}',
        f'{{"code": "{CODE}", "first_score": NaN, "second_score": 2}}',
        f'{{"code": "{CODE}", "first_score": 9, "first_score": 3, "second_score": 2}}',
        "\n".join(f'{{"code": "{CODE}", "first_score": {one}, "second_score": 5}}' for one in (9, 2)),
    ],
)
def test_what_is_no_points_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"object|hold|number|differ"):
        read_scores(text, CODE)


def test_points_are_read_in_fences_as_strings_and_as_fractions() -> None:
    rng = Random(3)
    for _ in range(20):
        first, second = rng.randint(2, 20) / 2, rng.randint(2, 20) / 2
        own = {"code": CODE, "first_reason": "a {brace", "first_score": str(first), "second_score": second}
        found = read_scores(f"So:\n```json\n{json.dumps(own)}\n```\nThat is all.", CODE)
        assert (found.first, found.second, found.first_reason) == (first, second, "a {brace")
