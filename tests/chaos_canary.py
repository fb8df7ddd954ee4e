"""Random secrets, in a random form each, given away at a random place: in everything that comes out, none of them.

Where a secret comes from: a variable, `user:password@` and a key in the query of an `api_base`, a header of
`extra_headers`, a key that somebody writes into agents.yaml. Where it comes back: any place of a provider's reply, and
an edit of agents.yaml that is refused.
"""

from __future__ import annotations

import asyncio
import json
import random
import string
import urllib.parse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from canary import FORMS, PLACES, found_in, live_through, texts_of
from openai_server import Body, Move, OpenAIServer, brain

CELLS_PER_LIFE = 100
IN_AN_EDIT = "in an edit"
SECRETS = ("key", "password", "query", "gate", "door", "new password")
"""Gate and door are headers: any parameter may be called as the one is, and only a header as the other."""
_ALPHABETS = (
    string.ascii_letters + string.digits,
    string.ascii_letters + string.digits + "+/=",
    string.ascii_letters + string.digits + "-_.~",
    "0123456789abcdef",
    "".join(chr(code) for code in range(0x21, 0x7F)),
)
_WRONG_PLACES = ("temperature", "max_tokens", "transport", "api_key", "modle", "timeout_s")
"""Keys of an agent that cannot hold a secret in some form."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One secret, given away once."""

    secret: str
    """Its name."""
    form: str
    place: str
    said: str


@dataclass
class CanaryReport:
    """What was found. ``violations`` holds a sentence for every piece of a secret, and is empty."""

    rounds: int
    seed: int
    places: Counter[str] = field(default_factory=Counter)
    forms: Counter[str] = field(default_factory=Counter)
    secrets: int = 0
    bytes: int = 0
    """Searched."""
    violations: list[str] = field(default_factory=list)


def give_away(folder: Path, *, rounds: int, seed: int) -> CanaryReport:
    """Give so many secrets away, and search everything that a daemon and the verbs wrote and said."""
    report, draw = CanaryReport(rounds=rounds, seed=seed), random.Random(seed)
    for begun in range(0, rounds, CELLS_PER_LIFE):
        count = min(CELLS_PER_LIFE, rounds - begun)
        asyncio.run(_one_life(folder / str(begun), count, draw, report))
    return report


async def _one_life(folder: Path, count: int, draw: random.Random, report: CanaryReport) -> None:
    folder.mkdir(parents=True)
    secrets = {name: _secret(draw) for name in SECRETS}
    cells = [_cell(secrets, draw) for _ in range(count)]
    by_model = {f"c{number}": cell for number, cell in enumerate(cells) if cell.place != IN_AN_EDIT}

    def indiscreet(body: Body) -> Move:
        cell = by_model.get(str(body["model"]))
        return PLACES[cell.place](cell.said) if cell else brain(body)

    async with OpenAIServer(indiscreet) as server:
        first, last = (
            _config(server.url, list(by_model), secrets, secrets[one]) for one in ("password", "new password")
        )
        edits = [_broken(first, cell, draw) for cell in cells if cell.place == IN_AN_EDIT]
        live = partial(live_through, folder, first, *edits, last, environ={"CANARY_KEY": secrets["key"]})
        said = await asyncio.to_thread(live)
        asked = {str(request.body["model"]) for request in server.requests}
    texts = {"what was said": said} | texts_of(folder)
    report.violations += [
        f"{folder.name}: {one} was not asked" for one in sorted({*by_model, "away", "headed"} - asked)
    ]
    report.violations += [f"{folder.name}: {found}" for found in found_in(texts, secrets)]
    report.places.update(cell.place for cell in cells)
    report.forms.update(cell.form for cell in cells)
    report.secrets += len(secrets)
    report.bytes += sum(map(len, texts.values()))


def _cell(secrets: Mapping[str, str], draw: random.Random) -> Cell:
    secret, form = draw.choice([name for name in secrets if name != "new password"]), draw.choice(sorted(FORMS))
    before = "".join(draw.choices(string.ascii_letters, k=draw.randrange(4)))
    said = FORMS[form](before + secrets[secret])
    return Cell(secret=secret, form=form, place=draw.choice([*PLACES, IN_AN_EDIT]), said=said)


def _secret(draw: random.Random) -> str:
    """As long as secrets are, of characters that a header can hold, and no reference and no comment of YAML."""
    alphabet = draw.choice(_ALPHABETS)
    return "".join(draw.choices(alphabet, k=draw.choice((12, 16, 20, 32, 40, 64))))


def _config(url: str, models: Sequence[str], secrets: Mapping[str, str], password: str) -> str:
    shape = {"api_base": url, "api_key": "os.environ/CANARY_KEY", "retries": 0, "give_up_after_s": 1, "timeout_s": 60}
    quoted = {name: urllib.parse.quote(value, safe="") for name, value in {**secrets, "password": password}.items()}
    away = url.replace("://", f"://someone:{quoted['password']}@")
    headers = {"extra_headers": {"X-Gate-Token": secrets["gate"], "X-DoorToken": secrets["door"]}}
    names = ["good", *models, "away", "headed", "queried"]
    agents = {name: {"model": f"openai/{name}", **shape} for name in names}
    agents["away"] = {"model": "openai/away", **shape, "api_base": away}
    del agents["away"]["api_key"]  # a password and a key are one too many
    agents["headed"] |= {"extra": headers}
    # Nobody answers there: a path that is put behind a query is none.
    agents["queried"] |= {"api_base": f"{url}?api-key={quoted['query']}"}
    rest = {
        "pairs": [{"instruction": "keep", "response": name} for name in names],
        "referee": {"agents": ["good"], "exam": "off", "orders": "one"},
        "selection": "referee",
        "candidates": len(names),
        "memory": "off",
        "concurrency": 1,
    }
    return json.dumps({"agents": agents, **rest})


def _broken(config: str, cell: Cell, draw: random.Random) -> str:
    """An agents.yaml that is refused, with the secret where it has no business to be."""
    read = json.loads(config)
    read["agents"]["good"][draw.choice(_WRONG_PLACES)] = cell.said
    read["nonsense"] = cell.said
    return json.dumps(read, indent=draw.choice((None, 1)))
