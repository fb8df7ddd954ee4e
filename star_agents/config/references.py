"""What is wrong in a config each of whose fields is well: names of nobody, keys that are not set, what cannot work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from star_agents.config.base import SECRET_REFERENCE, EndpointSettings
from star_agents.config.models import AgentConfig, Config
from star_agents.config.old_places import STAR, Location
from star_agents.config.places import Places
from star_agents.config.recipes import RecipeSection, agents_named, reward_models_named, sections_of
from star_agents.config.requests import unsendable
from star_agents.config.serving import Served, origin_of, served_by
from star_agents.config.star import MAX_PAIRS, PairConfig
from star_agents.config.suggestions import did_you_mean
from star_agents.config.validator_faults import FIX
from star_agents.errors import Problem
from star_agents.records import KEEP, REWARD_MODEL, SEED
from star_agents.text.redaction import redactor


def mistakes_in(config: Config, places: Places, environ: Mapping[str, str] | None) -> list[Problem]:
    """Everything of that kind; without ``environ`` no key is looked for."""
    if problems := _too_many_pairs(config, places):
        return problems
    return [*_cross_references(config, places), *_missing_secrets(config, places, environ)]


def look_up_secret(reference: str, environ: Mapping[str, str]) -> str:
    """The value behind `os.environ/NAME`.

    Raises:
        ValueError: saying what is wrong with the variable; never its value.
    """
    variable = reference.removeprefix("os.environ/")
    value = environ.get(variable, "").strip()
    if not value:
        raise ValueError(f"the environment variable {variable} is {'blank' if environ.get(variable) else 'not set'}")
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"the environment variable {variable} holds characters that no key has")
    return value


def _missing_secrets(config: Config, places: Places, environ: Mapping[str, str] | None) -> Iterator[Problem]:
    """Keys that are not in the environment: told at once, before seconds go into loading what would need them."""
    if environ is None:
        return
    references: list[tuple[Location, str | None]] = []
    for name, agent in config.agents.items():
        references.append((("agents", name, "api_key"), agent.api_key))
        references += (
            (("agents", name, "deployments", index, "api_key"), one.api_key)
            for index, one in enumerate(agent.deployments)
        )
        references += _of_servers(("agents", name), agent)
    for location, reference in references:
        if reference is None:
            continue
        try:
            look_up_secret(reference, environ)
        except ValueError as error:
            fix = f"export {reference.removeprefix('os.environ/')}=... before starting"
            yield places.problem(location, str(error), fix)


def _of_servers(location: Location, agent: AgentConfig) -> Iterator[tuple[Location, str | None]]:
    """The variables that servers are given."""
    servers = [(location, agent.serve)]
    servers += [((*location, "deployments", index), one.serve) for index, one in enumerate(agent.deployments)]
    for place, serve in servers:
        for name, value in ({} if serve is None else serve.env).items():
            if SECRET_REFERENCE.fullmatch(value):
                yield (*place, "serve", "env", name), value


def _servers_in_each_others_way(config: Config) -> Iterator[tuple[Location, str, str]]:
    """Commands of which only one could listen, or write."""
    found: dict[object, tuple[str, Served]] = {}
    for name, agent in config.agents.items():
        for server in filter(None, map(served_by, agent.endpoints)):
            if (log := server.settings.log) is not None and found.setdefault(log, (name, server))[1] != server:
                yield (
                    ("agents", name, "serve"),
                    f"{log} is the log of another server, too",
                    "give each a log of its own",
                )
            if server.port is None:
                continue
            other, first = found.setdefault(origin_of(server.address(server.port)), (name, server))
            if first != server:
                message = f"port {server.port} is that of the server of {other}, which another command or setting makes"
                yield (
                    ("agents", name, "serve"),
                    message,
                    "give each a port of its own, or write both alike to share one",
                )


def _too_many_pairs(config: Config, places: Places) -> list[Problem]:
    """Told before a pair is made: there may be millions, each with its lines in every summary."""
    if (count := config.pairs_configured) <= MAX_PAIRS:
        return []
    message = f"make {count:,} pairs, and at most {MAX_PAIRS:,} can be told apart"
    fix = "name the pairs to draw from under `star.pairs`, or give agents one role each: `roles: [response]`"
    return [places.problem(("agents",), message, fix)]


def _cross_references(config: Config, places: Places) -> Iterator[Problem]:
    """Names that must exist, and combinations that cannot work."""
    at, star = places.problem, config.star

    def unknown(location: Location, name: str, allowed: str) -> Problem:
        known = sorted((*config.agents, *((allowed,) if allowed else ())))
        return at(location, f"names an agent {name!r} that is not in `agents`", did_you_mean(name, known))

    def check_pair(pair: PairConfig, location: Location) -> Iterator[Problem]:
        if pair.instruction != KEEP and pair.instruction not in config.agents:
            yield unknown((*location, "instruction"), pair.instruction, KEEP)
        if pair.response != SEED and pair.response not in config.agents:
            yield unknown((*location, "response"), pair.response, SEED)

    for index, pair in enumerate(star.pairs or ()):
        yield from check_pair(pair, (STAR, "pairs", index))
    for index, pair in enumerate(star.base_pairs):
        yield from check_pair(pair, (STAR, "base_pairs", index))
    for index, name in enumerate(star.referee.agents):
        if name not in config.agents:
            yield unknown((STAR, "referee", "agents", index), name, "")
    for name in sections_of(config):
        for location, agent in agents_named(getattr(config, name), (name,)):
            if agent not in config.agents:
                yield unknown(location, agent, "")
        for location, judge in reward_models_named(getattr(config, name), (name,)):
            if not judge.removeprefix(REWARD_MODEL).strip():
                fix = f"write `{REWARD_MODEL}NAME`, a Hugging Face name or a folder"
                yield at(location, "names no reward model", fix)
        yield from _beside_the_rest(config, places, name)
    if config.needs_referee and not star.referee.agents:
        fix = "write `star: {referee: {agents: [NAME]}}`, or choose `selection: gap` there"
        yield at((STAR, "referee", "agents"), f"`selection: {star.selection}` needs a referee", fix)
    if config.draws_pairs and star.selection != "base" and not config.pool:
        yield at((STAR, "pairs"), "no pair is left to draw from", "name at least one pair that is not a base pair")
    floor = config.evolution.floor
    if floor != "auto" and config.pool and len(config.pool) * floor > 1:
        limit = 1 / len(config.pool)
        yield at(("evolution", "floor"), f"{len(config.pool)} pairs cannot each keep that much", f"at most {limit:.4g}")
    embedder = config.memory.embedder
    if embedder.startswith("agent:") and embedder.removeprefix("agent:") not in config.agents:
        yield unknown(("memory", "embedder"), embedder.removeprefix("agent:"), "")
    toxic = config.admission.toxic
    if toxic is not None and toxic.judge not in config.agents:
        yield unknown(("admission", "toxic", "judge"), toxic.judge, "")
    if config.admission.duplicates.embedding is not None and not config.memory.enabled:
        fix = "leave `memory` on, whose embedder makes them, or take `embedding` out"
        yield at(("admission", "duplicates", "embedding"), "compares vectors, and nothing makes any", fix)
    exam = None if config.rounds is None else config.rounds.exam
    for key in ("opponents", "judges"):
        for index, name in enumerate(getattr(exam, key, None) or ()):
            if name not in config.agents:
                yield unknown(("rounds", "exam", key, index), name, "")
    benchmark = None if config.rounds is None else config.rounds.benchmark
    if benchmark is not None and benchmark.judge not in config.agents:
        yield unknown(("rounds", "benchmark", "judge"), benchmark.judge, "")
    for location, message, fix in _of_agents(config):
        yield at(location, message, fix)


def _of_agents(config: Config) -> Iterator[tuple[Location, str, str]]:
    for mistakes in (_minutes_too_small, _half_prices, unsendable, _servers_in_each_others_way):
        yield from mistakes(config)


def _beside_the_rest(config: Config, places: Places, name: str) -> Iterator[Problem]:
    """What a recipe's section cannot be beside the others; a fault in its own code is told as one."""
    section = getattr(config, name)
    if not isinstance(section, RecipeSection):
        return
    try:
        found = [places.problem((name, *location), message, fix) for location, message, fix in section.beside(config)]
    except Exception as error:
        told = f"what its recipe says of it beside the rest fails: {type(error).__name__}: {error}"
        found = [places.problem((name,), redactor.text(told), FIX)]
    yield from found


def _half_prices(config: Config) -> Iterator[tuple[Location, str, str]]:
    """Prices of one side of a call only: the other would count as free in every budget. An embedder has no reply."""
    embedder = config.memory.embedder.removeprefix("agent:")
    for name, agent in config.agents.items():
        parts: list[tuple[Location, EndpointSettings]] = [(("agents", name), agent)]
        parts += ((("agents", name, "deployments", index), one) for index, one in enumerate(agent.deployments))
        for location, priced in parts if name != embedder else ():
            prices = {key: getattr(priced, key) for key in ("input_cost_per_token", "output_cost_per_token")}
            given = [key for key, price in prices.items() if price is not None]
            if len(given) == 1:
                (missing,) = prices.keys() - given
                message = f"is given without `{missing}`, which would count as 0"
                yield (*location, given[0]), message, f"give both; `{missing}: 0` is a price"


def _minutes_too_small(config: Config) -> Iterator[tuple[Location, str, str]]:
    """Agents of which no minute has room for one call: their calls would wait for ever."""
    writers = {name for pair in (*config.pool, *config.base) for name in (pair.instruction, pair.response)}
    for name, agent in config.agents.items():
        limit, location = agent.tokens_per_minute, ("agents", name, "tokens_per_minute")
        if limit is None:
            continue
        longest = agent.longest_reply
        if name in writers and longest is None:
            yield location, "needs `max_tokens`, which is what a call reserves", "give the agent `max_tokens`"
        elif name in writers and longest is not None and longest >= limit:
            yield (
                location,
                f"has no room for one reply of `max_tokens` ({longest:,})",
                "raise it, or lower `max_tokens`",
            )
        if config.needs_referee and name in config.star.referee.agents and config.star.referee.max_tokens >= limit:
            longest = config.star.referee.max_tokens
            message = f"has no room for one verdict of `star.referee.max_tokens` ({longest:,})"
            yield location, message, "raise it, or lower `star.referee.max_tokens`"
