"""A model's Python in its process: what it may do, and everything that it may not."""

from __future__ import annotations

import os

import pytest

from star_agents.tools import sandbox
from star_agents.tools.running import ToolFailed
from star_agents.tools.sandbox import python_tool, run_python, why_no_sandbox
from star_agents.tools.sandbox_child import MODULES

pytestmark = pytest.mark.skipif(bool(why_no_sandbox()), reason=why_no_sandbox() or "-")


async def test_what_is_printed_and_the_value_of_a_last_expression_come_back() -> None:
    code = "from fractions import Fraction\nfor n in range(2):\n    print(n)\nFraction(1, 3) + Fraction(1, 6)"
    assert await python_tool().run({"code": code}) == "0\n1\nFraction(1, 2)"
    assert await run_python("x = 1") == "(it ran to its end and printed nothing)"
    assert await run_python("print('é', 漢 := 2)\nraise SystemExit(3)") == "é 2"


async def test_every_module_that_the_tool_names_can_be_imported() -> None:
    code = "\n".join(f"import {name}" for name in MODULES)
    assert await run_python(f"{code}\nzlib.crc32(b'x') and statistics.stdev([1, 2, 4]) > 1") == "True"


async def test_an_error_says_its_line_and_keeps_what_was_printed_before() -> None:
    with pytest.raises(ToolFailed) as told:
        await run_python("print('first')\n1 / 0")
    assert str(told.value).startswith("first\nTraceback")
    assert 'File "<code>", line 2' in str(told.value)
    assert "ZeroDivisionError" in str(told.value)
    assert "sandbox_child" not in str(told.value)


DENIED = {
    "reads a file": "open('/etc/passwd').read()",
    "reads this package": f"open({sandbox.__file__!r}).read()",
    "writes a file": "open('note.txt', 'w').write('x')",
    "lists a folder": "import os; os.listdir('/')",
    "looks whether a file is there": "import os; os.stat('/etc/passwd')",
    "reads an environment": "import os; open(f'/proc/{os.getppid()}/environ').read()",
    "forks": "import os; os.fork()",
    "forks without end": "import os\nwhile True: os.fork()",
    "starts a program": "import os; os.execv('/bin/sh', ['sh'])",
    "starts a program by posix_spawn": "import os; os.posix_spawn('/bin/sh', ['sh'], {})",
    "signals its parent": "import os, signal; os.kill(os.getppid(), 9)",
    "makes a pipe": "import os; os.pipe()",
    "raises a limit": "import resource; resource.setrlimit(resource.RLIMIT_CPU, (99, 99))",
    "starts a thread": "import _thread; _thread.start_new_thread(print, ())",
    "opens a socket": "import _socket; _socket.socket()",
}


@pytest.mark.parametrize("what", DENIED)
async def test_code_cannot(what: str) -> None:
    with pytest.raises(ToolFailed, match=r"PermissionError|start new thread|No module named|not allowed to raise"):
        await run_python(DENIED[what])


@pytest.mark.parametrize(
    ("call", "allowed"),
    [("socket(2, 1, 0)", False), ("open(b'/etc/passwd', 0)", False), ("fork()", False), ("getpid()", True)],
)
async def test_native_code_gets_no_further_than_python(call: str, allowed: bool) -> None:
    said = await run_python(f"import ctypes\nctypes.CDLL(None).{call} >= 0")
    assert said == str(allowed)


async def test_no_key_of_this_process_is_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-daemon")
    said = await run_python("import os\nprint(dict(os.environ))")
    assert "sk-of" not in said
    assert "PATH" in os.environ
    assert "PATH" not in said


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("x = [0] * 10**10", "MemoryError"),
        ("x = []\nwhile True:\n    x.append('x' * 10**7)", "MemoryError"),
        ("def f(): return f()\nf()", "RecursionError"),
        ("while True: print('x' * 1000)", "printed more than 65,536 bytes"),
        ("import time\ntime.sleep(600)", "took longer than 4 s"),
        ("while True: pass", "took longer than 4 s"),
        ("import ctypes\nctypes.string_at(0)", "ended by signal 11"),
    ],
)
async def test_code_without_end_is_ended(code: str, why: str) -> None:
    with pytest.raises(ToolFailed, match=why):
        await run_python(code, timeout_s=4)


async def test_a_loop_is_ended_by_the_kernel_where_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "CPU_S", 1)
    with pytest.raises(ToolFailed, match="computes for longer than 1 s"):
        await run_python("while True: pass", timeout_s=60)
