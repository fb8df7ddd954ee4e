"""agents.yaml as nobody means it: refused with line, field and fix, or taken whole. Texts: chaos_config.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from chaos_config import (
    CHARACTERS_AT_MOST,
    GOOD,
    PROVIDERS,
    SECONDS_AT_MOST,
    FuzzReport,
    edit_all,
    large_texts,
    read_all,
)

from star_agents.agents.endpoints import resolve
from star_agents.agents.transports import litellm_env
from star_agents.config.lines import lines_from, with_lines
from star_agents.config.models import MAX_AGENTS
from star_agents.config.reading import parse_config, read_config
from star_agents.config.star import MAX_PAIRS
from star_agents.errors import MAX_PROBLEMS, ConfigError, Problem

TEXTS, EDITS = 500, 60


def problem(text: str) -> Problem:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    return caught.value.problems[0]


def refused(look: Callable[[], object]) -> tuple[Problem, ...]:
    """Why something is refused; nothing where it is taken."""
    try:
        look()
    except ConfigError as error:
        return error.problems
    return ()


def test_whatever_stands_in_agents_yaml_is_taken_or_refused_with_its_line(tmp_path: Path) -> None:
    report = read_all(tmp_path, rounds=TEXTS, random_seed=5)
    assert report.faults == []
    assert report.texts == TEXTS
    assert report.kinds.keys() == {"field", "key", "grammar", "byte", "large"}
    assert TEXTS / 50 < report.taken < TEXTS / 2


def test_a_daemon_lives_through_every_edit_and_works_on_under_the_next_good_one(tmp_path: Path) -> None:
    report = FuzzReport()
    edit_all(tmp_path, rounds=EDITS, random_seed=6, report=report)
    assert report.faults == []
    assert report.edits > EDITS / 2
    assert report.applied > 0


@pytest.mark.parametrize("name", sorted(large_texts()))
def test_a_large_file_is_read_or_refused_within_a_second(name: str, tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_bytes(large_texts()[name])
    began = time.process_time()
    found = refused(lambda: read_config(path))
    assert all(len(str(one)) <= CHARACTERS_AT_MOST for one in found)
    assert len(found) <= MAX_PROBLEMS + 1
    assert time.process_time() - began < SECONDS_AT_MOST


FIELD = "agents:\n  a: {model: openai/m, %s}\nselection: random\n"


@pytest.mark.parametrize(
    ("text", "line", "field", "says"),
    [
        (FIELD % "api_base: 'http://[zz]/x'", 2, "agents.a.api_base", "http://HOST:PORT/v1"),
        (FIELD % "api_base: 'http://h:99999/x'", 2, "agents.a.api_base", "no address"),
        (FIELD % "api_base: 'http://a\u2100b/'", 2, "agents.a.api_base", "no address"),
        (FIELD % "api_base: 'localhost:8080'", 2, "agents.a.api_base", "http://HOST:PORT/v1"),
        (FIELD % 'api_base: "http://h/\\n"', 2, "agents.a.api_base", "control character"),
        (FIELD % "input_cost_per_token: .inf", 2, "agents.a.input_cost_per_token", "finite"),
        (FIELD % "input_cost_per_token: 1e300", 2, "agents.a.input_cost_per_token", "less than or equal"),
        (FIELD % "extra: {seed: .inf}", 2, "agents.a.extra", "not finite"),
        (FIELD % "extra: {max_completion_tokens: -5}", 2, "agents.a.extra", "from 1 to"),
        (FIELD % "extra: {max_completion_tokens: true}", 2, "agents.a.extra", "from 1 to"),
        (FIELD % "max_tokens: 99999999999999999999", 2, "agents.a.max_tokens", "less than or equal"),
        (FIELD % "timeout_s: 1e300", 2, "agents.a.timeout_s", "less than or equal"),
        (FIELD % f"api_version: {'x' * 5000}", 2, "agents.a.api_version", "at most 4096 characters"),
        (f"{GOOD}retention_days: 2001-99-99\n", 11, "retention_days", "not '2001-99-99'"),
        (f"{GOOD}show_reference: !!bool maybe\n", 11, "", "'maybe' is no bool"),
        (f"{GOOD}budget_usd: 1e300\n", 11, "budget_usd", "less than or equal"),
        (f"{GOOD}yes: 1\n", 11, "yes", "is not a key that exists here"),
        (f'{GOOD}server: {{watch: "\\0"}}\n', 11, "server.watch", "control character"),
        (f"{GOOD}server: {{token: 'my os.environ/T'}}\n", 11, "server.token", "pattern"),
        (f"{GOOD}failure_limits: {{after: 99999999999999999999}}\n", 11, "failure_limits.after", "less than or equal"),
        (f"{GOOD}recipe: {'[' * 65}{']' * 65}\n", 11, "", "nested too deeply"),
    ],
)
def test_what_no_part_can_work_with_is_refused_where_it_stands(text: str, line: int, field: str, says: str) -> None:
    found = problem(text)
    assert (found.where, found.field) == (f"agents.yaml:{line}", field)
    assert says in f"{found.message} {found.fix}"


@pytest.mark.parametrize("name", ["2001-01-01", "yes", "no", "010", "1e3", "0x1F"])
def test_an_agent_may_have_a_name_that_looks_like_something_else(name: str) -> None:
    assert name in parse_config(GOOD.replace("tutor", name)).agents


def test_an_address_that_is_refused_is_not_repeated_for_it_may_hold_a_password() -> None:
    assert "hunter2" not in str(problem(FIELD % "api_base: 'http://u:hunter2@[zz]/x'"))


def test_more_pairs_than_can_be_told_apart_are_refused_before_one_is_made() -> None:
    def agents(count: int) -> str:
        return "agents:\n" + "".join(f"  a{number}: {{model: offline/tutor}}\n" for number in range(count))

    began = time.process_time()
    found = problem(f"selection: random\n{agents(MAX_AGENTS)}")
    assert time.process_time() - began < SECONDS_AT_MOST
    assert (found.where, found.field) == ("agents.yaml:2", "agents")
    assert f"{MAX_AGENTS * (MAX_AGENTS + 1):,} pairs" in found.message
    assert "under `star.pairs`" in found.fix
    assert f"more than {MAX_AGENTS:,} entries" in problem(f"selection: random\n{agents(2000)}").message
    assert len(parse_config(f"selection: random\n{agents(70)}").pool) == 70 * 71 < MAX_PAIRS


def test_of_very_many_mistakes_the_first_are_told_and_the_others_counted() -> None:
    text = GOOD + "".join(f"k{number}: 1\n" for number in range(3000))
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    assert len(caught.value.problems) == MAX_PROBLEMS + 1
    assert caught.value.problems[-1].message == "holds 2,900 more mistakes"


def test_a_field_that_cannot_be_put_in_force_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    text = "agents:\n  a.b:\n    deployments:\n    - model: offline/tutor\n    - model: nobody/m\nselection: random\n"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught, lines_from(path):
        resolve(litellm_env.load, parse_config(text).agents, {}, PROVIDERS)
    assert [(one.where, one.field) for one in caught.value.problems] == [
        ("agents.yaml:5", "agents.a.b.deployments.1.model")
    ]
    path.write_text("- [")
    error = ConfigError([Problem(where="agents.yaml", field="a.b", message="is wrong")])
    assert with_lines(error, path) is error, "a file that is no longer what was read has no lines to tell"


def test_a_variable_that_holds_no_address_is_a_problem_of_the_agent_that_uses_it() -> None:
    agents = parse_config(FIELD.replace("openai/m, %s", "ollama_chat/m")).agents
    found = refused(lambda: resolve(litellm_env.load, agents, {"OLLAMA_API_BASE": "http://[zz]/"}, PROVIDERS))
    assert [one.field for one in found] == ["agents.a"]
    assert "variables that hold the provider's address" in found[0].fix
