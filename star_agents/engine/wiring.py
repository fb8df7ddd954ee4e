"""The composition root of a line: every room built for one config and one store, and taken down again."""

from __future__ import annotations

import os
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from anyio.to_thread import run_sync

from star_agents import offline
from star_agents.agents.client import AgentClient
from star_agents.agents.endpoints import Endpoint, resolve, secrets_of
from star_agents.agents.price_check import refuse_unbounded
from star_agents.agents.provider import Provider
from star_agents.agents.rate_limit import WINDOW_S, Sent
from star_agents.agents.throttle import ThrottleChange, in_words
from star_agents.agents.tls_check import tls_notes
from star_agents.agents.transports import litellm_env
from star_agents.bench.batched_calls import BatchedCalls
from star_agents.bench.vectors import Embed
from star_agents.cluster.connection import Connection
from star_agents.config.models import Config
from star_agents.config.recipes import scorers_of
from star_agents.config.secrets import revision_of
from star_agents.config.serving import placed
from star_agents.engine.accounts import budgets_of, restore_budgets, without_open
from star_agents.engine.admission import note_on_signatures
from star_agents.engine.availability import UP_AGAIN, cannot_do_without, is_given_up
from star_agents.engine.clusters import scorer_places
from star_agents.engine.egress import join_cluster, sender_over
from star_agents.engine.engine import Engine
from star_agents.engine.failure_watch import WATCHED
from star_agents.engine.local_agents import local_models_at_work, providers_with
from star_agents.engine.memory_rows import kept_rows, remember, vectors_of
from star_agents.engine.model_servers import ModelServers
from star_agents.engine.own_parts import own_pool_of
from star_agents.engine.provider_batches import ProviderBatches
from star_agents.engine.row_checks import rules_of
from star_agents.engine.settling import INDEX_FILE, Settling
from star_agents.engine.stages import arms_of, declarations_of, fed_back_pools, stages_of
from star_agents.events import (
    AgentThrottled,
    AgentUnthrottled,
    ConfigApplied,
    ConnectionNoted,
    DeploymentChanged,
    Event,
    JudgeScaled,
    ScorerTrouble,
    ServerChanged,
)
from star_agents.observe.bus import Bus
from star_agents.observe.logs import keep_secret
from star_agents.scheduling.grown import Grown
from star_agents.scheduling.hashing_embedder import embed_by_hashing
from star_agents.scheduling.memory import MemoryBank, Vector, as_vector
from star_agents.scheduling.own_pool import OwnPool
from star_agents.scheduling.pools import Pools
from star_agents.scoring.local_models import LocalModels
from star_agents.scoring.scorer import Scorer
from star_agents.storage.store import Store

_NO_PORT = 0
"""Of a server whose port is chosen when it is started: that it is local is all that follows from its address."""


def endpoints_of(config: Config) -> dict[str, tuple[Endpoint, ...]]:
    """The endpoints of every agent.

    Raises:
        ConfigError: an agent's key is missing from the environment, or nobody knows its provider.
    """
    agents = placed(config.agents, lambda server: server.port or _NO_PORT)
    return resolve(litellm_env.load, agents, os.environ, providers_with(LocalModels(config.scoring)))


def refuse_early(config: Config) -> None:
    """Refuse what could not start, before a folder is made or a model loaded.

    Raises:
        ConfigError: an agent cannot be called, or no budget can hold for it.
    """
    refuse_unbounded(config, endpoints_of(config))


@asynccontextmanager
async def open_engine(
    config: Config,
    store: Store,
    *,
    bus: Bus,
    seeds_expected: int | None,
    ends_when_empty: bool,
    now: Callable[[], float] = time.time,
) -> AsyncIterator[Engine]:
    """Build the line on an open store and take it down again.

    Args:
        config: A checked config.
        store: Where the seeds wait; the caller opens and closes it.
        bus: Hears everything that happens.
        seeds_expected: Length of a batch for `rate: auto`; ``None`` for a daemon.
        ends_when_empty: True for a batch.
        now: Seconds since 1970; says when a daily budget's day is over.

    Raises:
        ScorerError: a scorer model cannot be loaded.
        ConfigError: an agent's key is missing from the environment, or no budget can hold for an agent.
    """
    async with AsyncExitStack() as stack:
        local = local_models_for(config, tell=lambda message: bus.publish(ScorerTrouble(message=message)))
        models = await stack.enter_async_context(local)
        servers = await stack.enter_async_context(ModelServers(store.folder, tell=bus.publish))
        cluster = await join_cluster(config.cluster, stack, bus)
        client = await _open_client(config, store, stack, bus, now, providers_with(models), servers, cluster)
        for model in local_models_at_work(config):
            await models.load(model)
        scorer = scorer_for(config, lambda message: bus.publish(ScorerTrouble(message=message)), cluster)
        if scorer is not None:
            await stack.enter_async_context(scorer)
        settling, revision = await _settling(config, store, seeds_expected)
        stack.push_async_callback(run_sync, settling.close_indexes)
        line = Engine(
            config=config,
            revision=revision,
            store=store,
            client=client,
            servers=servers,
            scorer=scorer,
            embed=_embedder(config, scorer),
            settling=settling,
            batches=await _batches(store, client, bus, now),
            known_failures=await store.failures(),
            salt=bytes.fromhex(await store.meta_set_default("salt", secrets.token_hex(32))),
            bus=bus,
            ends_when_empty=ends_when_empty,
            now=now,
        )
        unsubscribe = await _begin(line, bus, ends_when_empty)
        yield line
        unsubscribe()
        for event in await run_sync(settling.save_index):
            bus.publish(event)


async def _begin(line: Engine, bus: Bus, ends_when_empty: bool) -> Callable[[], None]:
    """Let the line go on where it stopped; the callable ends its listening."""
    await line.batches.restore()
    await line.settling.fill_target(line.queue)
    await line.restore_pause()
    unsubscribe = bus.subscribe(line.hear, *WATCHED, *UP_AGAIN, JudgeScaled)
    _begin_serving(line, ends_when_empty)
    await _tell_notes(line)
    return unsubscribe


async def _tell_notes(line: Engine) -> None:
    line.prices.tell(line.config, line.client.endpoints)
    if (noted := await note_on_signatures(line.store)) is not None:
        line.bus.publish(noted)
    for note in tls_notes(os.environ):
        line.bus.publish(ConnectionNoted(message=note))


def _begin_serving(line: Engine, is_batch: bool) -> None:
    """Start the servers of agents.yaml, and exchange them with it."""
    line.bus.subscribe(partial(_exchange_servers, line), ConfigApplied)
    if is_batch:
        line.bus.subscribe(partial(_end_without, line), ServerChanged)
    line.servers.put_in_force(line.config, line.client.holds)


def _exchange_servers(line: Engine, event: Event) -> None:
    """An edit that is in force starts and ends servers."""
    if isinstance(event, ConfigApplied):
        line.servers.put_in_force(line.config, line.client.holds)


def _end_without(line: Engine, event: Event) -> None:
    """A batch ends where a server was given up that it cannot do without."""
    if not is_given_up(event):
        return
    given_up, unavailable = line.client.holds.given_up(), line.client.unavailable()
    if why := cannot_do_without(event, line.config, line.judges.jury, given_up=given_up, unavailable=unavailable):
        line.stop(why)


async def _open_client(
    config: Config,
    store: Store,
    stack: AsyncExitStack,
    bus: Bus,
    now: Callable[[], float],
    providers: Mapping[str, Provider],
    servers: ModelServers,
    cluster: Connection | None,
) -> AgentClient:
    budgets = budgets_of(config, clock=now, tell=bus.publish)
    day_began = budgets.day_began()
    in_batches = await store.batches.open_calls()
    of_today = [call for call in in_batches if call.intended_at >= day_began]
    taken = without_open(await store.taken(), in_batches)
    today = without_open(await store.taken(day_began), of_today)
    restore_budgets(budgets, taken, today, day_began=day_began)
    keep_secret(*secrets_of(os.environ, config.agents))
    client = AgentClient(
        config.agents,
        providers=providers,
        budgets=budgets,
        max_in_flight=config.max_in_flight,
        on_call=bus.publish,
        on_change=lambda agent, deployment, what: bus.publish(
            DeploymentChanged(agent=agent, deployment=deployment, what=what, error=client.last_error(agent, deployment))
        ),
        on_throttle=lambda agent, change: bus.publish(_of_throttling(agent, change)),
        place=servers.place,
        http=await sender_over(cluster, stack, bus),
    )
    client.restore_rates(await _sent_lately(store, now()))
    stack.push_async_callback(client.aclose)
    refuse_unbounded(config, client.endpoints)
    return client


async def _batches(store: Store, client: AgentClient, bus: Bus, now: Callable[[], float]) -> ProviderBatches:
    """The batches of providers."""
    batched = BatchedCalls(store, client)
    store_id = await store.meta_set_default("batch_store_id", secrets.token_hex(16))
    return ProviderBatches(store, client, batched, bus, store_id, now=now)


async def _sent_lately(store: Store, now: float) -> dict[str, list[Sent]]:
    """What each agent was sent in the last minute, of this process or of one before."""
    sent: defaultdict[str, list[Sent]] = defaultdict(list)
    for agent, at, tokens in await store.sent_since(now - WINDOW_S):
        sent[agent].append(Sent(ago_s=now - at, tokens=tokens))
    return sent


def _of_throttling(agent: str, change: ThrottleChange) -> AgentThrottled | AgentUnthrottled:
    if not change.began:
        message = f"agent {agent} is no longer throttled by {in_words(change.cause)}"
        return AgentUnthrottled(agent=agent, cause=change.cause, seconds=change.seconds, message=message)
    if change.cause == "429":
        message = f"agent {agent} is throttled by {in_words(change.cause)}, its calls wait: {change.detail}"
    else:
        message = (
            f"agent {agent} waits for its own `{change.cause}: {change.detail}`; raise it in agents.yaml if it may"
        )
    return AgentThrottled(agent=agent, cause=change.cause, message=message)


def models_to_load(config: Config) -> str:
    """What has to be loaded before the first seed, in words; empty where there is nothing."""
    local = [f"local model {model}" for model in local_models_at_work(config)]
    if scorer_for(config) is None:
        return " and ".join(local)
    small = config.needs_small or config.embedder == "small"
    named = [
        *local,
        *([f"small model {config.scoring.small}"] if small else []),
        *([f"large model {config.scoring.large}"] if config.needs_large else []),
        *(f"{name} model {model}" for name, model in config.scoring.scorers.items()),
        *(f"judge {name}" for name in scorers_of(config) if name not in config.scoring.scorers),
        *([f"embedder {config.embedder}"] if config.embedder.startswith("sentence-transformers:") else []),
    ]
    return " and ".join(named)


def local_models_for(config: Config, tell: Callable[[str], None] = lambda trouble: None) -> LocalModels:
    """Models of this machine that answer, none of them loaded; ``tell`` hears of processes that died, hung or were
    stopped."""
    return LocalModels(config.scoring, resolve=offline.resolve_model, tell=tell)


def scorer_for(
    config: Config, tell: Callable[[str], None] = lambda trouble: None, cluster: Connection | None = None
) -> Scorer | None:
    """What the selection scores with, the memory bank embeds with and recipes measure by, not started; ``None`` where
    nothing of that is to be loaded.

    ``tell`` hears of its processes that died, hung or were stopped. They run on ``cluster`` where there is one, unless
    agents.yaml says otherwise.
    """
    embedder = config.embedder if config.memory.enabled else ""
    in_process = embedder if embedder == "small" or embedder.startswith("sentence-transformers:") else None
    scorers = scorers_of(config)
    if not config.needs_small and in_process is None and not scorers:
        return None
    return Scorer(
        config.scoring.model_copy(update={"scorers": scorers}),
        small=config.needs_small,
        large=config.needs_large,
        embedder=in_process,
        scorers=tuple(scorers),
        resolve=offline.resolve_model,
        tell=tell,
        places=scorer_places(cluster, device=config.scoring.device),
    )


async def _settling(config: Config, store: Store, seeds_expected: int | None) -> tuple[Settling, int]:
    """What learns, as the store has it, and the revision of the config."""
    grown = Grown(await store.grown_arms())
    own_pool, pools, revision = await _restore_pools(config, store, seeds_expected, grown)
    return Settling(store, config, own_pool, pools, grown, await rules_of(config, store)), revision


async def _restore_pools(
    config: Config, store: Store, seeds_expected: int | None, grown: Grown
) -> tuple[OwnPool, Pools, int]:
    bank = None
    if config.memory.enabled:
        bank = MemoryBank(config.embedder, at_most=config.memory.max_items)
        rows = kept_rows(await store.memory_keys(config.embedder), store.folder, "vectors_of_memory")
        await run_sync(bank.load, rows, store.folder / INDEX_FILE)
    kept = {name: row.state for name, row in (await store.load_pools()).items()}
    stages = stages_of(config, grown)
    own_pool = own_pool_of(stages)(config, bank=bank, seeds=seeds_expected)
    if own_pool.name in kept:
        own_pool.restore(kept[own_pool.name])
    arms = arms_of(stages, tuple(config.agents))
    fed_back = fed_back_pools(stages, config)
    pools = Pools(
        config.evolution,
        arms,
        draws_expected=seeds_expected,
        random_seed=config.random_seed,
        fed_back=fed_back,
        make_bank=partial(
            MemoryBank,
            config.embedder,
            at_most=config.memory.max_items,
            read=partial(vectors_of, store.folder, "vectors_of_recollections"),
        ),
    )
    pools.restore(kept)
    after = 0
    while config.memory.enabled and (page := await store.recollections(config.embedder, after)):
        remember(pools, page, config.embedder)
        after = page[-1].id
    revision = await store.add_revision(*revision_of(config, os.environ))
    await store.declare_recipes(declarations_of(stages))
    await store.declare_parts(config.parts)
    await store.save_pools({**own_pool.states(), **pools.states()}, revision)
    return own_pool, pools, revision


def _embedder(config: Config, scorer: Scorer | None) -> Embed | str | None:
    """Makes vectors in this process, or names the agent whose calls the journal keeps."""
    if not config.memory.enabled:
        return None
    if config.embedder == "hashing":
        return _awaitable(embed_by_hashing)
    if config.embedder.startswith("agent:"):
        return config.embedder.removeprefix("agent:")

    async def by_scorer(text: str) -> Vector:
        assert scorer is not None, "a line with this embedder is built with a scorer"
        return as_vector((await scorer.embed([text]))[0])

    return by_scorer


def _awaitable(function: Callable[[str], Vector]) -> Embed:
    async def call(text: str) -> Vector:
        return function(text)

    return call
