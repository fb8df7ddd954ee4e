"""Batches of Azure and of Mistral, which are near to OpenAI's: what each does in its own way."""

from pathlib import Path

import anyio
import pytest
from batch_account import COMPLETION_TOKENS, PROMPT_TOKENS, Account, Faults
from batch_protocols_alike import API_VERSION
from batch_provider import serving
from chaos_batches import MODELS, lay_out

from star_agents.agents.batching.http import BatchHttp
from star_agents.agents.batching.mistral import MistralBatches
from star_agents.agents.batching.protocol import BatchedCall
from star_agents.agents.batching.routes import batch_route
from star_agents.agents.price_list import listed
from star_agents.config.models import DeploymentConfig
from star_agents.engine.batch import load_seeds, run_batch
from star_agents.engine.configuration import read_config
from star_agents.storage.reader import StoreReader

ENVIRONMENT = {"LINE_TEST_KEY": "sk-line-test-0123456789"}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


async def work(folder: Path) -> None:
    """What `run` does with a folder that is laid out."""
    config = read_config(folder / "agents.yaml", ENVIRONMENT)
    seeds = load_seeds(folder / "seeds.jsonl", config, skip_bad=False, limit=None).seeds
    with anyio.fail_after(60):
        await run_batch(config, seeds, "test", folder / "out", retry_dropped=False, console=None)


def rewrite(folder: Path, old: str, new: str) -> None:
    """Another agents.yaml."""
    path = folder / "agents.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("protocol", ["azure", "mistral"])
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


async def test_what_mistrals_batches_leave_unanswered_is_sent_alone(tmp_path: Path) -> None:
    account = Account(Faults(cancelled=1.0))
    async with serving(account) as (url, _):
        lay_out(tmp_path, url, 4, protocol="mistral", tries=1)
        await work(tmp_path)
    assert set(account.charged.values()) == {1}
    assert 0 < account.alone.total() < 12


def test_parameters_go_under_mistrals_names() -> None:
    route = batch_route(DeploymentConfig(model="mistral/m"), "mistral", "k", {})
    call = BatchedCall(key="k", messages=[], shape={"seed": 7, "max_completion_tokens": 9, "temperature": 0.5})
    line = MistralBatches(BatchHttp(), route).line(call)
    assert line == b'{"custom_id":"k","body":{"messages":[],"random_seed":7,"max_tokens":9,"temperature":0.5}}'


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
