"""Which calls LiteLLM only translates, what is left to it whole, and what translating may not do."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from openai_server import Fault, OpenAIServer

from star_agents.agents.answer import Call
from star_agents.agents.endpoints import Endpoint, resolve
from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.translate import translate
from star_agents.agents.transports import litellm_env
from star_agents.agents.transports.http import HttpPool
from star_agents.agents.transports.litellm import LiteLLMTransport
from star_agents.agents.transports.litellm_capture import NotCaptured, capture
from star_agents.agents.transports.litellm_google import NO_PROJECT_KNOWN
from star_agents.agents.transports.litellm_replies import readable
from star_agents.agents.transports.litellm_translations import Translation
from star_agents.agents.transports.translated import TranslatedTransport
from star_agents.agents.transports.translated_routes import TRANSLATED
from star_agents.config.models import AgentConfig
from star_agents.errors import AgentRateLimited, AgentRefused

KEY = "sk-canary-2f81c6d0"
AWS = {"AWS_ACCESS_KEY_ID": "AKIACANARY", "AWS_SECRET_ACCESS_KEY": "secret-canary", "AWS_REGION": "us-east-1"}


def endpoint(model: str, **settings: Any) -> Endpoint:
    agent = AgentConfig(model=model, **settings)
    return resolve(litellm_env.load, {"it": agent}, {"A_KEY": KEY}, {})["it"][0]


@pytest.fixture
async def way() -> AsyncIterator[TranslatedTransport]:
    pool = HttpPool()
    yield TranslatedTransport(pool, litellm_env.load, LiteLLMTransport(litellm_env.load, lambda: None))
    await pool.aclose()
    await litellm_env.close_connections()


# Which way.

CHANGES: tuple[dict[str, Any], ...] = (
    {"supports_system_message": False},
    {"ensure_alternating_roles": True},
    {"litellm_system_prompt": "Be kind."},
    {"cache_control_injection_points": [{"location": "message", "role": "system"}]},
)
RESPONSES = "since LiteLLM asks such a model in a way of its own, such as OpenAI's Responses"


@pytest.mark.parametrize(
    ("model", "settings", "way", "why"),
    [
        ("openai/gpt-4o-mini", {}, "translated", ""),
        ("anthropic/claude-sonnet-4-5", {}, "translated", ""),
        ("anthropic/claude-sonnet-4-5", {"transport": "litellm"}, "litellm", ""),
        ("hosted_vllm/m", {"api_base": "http://127.0.0.1:9/v1"}, "direct", ""),
        ("vertex_ai/gemini-2.5-pro", {"extra": {"vertex_project": "mine"}}, "translated", ""),
        ("vertex_ai/mistral-large@2411", {"extra": {"vertex_project": "mine"}}, "litellm", RESPONSES),
        ("azure/o3-mini", {"api_base": "http://127.0.0.1:9"}, "translated", ""),
        (
            "azure/gpt-4o",
            {"api_base": "http://127.0.0.1:9", "extra": {"azure_ad_token": "oidc/x"}},
            "litellm",
            "since it trades in a token of elsewhere for one of Entra's",
        ),
        ("replicate/m", {}, "litellm", "since an answer is asked for again and again until it is there"),
        ("watsonx/m", {}, "litellm", "since nobody has compared the two ways for watsonx"),
        *(
            ("groq/m", {"extra": extra}, "litellm", "since its `extra` has LiteLLM change the messages")
            for extra in CHANGES
        ),
        (
            "openai/gpt-5-pro",
            {"temperature": None},
            "litellm",
            RESPONSES,
        ),
    ],
)
def test_each_endpoint_has_a_way_and_what_litellm_sends_whole_a_reason(
    model: str, settings: dict[str, Any], way: str, why: str
) -> None:
    found = endpoint(model, api_key="os.environ/A_KEY", **settings)
    assert (found.way, found.why_litellm) == (way, why)
    assert KEY not in repr(found)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


BEDROCK = "bedrock/anthropic.claude-3-5-haiku-20241022-v1:0"


def test_bedrock_is_signed_by_us_with_the_keys_of_the_environment(aws: pytest.MonkeyPatch) -> None:
    assert endpoint(BEDROCK).way == "translated"


@pytest.mark.parametrize("name", ["", "AWS_ROLE_NAME"])
def test_credentials_of_elsewhere_are_asked_of_nobody_to_find_the_way(name: str, aws: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as machine:
        aws.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{machine.getsockname()[1]}/")
        aws.setenv("AWS_STS_ENDPOINT", f"http://127.0.0.1:{machine.getsockname()[1]}/")
        if name:
            aws.setenv(name, "arn:aws:iam::123456789012:role/a")
        else:
            aws.delenv("AWS_SECRET_ACCESS_KEY")
        assert endpoint(BEDROCK).way == "translated"
        machine.setblocking(False)
        with pytest.raises(BlockingIOError):
            machine.accept()


def test_bedrocks_invoke_is_signed_by_us_too_and_an_agent_of_its_core_by_litellm(aws: pytest.MonkeyPatch) -> None:
    assert endpoint("bedrock/invoke/anthropic.claude-3-5-haiku-20241022-v1:0").way == "translated"
    found = endpoint("bedrock/agentcore/arn:aws:bedrock-agentcore:us-east-1:1:runtime/x", max_tokens=None)
    assert (found.way, found.why_litellm) == ("litellm", "since it signs its requests in a way of its own")


def test_the_project_of_vertex_is_read_where_it_stands_and_asked_of_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "VERTEXAI_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    model = "vertex_ai/gemini-2.5-pro"
    assert endpoint(model).why_litellm == NO_PROJECT_KNOWN
    account, user = tmp_path / "account.json", tmp_path / "user.json"
    account.write_text('{"type": "service_account", "project_id": "mine"}')
    user.write_text('{"type": "authorized_user", "quota_project_id": "mine"}')
    ways: list[dict[str, Any]] = [{"vertex_project": "mine"}]
    ways += [{"vertex_credentials": str(one)} for one in (account, user)] + [{"vertex_credentials": user.read_text()}]
    for extra in ways:
        for one in (model, "vertex_ai/claude-sonnet-4-5@20250929"):
            found = endpoint(one, extra=extra).translator
            assert found is not None
            made = found.find(extra)
            assert isinstance(made, Translation)
            assert "/projects/mine/" in made.url


@pytest.mark.parametrize("model", ["anthropic/claude-haiku-4-5", "anthropic/claude-new-9", "ollama/m", "groq/m"])
def test_a_slash_at_the_end_of_an_address_is_not_doubled(model: str) -> None:
    with_it, without = (
        endpoint(model, api_base=f"http://127.0.0.1:9{end}", api_key="os.environ/A_KEY") for end in ("/", "")
    )
    assert with_it.params == without.params
    assert with_it.params["api_base"] == "http://127.0.0.1:9"
    assert with_it.translator is not None
    assert without.translator is not None
    assert with_it.translator.plain == without.translator.plain


def test_a_call_that_is_only_translated_loads_no_tokenizer() -> None:
    litellm = litellm_env.load()
    asked = {"model": "anthropic/claude-new-9", "api_key": KEY}
    captured = capture(litellm, asked, {}, ({"role": "user", "content": "Hello."},), 1)
    assert captured.arguments["encoding"] is None
    assert litellm.main._get_encoding().encode("Hello.")


# What is remembered.

HELLO = ({"role": "user", "content": "Hello."},)


def asking_for(code: str) -> dict[str, Any]:
    """A schema as judges have it, each with a code of its own."""
    properties = {"code": {"type": "string", "enum": [code]}, "verdict": {"type": "string", "enum": ["A", "B"]}}
    schema = {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}
    return {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": schema}}


BINDING: tuple[str, ...] = (
    "groq/openai/gpt-oss-20b",
    "anthropic/claude-haiku-4-5",
    "anthropic/claude-3-haiku-20240307",
)
BINDING += ("gemini/gemini-2.5-flash", "openai/gpt-4o", "mistral/mistral-small-latest")


@pytest.mark.parametrize("model", BINDING)
async def test_schemas_that_differ_in_a_code_are_translated_once_and_each_as_if_it_were_alone(model: str) -> None:
    translator, alone = (endpoint(model, api_key="os.environ/A_KEY").translator for _ in range(2))
    assert translator is not None
    assert alone is not None
    made: set[int] = set()
    for code in ("c0de", "ffff"):
        shape = {"max_tokens": 50, "response_format": asking_for(code)}
        one, other = await translator.translation(shape, HELLO, 1), alone.find(shape, HELLO)
        assert not isinstance(other, NotCaptured)
        assert one.request(HELLO).data == other.request(HELLO).data
        assert code in one.request(HELLO).body.decode()
        made.add(id(one.logging))
    assert len(made) == 1


async def test_a_shape_is_translated_once() -> None:
    translator = endpoint("groq/openai/gpt-oss-20b", api_key="os.environ/A_KEY").translator
    assert translator is not None
    one = await translator.translation({"max_tokens": 5}, HELLO, 1)
    assert await translator.translation({"max_tokens": 5}, HELLO, 1) is one


async def test_a_call_spoils_nothing_for_the_next_one() -> None:
    translator = endpoint("anthropic/claude-sonnet-4-5", api_key="os.environ/A_KEY").translator
    assert translator is not None
    one = await translator.translation({"max_tokens": 5, "temperature": 0.5, "stop": ["x"]}, HELLO, 1)
    system = ({"role": "system", "content": "Be brief."}, *HELLO)
    bodies = [one.request(system).body for _ in range(3)]
    assert len(set(bodies)) == 1
    assert system[0] == {"role": "system", "content": "Be brief."}


# What goes wrong.


def test_an_error_of_any_providers_config_is_translated_by_its_status() -> None:
    """Each provider of LiteLLM has a class of its own; what they have in common is read in one place."""
    litellm = litellm_env.load()
    from litellm.utils import ProviderConfigManager  # noqa: PLC0415  LiteLLM is loaded by now

    for provider in sorted(TRANSLATED):
        config = ProviderConfigManager.get_provider_chat_config(model="m", provider=litellm.LlmProviders(provider))
        if config is None:
            continue
        error = readable(config.get_error_class("slow down", 429, {}))
        assert isinstance(error, HttpFailure), provider
        assert isinstance(translate(error, agent="it", model="m"), AgentRateLimited), provider


async def test_a_parameter_that_a_provider_does_not_take_is_refused_before_anything_is_sent(
    way: TranslatedTransport,
) -> None:
    found = endpoint("anthropic/claude-sonnet-4-5", api_base="http://127.0.0.1:9", api_key="os.environ/A_KEY")
    call = Call(endpoint=found, messages=HELLO, shape={"logit_bias": {"5": 1}}, timeout_s=5.0)
    with pytest.raises(Exception, match="logit_bias") as caught:
        await way.complete(call)
    assert isinstance(translate(caught.value, agent="it", model="m"), AgentRefused)


async def test_messages_that_litellm_cannot_write_are_refused_with_what_it_says(way: TranslatedTransport) -> None:
    found = endpoint("anthropic/claude-sonnet-4-5", api_base="http://127.0.0.1:9", api_key="os.environ/A_KEY")
    odd = ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": 5}}]},)
    with pytest.raises(Exception) as caught:  # noqa: PT011  whichever it is, it is translated
        await way.complete(Call(endpoint=found, messages=odd, shape={"max_tokens": 5}, timeout_s=5.0))
    assert isinstance(translate(caught.value, agent="it", model="m"), AgentRefused)


async def test_an_answer_that_was_cut_before_its_first_word_is_one_that_was_cut(way: TranslatedTransport) -> None:
    """OpenAI says so by an error, though the thoughts are paid for; LiteLLM makes the same of it."""
    said = "Could not finish the message because max_tokens or model output limit was reached. Please try again."
    async with OpenAIServer() as server:
        server.handler = lambda body: Fault(status=400, message=said)
        at = endpoint("openai/gpt-5.1", api_base=server.url, api_key="os.environ/A_KEY", extra={"user": "x"})
        answer = await way.complete(Call(endpoint=at, messages=HELLO, shape={"max_tokens": 5}, timeout_s=20.0))
        assert [(one.text, one.finish_reason) for one in answer.choices] == [("", "length")]
