"""agents.yaml as nobody means it: by grammar, by byte, and beside a good one; read, and put in force by a daemon.

A text is received well when it is taken, or refused by problems that name the file, a line, what is wrong; within a
second, and in lines that fit a screen. What is taken can be written down as a revision and read again.
"""

from __future__ import annotations

import json
import random
import re
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chaos_daemon import send, serving
from daemons import Running
from pydantic import BaseModel

from star_agents.agents.endpoints import resolve
from star_agents.agents.price_check import refuse_unbounded
from star_agents.agents.transports import litellm_env
from star_agents.cli.main import PROBLEMS_SHOWN
from star_agents.config.lines import lines_from
from star_agents.config.models import AgentConfig, Config
from star_agents.config.reading import config_digest, read_config
from star_agents.config.sections import ScoringConfig
from star_agents.config.star import RefereeConfig
from star_agents.config.yaml_files import MAX_BYTES
from star_agents.engine.accounts import limits_of
from star_agents.engine.local_agents import providers_with
from star_agents.errors import ConfigError, Problem
from star_agents.scoring.local_models import LocalModels

GOOD = """\
agents:
  tutor: {model: offline/tutor}
  poet: {model: offline/poet, roles: [response], temperature: 0.5, max_tokens: 100}
  far: {model: openai/m, api_base: 'http://127.0.0.1:9/v1', api_key: os.environ/LINE_TEST_KEY, timeout_s: 1, retries: 0}
  judge: {model: offline/referee, roles: []}
memory: {embedder: hashing}
star:
  referee: {agents: [judge], exam: 'off'}
  selection: referee
  candidates: 1
"""
SECONDS_AT_MOST = 2.0
"""Of CPU, for a text of any size: one is promised, and a busy machine takes twice as long."""
CHARACTERS_AT_MOST = 1500
"""Of one problem: a screenful."""
ENVIRON = {"LINE_TEST_KEY": "sk-line-test"}
PROVIDERS = providers_with(LocalModels(ScoringConfig()))
"""Those on this machine; nothing is loaded."""
"""As the daemon's."""

_LARGE_EVERY = 50

_ADDRESSES = (
    *("'http://[zz]/x'", "http://h:99999/", "http://", "ftp://h", "//h", "h:80", "http://a b/", "http://u:p@h/"),
    *(
        "http://%/",
        "'http://a\u2100b/'",
        "http://..",
        "http://é/",
        "http://h:-1/",
        "'http://[::1]:9/v1'",
        "'http://h/?a=1#b'",
    ),
)
# As they stand in the file: what people slip into, what other programs write, what attacks.
_SCALARS = (
    *(
        "",
        "~",
        "null",
        "true",
        "maybe",
        "yes",
        "no",
        "0",
        "1",
        "-1",
        "1.5",
        "0x1F",
        "0o17",
        "010",
        "1_000",
        "1e3",
        "+1",
    ),
    *("1e308", "1e-308", "1e999", ".inf", "-.inf", ".nan", "9" * 30, "9" * 101, "-" + "9" * 19, str(2**63), str(2**53)),
    *("2001-01-01", "2001-99-99", "12:30", "12:99:99", "1,0", "5%", "$5", "word", "two words", "é", "\u2028", "😀"),
    *('"\\0"', '"\\ud800"', '"\\U0010FFFF"', '"\\UFFFFFFFF"', '"a\\nb"', "'it''s'", '"open', "'open", "x" * 5000),
    *("[]", "{}", "[[]]", "{a: {b: 1}}", "[1, [2, [3]]]", "[a, b]", "{a: 1, a: 2}", "{? [a] : b}", "[" * 70 + "]" * 70),
    *("!!bool maybe", "!!int many", "!!float 1,0", "!!timestamp 2001-99-99", "!!binary =", "!!set {a}", "!!null x"),
    *("!!python/object/apply:os.system [x]", "!x y", "! z", "!!str 1", "!!map []", "!!seq {}", "&a b", "*a", "&a [*a]"),
    *_ADDRESSES,
    *("keep", "seed", "tutor", "judge", "nobody", "2001-01-01", "a.b", "os.environ/X", "os.environ/", "offline/x", "/"),
    *("openai/", "openai/m", "ollama/m", "nobody/m", "bedrock/m", "agent:tutor", "agent:", "sentence-transformers:x"),
    *("| \n  a\n  b", ">-\n  a", "# only a comment", "@x", "`x`", "%x", "- x", "a: b", "a: b: c", "? x", ": x", ", x"),
    *("auto", "paper", "dual", "gap", "base", "random", "off", "on", "[judge, tutor]", "[response, response]", "[7]"),
    *("{instruction: keep, response: tutor}", "[{instruction: keep, response: tutor}]", "[{instruction: tutor}]"),
    *("{extra_headers: {a: b}}", "{seed: .inf}", "{stop: [a]}", "{max_completion_tokens: -5}", "{drop_params: 1}"),
)
_KEYS = ("2001-01-01", "yes", "no", "010", "~", "<<", "", "a b", "é", '"\\0"', "[a]", "{a: b}", "&a b", "x" * 1200)
_TOKENS = ("---\n", "...\n", "<<: ", "!!", "\n  ", "\n\t", "%YAML 1.1\n", *"{}[],:&*!|>'\"%@`#?-~\t\n\r\0 \x85\ufeff")


@dataclass(slots=True)
class FuzzReport:
    """How a number of texts were received."""

    texts: int = 0
    taken: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    """CPU seconds."""
    edits: int = 0
    """Texts that a running daemon was given."""
    applied: int = 0
    faults: list[str] = field(default_factory=list)
    """One for each text that was not received well."""


def texts(count: int, random_seed: int) -> Iterator[tuple[str, bytes]]:
    """That many files with their kind; the large ones are few, each of another shape."""
    draw = random.Random(random_seed)
    large = list(large_texts().items())
    for number in range(count):
        if number % _LARGE_EVERY == _LARGE_EVERY - 1:
            name, large_text = large[number // _LARGE_EVERY % len(large)]
            yield f"large: {name}", large_text
            continue
        kind, make = draw.choices(
            (("field", _one_field), ("key", _one_key), ("grammar", _grammar), ("byte", _bytes)), (50, 10, 15, 25)
        )[0]
        text: str | bytes = make(draw)
        yield kind, text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def read_all(folder: Path, *, rounds: int, random_seed: int) -> FuzzReport:
    """Read that many texts as a front end does, up to where an agent would be called."""
    report, path = FuzzReport(), folder / "agents.yaml"
    litellm_env.load()  # Takes seconds once, whatever the file.
    for kind, text in texts(rounds, random_seed):
        path.write_bytes(text)
        began = time.process_time()
        try:
            fault = _fault(path, report)
        except BaseException as error:
            fault = f"raised {error!r}"
        took = time.process_time() - began
        report.texts += 1
        report.kinds[kind.partition(":")[0]] += 1
        report.slowest_s = max(report.slowest_s, took)
        if fault is None and took > SECONDS_AT_MOST:
            fault = f"took {took:.1f} s"
        if fault is not None:
            report.faults.append(f"{kind}: {fault}: {text[:300]!r}")
    return report


def _fault(path: Path, report: FuzzReport) -> str | None:
    try:
        config = _look_at(path)
    except ConfigError as error:
        return _badly_told(error)
    report.taken += 1
    kept = Config.model_validate_json(config.model_dump_json())
    return None if config_digest(kept) == config_digest(config) else "is another config when it is read again"


def _look_at(path: Path) -> Config:
    """As far as a front end looks before it makes anything of a config. Raises ``ConfigError``."""
    with lines_from(path):
        config = read_config(path, ENVIRON)
        refuse_unbounded(config, resolve(litellm_env.load, config.agents, ENVIRON, PROVIDERS))
    limits_of(config)
    return config


def _badly_told(error: ConfigError) -> str | None:
    wrong = next((fault for problem in error.problems if (fault := _not_for_people(problem))), None)
    if wrong is None and len(str(error)) > CHARACTERS_AT_MOST * (PROBLEMS_SHOWN + 1) * 5:
        wrong = f"{len(str(error))} characters"
    return wrong


def _not_for_people(problem: Problem) -> str | None:
    is_of_whole = re.search("is empty|larger than|more mistakes", problem.message)
    if not is_of_whole and not re.search(r"agents\.yaml:[1-9]", problem.where):
        return f"names no line: {problem}"
    if not problem.message or len(str(problem)) > CHARACTERS_AT_MOST:
        return f"is no message: {str(problem)[:200]}"
    return None


# What stands in a file


def _sections() -> dict[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {"": Config, "agents.tutor": AgentConfig}
    for name, info in Config.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            found[name] = info.annotation
    return {**found, "star.referee": RefereeConfig}


_SECTIONS = _sections()


def _one_field(draw: random.Random) -> str:
    """A good file with one or two fields that hold anything."""
    text = GOOD
    for _ in range(draw.choice((1, 1, 2))):
        section = draw.choice([*_SECTIONS, "agents.tutor", "agents.tutor"])
        name = draw.choice(list(_SECTIONS[section].model_fields))
        if draw.random() < 0.1:
            section, name = "agents.tutor", "api_base"
        value = draw.choice(_ADDRESSES if name == "api_base" else _SCALARS)
        text = _put(text, section, name, value, draw)
    return text


def _put(text: str, section: str, name: str, value: str, draw: random.Random) -> str:
    if section == "agents.tutor":
        sample = name != "api_base" and draw.random() < 0.5
        other = "" if name in ("model", "deployments") else f"model: {'offline/tutor' if sample else 'openai/m'}, "
        return text.replace("{model: offline/tutor}", f"{{{other}{name}: {value}}}")
    if section.startswith("star"):
        key, value = (name, value) if section == "star" else ("referee", f"{{{name}: {value}}}")
        lines = [one for one in text.splitlines() if not one.startswith(f"  {key}:")]
        if draw.random() < 0.3:  # at the place where it stood in the release before
            return "\n".join([*lines, f"{key}: {value}"]) + "\n"
        return "\n".join(lines).replace("star:", f"star:\n  {key}: {value}") + "\n"
    line = f"{section}: {{{name}: {value}}}" if section else f"{name}: {value}"
    lines = [one for one in text.splitlines() if not one.startswith(f"{section or name}:")]
    return "\n".join([*lines, line]) + "\n"


def _one_key(draw: random.Random) -> str:
    """A good file with a strange key, of an agent mostly."""
    key = draw.choice(_KEYS)
    if draw.random() < 0.7:
        return GOOD.replace(draw.choice(("tutor:", "poet:", "far:")), f"{key}:")
    return f"{GOOD}{key}: {draw.choice(_SCALARS)}\n"


def _grammar(draw: random.Random) -> str:
    """Whatever YAML can say: nested lists and mappings of known keys and strange ones, with anchors and tags."""
    known = [name for model in _SECTIONS.values() for name in model.model_fields]

    def value(depth: int) -> str:
        kind = draw.random()
        if depth > 4 or kind < 0.4:
            return draw.choice(_SCALARS[:90])
        mark = draw.choice(("", "", "", "&a ", "!!map ", "!x "))
        if kind < 0.6:
            return f"{mark}[{', '.join(value(depth + 1) for _ in range(draw.randrange(4)))}]"
        return f"{mark}{{{', '.join(entry(depth + 1) for _ in range(draw.randrange(5)))}}}"

    def entry(depth: int) -> str:
        key = draw.choice(known) if draw.random() < 0.8 else draw.choice(_KEYS)
        return f"{key}: {value(depth)}"

    return "\n".join(entry(0) for _ in range(draw.randrange(1, 8)))


def _bytes(draw: random.Random) -> bytes:
    """A good file with bytes taken out, put in, changed or repeated."""
    text = bytearray(GOOD.encode())
    for _ in range(draw.choice((1, 1, 2, 5, 30))):
        at, until = sorted((draw.randrange(len(text) + 1), draw.randrange(len(text) + 1)))
        until = min(until, at + draw.choice((1, 3, 40)))
        news = (
            b"",
            draw.randbytes(draw.randrange(1, 4)),
            draw.choice(_TOKENS).encode(),
            draw.choice(_SCALARS).encode("utf-8", "surrogatepass"),
            bytes(text[at:until]) * 2,
        )
        text[at:until] = draw.choice(news)
        text = text or bytearray(b"a")
    return bytes(text)


def large_texts() -> dict[str, bytes]:
    """As large as a file may be, or as many of something."""
    size = MAX_BYTES - len(GOOD) - 100
    tail: Mapping[str, str] = {
        "a list": "pairs:\n" + "- {instruction: keep, response: tutor}\n" * (size // 39),
        "short entries": "pairs: [" + "a," * (size // 2) + "]",
        "lines": "pairs:\n" + "- a\n" * (size // 4),
        "keys": "".join(f"k{number}: 1\n" for number in range(size // 10)),
        "one word": "recipe: " + "x" * size,
        "words": "recipe: " + "x y " * (size // 4),
        "escapes": 'recipe: "' + "\\n" * (size // 2) + '"',
        "a block": "recipe: |\n" + " a\n" * (size // 3),
        "comments": "#\n" * (size // 2),
        "blank lines": "\n" * size,
        "brackets": "pairs: " + "[" * size,
        "braces": "pairs: " + "{a: " * (size // 4),
        "dashes": "pairs:\n" + "- " * (size // 2),
        "anchors": "pairs: [" + ", ".join(f"&a{number} b" for number in range(size // 12)) + "]",
        "aliases": "failure_limits: &a {}\npairs: [" + "*a," * (size // 3) + "]",
        "separators": 'recipe: "' + "\u2028" * (size // 3) + '"',
        "a number": "budget_usd: " + "9" * size,
        "a mebibyte": "- a\n" * (1 << 18),
    }
    made = {name: (GOOD + text).encode() for name, text in tail.items()}
    for count in (500, 900, 1001, 2000):
        agents = "".join(f"  a{number}: {{model: offline/tutor}}\n" for number in range(count))
        made[f"{count} agents"] = f"agents:\n{agents}selection: random\n".encode()
    wrong = "".join(f"  - {{instruction: keep, response: nobody{number}}}\n" for number in range(3000))
    made["3,000 wrong names"] = f"{GOOD}pairs:\n{wrong}".encode()
    deployments = "".join("  - {model: offline/tutor}\n" for _ in range(3000))
    made["3,000 deployments"] = f"agents:\n a:\n  deployments:\n{deployments}selection: random\n".encode()
    return made


# A running daemon


def edit_all(folder: Path, *, rounds: int, random_seed: int, report: FuzzReport) -> None:
    """Give that many texts to one daemon, each by SIGHUP; at the end a good one, under which it works seeds.

    It is paused meanwhile: what is taken may name agents that stand anywhere.
    """
    config, data = folder / "agents.yaml", folder / "data"
    config.write_text(GOOD)
    with serving(config, data) as (daemon, base):
        _post(f"{base}/v1/pause")
        in_force = config_digest(_look_at(config))
        for kind, text in texts(rounds, random_seed):
            config.write_bytes(text)
            if (digest := _digest(config)) == in_force:
                continue
            report.edits += 1
            applied = daemon.count("config_applied")
            if not _tell(daemon):
                report.faults.append(f"{kind}: a daemon gave no answer: {text[:300]!r} {daemon.other[-3:]}")
                return
            if daemon.count("config_applied") > applied:
                report.applied, in_force = report.applied + 1, digest or in_force
        config.write_text(GOOD.replace("candidates: 1", "candidates: 2"))
        _tell(daemon)
        _post(f"{base}/v1/resume")
        sent = send(base, 0, 3)
        daemon.wait_for("outcome_committed", lambda line: line["seq"] == sent)
        if code := daemon.end():
            report.faults.append(f"the daemon ended with {code}")
    report.faults += [f"a daemon said: {line}" for line in daemon.other[:3]]
    report.faults += [
        f"was not foreseen: {line}" for line in daemon.lines if "cannot be put in force" in json.dumps(line)
    ]


def _digest(path: Path) -> str | None:
    try:
        return config_digest(_look_at(path))
    except Exception:  # No good file; where it is none of our own errors, `read_all` has told of it.
        return None


def _tell(daemon: Running) -> bool:
    """Let a daemon read its file; whether it says what it made of that."""

    def answers() -> int:
        return daemon.count("config_applied") + daemon.count("config_rejected")

    before = answers()
    daemon.process.send_signal(signal.SIGHUP)
    return daemon.wait_until(lambda: answers() > before)


def _post(url: str) -> None:
    request = urllib.request.Request(url, b"", {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=60):
        pass
