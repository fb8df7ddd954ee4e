"""`migrate-config`: each key in its section, the rest of the file as it was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chaos_config import texts
from hypothesis import given
from hypothesis import strategies as st

from star_agents.cli.main import main
from star_agents.config.migrating import CannotMigrate, migrate_text
from star_agents.config.old_places import in_sections, moved
from star_agents.config.reading import parse_config
from star_agents.config.yaml_core import YamlError, compose, plain_data

AGENTS = "agents:\n  # whom we ask\n  a: {model: offline/tutor}  # right\n  j: {model: offline/referee, roles: []}\n"
STAR_KEYS = {
    "pairs": (
        "pairs: [{instruction: keep, response: a}]",
        "pairs:\n- {instruction: keep, response: 'a'}\n# another\n- instruction: a\n  response: a",
        'pairs:\n    - {"instruction": keep,\n       response: a}  # the one',
    ),
    "base_pairs": (
        "base_pairs: [{instruction: keep, response: seed}]",
        "base_pairs: &b\n  - instruction: keep\n    response: seed",
    ),
    "referee": ("referee: {agents: [j], exam: 'off'}", 'referee:\n  agents:\n  # who judges\n  - j\n  exam: "off"'),
    "selection": ("selection: referee", '"selection": "referee"', "selection: >-\n  referee"),
    "candidates": ("candidates: 1_0", "candidates:   2"),
    "show_reference": ("show_reference: true",),
}
OTHERS = (
    "memory: {embedder: hashing}   # the bank",
    "concurrency: 4",
    "budget_usd: 20  # in all",
    "server:\n  # where\n  port: 0\n\n  drain_s: 1",
)
EVOLUTION = (
    "evolution: {policy: paper, reward: all, floor: auto}",
    "evolution: {reward: chosen}  # as the paper",
    "evolution:\n  policy: paper\n  # who earns\n  reward: all  # everybody\n  floor: 0.0",
    "evolution: {reward: all,\n  rate: 0.1}",
    "evolution:\n  reward: chosen",
)
SECTION = ("star: {}", "star: {show_reference: true}", "star:\n    # ours\n    show_reference: true  # see it")


def data_of(text: str) -> Any:
    root = compose(text)
    assert root is not None
    return plain_data(root)


@st.composite
def files(draw: st.DrawFn) -> str:
    """A good agents.yaml with some keys at their old places, in any order, with comments around them."""
    keys = draw(st.sets(st.sampled_from(sorted(STAR_KEYS)), min_size=1)) | {"referee"}
    parts = [draw(st.sampled_from(STAR_KEYS[key])) for key in sorted(keys)]
    parts += draw(st.lists(st.sampled_from(OTHERS), unique=True))
    if draw(st.booleans()):
        parts.append(draw(st.sampled_from(EVOLUTION)))
    if "show_reference" not in keys and draw(st.booleans()):
        parts.append(draw(st.sampled_from(SECTION)))
    text = draw(st.sampled_from(("", "# ours\n", "---\n", "# ours\n\n")))
    for part in draw(st.permutations([AGENTS.rstrip(), *parts])):
        text += draw(st.sampled_from(("", "\n", "# about what follows\n", "# one\n\n# two\n")))
        text += part + draw(st.sampled_from(("\n", "\n\n", "\n# after it\n\n")))
    text += draw(st.sampled_from(("", "# the end", "\n# the end\n")))
    return text.replace("\n", "\r\n") if draw(st.booleans()) and draw(st.booleans()) else text


@given(files())
def test_a_rewritten_file_reads_alike_keeps_every_comment_and_is_rewritten_once(text: str) -> None:
    made = migrate_text(text)
    assert parse_config(made) == parse_config(text)
    assert list(moved(data_of(made))) == []
    assert migrate_text(made) == made
    assert made != text
    assert sorted(comments(made)) == sorted(comments(text))
    kept = [
        line for line in text.splitlines() if line.startswith(("agents", "  a:", "  j:", "memory", "concurr", "budget"))
    ]
    assert [line for line in made.splitlines() if line in kept] == kept, "what does not move stays as it is, in order"


def comments(text: str) -> list[str]:
    return [line[line.index("#") :] for line in text.splitlines() if "#" in line]


@given(st.dictionaries(st.sampled_from(["pairs", "selection", "candidates", "referee"]), st.integers(), min_size=1))
def test_a_file_of_json_stays_one(keys: dict[str, int]) -> None:
    text = json.dumps({"agents": {"a": 1}, **keys, "evolution": {"rate": 1, "reward": "all"}})
    assert json.loads(migrate_text(text)) == in_sections(json.loads(text))


def test_a_file_without_old_places_is_printed_as_it_is() -> None:
    text = f"{AGENTS}star: {{candidates: 2}} # x\n"
    assert migrate_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "x: &x {selection: gap}\n<<: *x\nagents: {}\n",
        "agents: {}\nx: &e {reward: all}\nevolution: *e\n",
        "agents: {}\nselection: gap\nx: &s {candidates: 3}\nstar: *s\n",
    ],
)
def test_what_cannot_be_moved_safely_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(CannotMigrate, match=r"write (it )?out"):
        migrate_text(text)


def test_an_alias_stays_behind_its_anchor() -> None:
    text = (
        "agents: {a: {model: offline/tutor}}\ncandidates: 2\nx: &x true\nshow_reference: *x\n"
        "base_pairs: &p\n- {instruction: keep, response: a}\npairs: *p\n"
    )
    assert json.dumps(in_sections(data_of(text)), sort_keys=True) == json.dumps(
        data_of(migrate_text(text)), sort_keys=True
    )


def test_the_command_prints_and_writes_with_a_copy_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "agents.yaml"
    text = f"{AGENTS}# judged\nreferee: {{agents: [j]}}\nselection: referee\n"
    path.write_text(text)
    path.chmod(0o640)
    expected = f"{AGENTS}star:\n  # judged\n  referee: {{agents: [j]}}\n  selection: referee\n"
    assert run(capsys, str(path)) == (0, expected)
    assert path.read_text() == text
    code, said = run(capsys, str(path), "--write")
    assert (code, path.read_text(), path.stat().st_mode & 0o777) == (0, expected, 0o640)
    copy = tmp_path / "agents.yaml.before-sections"
    assert copy.name in said
    assert copy.read_text() == text
    assert run(capsys, str(path), "--write")[0] == 0
    assert sorted(one.name for one in tmp_path.iterdir()) == ["agents.yaml", copy.name], "nothing to change: no copy"
    path.write_text(text)
    run(capsys, str(path), "--write")
    assert (tmp_path / "agents.yaml.before-sections.1").read_text() == text


def test_what_the_command_cannot_do_changes_nothing_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "agents.yaml"
    for text, said in (("x: [", "agents.yaml:1"), ("a: &e {reward: all}\nevolution: *e\n", "is an alias")):
        path.write_text(text)
        with pytest.raises(SystemExit) as stop:
            main(["migrate-config", str(path), "--write"])
        assert stop.value.code == 2
        assert said in capsys.readouterr().err
        assert [one.name for one in tmp_path.iterdir()] == ["agents.yaml"]
        assert path.read_text() == text


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = 0
    try:
        main(["migrate-config", *arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, capsys.readouterr().out


def test_whatever_stands_in_a_file_is_rewritten_alike_or_refused() -> None:
    rewritten = 0
    for _, raw in texts(150, random_seed=7):
        text = raw.decode(errors="replace").replace("star:\n  ", "")
        for key in STAR_KEYS:
            text = text.replace(f"\n  {key}:", f"\n{key}:")
        try:
            if compose(text) is None:
                continue
            before, made = data_of(text), migrate_text(text)
        except (CannotMigrate, YamlError):
            continue
        rewritten += made != text
        # As JSON: a number that is not finite is equal to nothing, itself included.
        assert json.dumps(data_of(made), sort_keys=True) == json.dumps(in_sections(before), sort_keys=True)
    assert rewritten > 35
