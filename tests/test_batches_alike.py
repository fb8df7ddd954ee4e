"""Batches of Azure, Mistral and Gemini: what each does in its own way."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from batch_account import COMPLETION_TOKENS, PROMPT_TOKENS, Account, Faults
from batch_protocols_alike import API_VERSION
from batch_provider import serving
from chaos_batches import MODELS, lay_out

from star_agents.agents.batching.gemini import GeminiBatches
from star_agents.agents.batching.http import BatchHttp
from star_agents.agents.batching.mistral import MistralBatches
from star_agents.agents.batching.protocol import BatchedCall, Submission
from star_agents.agents.batching.routes import batch_route
from star_agents.agents.price_list import listed
from star_agents.agents.replies.body import RefusedReply
from star_agents.config.models import DeploymentConfig
from star_agents.engine.batch import load_seeds, run_batch
from star_agents.engine.configuration import read_config
from star_agents.events import BatchEnded, Event
from star_agents.storage.reader import StoreReader

ENVIRONMENT = {"LINE_TEST_KEY": "sk-line-test-0123456789"}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


async def work(folder: Path) -> list[Event]:
    """What `run` does with a folder that is laid out, and what happens."""
    heard: list[Event] = []
    config = read_config(folder / "agents.yaml", ENVIRONMENT)
    seeds = load_seeds(folder / "seeds.jsonl", config, skip_bad=False, limit=None).seeds
    with anyio.fail_after(60):
        run = run_batch(config, seeds, "test", folder / "out", retry_dropped=False, console=None, hear=heard.append)
        await run
    return heard


def rewrite(folder: Path, old: str, new: str) -> None:
    """Another agents.yaml."""
    path = folder / "agents.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("protocol", ["azure", "mistral", "gemini"])
async def test_they_cost_half_of_what_calls_alone_cost(tmp_path: Path, protocol: str) -> None:
    async with serving(Account()) as (url, _):
        lay_out(tmp_path, url, 2, protocol=protocol)
        await work(tmp_path)
    prices = [listed(model) for model in MODELS[protocol]]
    each = [
        PROMPT_TOKENS * one["input_cost_per_token"] + COMPLETION_TOKENS * one["output_cost_per_token"] for one in prices
    ]
    with StoreReader(tmp_path / "out") as reader:
        assert reader.counts().cost_usd == pytest.approx((2 * 2 * each[0] + 2 * each[1]) / 2)


async def test_a_batch_deployment_of_azures_takes_batches_and_what_goes_alone_goes_to_the_ordinary_one(
    tmp_path: Path,
) -> None:
    account = Account(Faults(expired=1.0))
    async with serving(account) as (url, server):
        lay_out(tmp_path, url, 4, protocol="azure", tries=1, settings=", model: for-batches, price: 0.5")
        rewrite(tmp_path, "transport: batch", f"transport: batch, api_version: {API_VERSION}")
        await work(tmp_path)
        assert server.azure.deployments == {"gpt-4.1-nano", "gpt-4.1-mini"}
    assert account.charged.total() == 12
    assert 0 < account.alone.total() < 12
    assert account.files == {}


async def test_a_file_that_azure_refuses_ends_its_batch(tmp_path: Path) -> None:
    account = Account()
    async with serving(account) as (url, server):
        server.azure.verdict = "error"
        lay_out(tmp_path, url, 1, protocol="azure", settings=", fall_back: false")
        with (tmp_path / "agents.yaml").open("a") as file:
            file.write("failure_limits: {share: 1}\n")
        await work(tmp_path)
    assert account.charged.total() == 0
    with StoreReader(tmp_path / "out") as reader:
        (failure,) = [one for one in reader.tallies().failures if one.part == "agent"]
    assert "its file was refused" in failure.example


@pytest.mark.parametrize("protocol", ["mistral", "gemini"])
async def test_what_their_batches_leave_unanswered_is_sent_alone(tmp_path: Path, protocol: str) -> None:
    account = Account(Faults(broken=0.5), seed=1)
    async with serving(account) as (url, _):
        lay_out(tmp_path, url, 4, protocol=protocol, tries=1)
        await work(tmp_path)
    assert set(account.charged.values()) == {1}
    assert 0 < account.alone.total() < 12


async def test_what_gemini_did_of_a_batch_that_expired_is_counted_as_maybe_paid_twice(
    tmp_path: Path,
) -> None:
    account = Account(Faults(expired=1.0))
    async with serving(account) as (url, _):
        lay_out(tmp_path, url, 2, protocol="gemini", tries=1)
        ended = [event for event in await work(tmp_path) if isinstance(event, BatchEnded)]
    assert account.alone.total() == sum(event.maybe_paid for event in ended) == 6


def test_parameters_go_under_mistrals_names() -> None:
    route = batch_route(DeploymentConfig(model="mistral/m"), "mistral", "k", {})
    call = BatchedCall(key="k", messages=[], shape={"seed": 7, "max_completion_tokens": 9, "temperature": 0.5})
    line = MistralBatches(BatchHttp(), route).line(call)
    assert line == b'{"custom_id":"k","body":{"messages":[],"random_seed":7,"max_tokens":9,"temperature":0.5}}'


def test_prompts_parameters_and_schemas_go_in_geminis_form() -> None:
    route = batch_route(DeploymentConfig(model="gemini/m"), "gemini", "k", {})
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "So."},
        {"role": "user", "content": "And?"},
    ]
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    shape = {"max_tokens": 9, "stop": "x", "temperature": 0.5, "response_format": form}
    line = GeminiBatches(BatchHttp(), route).line(BatchedCall(key="k", messages=turns, shape=shape))
    assert json.loads(line) == {
        "key": "k",
        "request": {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "Why?"}]},
                {"role": "model", "parts": [{"text": "So."}]},
                {"role": "user", "parts": [{"text": "And?"}]},
            ],
            "generationConfig": {
                "maxOutputTokens": 9,
                "stopSequences": ["x"],
                "temperature": 0.5,
                "responseMimeType": "application/json",
                "responseJsonSchema": {"type": "object"},
            },
        },
    }


@pytest.mark.parametrize(
    ("line", "fate", "status"),
    [
        ({"key": "k", "error": {"code": 3, "message": "bad"}}, "failed", 400),
        ({"key": "k", "error": {"code": 1, "message": "cancelled"}}, "unanswered", 500),
        ({"key": "k", "error": {"code": 8, "message": "busy"}}, "unanswered", 429),
        ({"key": "k", "error": {"code": 503, "message": "busy"}}, "unanswered", 503),
        ({"key": "k", "response": {"promptFeedback": {"blockReason": "SAFETY"}}}, "failed", 400),
        ({"key": "k"}, "unanswered", 500),
    ],
)
def test_an_error_of_geminis_is_tried_again_where_another_batch_may_answer(
    line: Mapping[str, Any], fate: str, status: int
) -> None:
    route = batch_route(DeploymentConfig(model="gemini/m"), "gemini", "k", {})
    result = GeminiBatches(BatchHttp(), route).read(json.dumps(line).encode())
    assert result.failure is not None
    assert (result.fate, result.failure.status_code) == (fate, status)


async def test_a_file_goes_nowhere_but_to_the_server_that_was_asked(tmp_path: Path) -> None:
    async def begin(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({})
        return web.json_response({}, headers={"X-Goog-Upload-URL": "http://127.0.0.1:1/elsewhere"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", begin)
    http = BatchHttp()
    async with TestServer(app) as server:
        config = DeploymentConfig(model="gemini/m", api_base=str(server.make_url("/v1beta")))
        provider = GeminiBatches(http, batch_route(config, "gemini", "k", {}))
        submission = Submission(id="i", store="s", requests=1, made_at=0.0)
        with (tmp_path / "lines").open("w+b") as lines, pytest.raises(RefusedReply, match="another server"):
            await provider.upload(submission, lines)
        await http.aclose()


@pytest.mark.parametrize(
    ("base", "version", "environ", "expected"),
    [
        ("https://r.openai.azure.com/", None, {}, ("https://r.openai.azure.com/openai/v1", "")),
        ("https://r.openai.azure.com/openai/v1/", "preview", {}, ("https://r.openai.azure.com/openai/v1", "")),
        ("https://r.openai.azure.com", "2024-10-21", {}, ("https://r.openai.azure.com/openai", "2024-10-21")),
        (
            None,
            None,
            {"AZURE_API_BASE": "https://e.example", "AZURE_API_VERSION": "2025-03-01-preview"},
            ("https://e.example/openai", "2025-03-01-preview"),
        ),
    ],
)
def test_azures_address_is_that_of_its_newest_api_unless_a_dated_one_is_asked_for(
    base: str | None, version: str | None, environ: dict[str, str], expected: tuple[str, str]
) -> None:
    config = DeploymentConfig(model="azure/gpt-4o", api_base=base, api_version=version)
    route = batch_route(config, "azure", None, {"AZURE_API_KEY": "k", **environ}, model="for-batches")
    assert (route.base, route.version) == expected
    assert (route.key, route.model) == ("k", "for-batches")


def test_azure_without_an_address_is_refused() -> None:
    with pytest.raises(ValueError, match="`api_base` is missing"):
        batch_route(DeploymentConfig(model="azure/gpt-4o"), "azure", "k", {})
