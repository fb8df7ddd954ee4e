"""Keys of recipe `star` where they stood in the release before: read as if in their section, and named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from star_agents.config.changes import changes_between, config_marks
from star_agents.config.kept import kept_config
from star_agents.config.models import Config
from star_agents.config.old_places import MOVES, in_sections, moved
from star_agents.config.reading import parse_config
from star_agents.errors import ConfigError, Problem

AGENTS = "agents:\n  a: {model: offline/tutor}\n  b: {model: offline/clerk}\n  j: {model: offline/referee, roles: []}\n"
OLD = {
    "pairs": "[{instruction: keep, response: a}]",
    "base_pairs": "[{instruction: keep, response: b}]",
    "referee": "{agents: [j], exam: 'off'}",
    "selection": "referee",
    "candidates": "3",
    "show_reference": "true",
}
FLAT = AGENTS + "".join(f"{key}: {value}\n" for key, value in OLD.items()) + "evolution: {rate: 0.1, reward: all}\n"
IN_SECTION = (
    AGENTS
    + "star:\n"
    + "".join(f"  {key}: {value}\n" for key, value in OLD.items())
    + "  reward: all\nevolution: {rate: 0.1}\n"
)


def problems(text: str) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    return [(one.where, one.field) for one in caught.value.problems]


def test_a_file_of_old_places_reads_as_one_with_the_section_and_each_key_is_named_once() -> None:
    notes: list[Problem] = []
    assert parse_config(FLAT, note=notes.append) == parse_config(IN_SECTION, note=notes.append)
    assert [(one.where, one.field) for one in notes] == [
        *((f"agents.yaml:{line}", key) for line, key in enumerate(OLD, start=5)),
        ("agents.yaml:11", "evolution.reward"),
    ]
    for note, move in zip(notes, MOVES, strict=True):
        assert f"`{'.'.join(move.new)}`" in note.message
        assert "star-agents migrate-config agents.yaml" in note.fix


def test_a_key_in_its_section_and_at_its_old_place_is_a_problem_that_names_both_lines() -> None:
    for key, value in OLD.items():
        with pytest.raises(ConfigError) as caught:
            parse_config(f"{IN_SECTION}{key}: {value}\n")
        (problem,) = caught.value.problems
        line = 6 + list(OLD).index(key)
        assert (problem.where, problem.field) == ("agents.yaml:14", key)
        assert f"line {line}" in problem.message
        assert f"star.{key}" in problem.fix


@pytest.mark.parametrize(
    ("wrong", "old", "new"),
    [
        (("response: a", "response: nobody"), ("5", "pairs[0].response"), ("6", "star.pairs[0].response")),
        (("agents: [j]", "agents: [x]"), ("7", "referee.agents[0]"), ("8", "star.referee.agents[0]")),
        (("exam: 'off'", "exam: maybe"), ("7", "referee.exam"), ("8", "star.referee.exam")),
        (("exam: 'off'", "exm: 'off'"), ("7", "referee.exm"), ("8", "star.referee.exm")),
        (("selection: referee", "selection: best"), ("8", "selection"), ("9", "star.selection")),
        (("reward: all", "reward: none"), ("11", "evolution.reward"), ("12", "star.reward")),
        (("candidates: 3", "candidats: 3"), ("9", "candidats"), ("10", "star.candidats")),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(
    wrong: tuple[str, str], old: tuple[str, str], new: tuple[str, str]
) -> None:
    for text, (line, field) in ((FLAT, old), (IN_SECTION, new)):
        assert problems(text.replace(*wrong)) == [(f"agents.yaml:{line}", field)]


def test_a_slip_in_an_old_key_is_told_with_its_new_place() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(FLAT.replace("candidates:", "candidats:"))
    assert "did you mean `star.candidates`?" in str(caught.value)


def test_a_section_that_is_no_mapping_is_the_only_problem() -> None:
    assert problems(FLAT + "star: 7\n") == [("agents.yaml:12", "star")]


@given(st.sets(st.sampled_from(MOVES)), st.sampled_from([{}, {"star": {}}, {"star": {"candidates": 9}}]))
def test_moving_is_idempotent_and_leaves_nothing_at_an_old_place(old: set[object], more: dict[str, object]) -> None:
    data: dict[str, object] = {"agents": 1, **more}
    for move in MOVES:
        if move in old:
            *way, key = move.old
            holder = data
            for part in way:
                holder = holder.setdefault(part, {})  # type: ignore[assignment]
            holder[key] = key
    before = json.dumps(data)
    once = in_sections(data)  # type: ignore[arg-type]
    assert json.dumps(data) == before, "what is given stays as it is"
    assert list(moved(once)) == []
    assert in_sections(once) == once


def flat(revision: str) -> str:
    """A revision as the release before wrote it."""
    data = json.loads(revision)
    star = data.pop("star")
    data["evolution"]["reward"] = star.pop("reward")
    return json.dumps({**data, **star, "recipe": "star"})


def test_a_revision_of_the_release_before_is_read_and_is_no_edit() -> None:
    config = parse_config(IN_SECTION)
    new = config.model_dump_json()
    old = flat(new)
    assert "star" not in json.loads(old) or json.loads(old)["recipe"] == "star"
    assert kept_config(old) == config
    assert changes_between(kept_config(old), config) == ()
    assert config_marks([(1, 0, 1.0, old), (2, 5, 2.0, new)]) == []
    edited = parse_config(IN_SECTION.replace("candidates: 3", "candidates: 2")).model_dump_json()
    (mark,) = config_marks([(1, 0, 1.0, old), (2, 5, 2.0, new), (3, 6, 3.0, edited)])
    assert (mark.revision, mark.changes) == (3, ("~ candidates",))


def test_what_a_revision_of_the_release_before_holds_and_nobody_takes_any_more_is_left_out() -> None:
    data = json.loads(flat(parse_config(IN_SECTION).model_dump_json()))
    data["referee"]["gone"] = 1
    data["candidates"] = 0
    read = kept_config(json.dumps(data))
    assert (read.star.candidates, read.star.referee.agents) == (Config(agents=read.agents).star.candidates, ("j",))
