"""`check`: what it finds out about agents on real servers, and how it says so."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from daemons import provider
from lines import agents_yaml
from openai_server import Answer, Body, Fault, Move, OpenAIServer, brain

from star_agents.agents.endpoints import resolve
from star_agents.agents.inspection import Inspection, inspect
from star_agents.agents.model_lists import identify, listed_by_litellm, nearest
from star_agents.agents.transports import litellm_env
from star_agents.cli.main import main
from star_agents.config.models import AgentConfig, DeploymentConfig
from star_agents.errors import ConfigError
from star_agents.offline import resolve_model
from star_agents.offline.agents import respond

CANARY = "sk-canary-7d20e4b1"


class Model:
    """A model server with the lists that a test gives it, and a reply that depends on whether JSON is wanted."""

    def __init__(
        self, lists: Mapping[str, object], *, text: str = "Because.", as_json: str = '{"sky": "blue"}'
    ) -> None:
        self.lists = lists
        self.text, self.as_json = text, as_json
        self.finish_reason = "stop"
        self.seen: list[tuple[str, str]] = []
        """Path and Authorization of every request."""
        self.base = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.path, request.headers.get("Authorization", "")))
        if request.path in self.lists:
            listed = self.lists[request.path]
            return listed if isinstance(listed, web.Response) else web.json_response(listed)
        if request.path.endswith("/embeddings"):
            rows = [{"object": "embedding", "index": 0, "embedding": [0.5] * 6}]
            return web.json_response({"object": "list", "data": rows, "model": "m", "usage": {"prompt_tokens": 3}})
        if request.method != "POST" or "chat" not in request.path:
            return web.Response(status=404)
        return web.json_response(self._reply(request.path, await request.json()))

    def _reply(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        message = {
            "role": "assistant",
            "content": self.as_json if body.get("response_format") or body.get("format") else self.text,
        }
        if path == "/api/chat":
            counts = {"prompt_eval_count": 10, "eval_count": 5}
            return {
                "model": body["model"],
                "message": message,
                "done": True,
                "done_reason": self.finish_reason,
                **counts,
            }
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


@asynccontextmanager
async def serving(model: Model) -> AsyncIterator[Model]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", model.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    model.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield model
    finally:
        await runner.cleanup()


def vllm(*names: str, **facts: object) -> dict[str, object]:
    return {"/v1/models": {"object": "list", "data": [{"id": name, "object": "model", **facts} for name in names]}}


async def look_at(agent: AgentConfig, **options: Any) -> Inspection:
    (found,) = await inspect({"it": agent}, **options)
    return found


async def test_a_vllm_server_tells_its_models_and_their_context() -> None:
    async with serving(Model(vllm("org/small", max_model_len=8192))) as server:
        found = await look_at(AgentConfig(model="hosted_vllm/org/small", api_base=f"{server.base}/v1"))
    assert (found.reachable, found.model_known, found.context, found.json) == (True, True, 8192, "yes")
    assert (found.price, found.cost_usd, found.calls) == ("free", 0.0, 2), "a server of one's own"
    assert (found.problem, found.notes) == ("", ())
    assert found.latency_s is not None
    assert 0 < found.latency_s < 5


async def test_a_name_that_the_server_does_not_have_gets_the_nearest_one() -> None:
    async with serving(Model(vllm("mistralai/Mistral-7B-Instruct-v0.3", "other/model"))) as server:
        found = await look_at(
            AgentConfig(model="hosted_vllm/mistralai/mistral-7b-instruct", api_base=f"{server.base}/v1")
        )
    assert found.model_known is False
    assert f"the server at {server.base}/v1 does not have mistralai/mistral-7b-instruct" in found.notes[0]
    assert "did you mean hosted_vllm/mistralai/Mistral-7B-Instruct-v0.3?" in found.notes[0]


async def test_a_server_that_takes_any_name_is_no_failure_but_says_what_it_has() -> None:
    async with serving(Model(vllm("model.gguf"))) as server:
        found = await look_at(AgentConfig(model="openai/whatever", api_base=f"{server.base}/v1"))
    assert (found.problem, found.model_known) == ("", False)
    assert found.notes[0].endswith("does not have whatever; it has model.gguf")


OLLAMA = {"/api/tags": {"models": [{"name": "qwen2.5:latest"}, {"name": "qwen2.5:14b"}]}}
SHOWN = {"model_info": {"general.architecture": "qwen2", "qwen2.context_length": 32768}}


@pytest.mark.parametrize(
    ("lists", "context"),
    [
        ({"/api/ps": {"models": [{"name": "qwen2.5:latest", "context_length": 4096}]}, "/api/show": SHOWN}, 4096),
        ({"/api/ps": {"models": []}, "/api/show": {**SHOWN, "parameters": "stop x\nnum_ctx   2048"}}, 2048),
        ({"/api/show": SHOWN}, 32768),
        ({}, None),
    ],
    ids=["loaded with less", "made with less", "the model's own", "says nothing"],
)
async def test_ollama_tells_its_models_and_the_context_they_are_run_with(
    lists: Mapping[str, object], context: int | None
) -> None:
    async with serving(Model({**OLLAMA, **lists})) as server:
        found = await look_at(AgentConfig(model="ollama_chat/qwen2.5", api_base=server.base))
    assert (found.problem, found.model_known, found.context) == ("", True, context)


async def test_a_model_that_ollama_has_not_pulled_gets_the_nearest_one() -> None:
    async with serving(Model(OLLAMA)) as server:
        found = await look_at(AgentConfig(model="ollama_chat/qwen2.5:14", api_base=server.base))
    assert found.notes[0].endswith("did you mean ollama_chat/qwen2.5:14b?")


@pytest.mark.parametrize(
    "models",
    [
        web.Response(status=500),
        web.Response(body=b"<html>", content_type="text/html"),
        web.Response(body=b"\xff\xfe", content_type="application/json"),
        {"data": "none"},
        ["a", {"id": 3}],
        {"data": [{"id": "m", "max_model_len": "long"}]},
    ],
    ids=["error", "html", "bytes", "no rows", "odd rows", "odd context"],
)
async def test_a_list_that_cannot_be_read_fails_nothing(models: object) -> None:
    async with serving(Model({"/v1/models": models})) as server:
        found = await look_at(AgentConfig(model="openai/m", api_base=f"{server.base}/v1"))
    assert (found.problem, found.reachable, found.context) == ("", True, None)


@pytest.mark.parametrize(
    ("as_json", "finish_reason", "answer"),
    [('{"sky": "blue"}', "stop", "yes"), ("The sky is blue.", "stop", "no"), ('{"sky": ', "length", "not tried")],
)
async def test_json_is_what_the_answer_is_and_not_what_the_provider_promises(
    as_json: str, finish_reason: str, answer: str
) -> None:
    model = Model({}, as_json=as_json)
    model.finish_reason = finish_reason
    async with serving(model) as server:
        found = await look_at(AgentConfig(model="openai/m", api_base=f"{server.base}/v1"))
    assert (found.json, found.problem) == (answer, "")
    assert bool(found.notes) == (answer == "not tried")


@pytest.mark.parametrize(("status", "answer"), [(400, "no"), (500, "not tried")])
async def test_a_server_that_refuses_json_has_none_and_one_that_fails_is_not_judged(status: int, answer: str) -> None:
    def play(body: Body) -> Move:
        return Fault(status=status) if "response_format" in body else Answer(text="Because.")

    async with OpenAIServer(play) as server:
        found = await look_at(AgentConfig(model="openai/test", api_base=server.url, retries=0))
    assert (found.json, found.problem) == (answer, "")


async def test_context_that_cannot_hold_prompt_and_reply_earns_a_note() -> None:
    async with serving(Model(vllm("m", max_model_len=4096))) as server:
        agent = AgentConfig(model="openai/m", api_base=f"{server.base}/v1", max_tokens=2048)
        fits = await look_at(agent, longest_prompt=2048)
        short = await look_at(agent, longest_prompt=2049)
    assert fits.notes == ()
    assert "4,096 tokens cannot hold a prompt of 2,049" in short.notes[0]
    assert short.problem == ""


async def test_the_price_is_litellms_or_the_configs_and_the_cost_is_of_all_calls() -> None:
    async with serving(Model({})) as server:
        api = f"{server.base}/v1"
        agents = {
            "listed": AgentConfig(model="openai/gpt-4o-mini", api_base=api),
            "priced": AgentConfig(
                model="openai/m", api_base=api, input_cost_per_token=1e-3, output_cost_per_token=1e-2
            ),
        }
        listed, priced = await inspect(agents)
    assert (listed.price, listed.model_known, listed.context) == ("known", True, 128_000)
    assert (priced.price, priced.model_known, priced.calls) == ("known", None, 2)
    assert priced.cost_usd == pytest.approx(2 * (10 * 1e-3 + 5 * 1e-2))


async def test_an_agent_that_fails_says_what_to_do_and_leaves_the_others_alone() -> None:
    async with serving(Model({})) as server:
        agents = {
            "there": AgentConfig(model="openai/m", api_base=f"{server.base}/v1"),
            "away": AgentConfig(model="openai/m", api_base="http://127.0.0.1:9/v1", retries=0),
            "typo": AgentConfig(model="openai/m", api_base=f"{server.base}/v2/nothing"),
        }
        server.lists = {"/v2/nothing/chat/completions": web.json_response({"error": {"message": "no"}}, status=404)}
        there, away, typo = await inspect(agents)
    assert there.problem == ""
    assert (away.reachable, away.latency_s, away.json) == (False, None, "not tried")
    assert "agent away" in away.problem
    assert "is the server at `api_base` up?" in away.problem
    assert typo.reachable
    assert "check `model` and `api_base`" in typo.problem


async def test_each_deployment_of_an_agent_is_inspected_by_itself() -> None:
    async with serving(Model(vllm("m", max_model_len=512))) as server:
        up = DeploymentConfig(model="hosted_vllm/m", api_base=f"{server.base}/v1")
        down = DeploymentConfig(model="hosted_vllm/m", api_base="http://127.0.0.1:9/v1")
        first, second = await inspect({"duo": AgentConfig(deployments=(up, down), retries=0)})
    assert (first.agent, first.problem, first.context) == ("duo/0", "", 512)
    assert (second.agent, second.reachable) == ("duo/1", False)
    assert "agent duo/1 (hosted_vllm/m)" in second.problem


async def test_a_key_reaches_the_server_with_the_list_no_other_one_and_no_message() -> None:
    async with serving(Model({})) as elsewhere:
        away = web.Response(status=307, headers={"Location": f"{elsewhere.base}/v1/models"})
        refusal = web.json_response({"error": {"message": f"bad key {CANARY}"}}, status=401)
        async with serving(Model({"/v1/models": away, "/v1/chat/completions": refusal})) as server:
            agent = AgentConfig(model="openai/m", api_base=f"{server.base}/v1", api_key="os.environ/MY_KEY")
            found = await look_at(agent, environ={"MY_KEY": CANARY})
    assert ("/v1/models", f"Bearer {CANARY}") in server.seen
    assert elsewhere.seen == []
    assert "check the variable that `api_key` names" in found.problem
    assert CANARY not in repr(found)


async def test_an_embedder_embeds_and_is_not_asked_to_write() -> None:
    async with serving(Model(vllm("m"))) as server:
        agents = {"vectors": AgentConfig(model="openai/m", api_base=f"{server.base}/v1", roles=())}
        (found,) = await inspect(agents, embedder="vectors", longest_prompt=10**9)
    assert (found.dimensions, found.json, found.calls, found.notes) == (6, "not tried", 1, ())
    assert {path for path, _ in server.seen} == {"/v1/embeddings", "/v1/models"}


async def test_an_agent_in_process_is_reachable_free_and_known_where_it_answers() -> None:
    agents = {"tutor": AgentConfig(model="offline/tutor"), "typo": AgentConfig(model="offline/tutr")}
    tutor, typo = await inspect(agents, providers={"offline": respond})
    assert (tutor.reachable, tutor.price, tutor.cost_usd, tutor.json) == (True, "free", 0.0, "no")
    assert (tutor.model_known, tutor.context, tutor.calls) == (True, None, 1)
    assert tutor.latency_s is not None
    assert typo.model_known is False
    assert "did you mean offline/tutor?" in typo.problem


async def test_an_unset_key_variable_is_named_where_it_stands_in_the_file() -> None:
    keyless = DeploymentConfig(model="openai/m", api_base="http://127.0.0.1:9/v1")
    keyed = DeploymentConfig(model="openai/m", api_key="os.environ/MY_KEY")
    with pytest.raises(ConfigError) as refusal:
        await inspect({"duo": AgentConfig(deployments=(keyless, keyed))}, environ={})
    assert [problem.field for problem in refusal.value.problems] == ["agents.duo.deployments.1.api_key"]


@pytest.mark.parametrize(
    ("settings", "server"),
    [
        ({"model": "openai/gpt-4o-mini"}, None),
        ({"model": "anthropic/claude-sonnet-4-5"}, None),
        ({"model": "openai/m", "api_base": "http://h:1/v1/"}, ("openai", "http://h:1/v1", "none")),
        (
            {"model": "hosted_vllm/m", "api_base": "http://h:1/v1", "api_key": "os.environ/K"},
            ("openai", "http://h:1/v1", "k"),
        ),
        ({"model": "ollama_chat/m"}, ("ollama", "http://localhost:11434", None)),
        ({"model": "ollama/m", "api_base": "http://h:1/"}, ("ollama", "http://h:1", None)),
    ],
)
def test_a_server_is_asked_where_litellm_would_call_it(
    settings: dict[str, Any], server: tuple[str, str, str | None] | None
) -> None:
    litellm, environ = litellm_env.load(), {"K": "k"}
    endpoint = resolve(lambda: litellm, {"it": AgentConfig(**settings)}, environ, {})["it"][0]
    found = identify(litellm, endpoint, environ).server
    assert (None if found is None else (found.speaks, found.base, found.key)) == server


def test_litellms_list_corrects_a_misspelt_name() -> None:
    names = listed_by_litellm(litellm_env.load(), "openai")
    assert nearest("gpt-4o-minni", names) == "gpt-4o-mini"
    assert nearest("zzzz", names) is None


# The verb.

AGENTS = """
agents:
  near: {model: openai/test, api_base: "URL"}
  qwen: {model: openai/test, api_base: "http://models.example/v1", max_tokens: 100}
  priced: {model: openai/test, api_base: "URL", input_cost_per_token: 0.001, output_cost_per_token: 0.001}
  away: {model: openai/test, api_base: "http://127.0.0.1:9/v1", retries: 0}
selection: random
memory: off
"""


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(text: str, *options: str) -> tuple[int, str]:
        file = tmp_path / "agents.yaml"
        file.write_text(text)
        try:
            main(["check", "-c", str(file), *options])
        except SystemExit as stop:
            return int(stop.code or 0), capsys.readouterr().out
        return 0, capsys.readouterr().out

    return run


def test_check_names_everything_in_json_and_ends_with_1_where_an_agent_fails(
    check: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with provider(tmp_path / "book") as url:
        monkeypatch.setenv("HTTP_PROXY", url.removesuffix("/v1"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        code, out = check(AGENTS.replace("URL", url), "--json")
    parts = {finding["part"]: finding for finding in json.loads(out)}
    assert code == 1
    qwen, away = parts["agent qwen"], parts["agent away"]
    assert qwen["ok"]
    assert qwen["model_known"] is True
    assert qwen.keys() >= {"reachable", "price", "json", "context", "latency_s", "cost_usd"}
    assert (away["ok"], away["reachable"]) == (False, False)
    assert "api_base" in away["detail"]
    assert parts["agent away as response"]["detail"].startswith("not tried")
    assert parts["spent"]["unknown"] == ["qwen"], "nothing can have been billed where there was no connection"
    assert parts["spent"]["cost_usd"] > parts["agent priced"]["cost_usd"] > 0, "its role was paid for as well"


def test_check_says_which_budget_cannot_hold_and_what_counts_as_free(
    check: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n".join(line for line in AGENTS.splitlines() if "away" not in line) + "\nbudget_usd: 5\n"
    with provider(tmp_path / "book") as url:
        monkeypatch.setenv("HTTP_PROXY", url.removesuffix("/v1"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        code, out = check(text.replace("URL", url), "--json")
        healthy, allowed = check(text.replace("URL", url) + "budget_calls: 100", "--json")
    told = [(one["part"], one["ok"], one["detail"]) for one in json.loads(out) if one["part"] in ("budgets", "prices")]
    (refused, near, far) = told
    assert (code, healthy) == (1, 0)
    assert refused[:2] == ("budgets", False)
    assert "agents.qwen: nobody knows its price, so `budget_usd` cannot hold for it (give input_cost" in refused[2]
    assert "agent near: openai/test at 127.0.0.1" in near[2]
    assert "has no price and counts as free" in near[2]
    assert "nobody knows the price of openai/test at models.example" in far[2]
    assert "budgets" not in {one["part"] for one in json.loads(allowed)}


def test_check_shows_one_row_per_agent_the_advice_and_what_it_spent(
    check: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with provider(tmp_path / "book") as url:
        monkeypatch.setenv("HTTP_PROXY", url.removesuffix("/v1"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        code, out = check(AGENTS.replace("URL", url))
        table = out.partition("\nroles")[0].splitlines()
        rows = {line.split("│")[1].strip(): line for line in table if line.startswith("│")}
        healthy, _ = check("\n".join(line for line in AGENTS.replace("URL", url).splitlines() if "away" not in line))
    assert (code, healthy) == (1, 0)
    assert "FAILED" in rows["away"]
    assert "known" in rows["qwen"]
    assert "is the server at `api_base` up?" in out
    assert "and what qwen cost, which is unknown" in out.splitlines()[-1]


# Each agent in each of its roles.

REASONING = "Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) is supported."
LENGTH = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."


class Picky:
    """A server whose model refuses some parameters, and judges by length where it is asked to judge."""

    def __init__(self, *refused: str, judges: bool = True) -> None:
        self.refused = refused
        self.judges = judges
        self.taken: list[Body] = []

    def __call__(self, body: Body) -> Move:
        if "temperature" in self.refused and body.get("temperature", 1) != 1:
            return Fault(status=400, message=REASONING)
        if "max_tokens" in self.refused and "max_tokens" in body:
            return Fault(status=400, message=LENGTH)
        if "top_p" in self.refused and "top_p" in body:
            return Fault(status=400, message="Unknown parameter")
        longest = max(body.get("max_tokens", 0), body.get("max_completion_tokens", 0))
        if "length" in self.refused and longest > 500:
            return Fault(status=400, message="max_tokens is too large: this model supports at most 500 tokens")
        self.taken.append(body)
        return brain(body)


ROLES = """
agents:
  writer: {model: openai/writer, api_base: "URL", max_tokens: 600MORE}
  judge: {model: openai/alias, api_base: "URL", roles: []}
pairs: [{instruction: writer, response: writer}]
referee: {agents: [judge], exam: EXAMREFEREE}
selection: referee
memory: off
"""


def roles(url: str, *, writer: str = "", referee: str = "", exam: str = "warn") -> str:
    return ROLES.replace("URL", url).replace("MORE", writer).replace("EXAMREFEREE", f"{exam}{referee}")


@contextmanager
def serving_on_a_thread(handler: Callable[[Body], Move]) -> Iterator[str]:
    """The verb runs an event loop of its own, so the server has another thread."""
    started, loop = threading.Event(), asyncio.new_event_loop()
    told: list[str] = []
    ended = asyncio.Event()

    async def serve() -> None:
        async with OpenAIServer(handler) as server:
            told.append(server.url)
            started.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert started.wait(30)
    try:
        yield told[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def found(out: str) -> dict[str, dict[str, Any]]:
    return {finding["part"]: finding for finding in json.loads(out)}


def test_each_agent_is_asked_in_each_of_its_roles_with_the_parameters_of_the_role(check: Any) -> None:
    server = Picky()
    with serving_on_a_thread(server) as url:
        code, out = check(roles(url), "--json", "--no-exam")
    parts = found(out)
    assert code == 0
    assert {part for part in parts if " as " in part} == {
        "agent writer as instruction",
        "agent writer as response",
        "agent judge as referee",
    }
    written = [body for body in server.taken if body["model"] == "writer" and body.get("max_tokens") == 600]
    judged = [body for body in server.taken if body["model"] == "alias" and body.get("max_tokens") == 512]
    assert len(written) == 2
    assert {body["temperature"] for body in judged} == {0.0}
    assert parts["agent judge as referee"]["exam"]["pairs"] == 1
    assert parts["spent"]["calls"] == len(server.taken)


def test_a_judge_sits_its_whole_exam_and_its_figures_are_told(check: Any) -> None:
    with serving_on_a_thread(Picky()) as url:
        warned, out = check(roles(url), "--json")
        refused, text = check(roles(url, exam="refuse"))
    exam = found(out)["agent judge as referee"]["exam"]
    assert exam["pairs"] == 24
    assert not exam["passed"], "the longer hash is no better answer"
    assert exam["unreadable"] == 0
    assert (warned, refused) == (0, 1)
    assert "of 24 right, 0 unreadable, position bias 0 %; 17 are needed: `run` will not let it judge" in text


def test_a_referee_that_refuses_temperature_0_fails_with_advice_that_works_at_that_endpoint(check: Any) -> None:
    with serving_on_a_thread(Picky("temperature")) as url:
        code, out = check(roles(url), "--no-exam")
        advised, _ = check(roles(url, referee=", temperature: null"), "--no-exam")
    assert (code, advised) == (1, 0)
    assert "agent judge as referee: " in out
    assert "Tried: it answers with `star: {referee: {temperature: null}}`" in out
    assert "drop_params" not in out


def test_a_model_that_refuses_max_tokens_and_temperature_gets_both_fixes_and_works_with_them(check: Any) -> None:
    with serving_on_a_thread(Picky("temperature", "max_tokens")) as url:
        code, out = check(roles(url), "--json", "--no-exam")
        fixed = roles(url, referee=", temperature: null", writer=", extra: {max_completion_tokens: 600}")
        fixed = fixed.replace("roles: []", "roles: [], extra: {max_completion_tokens: 2048}")
        advised, after = check(fixed, "--json", "--no-exam")
    judge, writer = found(out)["agent judge as referee"], found(out)["agent writer as response"]
    assert (code, advised) == (1, 0), after
    both = "`star: {referee: {temperature: null}}` and the agent's `extra: {max_completion_tokens: 2048}`"
    assert both in judge["detail"]
    assert "it answers with the agent's `extra: {max_completion_tokens: 600}`" in writer["detail"]


@pytest.mark.parametrize(
    ("refused", "writer", "advice"),
    [
        ("temperature", ", temperature: 0.7", "`temperature` left out"),
        ("top_p", ", top_p: 0.9", "`top_p` left out"),
        ("length", "", "`max_tokens: 256`"),
    ],
)
def test_the_parameter_that_a_writer_is_refused_for_is_found_by_trying(
    check: Any, refused: str, writer: str, advice: str
) -> None:
    with serving_on_a_thread(Picky(refused)) as url:
        text = roles(url, writer=writer, referee=", temperature: 1.0, max_tokens: 100")
        code, out = check(text, "--no-exam", "--json")
    assert code == 1
    assert f"it answers with {advice}" in found(out)["agent writer as response"]["detail"]


def test_a_writer_whose_reply_cannot_be_used_fails_in_that_role(check: Any) -> None:
    def cut(body: Body) -> Move:
        return Answer(text="The sky", finish_reason="length") if body["model"] == "writer" else brain(body)

    with serving_on_a_thread(cut) as url:
        code, out = check(roles(url), "--no-exam")
    assert code == 1
    assert "agent writer as response: length: the response of writer was cut" in out


def test_what_is_wrong_in_the_file_is_said_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "agents.yaml"
    file.write_text("agents: {gpt: {model: openai/gpt-4o, api_key: os.environ/NO_SUCH_KEY}}\nselection: gap\n")
    script = (
        "import sys\nfrom star_agents.cli.main import main\ntry: main(sys.argv[1:])\n"
        "except SystemExit as end: print(end.code, sorted({'torch', 'litellm', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "check", "-c", str(file)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "NO_SUCH_KEY is not set" in done.stderr
    assert done.stdout.strip() == "2 []"


def test_an_embedding_agent_is_tried_as_the_memory_banks_embedder(check: Any) -> None:
    with serving_on_a_thread(brain) as url:
        text = roles(url).replace("memory: off", "memory: {embedder: agent:vectors}")
        text = text.replace("pairs:", f'  vectors: {{model: openai/e, api_base: "{url}", roles: []}}\npairs:', 1)
        code, out = check(text, "--json", "--no-exam")
    assert code == 0
    assert found(out)["agent vectors as embedder"]["detail"] == "vectors of 8 numbers"


def test_the_shipped_config_passes_and_its_scorers_are_tried_on_system_turns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["check", "-c", "agents.yaml", "--json"])
    parts = found(capsys.readouterr().out)
    assert all(part["ok"] for part in parts.values())
    assert {"score of a plain seed", "score with a system turn", "embedder small"} <= parts.keys()
    assert "made to be bad" in parts["agent hasty as response"]["detail"]


REFUSES_SYSTEM = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: "
)


def test_a_template_that_takes_no_system_turn_is_a_finding_with_its_fix_and_fails_nothing(
    check: Any, tmp_path: Path
) -> None:
    model = tmp_path / "small"
    shutil.copytree(resolve_model("offline/small"), model)
    settings = json.loads((model / "tokenizer_config.json").read_text())
    (model / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": REFUSES_SYSTEM}))
    (model / "chat_template.jinja").unlink(missing_ok=True)
    text = "agents: {tutor: {model: offline/tutor}}\nselection: ifd\nmemory: off\n"
    code, out = check(f"{text}scoring: {{small: {model}}}\n", "--json")
    parts = found(out)
    assert code == 0, "whose seeds have no system turn is not concerned"
    assert parts["score of a plain seed"]["detail"].startswith("IFD ")
    detail = parts["score with a system turn"]["detail"]
    assert "System role not supported" in detail
    assert "set a chat_template in the model's tokenizer that takes it" in detail


def test_check_says_what_one_order_leaves_open(check: Any, tmp_path: Path) -> None:
    with provider(tmp_path / "book") as url:
        config = agents_yaml(url, agents=("a",), replaced="referee: {agents: [a], exam: 'off', orders: one}")
        code, out = check(config, "--json", "--no-exam")
    (referee,) = [finding for finding in json.loads(out) if finding["part"] == "referee"]
    assert referee["ok"]
    assert referee["detail"].startswith("star.referee.orders is one: a candidate can win by where it stands and by")
    assert code in (0, 1)  # how the test server judges is not the matter here
