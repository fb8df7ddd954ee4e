"""`check`: is everything there before money is spent?"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click

from star_agents.agents.batching.trying import try_batches
from star_agents.agents.inspection import Inspection, deployments_of, inspect
from star_agents.agents.judging.exam import Exam
from star_agents.agents.judging.frame_tests import one_order_note
from star_agents.agents.price_check import price_notes, unbounded
from star_agents.agents.prompts import Prompts
from star_agents.agents.provider import Provider
from star_agents.agents.role_checks import SAMPLE, Role, RoleCheck, Subject, try_roles
from star_agents.agents.tls_check import tls_notes
from star_agents.cli.cluster_check import findings_at
from star_agents.cli.egress_check import egress_findings
from star_agents.cli.served_check import served_agents
from star_agents.cli.tables import print_json, print_table
from star_agents.config.lines import lines_from
from star_agents.config.models import Config
from star_agents.engine.clusters import connected
from star_agents.engine.configuration import read_config
from star_agents.engine.judges import exam_for
from star_agents.engine.local_agents import local_models_of, providers_with
from star_agents.engine.wiring import endpoints_of, local_models_for, models_to_load, scorer_for
from star_agents.errors import ClusterError, ScorerError
from star_agents.events import CallEnded
from star_agents.observe.logs import set_up_logging
from star_agents.observe.status import ServerState
from star_agents.offline import PREFIX
from star_agents.records import STAR, Message, Score
from star_agents.scoring import Scorer
from star_agents.scoring.facts import MeasurerFacts, ModelFacts
from star_agents.text.figures import usd
from star_agents.text.printing import say

_SYSTEM = Message(role="system", content="Answer in one word.")
_EARLIER = (Message(role="user", content="Hello."), Message(role="assistant", content="Good day."))
_SCORED = (
    (SAMPLE, "of a plain seed"),
    (replace(SAMPLE, history=(_SYSTEM,)), "with a system turn"),
    (replace(SAMPLE, history=_EARLIER), "with an earlier turn"),
)
"""What the scorers are tried on, and what that is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line about anything but an agent."""

    part: str
    ok: bool
    detail: str


@click.command()
@click.option(
    "-c", "--config", "config_path", type=click.Path(path_type=Path), default="agents.yaml", show_default=True
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option(
    "--exam/--no-exam",
    "is_whole_exam",
    default=True,
    help="Let each judge sit its whole exam, as `run` will; else it judges one planted pair.  [default: exam]",
)
def command(config_path: Path, as_json: bool, is_whole_exam: bool) -> None:
    """Validate agents.yaml, try each agent in each of its roles as `run` will, load the scorers and score with them.

    Agents of recipes other than `star` are asked for a short reply. It says what that cost. Exit code 1 if anything
    fails.
    """
    set_up_logging(level="error")
    notes: list[Finding] = []
    config = read_config(
        config_path, os.environ, note=lambda note: notes.append(Finding(part="agents.yaml", ok=True, detail=str(note)))
    )
    for note in notes:
        say(f"note: {note.detail}", err=True)
    # What is wrong in the file is said before anything is loaded or asked.
    with lines_from(config_path):
        stated = [
            _configuration(config),
            *_other_recipes(config),
            *notes,
            *_prices(config),
            *_connections(),
            *_judging(config),
        ]
        _say_what_is_tried(list(_subjects(config, is_whole_exam)), models_to_load(config))
        found = anyio.run(_look_at_everything, config, is_whole_exam)
    rest = [*stated, *found.rest]
    spent = _spent(found.inspections, found.reports)
    if as_json:
        print_json([*map(asdict, rest), *map(_plain, found.inspections), *map(_plain_role, found.roles), spent])
    else:
        _show(found.inspections, found.roles, rest)
        say(spent["detail"])
    if any(one.problem for one in found.inspections) or not all([one.ok for one in found.roles] + [f.ok for f in rest]):
        sys.exit(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    inspections: list[Inspection]
    roles: list[RoleCheck]
    reports: list[CallEnded]
    """Of the calls that the roles took."""
    rest: list[Finding]
    """Of scorers and batches."""


def _say_what_is_tried(subjects: Sequence[Subject], models: str) -> None:
    """A local model takes its time; somebody who waits should know for what."""
    calls = [f"the exam of {one.agent}, {2 * len(one.exam.pairs)} calls" for one in subjects if one.exam is not None]
    exams = f" ({'; '.join(calls)})" if calls else ""
    roles = " in each of its roles" if subjects else " for a short reply"
    scorers = f", then loading {models}" if models else ""
    say(f"asking every agent{roles}{exams}{scorers} ...", err=True)


async def _look_at_everything(config: Config, is_whole_exam: bool) -> _Found:
    async with served_agents(config) as (placed, servers):
        found = await _look_at_agents(placed, list(_subjects(placed, is_whole_exam)))
    senders = [Finding(part="egress", ok=ok, detail=detail) for ok, detail in await egress_findings(config)]
    return replace(found, rest=[*map(_of_server, servers), *senders, *found.rest])


def _of_server(server: ServerState) -> Finding:
    return Finding(part="server", ok=server.state in ("ready", "attached"), detail=server.sentence)


async def _look_at_agents(config: Config, subjects: Sequence[Subject]) -> _Found:
    async with local_models_for(config) as models:
        for model in local_models_of(config):
            with suppress(ScorerError):  # Told for each agent that is of it, where it is asked.
                await models.load(model)
        return await _look_by(config, subjects, providers_with(models))


async def _look_by(config: Config, subjects: Sequence[Subject], providers: Mapping[str, Provider]) -> _Found:
    embedder = config.memory.embedder
    inspections = await inspect(
        config.agents,
        embedder=embedder.removeprefix("agent:") if embedder.startswith("agent:") else None,
        longest_prompt=config.scoring.max_length,
        providers=providers,
    )
    # Who cannot be reached would only be waited for once more; who refused the call may take another.
    answer = {one.agent for one in inspections if not one.problem or one.was_refused}
    asked = [one for one in subjects if one.agent in answer]
    roles, reports = await try_roles(
        asked,
        config.star.referee,
        show_reference=config.star.show_reference,
        prompts=Prompts(config.prompt_texts),
        providers=providers,
    )
    roles += [
        RoleCheck(agent=one.agent, role=one.role, ok=False, detail="not tried: it cannot be reached, see above")
        for one in subjects
        if one.agent not in answer
    ]
    rest = [*await _try_batches(config), *await _try_scorers(config)]
    return _Found(inspections=inspections, roles=roles, reports=reports, rest=rest)


async def _try_batches(config: Config) -> list[Finding]:
    """Which agents go by batch, at what price, and whether their providers' batches can be asked for."""
    found = await try_batches(config.agents, endpoints_of(config))
    return [Finding(part="batches", ok=one.ok, detail=one.detail) for one in found]


def _subjects(config: Config, is_whole_exam: bool) -> Iterator[Subject]:
    """Every deployment of every agent, once for each role that the config gives it."""
    for name, agent in config.agents.items():
        for deployment, alone in deployments_of(name, agent).items():
            for role in _roles(config, name):
                yield Subject(
                    agent=deployment,
                    config=alone,
                    role=role,
                    is_sample=all(endpoint.model.startswith(PREFIX) for endpoint in alone.endpoints),
                    exam=_exam(config, name, is_whole_exam) if role == "referee" else None,
                )


def _roles(config: Config, agent: str) -> Iterator[Role]:
    pairs = (*config.pool, *config.base)
    if any(pair.instruction == agent for pair in pairs):
        yield "instruction"
    if any(pair.response == agent for pair in pairs):
        yield "response"
    if config.needs_referee and agent in config.star.referee.agents:
        yield "referee"
    if config.memory.enabled and config.embedder == f"agent:{agent}":
        yield "embedder"


def _exam(config: Config, agent: str, is_whole: bool) -> Exam:
    exam = exam_for(config, agent)
    return exam if is_whole and config.star.referee.exam != "off" else replace(exam, pairs=exam.pairs[:1])


def _show(inspections: Sequence[Inspection], roles: Sequence[RoleCheck], rest: Sequence[Finding]) -> None:
    columns = ["agent", "", "up", "model", "price", "JSON", "context", "latency", "sent"]
    print_table("agents", columns, [_row(one) for one in inspections])
    for one in inspections:
        for line in (one.problem, *(f"agent {one.agent}: {note}" for note in one.notes)):
            if line:
                say(line)
    if roles:
        print_table("roles", ["agent", "role", "", "what came of it"], [_role_row(one) for one in roles])
    for role in roles:
        if not role.ok:
            say(f"agent {role.agent} as {role.role}: {role.detail}")
    print_table("agents.yaml and scorers", ["part", "", "detail"], [[f.part, _state(f.ok), f.detail] for f in rest])


def _role_row(one: RoleCheck) -> list[str]:
    # What went wrong is some sentences long, and stands below.
    return [one.agent, one.role, _state(one.ok), one.detail if one.ok else "see below"]


def _row(one: Inspection) -> list[str]:
    return [
        one.agent,
        _state(not one.problem),
        "yes" if one.reachable else "no",
        {True: "known", False: "not listed", None: "unknown"}[one.model_known],
        one.price,
        "-" if one.json == "not tried" else one.json,
        "unknown" if one.context is None else f"{one.context:,}",
        "-" if one.latency_s is None else f"{one.latency_s:.2f} s",
        {"direct": "directly", "translated": "by us", "litellm": "by LiteLLM", "here": "nowhere"}[one.way],
    ]


def _plain(one: Inspection) -> dict[str, Any]:
    """An agent as JSON: what every finding has, then every field of its own."""
    return {"part": f"agent {one.agent}", "ok": not one.problem, "detail": _detail(one), **asdict(one)}


def _detail(one: Inspection) -> str:
    if one.problem:
        return "; ".join([one.problem, *one.notes])
    latency = "" if one.latency_s is None else f"{one.latency_s:.2f} s, "
    return "; ".join([f"{one.model}, {latency}{usd(one.cost_usd)}", *one.notes])


def _plain_role(one: RoleCheck) -> dict[str, Any]:
    return {"part": f"agent {one.agent} as {one.role}", **asdict(one)}


def _spent(inspections: Sequence[Inspection], reports: Sequence[CallEnded]) -> dict[str, Any]:
    """What the check itself cost; prices that nobody knows are named beside the sum and not counted as 0."""
    costs = [(one.agent, one.cost_usd) for one in inspections]
    costs += [(one.agent.partition(" (")[0], one.cost_usd) for one in reports]
    known = sum(cost for _, cost in costs if cost)
    unknown = list(dict.fromkeys(agent for agent, cost in costs if cost is None))
    calls = sum(one.calls for one in inspections) + len(reports)
    detail = f"spent {usd(known)} on {calls} calls"
    if unknown:
        detail += f", and what {', '.join(unknown)} cost, which is unknown"
    return {"part": "spent", "ok": True, "detail": detail, "calls": calls, "cost_usd": known, "unknown": unknown}


def _configuration(config: Config) -> Finding:
    told = [f"{len(config.agents)} agents"]
    if config.draws_pairs:
        told.append(
            f"{len(config.pool)} pairs to draw from, {len(config.base)} base; selection {config.star.selection}"
        )
    if config.recipe != ("star",):
        told.append(f"recipe {' → '.join(Path(name).name for name in config.recipe)}")
    return Finding(part="agents.yaml", ok=True, detail=", ".join(told))


def _other_recipes(config: Config) -> list[Finding]:
    """Only `star` has roles whose prompts are tried here."""
    others = [Path(name).name for name in config.recipe if name != STAR]
    if not others:
        return []
    detail = f"agents of {', '.join(others)} are asked for a short reply alone; judges sit their exam as `run` begins"
    return [Finding(part="recipes", ok=True, detail=detail)]


def _prices(config: Config) -> list[Finding]:
    """Whether every budget can hold, and what is assumed of prices."""
    endpoints = endpoints_of(config)
    problems = [Finding(part="budgets", ok=False, detail=str(one)) for one in unbounded(config, endpoints)]
    return problems + [Finding(part="prices", ok=True, detail=note) for note in price_notes(config, endpoints)]


def _connections() -> list[Finding]:
    return [Finding(part="connections", ok=True, detail=note) for note in tls_notes(os.environ)]


def _judging(config: Config) -> list[Finding]:
    note = one_order_note(config)
    return [Finding(part="referee", ok=True, detail=note)] if note else []


async def _try_scorers(config: Config) -> list[Finding]:
    """Load what scores and embeds, and use it: on a plain sample, on one with a system turn, on one with an earlier."""
    try:
        async with connected(config.cluster, partial(say, err=True)) as cluster:
            found = [] if cluster is None else findings_at(cluster, config)
            nodes = [Finding(part=one.part, ok=one.ok, detail=one.detail) for one in found]
            return [*nodes, *await _try_scorer(config, scorer_for(config, partial(say, err=True), cluster))]
    except ClusterError as error:
        return [Finding(part="cluster", ok=False, detail=str(error))]


async def _try_scorer(config: Config, scorer: Scorer | None) -> list[Finding]:
    if scorer is None:
        return []
    try:
        async with scorer:
            facts, places = scorer.describe(), scorer.stats().places
            scores = [await scorer.score([sample]) for sample, _ in _SCORED] if config.needs_small else []
            vectors = await scorer.embed([SAMPLE.question]) if _embeds_in_process(config) else None
            measured = {name: (await scorer.measure(name, [_SCORED[0][0]]))[0] for name in facts.scorers}
    except ScorerError as error:
        return [Finding(part="scorers", ok=False, detail=str(error))]
    models = {"scorer small": facts.small, "scorer large": facts.large}
    found = [Finding(part=part, ok=True, detail=_model(model)) for part, model in models.items() if model is not None]
    if facts.same_tokenizer is False:
        detail = "small and large have different tokenizers: their IFDs are means over different tokens"
        found.append(Finding(part="scorers", ok=True, detail=detail))
    found += [
        _scored(what, score[0], number) for number, ((_, what), score) in enumerate(zip(_SCORED, scores, strict=False))
    ]
    found += [Finding(part="scorer place", ok=True, detail=f"node {one.name}") for one in places]
    found += [_measured(name, one, measured[name]) for name, one in facts.scorers.items()]
    if vectors is not None:
        is_good = bool(vectors.any())
        detail = f"vectors of {vectors.shape[1]} numbers" if is_good else "its vector of a short text is zero"
        found.append(Finding(part=f"embedder {config.embedder}", ok=is_good, detail=detail))
    return found


def _embeds_in_process(config: Config) -> bool:
    embedder = config.embedder if config.memory.enabled else ""
    return embedder == "small" or embedder.startswith("sentence-transformers:")


def _scored(what: str, score: Score, number: int) -> Finding:
    """A plain sample must have a score; of the others it matters only to who has such seeds."""
    if not score.reason:
        ifds = {"small": score.ifd_small, "large": score.ifd_large}
        told = [f"{ifd:.3f} by {model}" for model, ifd in ifds.items() if ifd is not None]
        return Finding(part=f"score {what}", ok=True, detail=f"IFD {', '.join(told)}")
    without = f"; seeds {what} will have no score: take it out of them, or set a chat_template in the model's tokenizer"
    fix = f"{without} that takes it" if number else ""
    return Finding(part=f"score {what}", ok=bool(number), detail=f"{score.reason}{fix}")


def _measured(name: str, facts: MeasurerFacts, said: dict[str, float] | str) -> Finding:
    model = f"{facts.model}, {facts.dtype} on {facts.device}, up to {facts.max_length} tokens"
    if isinstance(said, str):
        return Finding(part=f"scorer {name}", ok=False, detail=f"{model}: {said}")
    measures = ", ".join(f"{measure} {value:.3f}" for measure, value in said.items())
    return Finding(part=f"scorer {name}", ok=True, detail=f"{model}; a plain sample has {measures}")


def _model(model: ModelFacts) -> str:
    size = f"{model.parameters / 1e6:,.2f} M parameters"
    slower = f"; slower than it could be, {model.forward} ({model.forward_because})" if model.forward_because else ""
    return f"{model.model}, {size}, {model.dtype} on {model.device}, up to {model.max_length} tokens{slower}"


def _state(ok: bool) -> str:
    return "ok" if ok else "FAILED"
