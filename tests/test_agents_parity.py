"""The direct way and that of LiteLLM's Router, played the same replies by the same server: the same comes of them.

``recorded_replies.py`` holds the replies. Where LiteLLM is wrong, or hides what the provider said, the two differ, and
the tests under "Where the direct way knows better" say in what.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from call_outcomes import CallOutcome, outcome_of
from openai_server import Answer as Says
from openai_server import Body, Cut, Move, OpenAIServer
from recorded_replies import (
    ANSWERS,
    ERRORS,
    LLAMA_CPP,
    LM_STUDIO,
    OLLAMA,
    OPENAI,
    TGI,
    VLLM,
    chat,
    choice,
    error,
    ollama,
)

from star_agents.agents.answer import Call, Choice, Transport
from star_agents.agents.endpoints import Endpoint, resolve
from star_agents.agents.prices import cost, listed_price
from star_agents.agents.replies.finish_reasons import KNOWN, finish_reason
from star_agents.agents.routing import Routing, deployment_id
from star_agents.agents.transports import litellm_env
from star_agents.agents.transports.direct import DirectHttpTransport
from star_agents.agents.transports.http import HttpPool
from star_agents.agents.transports.litellm import LiteLLMTransport
from star_agents.config.models import AgentConfig

SHAPE = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 7}
KEY = {"A_KEY": "sk-canary-2f81c6d0"}


@dataclass(frozen=True)
class Both:
    """The two ways to one endpoint."""

    server: OpenAIServer
    endpoint: Endpoint
    litellm: LiteLLMTransport
    direct: DirectHttpTransport
    shape: Mapping[str, Any]

    async def outcomes(self, move: Move, n: int = 1) -> tuple[CallOutcome, CallOutcome]:
        """What comes of the same reply, through LiteLLM and directly."""
        self.server.handler = lambda body: move
        return await self._outcome(self.litellm, n), await self._outcome(self.direct, n)

    async def bodies(self, n: int = 1) -> tuple[Body, Body]:
        """What each sends, where only the difference that is allowed was taken away."""
        assert (await self.outcomes(Says(text="ok"), n))[0].error == ""
        (first, second), self.server.requests[:] = self.server.requests[-2:], []
        assert (first.path, first.authorization) == (second.path, second.authorization)
        return without_litellms_own(first.body), without_litellms_own(second.body)

    async def _outcome(self, way: Transport, n: int) -> CallOutcome:
        call = Call(
            endpoint=self.endpoint,
            deployment=deployment_id("it", 0),
            messages=prompt(),
            shape=self.shape,
            n=n,
            timeout_s=20.0,
        )
        return await outcome_of(call, way, key=KEY["A_KEY"])


def without_litellms_own(body: Body) -> Body:
    """``stream: false`` is everybody's default; Ollama needs no empty list; a Router's ``max_retries: 0`` goes out to
    TGI, which reads no such field."""
    plain = {
        name: value for name, value in body.items() if (name, value) not in (("stream", False), ("max_retries", 0))
    }
    plain["messages"] = [{k: v for k, v in message.items() if k != "images" or v} for message in body["messages"]]
    return plain


def prompt() -> list[dict[str, str]]:
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Wie heißt du? 🙂"}]


@asynccontextmanager
async def both(model: str, shape: Mapping[str, Any] = SHAPE, **settings: Any) -> AsyncIterator[Both]:
    litellm = litellm_env.load()
    async with OpenAIServer() as server:
        base = server.root if model.startswith(("ollama", "huggingface")) else server.url
        agent = AgentConfig(model=model, api_base=base, api_key="os.environ/A_KEY", **settings)
        endpoint = resolve(lambda: litellm, {"it": agent}, KEY, {})["it"][0]
        assert endpoint.route is not None
        routing = Routing(lambda: litellm)
        routing.register("it", [endpoint], lambda: 0)
        pool = HttpPool()
        direct = DirectHttpTransport(pool)
        try:
            through = LiteLLMTransport(lambda: litellm, lambda: routing.router)
            yield Both(server, endpoint, through, direct, {**agent.extra, **shape})
        finally:
            await pool.aclose()
            await litellm_env.close_connections()


To = Callable[[str], Awaitable[Both]]
in_one_loop = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def to() -> AsyncIterator[To]:
    """The two ways to a model, opened once: LiteLLM takes its time to open one."""
    ways: dict[str, Both] = {}
    async with AsyncExitStack() as stack:

        async def opened(model: str) -> Both:
            if model not in ways:
                ways[model] = await stack.enter_async_context(both(model))
            return ways[model]

        yield opened


@in_one_loop
@pytest.mark.parametrize("case", ANSWERS)
async def test_the_same_reply_is_the_same_answer(case: str, to: To) -> None:
    model, reply = ANSWERS[case]
    litellm, direct = await (await to(model)).outcomes(reply)
    assert litellm.choices, litellm
    assert direct == litellm


@in_one_loop
@pytest.mark.parametrize("case", ERRORS)
async def test_the_same_failure_is_the_same_error_with_the_same_advice(case: str, to: To) -> None:
    model, reply = ERRORS[case]
    litellm, direct = await (await to(model)).outcomes(reply)
    assert litellm.error, litellm
    assert direct == litellm


async def test_a_server_that_is_not_there_is_the_same_error() -> None:
    async with both(OPENAI) as ways:
        await ways.server.__aexit__()
        litellm, direct = await ways.outcomes(Cut())
    assert (litellm.error, direct) == ("AgentUnavailable", litellm)


@pytest.mark.parametrize("model", [OPENAI, VLLM, OLLAMA])
async def test_what_the_provider_calls_the_model_is_heard_on_both_ways(model: str) -> None:
    async with both(model) as ways:
        dated = (
            chat(choice(content="4"), model="m-2026-01-01") if model != OLLAMA else ollama("4", model="m-2026-01-01")
        )
        ways.server.handler = lambda body: dated
        call = Call(endpoint=ways.endpoint, messages=prompt(), shape={}, timeout_s=20.0)
        heard = [(await way.complete(call)).answered_as for way in (ways.litellm, ways.direct)]
    assert heard[1] == "m-2026-01-01"
    assert heard[0].endswith("m-2026-01-01" if model != OLLAMA else "m"), "LiteLLM gives Ollama's as it was asked for"


@pytest.mark.parametrize(("told", "heard"), [(None, ""), (7, ""), (["m"], ""), ("m" * 500, "m" * 200)])
async def test_a_name_that_is_none_is_not_heard(told: object, heard: str) -> None:
    async with both(VLLM) as ways:
        ways.server.handler = lambda body: chat(choice(content="4"), model=told)
        call = Call(endpoint=ways.endpoint, messages=prompt(), shape={}, timeout_s=20.0)
        assert (await ways.direct.complete(call)).answered_as == heard


# Where the direct way knows better.


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "check the variable that `api_key` names"),
        (403, "check the variable that `api_key` names"),
        (500, "its end"),
    ],
)
async def test_a_status_counts_for_more_than_a_word_of_a_proxy(status: int, advice: str) -> None:
    """LiteLLM takes any ``invalid_request_error`` for a bad request, whatever the status says."""
    async with both(OPENAI) as ways:
        litellm, direct = await ways.outcomes(error(status, "no", "invalid_request_error"))
    assert "parameters" in litellm.advice
    assert advice in direct.advice.replace("the provider's end", "its end")


async def test_an_answer_in_parts_that_litellm_raises_over_is_read_on_both_ways() -> None:
    async with both(OPENAI) as ways:
        parts = [{"type": "text", "text": "Fo"}, {"type": "text", "text": "ur."}]
        litellm, direct = await ways.outcomes(chat(choice(content=parts)))
    assert litellm.choices == direct.choices == (Choice(text="Four.", finish_reason="stop"),)


async def test_a_finish_reason_that_litellm_hides_is_seen() -> None:
    async with both(OLLAMA) as ways:
        litellm, direct = await ways.outcomes(ollama("", "load"))
    assert [outcome.choices[0].finish_reason for outcome in (litellm, direct)] == ["stop", "load"]


NO_ENDS = {"ERROR", "error", "network_error", "FINISH_REASON_UNSPECIFIED", "MALFORMED_FUNCTION_CALL"}
NO_ENDS |= {"TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE"}
"""LiteLLM calls them ``stop``."""


def test_every_finish_reason_means_what_it_means_to_litellm_but_for_those_that_are_no_ends() -> None:
    litellm_env.load()
    from litellm.litellm_core_utils import core_helpers  # noqa: PLC0415  after its environment is set

    theirs = core_helpers._FINISH_REASON_MAP
    assert len(theirs) > 30
    for reason in theirs.keys() - NO_ENDS - {"function_call"}:
        assert finish_reason(reason, tokens=1, max_tokens=None) == core_helpers.map_finish_reason(reason), reason
    for word in {*NO_ENDS, "abort", "insufficient_system_resource", "pause_turn"}:
        assert finish_reason(word, tokens=1, max_tokens=None) == word
        assert core_helpers.map_finish_reason(word) == "stop"
    assert len(KNOWN) > 30


# What is sent.


@pytest.mark.parametrize("model", [VLLM, OPENAI, TGI, LLAMA_CPP, LM_STUDIO, OLLAMA])
async def test_the_same_request_arrives(model: str) -> None:
    async with both(model) as ways:
        litellm, direct = await ways.bodies()
        assert direct == litellm
        assert "Wie heißt du? 🙂" in json.dumps(direct, ensure_ascii=False)


@pytest.mark.parametrize("model", [VLLM, OPENAI, TGI])
async def test_several_answers_are_asked_for_alike(model: str) -> None:
    async with both(model) as ways:
        litellm, direct = await ways.bodies(n=3)
        assert direct == litellm
        assert direct["n"] == 3
        one, two = await ways.outcomes(Says(text="a", others=("b", "c")), n=3)
    assert two == one
    assert [choice.text for choice in two.choices] == ["a", "b", "c"]


EVERYWHERE = {"seed": 4, "stop": ["\n\n"], "top_k": 40, "min_p": 0.05}
MORE = {
    **EVERYWHERE,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.2,
    "logit_bias": {"50256": -100},
    "response_format": {"type": "json_object"},
    "repetition_penalty": 1.1,
    "chat_template_kwargs": {"enable_thinking": False},
    "guided_choice": ["A", "B"],
    "extra_body": {"min_tokens": 2, "ignore_eos": True},
}


@pytest.mark.parametrize(
    ("model", "extra"),
    [
        (VLLM, {**MORE, "reasoning_effort": "low"}),
        (OPENAI, {**MORE, "reasoning_effort": "low"}),
        (TGI, MORE),
        (LLAMA_CPP, {**MORE, "grammar": "root ::= [A-Z]", "cache_prompt": True, "dry_multiplier": 1.0}),
        (LM_STUDIO, MORE),
        (OLLAMA, {**EVERYWHERE, "num_ctx": 8192, "repeat_penalty": 1.1, "keep_alive": "5m", "think": False}),
        (VLLM, {"logit_bias": {50256: -100}}),
    ],
    ids=["vLLM", "OpenAI", "TGI", "llama.cpp", "LM Studio", "Ollama", "numbers as keys"],
)
async def test_further_parameters_arrive_alike(model: str, extra: dict[str, Any]) -> None:
    async with both(model, extra=extra) as ways:
        litellm, direct = await ways.bodies()
        assert direct == litellm
        flat = json.dumps(direct)
        assert all(f'"{name}"' in flat for name in extra if name != "extra_body")


# What it costs.


@pytest.mark.parametrize("details", [{}, {"prompt_tokens_details": {"cached_tokens": 1024}}], ids=["fresh", "cached"])
async def test_a_call_costs_the_same_by_litellms_list(details: Mapping[str, Any]) -> None:
    said = Says(text="ok", prompt_tokens=2000, completion_tokens=6, usage=details)
    async with both("openai/gpt-4o") as ways:
        litellm, direct = await ways.outcomes(said)
    assert litellm.cost_usd
    assert direct == litellm


@pytest.mark.parametrize(("prompt", "cached"), [(1000, 0), (1000, 600), (300_000, 0), (300_000, 250_000)])
def test_every_price_of_openais_list_is_read_as_litellm_reads_it(prompt: int, cached: int) -> None:
    litellm = litellm_env.load()
    models = [
        (name, entry)
        for name, entry in litellm.model_cost.items()
        if entry.get("litellm_provider") == "openai" and entry.get("mode") == "chat" and "input_cost_per_token" in entry
    ]
    assert len(models) > 50
    assert any(len(listed_price(entry).tiers) > 1 for _, entry in models)
    usage = litellm.Usage(
        prompt_tokens=prompt,
        completion_tokens=200,
        total_tokens=prompt + 200,
        prompt_tokens_details={"cached_tokens": cached},
    )
    for name, entry in models:
        reply = litellm.ModelResponse(model=name, usage=usage)
        theirs = litellm.completion_cost(completion_response=reply, model=name, custom_llm_provider="openai")
        assert cost(listed_price(entry), prompt, 200, None, cached) == pytest.approx(theirs), name
