"""The process that runs a model's Python: `python -I -S sandbox_child.py`, by ``sandbox``. The standard library alone.

It reads the code and its limits from standard input, loads the modules that code may import, and then shuts itself in:
from there on the kernel (seccomp) lets it compute, read the clock and random numbers, and write to the pipes that it
has, and refuses every other system call. No file can be opened, no socket made, no process or thread started, nothing
signalled, whatever Python or native code asks for it.
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import importlib
import json
import os
import platform
import resource
import struct
import sys
import traceback
from typing import Any

READY = "ready"
"""First line of its standard error, once it has shut itself in; nothing of the code has run before."""
MODULES = (
    *("array", "base64", "bisect", "calendar", "cmath", "collections", "collections.abc", "contextlib", "copy"),
    *("csv", "dataclasses", "datetime", "decimal", "difflib", "enum", "fractions", "functools", "graphlib"),
    *("hashlib", "heapq", "html", "io", "itertools", "json", "math", "numbers", "operator"),
    *("pprint", "random", "re", "statistics", "string", "struct", "textwrap", "time", "types"),
    *("typing", "unicodedata", "uuid", "zlib", "zoneinfo"),
)
"""What code may import."""
_ALLOWED = {
    # read write close fstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn select
    # sched_yield mremap madvise nanosleep getpid exit gettimeofday getrusage times sigaltstack gettid time futex
    # sched_getaffinity restart_syscall clock_gettime clock_getres clock_nanosleep exit_group getrandom
    "x86_64": (
        0xC000003E,
        *(0, 1, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 23, 24, 25, 28, 35, 39, 60, 96, 98, 100, 131, 186, 201, 202),
        *(204, 219, 228, 229, 230, 231, 318),
    ),
    # The same, where this architecture has them: ppoll and pselect6 for poll and select, no time.
    "aarch64": (
        0xC00000B7,
        *(63, 64, 57, 80, 73, 62, 222, 226, 215, 214, 134, 135, 139, 72, 124, 216, 233, 101, 172, 93, 169, 165, 153),
        *(132, 178, 98, 123, 128, 113, 114, 115, 94, 278),
    ),
}
"""By machine: its AUDIT_ARCH, and the numbers of the system calls that are let through (Linux, asm/unistd.h)."""
MACHINES = tuple(_ALLOWED)
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050001, 0x80000000
"""What the kernel does: let through; answer EPERM; end the process."""


def main() -> None:
    """Run one piece of code, and end."""
    asked = json.loads(sys.stdin.buffer.read())
    for name in MODULES:
        with contextlib.suppress(ImportError):  # One that this Python was built without.
            importlib.import_module(name)
    _limit(asked["memory_bytes"], asked["cpu_s"])
    _shut_in(platform.machine())
    sys.stderr.write(READY + "\n")
    sys.stderr.flush()
    sys.stderr = sys.stdout
    _run(asked["code"])


def _limit(memory_bytes: int, cpu_s: int) -> None:
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 3,
    }
    for which, most in limits.items():
        resource.setrlimit(which, (most, most))


def _shut_in(machine: str) -> None:
    """Give the kernel the list of what is let through. Raises OSError where it takes none."""
    architecture, *numbers = _ALLOWED[machine]
    steps = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    for number in numbers:
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    steps.append((_RETURN, 0, 0, _REFUSE))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong]
    for what, one, other in ((_PR_SET_NO_NEW_PRIVS, 1, None), (_PR_SET_SECCOMP, _FILTER, ctypes.addressof(program))):
        if prctl(what, one, other, 0, 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _run(code: str) -> None:
    """Run the code as at Python's prompt: what it prints, and the value of a last expression, are its output."""
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        tree = ast.parse(code)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<code>", "exec"), names)  # noqa: S102  # that is what it is for
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<code>", "eval"), names)  # noqa: S307
            if value is not None:
                print(repr(value))
    except SystemExit:
        pass
    except BaseException as error:
        own = [line for line in traceback.format_exception(error) if __file__ not in line]
        sys.stdout.write("".join(own))
        sys.stdout.flush()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
