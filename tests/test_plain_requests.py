"""Plain calls that are written without LiteLLM: what it writes for every model of its list, and what is left to it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from star_agents.agents.price_list import listed
from star_agents.agents.prices import listed_price
from star_agents.agents.transports import litellm_env
from star_agents.agents.transports.json_body import encode
from star_agents.agents.transports.litellm_translations import Translation
from star_agents.agents.transports.plain_requests import PlainRequest, PlainWriter, plain_provider_of, plain_writer
from star_agents.agents.transports.translated_routes import Translator

ROOT = Path(__file__).parents[1]
KEY = "sk-canary-2f81c6d0"


def writer(model: str, **params: str) -> PlainWriter | None:
    return plain_writer(model.partition("/")[0], {"model": model, "api_key": KEY, **params}, {})


def models_of(provider: str) -> list[str]:
    """Those of LiteLLM's list whose plain calls are written here."""
    entries = litellm_env.load().model_cost.items()
    named = [f"{provider}/{name}" for name, entry in entries if entry.get("litellm_provider") == provider]
    return [name for name in named if writer(name) is not None]


def schema(**properties: Any) -> dict[str, Any]:
    told = {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}
    return {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": told}}


VERDICT = schema(
    code={"type": "string", "enum": ["ab12"]},
    reasons={"type": "array", "items": {"type": "string", "description": "One of them."}},
    marks={
        "type": "object",
        "properties": {"A": {"type": "integer"}},
        "required": ["A"],
        "additionalProperties": False,
    },
)
USER = {"role": "user", "content": "Hello. \n"}
ASSISTANT = {"role": "assistant", "content": " Good day. \n"}
SYSTEM = {"role": "system", "content": "Be brief. "}
PROMPTS = ([USER], [SYSTEM, USER], [SYSTEM, SYSTEM, USER, ASSISTANT, USER], [USER, ASSISTANT, USER, ASSISTANT, USER])
SHAPES: tuple[dict[str, Any], ...] = (
    {},
    {"max_tokens": 64},
    {"max_tokens": 64, "temperature": 0.0},
    {"max_tokens": 64, "temperature": 1, "top_p": 0.9},
    {"max_tokens": 64, "stop": "END"},
    {"max_tokens": 64, "stop": ["\n\n", "END"]},
    {"max_tokens": 64, "response_format": VERDICT},
    {"seed": 7, "presence_penalty": 0.5, "frequency_penalty": -0.5},
    {"user": "somebody", "response_format": {"type": "json_object"}},
)


CALLS = [(prompt, shape, 1) for shape in SHAPES for prompt in PROMPTS[:2]]
CALLS += [(prompt, SHAPES[2], n) for prompt in PROMPTS for n in (1, 3)]


@pytest.mark.parametrize(("provider", "models", "calls"), [("openai", 9, 25), ("anthropic", 21, 7)])
def test_what_is_written_here_is_what_litellm_writes_for_every_model_of_its_list(
    provider: str, models: int, calls: int
) -> None:
    found = models_of(provider)
    assert len(found) >= models
    for model in found:
        ours, theirs = writer(model), Translator(litellm_env.load, provider, {"model": model, "api_key": KEY}, None)
        assert ours is not None
        plain = [(ours.request(*call), call) for call in CALLS]
        compared = [_compared(one, theirs.find(shape, prompt, n), prompt) for one, (prompt, shape, n) in plain if one]
        assert len(compared) >= calls, model


@pytest.mark.parametrize("model", ["openai/gpt-4o", "anthropic/claude-sonnet-4-5"])
@pytest.mark.parametrize("path", ["", "/v1", "/v1/messages", "/chat/completions", "/v1/chat/completions"])
def test_an_address_is_completed_as_litellm_does_it(model: str, path: str) -> None:
    provider, base = model.partition("/")[0], f"http://127.0.0.1:9{path}"
    ours = writer(model, api_base=base)
    theirs = Translator(litellm_env.load, provider, {"model": model, "api_key": KEY, "api_base": base}, None)
    assert ours is not None
    found = theirs.find(SHAPES[1], [USER])
    assert isinstance(found, Translation)
    assert ours.url == found.url


def test_more_than_four_stops_are_litellms_to_write_which_leaves_out_the_others() -> None:
    ours = writer("openai/gpt-4o")
    assert ours is not None
    assert ours.request([USER], {"stop": ["a", "b", "c", "d"]}) is not None
    assert ours.request([USER], {"stop": ["a", "b", "c", "d", "e"]}) is None


def _compared(plain: PlainRequest, found: Any, prompt: Sequence[Mapping[str, Any]]) -> bool:
    sent = found.request(prompt)
    assert json.loads(encode(plain.body)) == json.loads(sent.body)
    assert (plain.url, plain.proxy, _low(plain.headers)) == (found.url, found.proxy, _low(sent.headers))
    known = (found.provider, found.form, found.model, found.json_mode)
    assert (plain.provider, plain.form, plain.model, plain.json_mode) == known
    return True


def _low(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_the_lists_prices_of_tokens_are_all_that_their_replies_cost(provider: str) -> None:
    for model in models_of(provider):
        price = listed_price(listed(model.partition("/")[2]))
        assert Translator(litellm_env.load, provider, {"model": model, "api_key": KEY}, price).is_listed_price, model


@pytest.mark.parametrize("name", ["gpt-4o-mini", "claude-haiku-4-5", "claude-new-9", "o3"])
def test_litellm_takes_the_word_before_the_slash_for_the_provider(name: str) -> None:
    for provider in ("openai", "anthropic"):
        assert plain_provider_of(f"{provider}/{name}") == provider
        assert litellm_env.load().get_llm_provider(model=f"{provider}/{name}")[1] == provider
    assert plain_provider_of(name) == plain_provider_of(f"groq/{name}") == ""


CLAUDE, GPT = "anthropic/claude-haiku-4-5", "openai/gpt-4o-mini"


@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("openai/gpt-5.1", {}),
        ("openai/o3", {}),
        ("openai/gpt-4o-audio-preview", {}),
        ("openai/ft:gpt-4o-2024-08-06", {}),
        ("groq/gpt-4o", {}),
        ("anthropic/claude-new-9", {}),
        (CLAUDE, {"api_key": ""}),
        (CLAUDE, {"api_key": "sk-ant-oat01-x"}),
        (GPT, {"api_key": "two words"}),
        (GPT, {"api_base": "https://eu.api.openai.com/v1"}),
        (GPT, {"api_base": "https://somebody:secret@there/v1"}),
        (CLAUDE, {"api_base": "https://there/v1?key=1"}),
        (CLAUDE, {"api_version": "2023-06-01"}),
    ],
)
def test_what_litellm_may_know_more_of_is_left_to_it(model: str, more: dict[str, str]) -> None:
    assert writer(model, **more) is None


@pytest.mark.parametrize("model", [CLAUDE, GPT])
def test_what_the_environment_says_of_a_provider_beside_its_key_is_litellms_to_read(model: str) -> None:
    provider, name = model.partition("/")[0], model.partition("/")[0].upper()
    key = {f"{name}_API_KEY": KEY, "A_KEY": "x"}
    assert plain_writer(provider, {"model": model}, key) == writer(model)
    for more in (f"{name}_BASE_URL", f"LITELLM_{name}_DISABLE_URL_SUFFIX"):
        assert plain_writer(provider, {"model": model}, {**key, more: "http://there"}) is None


LONG = {"max_tokens": 64}


@pytest.mark.parametrize(
    ("model", "prompt", "shape"),
    [
        (GPT, [USER], {"logit_bias": {"5": 1}}),
        (GPT, [USER], {"user": None}),
        (GPT, [{**USER, "name": "somebody"}], {}),
        (GPT, [{"role": "tool", "content": "4"}], {}),
        (GPT, [{"role": "user", "content": [{"type": "text", "text": "Hello."}]}], {}),
        (CLAUDE, [USER], {}),
        (CLAUDE, [USER], {"max_tokens": 64.0}),
        (CLAUDE, [USER], {**LONG, "top_k": 5}),
        (CLAUDE, [USER], {**LONG, "stop": []}),
        (CLAUDE, [USER], {**LONG, "response_format": {"type": "json_object"}}),
        (CLAUDE, [USER], {**LONG, "response_format": schema(mark={"type": "integer", "minimum": 1})}),
        (CLAUDE, [USER], {**LONG, "response_format": schema(mark={"enum": ["A", 1]})}),
        (CLAUDE, [USER, USER], LONG),
        (CLAUDE, [USER, ASSISTANT], LONG),
        (CLAUDE, [USER, SYSTEM, USER], LONG),
        (CLAUDE, [SYSTEM], LONG),
        (CLAUDE, [{**USER, "content": " \n"}], LONG),
        ("anthropic/claude-opus-4-7", [USER], {**LONG, "temperature": 0.5}),
    ],
)
def test_a_call_with_anything_of_its_own_is_not_plain(model: str, prompt: Any, shape: dict[str, Any]) -> None:
    found = writer(model)
    assert found is not None
    assert found.request(prompt, shape) is None


AGENTS = """
import sys
from star_agents.agents.client import AgentClient
from star_agents.config.models import AgentConfig

agents = {
    "gpt": AgentConfig(model="openai/gpt-4o-mini", api_key="os.environ/K"),
    "near": AgentConfig(model="openai/gpt-4o-mini", api_base="http://127.0.0.1:9/v1/", api_key="os.environ/K"),
    "odd": AgentConfig(model="openai/gpt-4o", api_key="os.environ/K", extra={"user": "somebody"}),
    "claude": AgentConfig(model="anthropic/claude-haiku-4-5", api_key="os.environ/K"),
}
client = AgentClient(agents, environ={"K": "sk-canary"})
print([one[0].way for one in client.endpoints.values()], "litellm" in sys.modules)
"""


def test_agents_whose_calls_are_plain_load_no_litellm() -> None:
    done = subprocess.run([sys.executable, "-c", AGENTS], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "['translated', 'direct', 'translated', 'translated'] False"
