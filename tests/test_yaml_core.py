"""agents.yaml is read by YAML 1.2's core schema, and whatever cannot be read is a problem with its line."""

from __future__ import annotations

import math
from typing import Any

import pytest

from star_agents.config.models import Config
from star_agents.config.reading import parse_config
from star_agents.config.yaml_core import MAX_NODES, YamlError, compose, plain_data, repeated_keys
from star_agents.errors import ConfigError, Problem

PAIRED = "pairs: [{{instruction: keep, response: {name}}}]\n"


def read(text: str) -> Any:
    root = compose(text)
    assert root is not None
    return plain_data(root)


def config(more: str = "", name: str = "a") -> Config:
    return parse_config(
        f"agents: {{{name}: {{model: offline/tutor}}, j: {{model: offline/referee}}}}\nreferee: {{agents: [j]}}\n{more}"
    )


def problem(text: str) -> Problem:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    return caught.value.problems[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5e-7", 5e-7),
        ("1E3", 1000.0),
        ("-.5", -0.5),
        ("+1.", 1.0),
        ("685.230_15e+03", "685.230_15e+03"),
        ("010", 10),
        ("0o10", 8),
        ("0o8", "0o8"),
        ("0b10", "0b10"),
        ("0x1F", 31),
        ("-7", -7),
        ("10_000", 10_000),
        ("1__0", "1__0"),
        ("_1", "_1"),
        ("1_", "1_"),
        ("12:30", "12:30"),
        ("190:20:30", "190:20:30"),
        ("1:20.5", "1:20.5"),
        ("2001-01-01", "2001-01-01"),
        ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
        *((word, word) for word in ("no", "No", "NO", "yes", "on", "off", "y", "n", "nul", "tRUE", "=", "<<")),
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, False) for word in ("false", "False", "FALSE")),
        *((word, None) for word in ("null", "Null", "NULL", "~", "")),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("'010'", "010"),
        ('"true"', "true"),
        ("!!str 010", "010"),
        ("!!float 3", 3.0),
        ("!!int '12'", 12),
        (r'"\ud83d\ude00"', "\U0001f600"),
        ("|\n  5e-7", "5e-7"),
    ],
)
def test_a_scalar_is_what_the_core_schema_says(text: str, value: Any) -> None:
    found = read(f"key: {text}")["key"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\u2029"])
def test_what_breaks_lines_in_old_yaml_only_is_a_character_like_any_other(character: str) -> None:
    text = f"# a note{character}agents: none\na: one{character}two\nb: 'x {character} y'\n\U00100000: 3\nc: [1\n"
    assert read(text.replace("[1", "[1]")) == {
        "a": f"one{character}two",
        "b": f"x {character} y",
        "\U00100000": 3,
        "c": [1],
    }
    assert problem(text).where == "agents.yaml:6", "lines are counted as editors count them"


def test_not_a_number_is_a_number_of_the_core_schema() -> None:
    assert math.isnan(read("[.nan]")[0])


KEYS = ["no", "010", "0o7", "1e3", "2001-01-01", "12:30", "true", "~", "1_000", "<<x", "Null"]


def test_keys_stay_as_they_are_written() -> None:
    assert list(read("".join(f"{key}: 1\n" for key in KEYS))) == KEYS


@pytest.mark.parametrize("name", ["no", "010", "2001-01-01", "1e3", "off", "0x1F", "null"])
def test_an_agent_may_be_named_by_what_looks_like_something_else(name: str) -> None:
    found = config(PAIRED.format(name=f"'{name}'"), name)
    assert list(found.agents) == [name, "j"]
    assert [pair.name for pair in found.pool] == [f"keep/{name}"]


def test_a_price_in_scientific_notation_is_a_number() -> None:
    text = "agents: {a: {model: x/y, input_cost_per_token: 5e-7, output_cost_per_token: 1E-6}}\nselection: gap"
    agent = parse_config(text).agents["a"]
    assert (agent.input_cost_per_token, agent.output_cost_per_token) == (5e-7, 1e-6)


def test_counts_may_be_written_with_underscores_and_leading_zeros() -> None:
    assert config("evolution: {horizon: 10_000}\ncandidates: 010").evolution.horizon == 10_000
    assert config("candidates: 010").star.candidates == 10


@pytest.mark.parametrize(("word", "enabled"), [("off", False), ("on", True), ("false", False), ("true", True)])
def test_memory_is_switched_by_a_word_or_by_a_truth_value(word: str, enabled: bool) -> None:
    assert config(f"memory: {word}").memory.enabled is enabled


MERGING = """\
base: &base {model: x/y, max_tokens: 100, temperature: 1}
first: &first {max_tokens: 1}
one: {<<: *base, max_tokens: 200}
other: {max_tokens: 300, <<: *base}
both: {<<: [*first, *base]}
word: {"<<": 1}
"""


def test_what_a_mapping_says_itself_overrides_what_it_merges_wherever_the_merge_key_stands() -> None:
    data = read(MERGING)
    assert data["one"] == {"model": "x/y", "max_tokens": 200, "temperature": 1}
    assert data["other"] == {"model": "x/y", "max_tokens": 300, "temperature": 1}
    assert data["both"] == {"model": "x/y", "max_tokens": 1, "temperature": 1}
    assert data["word"] == {"<<": 1}
    root = compose(MERGING)
    assert root is not None
    assert list(repeated_keys(root)) == []


def test_agents_may_share_settings_by_a_merge_key_and_a_mistake_in_them_is_found_where_it_is_written() -> None:
    text = """\
agents:
  a: &a {model: x/y, max_tokens: 100}
  b:
    <<: *a
    max_tokens: 200
selection: gap
"""
    agents = parse_config(text).agents
    assert [agents[name].max_tokens for name in "ab"] == [100, 200]
    with pytest.raises(ConfigError) as caught:
        parse_config(text.replace("x/y", "''"))
    assert {(one.where, one.field) for one in caught.value.problems} == {
        ("agents.yaml:2", "agents.a.model"),
        ("agents.yaml:2", "agents.b.model"),
    }


@pytest.mark.parametrize(
    ("text", "path", "lines"),
    [
        ("a: 1\na: 2", "a", (2, 1)),
        ("a: 1\n'a': 2", "a", (2, 1)),
        ("x: &x {a: 1,\n  a: 2}\ny: *x\nz: [*x]", "x.a", (2, 1)),
        ("x: &x {b: 1}\ny:\n  <<: *x\n  <<: *x", "y.<<", (4, 3)),
        ("x: &x {b: 1}\ny:\n  <<: *x\n  b: 2\n  b: 3", "y.b", (5, 4)),
        ("l:\n  - {a: 1}\n  - {a: 1,\n  a: 2}", "l[1].a", (4, 3)),
    ],
)
def test_a_key_that_stands_twice_in_the_text_is_told_once_with_both_lines(
    text: str, path: str, lines: tuple[int, int]
) -> None:
    root = compose(text)
    assert root is not None
    assert [(one.path, (one.line, one.first_line)) for one in repeated_keys(root)] == [(path, lines)]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: !!bool maybe", 1, "'maybe' is no bool"),
        ("a:\n  - !!int 3.5", 2, "'3.5' is no int"),
        ("a: !!int yes", 1, "is no int"),
        ("a: !!float x", 1, "is no float"),
        ("a: !!null x", 1, "is no null"),
        ("a: 1\nb: !!timestamp 2001-01-01", 2, "!!timestamp has no meaning"),
        ("a: !!binary aGk=", 1, "!!binary has no meaning"),
        ("a: !!set {x}", 1, "!!set has no meaning"),
        ("a: !!map [1]", 1, "!!map has no meaning"),
        ("a: !mine 1", 1, "!mine has no meaning"),
        ("a: !!python/object/apply:os.system [echo]", 1, "has no meaning"),
        ("a: 1\nb: \0", 2, "U+0000"),
        ("# line\n\na: \x07", 3, "U+0007"),
        ('a: 1\nb: "\\UFFFFFFFF"', 2, "escape"),
        ('a: 1\nb: "\\U00110000"', 2, "escape"),
        ('a: 1\nb: "\\ud800"', 2, "surrogate"),
        ("a: " + "9" * 5000, 1, "5000 characters"),
        ("a: 1\nb: &b [*b]", 2, "holds itself"),
        ("a: &a {<<: *a}", 1, "holds itself"),
        ("a: 1\nb: {<<: 3}", 2, "merges mappings"),
        ("a: 1\nb: {<<: [{c: 1}, [d]]}", 2, "merges mappings"),
        ("a: 1\nb: {[c]: 1}", 2, "plain words"),
        ("a: 1\nb: [", 2, "not valid YAML"),
        ("a: [1\nb: 2", 2, "close the bracket"),
        ("a: {x: 1\n", 2, "close the bracket"),
        ("a: *nobody", 1, "name it before, with &"),
        ("%YAML 9.9\n---\na: 1", 1, "leave the line out"),
        ("a: 1\n---\nb: 2", 2, "leave out the `---`"),
        ("a: 1\n\tb: 2", 2, "indent with spaces"),
        ("a: b: c", 1, "in quotes"),
        ("a: @b", 1, "put the text in quotes"),
        ("a: 'b", 1, "close the quote"),
        ("a: " + "[" * 5000 + "]" * 5000, 1, "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_a_problem_with_its_line(text: str, line: int, says: str) -> None:
    found = problem(text)
    assert (found.where, says in f"{found.message} {found.fix}") == (f"agents.yaml:{line}", True), str(found)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[&a 1, *a, &a 2, *a, *a]", [1, 1, 2, 2, 2]),
        ("a: &x {n: 1}\nb: *x\nc: &x {n: 2}\nd: {<<: *x, m: 3}", {"b": {"n": 1}, "d": {"n": 2, "m": 3}}),
        ("a: &x [1]\nb: &x [&x 2, *x]\nc: *x", {"b": [2, 2], "c": 2}),
        ("&k a: 1\n&k b: *k", {"a": 1, "b": "b"}),
    ],
)
def test_an_alias_means_the_latest_anchor_of_that_name_before_it(text: str, value: Any) -> None:
    found = read(text)
    assert (found if isinstance(value, list) else {name: found[name] for name in value}) == value


def test_an_anchor_that_is_set_anew_still_cannot_hold_itself() -> None:
    with pytest.raises(YamlError, match="holds itself"):
        compose("a: &x [1]\nb: &x [*x]")


def test_an_alias_bomb_of_one_name_that_is_set_anew_is_refused() -> None:
    rows = ", ".join(["*a"] * 9)
    bomb = "l0: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"h{n}: &b [{rows}]\nl{n}: &a [{rows.replace('*a', '*b')}]\n" for n in range(1, 5)
    )
    with pytest.raises(YamlError, match="holds more than 20,000 keys and values"):
        compose(bomb)


def test_an_alias_bomb_is_refused_whether_it_repeats_or_merges() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(8)
    )
    merging = "a: &a {x: 1}\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} {{<<: [{', '.join([f'*{chr(97 + n)}'] * 9)}]}}\n" for n in range(8)
    )
    for text in (bomb, merging):
        with pytest.raises(YamlError, match="holds more than 20,000 keys and values"):
            compose(text)
    below = read(f"[&a [{', '.join('1' * 198)}]{', *a' * 99}]")
    assert sum(len(one) for one in below) == 19_800 < MAX_NODES


@pytest.mark.parametrize(
    ("old", "new", "field", "says"),
    [
        ("allow_cut: true", "allow_cut: yes", "agents.a.allow_cut", "write `true`: only true and false"),
        ("allow_cut: true", "allow_cut: off", "agents.a.allow_cut", "write `false`: only true and false"),
        ("model: x/y", "model: 010", "agents.a.model", 'in quotes it is text: "010"'),
        ("model: x/y", "model: null\n    deployments: [{model: 1e3}]", "agents.a.deployments[0].model", '"1e3"'),
        ("temperature: 1", "temperature: .inf", "agents.a.temperature", "5"),
        ("budget_usd: 3", "budget_usd: 1e999", "agents.a.budget_usd", "finite"),
        ("budget_usd: 3", "budget_usd: .nan", "agents.a.budget_usd", "finite"),
    ],
)
def test_a_value_of_another_type_than_its_look_suggests_comes_with_the_fix(
    old: str, new: str, field: str, says: str
) -> None:
    text = "agents:\n  a:\n    model: x/y\n    allow_cut: true\n    temperature: 1\n    budget_usd: 3\nselection: gap\n"
    assert parse_config(text).agents["a"].allow_cut is True
    found = problem(text.replace(old, new))
    assert found.field == field
    assert says in str(found)
