"""A small world for rounds: opponents and a judge on one scripted server, a target that is trained and served in a
moment, and what stands in a folder afterwards."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from openai_server import Answer, Body
from rounds_target import save

SEEDS = 24
TARGET = Path(__file__).with_name("rounds_target.py")
POINTS_OF_OPPONENTS = 8
CONFIG = """
agents:
  student: {{model: hosted_vllm/x, api_base: "http://127.0.0.1:1/v1", api_key: os.environ/LINE_TEST_KEY}}
  one: {{model: openai/one, api_base: "{url}", api_key: os.environ/LINE_TEST_KEY{budget}}}
  judge: {{model: openai/judge, api_base: "{url}", api_key: os.environ/LINE_TEST_KEY}}
recipe: arena
arena: {{target: student, opponents: [one], judges: [judge], exam: "off"}}
memory: off
concurrency: 1
{more}
rounds:
  target:
    agent: student
    model: {folder}/base
    serve: "{python} {target} serve {{model}} {{port}} {folder}/out/models"
    ready_timeout_s: 60
    stop_s: 5
  stages: {stages}
  keep: {{sft: [3, 1], preference: [1]}}
  training: {{command: "{python} {target} train {{method}} {{rows}} {{model}} {{out}}"{training}}}
  exam: {{share: 0.2, most: 4}}
"""


def points(text: str) -> int:
    """What an answer is worth: of the target by its skill."""
    found = re.search(r"skill (\d+)", text)
    return POINTS_OF_OPPONENTS if found is None else min(2 + 2 * int(found[1]), 10)


def play(body: Body) -> Answer:
    """An opponent answers, a judge gives points by the texts."""
    prompt = str(body["messages"][-1]["content"])
    code = re.search(r"<first answer (\w+)>", prompt)
    if code is None and body["model"] == "judge":  # It grades an answer to a question of a benchmark.
        return Answer(text=f"Rating: [[{points(prompt)}]]")
    if code is None:
        return Answer(text=f"{body['model']} says: {prompt}")
    first, second = re.findall(rf"<(?:first|second) answer {code[1]}>\n(.*)\n", prompt)
    if body["model"] == "flat":  # To this judge every target is as good as the other.
        first, second = (re.sub(r"skill \d+", "skill 1", one) for one in (first, second))
    said = {"code": code[1], "first_reason": "", "second_reason": ""}
    return Answer(text=json.dumps({**said, "first_score": points(first), "second_score": points(second)}))


def set_up(
    folder: Path, url: str, *, stages: str = "[sft]", training: str = "", more: str = "", budget: str = "",
    orders: dict[str, Any] | None = None, seeds: int = SEEDS,
) -> None:  # fmt: skip
    """The files of a folder; ``orders`` say what goes wrong with the target."""
    save(folder / "base", 0)
    models = folder / "out" / "models"
    models.mkdir(parents=True)
    (models / "order.json").write_text(json.dumps(orders or {}))
    (models / "book.txt").write_text("")
    text = CONFIG.format(
        url=url, folder=folder, python=sys.executable, target=TARGET, stages=stages, training=training, more=more,
        budget=budget,
    )  # fmt: skip
    (folder / "agents.yaml").write_text(text)
    rows = [json.dumps({"instruction": f"Name river {n}.", "output": f"River {n} it is."}) for n in range(seeds)]
    (folder / "seeds.jsonl").write_text("\n".join(rows))


def arguments(folder: Path, rounds: int = 1) -> tuple[str, ...]:
    """Of the command."""
    files = ("-c", "agents.yaml", "-s", "seeds.jsonl", "-o", "out")
    placed = (one if one.startswith("-") else str(folder / one) for one in files)
    return ("rounds", "-q", *placed, "--rounds", str(rounds))


def state(folder: Path) -> dict[str, Any]:
    """What is done, without what differs between any two runs."""
    found: dict[str, Any] = json.loads((folder / "out" / "rounds.json").read_text())
    for step in found["steps"].values():
        for facts in step["done"].values():
            facts.pop("seconds", None)
            for name in ("model",):
                if name in facts:
                    facts[name] = Path(facts[name]).name
    del found["fixed"]["model"]
    return found


def rows(folder: Path) -> dict[str, list[Any]]:
    """What each step was trained on, without where it comes from."""
    return {
        path.name: [
            {name: value for name, value in json.loads(line).items() if name != "provenance"}
            for line in path.read_text().splitlines()
        ]
        for path in sorted((folder / "out" / "rows").glob("*.jsonl"))
    }


def book(folder: Path, what: str) -> list[str]:
    """Lines of the target's book that begin so."""
    return [one for one in (folder / "out" / "models" / "book.txt").read_text().splitlines() if one.startswith(what)]
