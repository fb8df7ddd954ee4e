"""Servers of `serve` in agents.yaml: real processes that start late, die, hang, run already, and are exchanged."""

from __future__ import annotations

import os
import shlex
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from star_agents.agents.client import AgentClient
from star_agents.config.models import Config
from star_agents.engine.configuration import check_config
from star_agents.engine.model_servers import ModelServers
from star_agents.errors import AgentUnavailable, ConfigError
from star_agents.events import ServerChanged
from star_agents.offline.agents import respond
from star_agents.process.gpu_memory import by_session
from star_agents.process.server import free_port
from star_agents.records import Message

SCRIPT = Path(__file__).with_name("model_server.py")
PATIENCE_S = 90
SECRET = "a-secret-of-the-server"
HELLO = [Message(role="user", content="Hello.")]


def command(book: Path, *, python: str = sys.executable, models: str = "{model}") -> str:
    return shlex.join([python, str(SCRIPT), "{port}", models, str(book)])


def config(recipe_agents: dict[str, dict[str, Any]]) -> Config:
    """Star whose base pair asks the first of these agents, and whose pool has the others."""
    base, *others = recipe_agents
    star = {
        "base_pairs": [{"instruction": "keep", "response": base}],
        "pairs": [{"instruction": "keep", "response": name} for name in others],
        "selection": "random" if others else "base",
    }
    return check_config({"agents": recipe_agents, "star": star})


class World:
    """Servers of one config, and the client that asks them."""

    def __init__(self, book: Path) -> None:
        self.book = book
        self.heard: list[ServerChanged] = []
        self._news = anyio.Event()
        self.servers: ModelServers
        self.client: AgentClient

    def hear(self, event: ServerChanged) -> None:
        self.heard.append(event)
        self._news.set()

    async def until(self, what: str, *, times: int = 1) -> ServerChanged:
        """Wait until something was told so often."""
        with anyio.fail_after(PATIENCE_S):
            while len(found := [one for one in self.heard if one.what == what]) < times:
                self._news = anyio.Event()
                await self._news.wait()
        return found[-1]

    async def ask(self, agent: str) -> str:
        with anyio.fail_after(PATIENCE_S):
            return (await self.client.ask(agent, HELLO)).text

    def noted(self, what: str) -> int:
        """How often the servers noted that."""
        file = self.book / "book.txt"
        return sum(line.startswith(what) for line in file.read_text().splitlines()) if file.exists() else 0

    async def until_noted(self, what: str) -> None:
        with anyio.fail_after(PATIENCE_S):
            while not self.noted(what):  # noqa: ASYNC110 - another process writes it
                await anyio.sleep(0.01)


@asynccontextmanager
async def world(folder: Path, settings: Config) -> AsyncIterator[World]:
    (folder / "book").mkdir(exist_ok=True)
    made = World(folder / "book")
    environ = {"SERVER_KEY": SECRET}
    async with ModelServers(folder, tell=made.hear, environ=environ) as servers:
        made.servers = servers
        made.client = AgentClient(settings.agents, providers={"offline": respond}, place=servers.place, environ=environ)
        try:
            servers.put_in_force(settings, made.client.holds)
            yield made
        finally:
            await made.client.aclose()


def served(book: Path, **settings: Any) -> dict[str, Any]:
    serve = {"command": command(book), "backoff_s": 0.1, "stop_s": 10, **settings}
    return {"model": "hosted_vllm/mini", "serve": serve}


async def test_calls_wait_for_a_server_that_starts_and_hold_nobody_else_up(tmp_path: Path) -> None:
    book = tmp_path / "book"
    book.mkdir()
    (book / "unready").touch()
    agents = {"qwen": served(book), "twin": served(book), "tutor": {"model": "offline/tutor"}}
    async with world(tmp_path, config(agents)) as here, anyio.create_task_group() as tasks:
        answers: list[str] = []

        async def ask() -> None:
            answers.append(await here.ask("qwen"))

        tasks.start_soon(ask)
        await here.until_noted("started")
        assert here.client.down() == {"qwen", "twin"}, "draws pass them over"
        assert await here.ask("tutor")
        assert (answers, [one.state for one in here.servers.states()]) == ([], ["starting"])
        (book / "unready").unlink()
        ready = await here.until("ready")
        assert ready.agents == ("qwen", "twin"), "the same command is one server"
        assert await here.ask("twin") == f"{ready.pid} says: Hello."
    assert answers == [f"{ready.pid} says: Hello."]
    assert (here.noted("started"), here.noted("ended")) == (1, 1), "it was told to end, and ended in order"
    assert (tmp_path / "servers" / "qwen.log").read_text().startswith("key none")


async def test_a_server_that_dies_or_hangs_is_started_again_and_calls_are_answered_then(tmp_path: Path) -> None:
    agents = {"qwen": served(tmp_path / "book", unanswered_s=2.0, stop_s=0.5)}
    async with world(tmp_path, config(agents)) as here:
        first = await here.until("ready")
        with suppress(OSError):
            await anyio.to_thread.run_sync(fetch, f"http://{first.address}/die")
        assert "ended with exit code 4" in (await here.until("ended")).message
        assert await here.ask("qwen") != f"{first.pid} says: Hello."
        (here.book / "hangs").touch()
        hung = await here.until("ended", times=2)
        (here.book / "hangs").unlink()
        assert "has not answered for 2 s" in hung.message
        third = await here.until("ready", times=3)
        assert await here.ask("qwen") == f"{third.pid} says: Hello."
        (state,) = here.servers.states()
    assert (state.restarts, state.pid, state.trouble) == (2, third.pid, "")
    assert "GPU memory" in state.sentence
    assert "started again 2 times" in state.sentence


async def test_a_server_that_keeps_dying_is_given_up_with_its_last_words_and_nobody_waits(tmp_path: Path) -> None:
    book = tmp_path / "book"
    book.mkdir()
    (book / "dies").touch()
    agents = {"qwen": served(book, restarts=1, unanswered_s=1.0, env={"MODEL_KEY": "os.environ/SERVER_KEY"})}
    async with world(tmp_path, config(agents)) as here:
        down = await here.until("down")
        assert "out of memory" in down.message
        assert "`agents.qwen.serve.restarts` (1) are used up" in down.message
        assert SECRET not in down.message
        assert (tmp_path / "servers" / "qwen.log").read_text().startswith("key ***\n")
        assert here.noted("started") == 2
        with pytest.raises(AgentUnavailable, match="out of memory") as failed:
            await here.ask("qwen")
        assert failed.value.is_outage
        assert failed.value.certainly_unpaid
        (book / "dies").unlink()
        here.servers.try_again()
        await here.until("ready")
        assert "says" in await here.ask("qwen")


async def test_a_command_that_there_is_not_is_given_up_at_once(tmp_path: Path) -> None:
    async with world(tmp_path, config({"qwen": served(tmp_path, command="/nothing/here --port {port}")})) as here:
        assert "cannot be started" in (await here.until("down")).message
    assert [one.what for one in here.heard] == ["starting", "down"]


async def test_a_server_that_runs_already_is_used_and_replaced_when_it_goes(tmp_path: Path) -> None:
    port = free_port()
    settings = config({"qwen": served(tmp_path / "book", port=port, unanswered_s=1.0)})
    (tmp_path / "second").mkdir()
    async with world(tmp_path, settings) as first:
        ready = await first.until("ready")
        async with world(tmp_path / "second", settings) as second:
            attached = await second.until("attached")
            assert attached.pid is None
            assert await second.ask("qwen") == f"{ready.pid} says: Hello."
            await anyio.to_thread.run_sync(first.servers.hurry)
            await second.until("lost")
            own = await second.until("ready")
            assert await second.ask("qwen") == f"{own.pid} says: Hello."


async def test_a_server_that_waits_for_the_log_of_another_says_so(tmp_path: Path) -> None:
    settings = config({"qwen": served(tmp_path / "book", log=str(tmp_path / "one.log"))})
    (tmp_path / "second").mkdir()
    async with world(tmp_path, settings) as first:
        await first.until("ready")
        async with world(tmp_path / "second", settings) as second:
            waits = await second.until("starting", times=2)
            assert f"another command still writes {tmp_path / 'one.log'}" in waits.message
            assert "another command still writes" in second.servers.states()[0].sentence
            first.servers.hurry()
            ready = await second.until("ready")
            assert second.servers.states()[0].trouble == ""
            assert await second.ask("qwen") == f"{ready.pid} says: Hello."


async def test_nothing_is_started_where_somebody_else_answers(tmp_path: Path) -> None:
    port = free_port()
    other = {"model": "hosted_vllm/other", "serve": {"command": command(tmp_path / "book"), "port": port}}
    (tmp_path / "second").mkdir()
    async with world(tmp_path, config({"other": other})) as first:
        await first.until("ready")
        async with world(tmp_path / "second", config({"qwen": served(tmp_path / "book", port=port)})) as second:
            taken = await second.until("taken")
            assert f"127.0.0.1:{port} has other, and not mini" in taken.message
    assert (first.noted("started"), second.noted("started")) == (1, 0)


async def test_an_edit_exchanges_a_server_once_its_calls_have_ended(tmp_path: Path) -> None:
    book, port = tmp_path / "book", free_port()
    settings = config({"qwen": served(book, port=port)})
    async with world(tmp_path, settings) as here, anyio.create_task_group() as tasks:
        first, answers = await here.until("ready"), list[str]()

        async def ask() -> None:
            answers.append(await here.ask("qwen"))

        (book / "slow").touch()
        tasks.start_soon(ask)
        await here.until_noted("asked")
        edited = config({"qwen": served(book, port=port, stop_s=9)})
        await here.client.reconfigure(edited.agents)
        here.servers.put_in_force(edited, here.client.holds)
        tasks.start_soon(ask)
        await here.until("stopping")
        assert here.noted("ended") == 0
        (book / "slow").unlink()
        await here.until("stopped")
        second = await here.until("ready", times=2)
        with anyio.fail_after(PATIENCE_S):
            while len(answers) < 2:
                await anyio.lowlevel.checkpoint()
    assert answers == [f"{first.pid} says: Hello.", f"{second.pid} says: Hello."], "nothing was cut off"


async def test_a_server_of_an_agent_that_nobody_names_is_started_when_it_is_asked(tmp_path: Path) -> None:
    agents = {"tutor": {"model": "offline/tutor"}, "scholar": {"model": "offline/scholar"}}
    settings = config(agents)
    spare = {"spare": served(tmp_path / "book")}
    settings = check_config({**settings.model_dump(exclude_unset=True), "agents": {**agents, **spare}})
    async with world(tmp_path, settings) as here:
        assert "nobody has asked for it yet" in here.servers.states()[0].sentence
        assert here.heard == []
        assert "says" in await here.ask("spare")


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        ({"serve": "vllm serve {model}"}, "to say where it listens"),
        ({"serve": "vllm serve 'x --port {port}"}, "cannot be read"),
        (
            {"serve": "vllm serve --port {port} --api-key=sk-12345678"},
            "a secret behind --api-key would stand in this file",
        ),
        ({"serve": {"command": "vllm {port}", "env": {"A_TOKEN": "x"}}}, "write os.environ/NAME"),
        ({"serve": {"command": "vllm", "port": 80}, "api_base": "http://h:81/v1"}, "is 80, and `api_base` says 81"),
        ({"serve": "x {port}", "model": "offline/tutor"}, "answers without a server"),
        ({"serve": "x {port}", "model": "somebody/m"}, "needs `api_base`"),
        ({"serve": "x {port}", "model": None, "deployments": [{"model": "openai/m"}]}, "belong to each deployment"),
        ({"serve": {"command": "other", "port": 7001}}, "port 7001 is that of the server of one"),
        ({"serve": {"command": "other {port}", "log": "one.log"}}, "one.log is the log of another server"),
    ],
)
def test_a_server_that_cannot_be_started_is_refused_and_no_secret_repeated(agent: dict[str, Any], told: str) -> None:
    one = {"model": "hosted_vllm/m", "serve": {"command": "one", "port": 7001, "log": "one.log"}}
    with pytest.raises(ConfigError, match=r"agents\.") as refused:
        config({"one": one, "two": {"model": "hosted_vllm/m", **agent}})
    assert told in str(refused.value)
    assert "sk-12345678" not in str(refused.value)


def test_gpu_memory_is_that_of_all_processes_of_a_session() -> None:
    here = os.getsid(0)
    told = f"{os.getpid()}, 1024\n{os.getppid()}, [N/A]\nno line\n{os.getpid()}, 512\n999999999, 7\n"
    assert by_session(told) == {here: 1536 << 20}
    assert by_session("") == {}


def fetch(url: str) -> None:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5).close()
