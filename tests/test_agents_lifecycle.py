"""Loading LiteLLM late, leaving nothing behind, and the test server as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from star_agents.agents.client import AgentClient
from star_agents.agents.transports import litellm_env
from star_agents.config.models import AgentConfig

TESTS = Path(__file__).parent
CALLBACKS = (
    "callbacks",
    "input_callback",
    "service_callback",
    "success_callback",
    "failure_callback",
    "_async_success_callback",
    "_async_failure_callback",
)

ROUND_TRIP = """
import asyncio, warnings
warnings.simplefilter("ignore")
from openai_server import OpenAIServer
from star_agents.agents.client import AgentClient
from star_agents.config.models import AgentConfig
from star_agents.records import Message
warnings.simplefilter("always", ResourceWarning)

async def main():
    async with OpenAIServer() as server:
        agents = {str(n): AgentConfig(model="openai/m", api_base=server.url, timeout_s=5.0 + n) for n in range(3)}
        client = AgentClient(agents)
        for name in agents:
            await client.ask(name, [Message(role="user", content="Hello.")])
        await client.aclose()
        left = asyncio.all_tasks() - {asyncio.current_task()}
    print([task.get_coro().__qualname__ for task in left if "RequestHandler" not in task.get_coro().__qualname__])

asyncio.run(main())
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    # The repository's root is where the test run's own `star_agents` comes from.
    path = f"import sys; sys.path[:0] = [{str(TESTS)!r}, {str(TESTS.parent)!r}]\n"
    return subprocess.run([sys.executable, "-c", path + code], capture_output=True, text=True, timeout=110, check=False)


def test_importing_the_room_loads_neither_litellm_nor_what_it_brings() -> None:
    code = (
        "import star_agents.agents.client, star_agents.agents.judging.referee, star_agents.agents.budgets\n"
        "print(sorted({'litellm', 'openai', 'httpx'} & sys.modules.keys()))"
    )
    assert run(code).stdout.strip() == "[]"


def test_a_closed_client_leaves_no_session_and_no_task_behind() -> None:
    done = run(ROUND_TRIP)
    assert done.stderr == ""
    assert done.stdout.strip() == "[]"


async def test_clients_that_come_and_go_leave_litellms_callback_lists_as_they_were() -> None:
    litellm = litellm_env.load()
    before = {name: len(getattr(litellm, name)) for name in CALLBACKS}
    for _ in range(5):
        client = AgentClient({"a": AgentConfig(model="openai/gpt-4o-mini")})
        await client.aclose()
    assert {name: len(getattr(litellm, name)) for name in CALLBACKS} == before


async def test_the_router_neither_retries_nor_cools_down_nor_counts_tokens() -> None:
    client = AgentClient({"a": AgentConfig(model="openai/gpt-4o-mini")})
    router = client._groups.routing.router
    assert (router.num_retries, router.disable_cooldowns, router.enable_pre_call_checks) == (0, True, False)
    await client.aclose()


def test_the_test_server_runs_on_its_own_and_keeps_a_book(tmp_path: Path) -> None:
    book = tmp_path / "charges.jsonl"
    command = [sys.executable, str(TESTS / "openai_server.py"), "--port", "0", "--book", str(book)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Why?"}]}).encode()
        answers = []
        for _ in range(2):
            request = urllib.request.Request(
                f"{url}/chat/completions", data=body, headers={"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=60) as reply:
                answers.append(json.load(reply)["choices"][0]["message"]["content"])
        server.send_signal(signal.SIGKILL)
    lines = book.read_text(encoding="utf-8").splitlines()
    assert answers[0] == answers[1]
    assert len(lines) == 2
    assert len({json.loads(line)["sha256"] for line in lines}) == 1
