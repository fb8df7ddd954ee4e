"""Faults in the code of a recipe's settings are told as mistakes in agents.yaml, by section and field, everywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from daemons import Running, get, replace, star_agents

from star_agents.engine.configuration import check_config, read_config
from star_agents.errors import ConfigError

HEAD = """\
import sys
from dataclasses import dataclass
from typing import Annotated, Any
from pydantic import AfterValidator, ConfigDict, field_serializer, field_validator, model_validator
from star_agents.recipes.protocol import Settings, done, recipe, sft

def fails(value):
    return [][len(value)]

class Inner(Settings):
    depth: Annotated[str, AfterValidator(fails)] = "x"
    '''How deep.'''

class MineSettings(Settings):
    inner: Inner | None = None
    '''One.'''
    many: tuple[Inner, ...] = ()
    '''Many.'''
    word: str = "fine"
    '''A word.'''
    other: str = "fine"
    '''Another one.'''
"""
TAIL = """
@recipe(takes="document", settings=MineSettings, pools={"style": lambda settings, agents: [settings.word]})
async def mine(seed, bench, settings):
    return done(seed)
"""
CHECK_WORD = """
    @field_validator("word")
    @classmethod
    def _look(cls, value):
        if value != "fine":
            raise TypeError(f"cannot bear {value}")
        return value
"""
LOOK = """
    @model_validator(mode="{mode}")
    def _look(data):
        {then}
"""


def written(folder: Path, more: str, settings: str = "{word: bad}") -> Path:
    (folder / "mine.py").write_text(HEAD + more + TAIL)
    path = folder / "agents.yaml"
    path.write_text(f"agents:\n  a: {{model: offline/tutor}}\nrecipe: ./mine.py:mine\nmine: {settings}\n")
    return path


def line_in(more: str, told: str) -> int:
    text = HEAD + more + TAIL
    return text[: text.index(told)].count("\n") + 1


@pytest.mark.parametrize(
    ("more", "settings", "told"),
    [
        (CHECK_WORD, "{word: bad}", "mine.word: cannot be checked: mine.py:{TypeError}: TypeError: cannot bear bad"),
        (
            CHECK_WORD.replace("raise TypeError", "raise {}.__getitem__ or TypeError").replace(
                "raise {}.__getitem__", "{}['x']"
            ),
            "{word: bad}",
            "mine.word: cannot be checked: mine.py:{['x']}: KeyError: 'x'",
        ),
        (CHECK_WORD.replace("raise TypeError", "value.odd"), "{word: bad}", "mine.word: cannot be checked: mine.py:"),
        (
            CHECK_WORD.replace('raise TypeError(f"cannot bear {value}")', 'sys.exit("enough")'),
            "{word: bad}",
            "mine.word: cannot be checked: mine.py:{sys.exit}: SystemExit: enough",
        ),
        (
            CHECK_WORD.replace('"word"', '"word", "other"'),
            "{word: bad}",
            "mine: cannot be checked: mine.py:{raise TypeError}: TypeError: cannot bear bad",
        ),
        (
            LOOK.format(mode="after", then='1 / (data.word == "fine")\n        return data'),
            "{word: bad}",
            "mine: cannot be checked: mine.py:{1 / }: ZeroDivisionError: division by zero",
        ),
        (
            LOOK.format(mode="before", then="return data and data.odd").replace("(data)", "(cls, data)"),
            "{word: bad}",
            "mine: cannot be checked: mine.py:{data.odd}: AttributeError: 'dict' object has no attribute 'odd'",
        ),
        (
            "",
            "{inner: {depth: yy}}",
            "mine.inner.depth: cannot be checked: mine.py:{return [][}: IndexError: list index",
        ),
        (
            "",
            "{many: [{depth: yy}]}",
            "mine.many.depth: cannot be checked: mine.py:{return [][}: IndexError: list index",
        ),
        (
            '\n    @field_serializer("word")\n    def _write(self, value):\n        return 1 / 0\n',
            "{word: bad}",
            "mine: cannot be written as JSON: ",
        ),
    ],
)
def test_whatever_a_validator_raises_is_told_with_its_field_and_the_line_of_its_file(
    tmp_path: Path, more: str, settings: str, told: str
) -> None:
    if "{" in told:
        before, _, rest = told.partition("{")
        mark, _, after = rest.partition("}")
        told = f"{before}{line_in(more, mark)}{after}"
    path = written(tmp_path, more, settings)
    with pytest.raises(ConfigError) as found:
        read_config(path)
    (problem,) = found.value.problems
    assert problem.where == "agents.yaml:4"
    assert told in f"{problem.field}: {problem.message}"


def test_a_dict_from_python_is_told_of_it_as_well(tmp_path: Path) -> None:
    written(tmp_path, CHECK_WORD)
    data = {
        "agents": {"a": {"model": "offline/tutor"}},
        "recipe": f"{tmp_path / 'mine.py'}:mine",
        "mine": {"word": "bad"},
    }
    with pytest.raises(ConfigError, match=r"config: mine.word: cannot be checked: mine.py:\d+: TypeError: cannot bear"):
        check_config(data)


def test_check_and_run_and_serve_say_it_in_a_line_and_no_traceback(tmp_path: Path) -> None:
    path = written(tmp_path, CHECK_WORD)
    (tmp_path / "seeds.jsonl").write_text(json.dumps({"document": "text"}) + "\n")
    for command in (
        ("check", "-c", path),
        ("run", "-c", path, "-s", tmp_path / "seeds.jsonl", "-o", tmp_path / "out"),
        ("serve", "-c", path, "--data-dir", tmp_path / "data", "--port", "0"),
    ):
        ended = star_agents(*command)
        said = " ".join((ended.stdout + ended.stderr).split())
        assert ended.returncode == 2
        assert "agents.yaml:4: mine.word: cannot be checked: mine.py:" in said
        assert "Traceback" not in said


def test_a_live_edit_with_such_settings_is_refused_and_the_daemon_goes_on_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path, CHECK_WORD, "{word: fine}")
    good = path.read_text()
    with Running("serve", "-c", path, "--data-dir", tmp_path / "data", "--port", "0") as running:
        ready = running.wait_for("state_changed", lambda line: line["state"] == "ready")
        url = ready["detail"].split()[0]
        replace(path, good.replace("word: fine", "word: bad"))
        running.wait_for("config_rejected")
        status = get(url, "/v1/status")
        assert status["state"] == "ready"
        (told,) = status["config_problems"]
        assert told.startswith("agents.yaml:4: mine.word: cannot be checked: mine.py:")
        replace(path, good.replace("word: fine", 'other: "fine too"'))
        running.wait_for("config_applied", lambda line: line["revision"] == 2)
        assert running.end() == 0
