from __future__ import annotations

import inspect
from types import SimpleNamespace

import aiohttp
import httpx
import openai
import pytest

from star_agents.agents.translate import TABLE, translate
from star_agents.agents.transports import litellm_env
from star_agents.errors import AgentError, AgentRateLimited, AgentRefused, AgentUnavailable, BudgetExhausted
from star_agents.text.redaction import redactor


def translated(error: Exception, *secrets: str) -> AgentError:
    redactor.keep(secrets)
    return translate(error, agent="gpt", model="openai/gpt-4o-mini")


def speaking(cls: type[Exception]) -> Exception:
    """An instance of ``cls`` that says "boom", whatever arguments its own constructor takes."""
    plain = {"__init__": lambda self: None, "__str__": lambda self: "boom"}
    error: Exception = type("Plain", (cls,), plain)()
    return error


def rate_limited(headers: dict[str, str]) -> Exception:
    error: Exception = litellm_env.load().exceptions.RateLimitError("slow down", llm_provider="openai", model="m")
    error.response = SimpleNamespace(headers=headers)  # type: ignore[attr-defined]  # where LiteLLM keeps the reply
    return error


def test_every_exception_of_litellm_has_its_own_row() -> None:
    classes = [cls for _, cls in inspect.getmembers(litellm_env.load().exceptions, inspect.isclass)]
    foreign = [cls for cls in classes if issubclass(cls, Exception)]
    assert len(foreign) > 25
    assert {cls.__name__ for cls in foreign} - TABLE.keys() == set()
    for cls in foreign:
        assert "boom" in str(translated(speaking(cls)))


@pytest.mark.parametrize(
    ("cls", "kind"),
    [
        (openai.RateLimitError, AgentRateLimited),
        (openai.APITimeoutError, AgentUnavailable),
        (openai.APIConnectionError, AgentUnavailable),
        (openai.InternalServerError, AgentUnavailable),
        (openai.AuthenticationError, AgentRefused),
        (openai.BadRequestError, AgentRefused),
        (httpx.ConnectError, AgentUnavailable),
        (httpx.ReadTimeout, AgentUnavailable),
        (aiohttp.ClientConnectorError, AgentUnavailable),
        (aiohttp.ServerDisconnectedError, AgentUnavailable),
        (ConnectionResetError, AgentUnavailable),
        (TimeoutError, AgentUnavailable),
        (IndexError, AgentUnavailable),
        (ZeroDivisionError, AgentUnavailable),
    ],
)
def test_the_libraries_below_are_translated_too(cls: type[Exception], kind: type[AgentError]) -> None:
    assert isinstance(translated(speaking(cls)), kind)


def test_our_own_errors_pass_untouched() -> None:
    ours = BudgetExhausted("spent")
    assert translated(ours) is ours


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Fri, 20 Nov 2026 10:00:30 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Fri, 20 Nov 2026 09:00:00 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    error = translated(rate_limited(headers))
    assert isinstance(error, AgentRateLimited)
    assert error.retry_after == seconds


def test_a_message_names_agent_and_model_quotes_the_provider_and_drops_litellms_frame() -> None:
    text = "litellm.BadRequestError: OpenAIException - no such parameter: foo\n\nLiteLLM: model group 'gpt#1' failed"
    error = translated(litellm_env.load().exceptions.BadRequestError(text, model="m", llm_provider="openai"))
    assert str(error).startswith(
        "agent gpt (openai/gpt-4o-mini): the provider refused the request: no such parameter: foo [BadRequestError]; "
    )


def test_secrets_are_removed_before_a_message_is_shortened() -> None:
    secret = "sk-canary-" + "x" * 40
    error = translated(RuntimeError("a" * 280 + secret + "b" * 400), secret)
    assert "sk-canary" not in str(error)
    assert "***" in str(error)
    assert len(str(error)) < 600


def test_a_secret_that_begins_another_leaves_nothing_of_the_longer_one() -> None:
    error = translated(RuntimeError("key: sk-abcdefgh-second"), "sk-abcdefgh", "sk-abcdefgh-second")
    assert "second" not in str(error)
