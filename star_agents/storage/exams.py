"""What the exams of the judges said, as it was in force for each revision of the config."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from star_agents.observe.status import Exams, JudgeExam, Referee
from star_agents.records import Flat
from star_agents.storage.sql import execute
from star_agents.storage.tallies import Tallies
from star_agents.text.plain_data import from_json

_KEY = "exams:"
_POINTS = "point_exams:"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExamsInForce(Flat):
    """Who judged under one revision, and how well: `agents.exam` says what the figures mean."""

    mode: str
    """``refuse``, ``warn`` or ``off``; empty where nobody judges."""
    judges: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    """The result of each judge that sat its exam, the ones that failed included."""
    not_examined: Mapping[str, str] = field(default_factory=dict[str, str])
    """Judges that could not be asked, and why."""

    @staticmethod
    def key(revision: int) -> str:
        """Name of the fact about the store that holds it."""
        return f"{_KEY}{revision}"

    @property
    def stamp(self) -> str:
        """What a row's provenance says: ``passed``, ``off``, or how those that judge all the same have failed."""
        failed = [one for one in self.judges.values() if not one["passed"]]
        if self.mode == "warn" and failed:
            return "warn: " + "; ".join(
                f"judge {one['judge']} has {one['right']} of {one['pairs']} right, {one['needed']} are needed"
                + (f", and {one['broken']} texts that break their frame won" if one.get("broken") else "")
                for one in failed
            )
        return "passed" if self.mode in ("refuse", "warn") else self.mode


def exams(connection: sqlite3.Connection) -> dict[int, ExamsInForce]:
    """By revision of the config; nothing for stores older than the exams."""
    rows = execute(connection, "meta_by_prefix", prefix=f"{_KEY}*")
    return {int(key.removeprefix(_KEY)): ExamsInForce.from_dict(from_json(value)) for key, value in rows}


def point_exam_key(revision: int, recipe: str, judge: str) -> str:
    """Name of the fact that a judge of a recipe which gives points was examined, under this revision."""
    return f"{_POINTS}{revision}:{recipe}:{judge}"


def point_exams(connection: sqlite3.Connection) -> dict[str, Exams]:
    """By recipe whose judges give points: how those did that were examined under the newest config with an exam."""
    found: dict[int, dict[str, dict[str, Mapping[str, Any]]]] = {}
    for key, value in execute(connection, "meta_by_prefix", prefix=f"{_POINTS}*"):
        revision, recipe, judge = key.removeprefix(_POINTS).split(":", 2)
        found.setdefault(int(revision), {}).setdefault(recipe, {})[judge] = from_json(value)
    newest = found[max(found)] if found else {}
    return {
        recipe: Exams(
            mode=str(next(iter(judges.values()))["mode"]),
            judges={judge: JudgeExam(**_needed(one)) for judge, one in sorted(judges.items())},
            not_examined={},
        )
        for recipe, judges in newest.items()
    }


def referee_facts(tallies: Tallies, exams: Mapping[int, ExamsInForce]) -> Referee:
    """What the referees said in numbers, and under ``exam`` how they did in the newest one; ``None`` before it."""
    said = tallies.referees
    return Referee(
        verdicts=said.verdicts,
        wins=said.wins,
        losses=said.losses,
        ties=said.ties,
        won_by_tie=said.won_by_tie,
        without_verdict=said.without_verdict,
        both_orders=said.both_orders,
        agree=said.agreed,
        agreement=said.agreement,
        unreadable=said.unreadable,
        exam=_exams_told(exams[max(exams)]) if exams else None,
    )


def _exams_told(exams: ExamsInForce) -> Exams:
    """As it is shown; older stores say less of a judge."""
    return Exams(
        mode=exams.mode,
        judges={name: JudgeExam(**_needed(one)) for name, one in exams.judges.items()},
        not_examined=exams.not_examined,
    )


def _needed(judge: Mapping[str, Any]) -> Mapping[str, Any]:
    known = {name: judge[name] for name in JudgeExam.__annotations__ if name in judge}
    return {"needs": f"{judge['needed']} are needed", "frames": 0, "broken": 0, **known}
