"""Runs star on the offline default and compares what it decided, seed by seed, with what an earlier version decided.

    PYTHONPATH=tests python -m recorded.decisions check                      # all seeds, every case; 1 if any differs
    PYTHONPATH=tests python -m recorded.decisions check --python OTHER/.venv/bin/python      # of another checkout
    PYTHONPATH=tests python -m recorded.decisions show star-dual > now.txt   # everything in full, for diff
    PYTHONPATH=tests python -m recorded.decisions record                     # make the recordings anew: see README.md

It works from outside: the command line runs the seeds, and ``reading`` reads the store's file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import fork_server

from recorded.comparing import differences
from recorded.reading import Decided, digest, read_decisions

HERE = Path(__file__).resolve().parent
CASES: Mapping[str, bool] = {"star-dual": True, "star-referee": False}
"""Name of an agents.yaml and its recording beside this file, and whether torch computes in it."""
SEEDS = 300
ENDS = (60, SEEDS)
"""Runs that are recorded. β is the same in both, so the longer one begins as the shorter one does."""
CLEAR = ("seed", "status", "winner", "reason")
HASHED = ("draws", "trials", "texts", "judgements", "calls")
FLOATS = ("measures", "worth", "rewards", "probabilities")
"""What follows from the scorer's floats, whose last bits depend on the processor."""
FORMATS = ("messages", "dpo")
"""All that a choice makes; the other formats write the same samples."""
STATUS = ("seeds", "calls", "cost", "referee", "failures", "memory", "win_rates", "best_pair", "best_agent")
STATUS_FLOATS = ("pairs", "gaps")
SHOWN_EVERY = 25
"""Seeds from one to the next that has its probabilities in full."""
DIGITS = 6
HASH = 8
"""Letters of a recorded hash: small files, and one change in four billion that is not seen."""
TOLERANCE = 1e-4
"""Of floats that another processor made: measures, probabilities."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What a run came to."""

    decided: Sequence[Decided]
    end: Mapping[str, Any]
    """Status and rows of every format, once all seeds were done."""


def command(python: str, *arguments: str | Path) -> str:
    """Run a command of the package and return what it printed.

    Raises:
        RuntimeError: when it fails, with what it said.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STAR_AGENTS_")}
    environment["HF_HUB_OFFLINE"] = "1"
    words = [str(one) for one in arguments]
    if python == sys.executable:
        with fork_server.start(words, environ=environment) as process:
            out, errors = process.communicate()
            done = subprocess.CompletedProcess(words, process.wait(), out, errors)
    else:
        command = [python, "-m", "star_agents", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"star-agents {' '.join(words)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def run_case(case: str, seeds: int, out: Path, python: str = sys.executable) -> Run:
    """Work the first offline seeds one after another into ``out``."""
    given = ("-c", HERE / f"{case}.yaml", "-s", "offline", "-n", str(seeds), "--concurrency", "1")
    command(python, "run", *given, "-o", out, "-q", "-y")
    status = json.loads(command(python, "status", out, "--json"))
    rows = {}
    for format in FORMATS:
        file = out / f"{format}.jsonl"
        command(python, "export", out, "-f", format, "-o", file, "--no-provenance")
        found = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        rows[format] = [len(found), digest(found)]
    end = {"status": {key: status[key] for key in (*STATUS, *STATUS_FLOATS)}, "rows": rows}
    return Run(decided=read_decisions(out / "store.sqlite3"), end=end)


def compact(number: int, decided: Decided) -> dict[str, Any]:
    """One seed as it is recorded: hashes, and rounded floats for processors that compute other last bits."""
    shown = number % SHOWN_EVERY == 0
    ifd = [None if one is None else [_rounded(one[0]), _rounded(one[1])] for one in decided["measures"]]
    return {
        **{name: decided[name] for name in CLEAR},
        "hashes": " ".join(digest(decided[name])[:HASH] for name in (*HASHED, *FLOATS)),
        **({"ifd": ifd} if any(ifd) else {}),
        **({"in_full": decided["probabilities"]} if shown else {}),
    }


def arithmetic() -> str:
    """What torch's last bits are here; see ``arithmetic.py``."""
    done = subprocess.run([sys.executable, HERE / "arithmetic.py"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def recording(case: str) -> Path:
    """Where a case is recorded: JSON lines, first how it was made, then every seed, then the ends."""
    return HERE / f"{case}.jsonl"


def read_recording(case: str) -> tuple[dict[str, Any], list[dict[str, Any]], dict[int, dict[str, Any]]]:
    """How it was made, every seed, and what stood at the end of each run by its number of seeds."""
    made, *lines = map(json.loads, recording(case).read_text(encoding="utf-8").splitlines())
    return made, [line for line in lines if "seed" in line], {line["after"]: line for line in lines if "after" in line}


def first_differences(case: str, run: Run, *, exact: bool) -> Iterator[str]:
    """Yield what a run of a case decided otherwise than recorded, in the order of the seeds.

    Args:
        case: One of ``CASES``.
        run: What was decided now.
        exact: Whether floats count to the last bit; otherwise decisions do, and floats within ``TOLERANCE``.
    """
    _, seeds, ends = read_recording(case)
    for number, (recorded, decided) in enumerate(zip(seeds, run.decided, strict=False), start=1):
        yield from _differences_of_seed(number, recorded, decided, exact=exact)
    if len(run.decided) not in ends:
        yield f"{len(run.decided)} outcomes; runs of {', '.join(map(str, ends))} seeds are recorded"
        return
    end, ignored = ends[len(run.decided)], () if exact else STATUS_FLOATS
    status = {key: value for key, value in end["status"].items() if key not in ignored}
    yield from differences({"status": status, "rows": end["rows"]}, run.end, f"after {len(run.decided)} seeds")


def _differences_of_seed(number: int, recorded: Mapping[str, Any], decided: Decided, *, exact: bool) -> Iterator[str]:
    now, names = compact(number, decided), (*HASHED, *FLOATS) if exact else HASHED
    for name in CLEAR:
        yield from differences(recorded[name], now[name], f"seed {number}: {name}")
    for name, before, after in zip(names, recorded["hashes"].split(), now["hashes"].split(), strict=False):
        if before != after:
            yield f"seed {number}: {name}: recorded as {before}, now {after}: {decided[name]!r}"
    loose = {name: recorded[name] for name in ("ifd", "in_full") if name in recorded}
    yield from differences(loose, now, f"seed {number}", tolerance=TOLERANCE)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def record(case: str, python: str) -> None:
    """Make a recording anew."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [run_case(case, seeds, Path(folder) / str(seeds), python) for seeds in ENDS]
    lines = [
        {"case": case, "arithmetic": arithmetic() if CASES[case] else None, "made": _versions(python)},
        *(compact(number, decided) for number, decided in enumerate(runs[-1].decided, start=1)),
        *({"after": len(run.decided), **run.end} for run in runs),
    ]
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    recording(case).write_text(text, encoding="utf-8")


def _versions(python: str) -> dict[str, str]:
    script = (
        "import platform; from importlib.metadata import version as v; "
        "print(platform.machine(), platform.python_version(), v('star_agents'), v('torch'), v('numpy'))"
    )
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True)
    return dict(zip(("machine", "python", "star_agents", "torch", "numpy"), done.stdout.split(), strict=True))


def check(case: str, python: str) -> bool:
    """Run a case over all seeds, and print the first differences."""
    exact = not CASES[case] or read_recording(case)[0]["arithmetic"] == arithmetic()
    with tempfile.TemporaryDirectory() as folder:
        run = run_case(case, SEEDS, Path(folder) / "out", python)
    found = list(islice(first_differences(case, run, exact=exact), 10))
    how = "to the last bit" if exact else f"and floats within {TOLERANCE:g}: this processor computes other last bits"
    print("\n".join(found) if found else f"{case}: {SEEDS} seeds decide as recorded, {how}")
    return not found


def show(case: str, python: str) -> None:
    """Print everything about every seed, one per line."""
    with tempfile.TemporaryDirectory() as folder:
        run = run_case(case, SEEDS, Path(folder) / "out", python)
    for decided in run.decided:
        print(json.dumps(decided, ensure_ascii=False))


def main() -> None:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("check", "show", "record"))
    parser.add_argument("cases", nargs="*", default=list(CASES), help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has star_agents")
    given = parser.parse_args()
    if given.what == "check":
        agree = [check(case, given.python) for case in given.cases]
        sys.exit(not all(agree))
    for case in given.cases:
        {"show": show, "record": record}[given.what](case, given.python)


if __name__ == "__main__":
    main()
