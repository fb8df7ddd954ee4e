"""Calls that go by the batches of providers: at half the price, found again after a kill, and paid once."""

from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from batch_account import COMPLETION_TOKENS, PROMPT_TOKENS, Account, Faults
from batch_provider import serving
from chaos_batches import CALLS_PER_SEED, POINTS, die_at_points, kill_batches, lay_out

from star_agents.engine.batch import BatchResult, load_seeds, run_batch
from star_agents.engine.configuration import read_config
from star_agents.engine.confirmation import Confirmation
from star_agents.engine.estimate import SAMPLE
from star_agents.engine.wiring import open_engine
from star_agents.errors import ConfigError
from star_agents.events import Event
from star_agents.observe.bus import Bus
from star_agents.storage.batch_rows import Gathering
from star_agents.storage.reader import StoreReader
from star_agents.storage.rows import Intent
from star_agents.storage.store import Store

ENVIRONMENT = {"LINE_TEST_KEY": "sk-line-test-0123456789"}
PROTOCOLS = ("openai", "azure", "mistral", "gemini", "anthropic")
HALF = {
    "a": (PROMPT_TOKENS * 0.15e-6 + COMPLETION_TOKENS * 0.6e-6) / 2,
    "b": (PROMPT_TOKENS * 0.4e-6 + COMPLETION_TOKENS * 1.6e-6) / 2,
}
"""Dollars of a call of gpt-4o-mini and of gpt-4.1-mini by batch."""
ALL_FAULTS = Faults(
    http=0.1,
    lost_reply=0.2,
    cut=0.2,
    expired=0.2,
    cancelled=0.2,
    failed=0.1,
    full=0.1,
    broken=0.05,
    doubled=0.1,
    unknown=0.1,
    noise=0.01,
    garbled=0.01,
)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


async def work(
    folder: Path,
    account: Account,
    *,
    seeds: int = 8,
    protocol: str = "openai",
    tries: int = 6,
    settings: str = "",
    more: str = "",
) -> tuple[BatchResult, list[Event]]:
    """Work seeds of three calls each over an account; the result, and what happened."""
    heard: list[Event] = []
    async with serving(account) as (url, _):
        lay_out(folder, url, seeds, protocol=protocol, tries=tries, settings=settings)
        path = folder / "agents.yaml"
        path.write_text(path.read_text() + more)
        config = read_config(path, ENVIRONMENT)
        file = load_seeds(folder / "seeds.jsonl", config, skip_bad=False, limit=None)
        out = folder / "out"
        run = run_batch(config, file.seeds, "test", out, retry_dropped=False, console=None, hear=heard.append)
        return await run, heard


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_calls_go_in_few_batches_at_half_the_price_and_leave_nothing_at_the_provider(
    tmp_path: Path, protocol: str
) -> None:
    account = Account()
    result, heard = await work(tmp_path, account, protocol=protocol)
    submitted = [event for event in heard if event.name == "batch_submitted"]
    assert len(submitted) == 3  # the first calls to a, then the others to a and to b
    assert set(account.charged.values()) == {1}
    assert account.charged.total() == result.calls == 8 * CALLS_PER_SEED
    assert account.files == {}
    assert protocol != "anthropic" or account.batches == {}
    with StoreReader(tmp_path / "out") as reader:
        counts, told = reader.counts(), reader.tallies().batches
    assert (counts.kept, counts.waiting, counts.working) == (8, 0, 0)
    assert told.at_work == []
    assert (told.agents["a"].answered, told.agents["b"].answered) == (16, 8)
    if protocol == "openai":
        assert counts.cost_usd == pytest.approx(16 * HALF["a"] + 8 * HALF["b"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_whatever_goes_wrong_every_seed_ends_and_no_answer_is_paid_for_twice(
    tmp_path: Path, protocol: str
) -> None:
    account = Account(ALL_FAULTS, seed=4)
    await work(tmp_path, account, seeds=40, protocol=protocol)
    assert [mark for mark, n in account.charged.items() if n - account.lost[mark] > 1] == []
    with StoreReader(tmp_path / "out") as reader:
        counts = reader.counts()
    assert (counts.kept, counts.calls_answered, counts.calls_pending) == (40, 120, 0)
    assert sum(account.happened.values()) > 20


async def test_what_batches_leave_unanswered_is_sent_alone_at_the_full_price(tmp_path: Path) -> None:
    account = Account(Faults(expired=1.0))
    await work(tmp_path, account, tries=1)
    assert set(account.charged.values()) == {1}
    assert 0 < account.alone.total() < 24
    with StoreReader(tmp_path / "out") as reader:
        assert reader.counts().kept == 8
        assert reader.tallies().batches.agents["a"].unanswered > 0


async def test_without_a_fall_back_a_call_that_stays_unanswered_fails_its_seed_and_is_counted(tmp_path: Path) -> None:
    account = Account(Faults(broken=1.0))
    await work(tmp_path, account, tries=2, settings=", fall_back: false", more="failure_limits: {share: 1}\n")
    assert account.charged.total() == 0
    with StoreReader(tmp_path / "out") as reader:
        assert reader.counts().dropped == 8
        (failure,) = [one for one in reader.tallies().failures if one.part == "agent"]
    assert (failure.name, failure.failures, failure.tries) == ("a", 8, 8)
    assert "the server is tired" in failure.example


async def test_a_call_that_the_provider_refuses_fails_alone_and_is_not_asked_again(tmp_path: Path) -> None:
    account = Account(Faults(refused=0.5), seed=2)
    _, heard = await work(tmp_path, account, more="failure_limits: {share: 1}\n")
    refused = account.happened["refused"]
    assert refused > 0
    assert sum(event.name == "call_failed" for event in heard) == refused
    with StoreReader(tmp_path / "out") as reader:
        counts = reader.counts()
        assert sum(one.failures for one in reader.tallies().failures if one.part == "agent") == refused
    assert counts.kept + counts.dropped == 8
    assert counts.dropped > 0
    assert counts.calls_pending == 0


async def test_a_price_that_nobody_knows_is_unknown_and_half_of_the_stated_one_where_the_user_says_so(
    tmp_path: Path,
) -> None:
    prices = {"unknown": "", "half": ", price: 0.5"}
    costs = {}
    for name, settings in prices.items():
        folder = tmp_path / name
        folder.mkdir()
        more = "unknown_prices: allow\n"
        async with serving(Account()) as (url, _):
            lay_out(folder, url, 2, settings=settings)
            path = folder / "agents.yaml"
            text = path.read_text().replace(
                "transport: batch", "input_cost_per_token: 1e-3, output_cost_per_token: 1e-3, transport: batch"
            )
            path.write_text(text + more)
            config = read_config(path, ENVIRONMENT)
            file = load_seeds(folder / "seeds.jsonl", config, skip_bad=False, limit=None)
            await run_batch(config, file.seeds, "test", folder / "out", retry_dropped=False, console=None)
        with StoreReader(folder / "out") as reader:
            costs[name] = reader.counts().cost_usd
    assert costs["unknown"] is None
    assert costs["half"] == pytest.approx(6 * (PROMPT_TOKENS + COMPLETION_TOKENS) * 1e-3 / 2)


async def test_a_small_budget_lets_calls_go_in_several_batches_and_is_never_passed(tmp_path: Path) -> None:
    full = 2048 * 0.6e-6 + 400 * 0.15e-6
    account = Account()
    result, _ = await work(tmp_path, account, seeds=6, more=f"budget_usd: {4 * full}\n")
    assert result.stopped_by == ""
    assert account.charged.total() == 18
    assert len(account.batches) > 5


async def test_keys_stand_nowhere(tmp_path: Path) -> None:
    await work(tmp_path, Account(ALL_FAULTS, seed=1), seeds=4)
    secret = ENVIRONMENT["LINE_TEST_KEY"].encode()
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert [path for path in files if secret in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("{model: ollama_chat/m, transport: batch}", "batches of ollama_chat are not known here"),
        ("{model: offline/tutor, transport: batch}", "batches of offline are not known here"),
        ("{model: hosted_vllm/m, transport: batch}", "`api_base` is missing"),
        ("{deployments: [{model: openai/m}], transport: batch}", "goes to one endpoint"),
        ("{model: openai/m, batch: {poll_s: 5}}", "has no effect without"),
        ("{model: openai/m, transport: batch, batch: {price: 2}}", "less than or equal to 1"),
    ],
)
async def test_a_transport_that_cannot_work_is_refused_before_anything_is_spent(
    tmp_path: Path, agent: str, said: str
) -> None:
    path = tmp_path / "agents.yaml"
    path.write_text(f"agents: {{a: {agent}}}\nmemory: off\nstar: {{selection: gap}}\n")

    async def refuse() -> None:
        config = read_config(path, ENVIRONMENT)
        await run_batch(config, [], "test", tmp_path / "out", retry_dropped=False, console=None)

    with pytest.raises(ConfigError, match=said):
        await refuse()


async def test_calls_of_an_agent_that_is_lost_let_their_seeds_go_on(tmp_path: Path) -> None:
    async with serving(Account()) as (url, _):
        lay_out(tmp_path, url, 1)
        config = read_config(tmp_path / "agents.yaml", ENVIRONMENT)
        file = load_seeds(tmp_path / "seeds.jsonl", config, skip_bad=False, limit=None)
        seed = file.seeds[0]
        async with await Store.open(tmp_path / "out") as store:
            await store.add_seeds([seed])
            await store.lease(1)
            intent = Intent(
                key="k",
                seed_id=seed.id,
                step="s",
                agent="gone",
                revision=1,
                parameters={},
                reserved_usd=1.0,
                reserved_tokens=9,
            )
            request: dict[str, list[str]] = {"messages": [], "shape": [], "tools": []}
            await store.batches.gather([Gathering(intent, request, 1)])
            assert await store.batches.park(seed.id)
        await run_batch(config, file.seeds, "test", tmp_path / "out", retry_dropped=False, console=None)
    with StoreReader(tmp_path / "out") as reader:
        assert reader.counts().kept == 1


async def test_who_asks_before_spending_hears_the_answer_before_more_than_a_sample_went_out(tmp_path: Path) -> None:
    account, asked = Account(), list[int]()

    async def refuse(question: str) -> bool:
        asked.append(account.charged.total())
        return False

    async with serving(account) as (url, _):
        lay_out(tmp_path, url, 40)
        config = read_config(tmp_path / "agents.yaml", ENVIRONMENT)
        file = load_seeds(tmp_path / "seeds.jsonl", config, skip_bad=False, limit=None)
        confirmation = Confirmation(above_usd=0.00001, ask=refuse, say=lambda text: None)
        run = partial(run_batch, retry_dropped=False, console=None, confirmation=confirmation)
        result = await run(config, file.seeds, "test", tmp_path / "out")
    assert len(asked) == 1
    assert account.charged.total() <= SAMPLE * CALLS_PER_SEED
    assert result.stopped_by


async def test_what_a_batch_may_cost_stays_reserved_over_a_restart_and_is_not_spent(tmp_path: Path) -> None:
    found: list[list[tuple[str, float, float]]] = []
    async with serving(Account()) as (url, _), await Store.open(tmp_path / "out") as store:
        lay_out(tmp_path, url, 1, wait_s=600)
        path = tmp_path / "agents.yaml"
        path.write_text(path.read_text() + "budget_usd: 1\nbudget_calls: 10\n")
        config = read_config(path, ENVIRONMENT)
        await store.add_seeds(load_seeds(tmp_path / "seeds.jsonl", config, skip_bad=False, limit=None).seeds)
        for _ in range(2):
            opened = open_engine(config, store, bus=Bus(), seeds_expected=None, ends_when_empty=False)
            async with opened as line, anyio.create_task_group() as tasks:
                tasks.start_soon(line.work)
                while not await store.batches.parked():
                    await anyio.lowlevel.checkpoint()
                found.append([(one.key, one.spent, one.reserved) for one in line.client.budgets.states()])
                tasks.cancel_scope.cancel()
    assert found[0] == found[1]
    assert {key: (spent, reserved > 0) for key, spent, reserved in found[0]} == {
        "budget_usd": (0.0, True),
        "budget_calls": (0.0, True),
    }


def test_a_run_that_dies_before_it_knows_a_batch_or_in_the_midst_of_its_results_pays_for_nothing_twice(
    tmp_path: Path,
) -> None:
    points = ("batch_created", "results_taken_in")
    report = die_at_points(tmp_path, seed=1, seeds=3, points=points)
    assert report.violations == []
    assert report.kills.total() == len(points)
    assert report.charges == report.calls == 9


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_so_does_one_that_dies_at_any_other_point(tmp_path: Path, protocol: str) -> None:
    report = die_at_points(tmp_path, seed=1, seeds=6, protocol=protocol)
    assert report.violations == []
    assert report.kills.total() == len(POINTS) - (protocol == "anthropic")
    assert report.charges == report.calls == 18


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_kills_and_drains_at_random_moments_lose_nothing(tmp_path: Path, protocol: str) -> None:
    report = kill_batches(tmp_path, rounds=6, seed=3, seeds=60, protocol=protocol)
    assert report.violations == []
    assert report.calls == 180
