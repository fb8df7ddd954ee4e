from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
from pydantic import BaseModel

from star_agents.config.base import Section
from star_agents.config.models import Config
from star_agents.config.reading import config_digest, parse_config, read_config
from star_agents.errors import ConfigError
from star_agents.records import AgentPair

REPOSITORY = Path(__file__).resolve().parents[1]

GOOD = """\
agents:
  qwen: {model: ollama_chat/qwen2.5:14b, api_base: "http://localhost:11434", max_concurrency: 4}
  gpt: {model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY, budget_usd: 5}
star:
  pairs:
    - {instruction: keep, response: qwen}
    - {instruction: gpt, response: qwen}
  base_pairs: [{instruction: keep, response: gpt}]
  referee: {agents: [gpt]}
scoring: {small: a, large: b, device: auto, dtype: auto}
memory: {neighbours: 5, draws: 2, embedder: small}
evolution: {policy: paper, rate: auto, floor: auto}
budget_usd: 20
"""

BROKEN = [
    ("{model: ollama", "{modle: ollama", 2, "agents.qwen.modle", "did you mean `model`"),
    ("max_concurrency: 4", "max_concurrency: 0", 2, "agents.qwen.max_concurrency", "greater than or equal to 1"),
    ("max_concurrency: 4", "max_concurrency: '4'", 2, "agents.qwen.max_concurrency", "integer"),
    ("max_concurrency: 4", "extra: {num_retries: 3}", 2, "agents.qwen.extra", "num_retries"),
    ("budget_usd: 5", "tokens_per_minute: 2048", 3, "agents.gpt.tokens_per_minute", "lower `max_tokens`"),
    ("budget_usd: 5", "tokens_per_minute: 90, max_tokens: 9", 3, "agents.gpt.tokens_per_minute", "referee.max_tokens"),
    ("budget_usd: 5", "tokens_per_minute: 9000, max_tokens: null", 3, "agents.gpt.tokens_per_minute", "max_tokens"),
    ("budget_usd: 5", "requests_per_minute: 0", 3, "agents.gpt.requests_per_minute", "greater than or equal to 1"),
    ("gpt: {model", "keep: {model", 3, "agents.keep", "word of its own"),
    ("response: qwen", "response: qwn", 6, "star.pairs[0].response", "did you mean `qwen`"),
    ("{instruction: gpt,", "{instruction: gtp,", 7, "star.pairs[1].instruction", "did you mean `gpt`"),
    ("base_pairs: [{instruction: keep, response: gpt}]", "base_pairs: []", 8, "star.base_pairs", "at least 1"),
    ("response: gpt}]", "response: nobody}]", 8, "star.base_pairs[0].response", "nobody"),
    ("keep, response: gpt}]", "gpt, response: seed}]", 8, "star.base_pairs[0]", "response: seed"),
    ("{agents: [gpt]}", "{agents: [gtp]}", 9, "star.referee.agents[0]", "did you mean `gpt`"),
    ("{agents: [gpt]}", "{agents: []}", 9, "star.referee.agents", "selection: gap"),
    ("device: auto", "device: gpu", 10, "scoring.device", "'cuda'"),
    ("draws: 2", "drws: 2", 11, "memory.drws", "did you mean `draws`"),
    ("embedder: small", "embedder: big", 11, "memory.embedder", "big"),
    ("embedder: small", "embedder: agent:x", 11, "memory.embedder", "'x'"),
    ("rate: auto", "rate: 0", 12, "evolution.rate", "above 0"),
    ("floor: auto", "floor: 0.9", 12, "evolution.floor", "at most 0.5"),
    ("floor: auto", "floor: -1", 12, "evolution.floor", "at least 0"),
    ("evolution:", "evoluton:", 12, "evoluton", "did you mean `evolution`"),
    ("budget_usd: 20", "budget_usd: '20'", 13, "budget_usd", "number"),
    ("budget_usd: 20", "budget_usd: -1", 13, "budget_usd", "greater than or equal to 0"),
    ("budget_usd: 20", "agents: {}", 13, "agents", "given twice, first on line 1"),
    ("base_pairs: [", "base_pairs: ", 8, "", "not valid YAML"),
]


def problems_of(text: str) -> list[tuple[str, str, str]]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    return [(one.where, one.field, f"{one.message} {one.fix}") for one in caught.value.problems]


def test_the_design_example_is_accepted_and_read_as_written() -> None:
    config = parse_config(GOOD)
    assert config.pool == (
        AgentPair(instruction="keep", response="qwen"),
        AgentPair(instruction="gpt", response="qwen"),
    )
    assert config.base == (AgentPair(instruction="keep", response="gpt"),)
    assert config.agents["gpt"].endpoints[0].model == "openai/gpt-4o-mini"
    assert config.star.candidates == 4


@pytest.mark.parametrize(("old", "new", "line", "field", "hint"), BROKEN)
def test_a_mistake_is_reported_with_line_field_and_fix(old: str, new: str, line: int, field: str, hint: str) -> None:
    assert old in GOOD
    found = problems_of(GOOD.replace(old, new, 1))
    assert any(where == f"agents.yaml:{line}" and at == field and hint in text for where, at, text in found), found


def test_every_mistake_of_a_file_is_reported_at_once() -> None:
    text = GOOD.replace("device: auto", "device: gpu").replace("rate: auto", "rate: -1").replace("draws: 2", "drws: 2")
    assert {field for _, field, _ in problems_of(text)} == {"scoring.device", "evolution.rate", "memory.drws"}


def test_a_key_written_into_the_file_is_refused_and_never_repeated() -> None:
    found = problems_of(GOOD.replace("os.environ/OPENAI_API_KEY", "sk-canary-123"))
    assert found[0][1] == "agents.gpt.api_key"
    assert "os.environ/" in found[0][2]
    assert "canary" not in str(found)


@pytest.mark.parametrize(
    "text",
    ["", "agents", "[1, 2]", "agents: 3", "- a: b\n- c", "agents: {a: {model: m}}\nx: !!python/object:os.system y"],
)
def test_a_file_of_another_shape_is_a_problem_not_a_traceback(text: str) -> None:
    assert problems_of(text)


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    assert "more than 20,000 keys and values" in problems_of("\n".join(lines))[0][2]


def test_without_pairs_every_rewriter_meets_every_responder() -> None:
    text = """
agents:
  a: {model: openai/a}
  b: {model: openai/b, roles: [response]}
  judge: {model: openai/j, roles: []}
referee: {agents: [judge]}
"""
    assert [pair.name for pair in parse_config(text).pool] == ["keep/a", "keep/b", "a/a", "a/b"]


def test_a_base_pair_stands_outside_the_pool() -> None:
    text = GOOD.replace("keep, response: gpt}]", "keep, response: qwen}]")
    assert [pair.name for pair in parse_config(text).pool] == ["gpt/qwen"]


def test_memory_off_is_short_for_not_enabled() -> None:
    assert (
        parse_config(GOOD.replace("memory: {neighbours: 5, draws: 2, embedder: small}", "memory: off")).memory.enabled
        is False
    )


@pytest.mark.parametrize(
    ("selection", "small", "large", "referee"),
    [
        ("dual", True, True, True),
        ("gap", True, True, False),
        ("ifd", True, False, False),
        ("referee", False, False, True),
        ("random", False, False, False),
        ("base", False, False, False),
    ],
)
def test_a_selection_needs_only_what_it_ranks_by(selection: str, small: bool, large: bool, referee: bool) -> None:
    config = parse_config(GOOD + f"selection: {selection}\n")
    assert (config.needs_small, config.needs_large, config.needs_referee) == (small, large, referee)


def test_without_scores_the_automatic_embedder_loads_no_model() -> None:
    text = GOOD.replace("embedder: small", "embedder: auto")
    assert parse_config(text).embedder == "small"
    assert parse_config(text + "selection: referee\n").embedder == "hashing"


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="init"):
        read_config(tmp_path / "none.yaml")


def test_a_file_that_is_not_text_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    path.write_bytes(b"agents:\n  a: {model: \xff}\n")
    with pytest.raises(ConfigError, match=r"agents\.yaml:2: is not UTF-8"):
        read_config(path)


def test_the_digest_changes_with_any_setting_and_with_nothing_else() -> None:
    config = parse_config(GOOD)
    assert config_digest(config) == config_digest(parse_config("# a comment\n" + GOOD))
    assert config_digest(config) != config_digest(parse_config(GOOD.replace("draws: 2", "draws: 3")))


def test_a_config_survives_its_own_json() -> None:
    config = parse_config(GOOD)
    assert Config.model_validate_json(config.model_dump_json()) == config


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for sub in model.__subclasses__():
        yield from sections(sub)


def test_every_field_of_every_section_is_documented() -> None:
    undocumented = [
        f"{model.__name__}.{name}"
        for model in sections(Section)
        for name, field in model.model_fields.items()
        if not field.description
    ]
    assert undocumented == []


def test_the_shipped_file_is_what_init_writes_and_is_valid() -> None:
    shipped = (REPOSITORY / "agents.yaml").read_text(encoding="utf-8")
    assert shipped == resources.files("star_agents").joinpath("agents.template.yaml").read_text(encoding="utf-8")
    assert parse_config(shipped).pool


def test_the_worked_example_of_the_readme_is_a_valid_file() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    config = parse_config(example)
    assert [pair.name for pair in config.pool] == ["keep/qwen", "keep/mistral", "gpt/mistral"]
    assert [pair.name for pair in config.base] == ["keep/gpt"]


def test_a_price_of_one_side_of_a_call_is_refused_but_for_an_embedder() -> None:
    text = """agents:
  gpt: {model: openai/gpt, input_cost_per_token: 1e-6}
  many: {deployments: [{model: openai/gpt, output_cost_per_token: 1e-6}]}
  vector: {model: openai/embedding, input_cost_per_token: 1e-7, roles: []}
base_pairs: [{instruction: keep, response: gpt}]
selection: random
memory: {embedder: "agent:vector"}
"""
    with pytest.raises(ConfigError) as refused:
        parse_config(text)
    found = [(problem.where, problem.field, problem.message, problem.fix) for problem in refused.value.problems]
    assert found == [
        (
            f"agents.yaml:{line}",
            field,
            f"is given without `{missing}`, which would count as 0",
            f"give both; `{missing}: 0` is a price",
        )
        for line, field, missing in (
            (2, "agents.gpt.input_cost_per_token", "output_cost_per_token"),
            (3, "agents.many.deployments[0].output_cost_per_token", "input_cost_per_token"),
        )
    ]


AT_A_SERVER = """\
agents:
  flat:
    model: openai/m
    api_base: {flat}
    api_key: os.environ/KEY
  several:
    deployments:
    - {{model: openai/m, api_base: "http://user:pass@127.0.0.1:9/v1"}}
    - model: openai/m
      api_key: os.environ/KEY
      api_base: {several}
selection: random
"""


def test_a_password_in_an_address_beside_a_key_is_refused_and_never_repeated() -> None:
    one, two = "http://user:canary-1@127.0.0.1:9/v1", "https://canary-2@host/v1"
    found = problems_of(AT_A_SERVER.format(flat=one, several=two))
    assert [(where, field) for where, field, _ in found] == [
        ("agents.yaml:4", "agents.flat.api_base"),
        ("agents.yaml:11", "agents.several.deployments[1].api_base"),
    ]
    assert all("leave `api_key` out" in text for _, _, text in found)
    assert "canary" not in str(found)


HEADED = """\
agents:
  a:
    model: openai/m
    extra:
      temperature: 1
      extra_headers:
        X-Good: {good}
        X-Bad: {bad}
selection: random
"""


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ('"canary\\nX-Other: 1"', "line break"),
        ('"canary\\r"', "line break"),
        ('"canary\\0"', "control character"),
        ('"canary\\t1"', "control character"),
        ("canäry", "beyond ASCII"),
        ("|\n          canary", "YAML's `|` and `>` end a text with a line break"),
        ("7", "put it into quotes"),
        ("[canary]", "put it into quotes"),
    ],
)
@pytest.mark.parametrize("place", ["extra_headers", "headers", "default_headers"])
def test_a_header_that_no_request_can_carry_is_refused_with_its_line(place: str, bad: str, said: str) -> None:
    text = HEADED.format(good="fine", bad=bad).replace("extra_headers", place)
    ((where, field, told),) = problems_of(text)
    assert (where, field) == ("agents.yaml:8", f"agents.a.extra.{place}.X-Bad")
    assert said in told
    assert "canary" not in told


@pytest.mark.parametrize("name", ['"X Bad"', '"X-Bad\\n"', '""', '"X:"', "Ümlaut"])
def test_a_header_that_none_can_be_called_is_refused(name: str) -> None:
    ((where, field, told),) = problems_of(HEADED.format(good="a", bad="b").replace("X-Bad", name))
    assert (where, field) == ("agents.yaml:6", "agents.a.extra.extra_headers")
    assert "letters, digits and `-`" in told


def test_headers_that_are_none_are_refused() -> None:
    text = 'agents: {a: {model: openai/m, extra: {extra_headers: "X-A: b"}}}\nselection: random\n'
    ((_, field, told),) = problems_of(text)
    assert field == "agents.a.extra.extra_headers"
    assert "`{NAME: VALUE}`" in told


def test_headers_that_http_has_a_form_for_are_taken() -> None:
    config = parse_config(HEADED.format(good="'Bearer a b; c=\"d\"'", bad="''"))
    assert config.agents["a"].extra["extra_headers"] == {"X-Good": 'Bearer a b; c="d"', "X-Bad": ""}
