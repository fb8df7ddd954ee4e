"""What `tools/real_model` reads and counts, without its model: seeds, documents, and what each part of a run did."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from instruct_model import Asked, InstructModel, item
from lines import run
from openai_server import Answer, Move, OpenAIServer
from test_agent_instruct import document

from star_agents.engine.configuration import read_config

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
from real_model_lib.agents_yaml import RECIPES, Recipe, agents_yaml
from real_model_lib.folder import Folder
from real_model_lib.inputs import NoDocuments, own_seeds, write_documents
from real_model_lib.parts import figures, table

URL = "http://127.0.0.1:9/v1"


def test_twenty_questions_about_this_python_are_answered_by_its_own_documentation() -> None:
    seeds = own_seeds(20)
    assert len({one["instruction"] for one in seeds}) == 20
    assert all(60 <= len(one["output"]) <= 400 for one in seeds)
    assert seeds[:5] == own_seeds(5), "the same ones each time"
    heapq = next(one for one in seeds if "heapq.merge" in one["instruction"])
    assert heapq["output"].startswith("Merge multiple sorted inputs into a single sorted output.")


def test_documents_are_the_beginnings_of_files_of_ones_own_or_of_this_projects(tmp_path: Path) -> None:
    def titles(given: Path | None) -> list[str]:
        path = write_documents(tmp_path / "documents.jsonl", 3, given)
        return [json.loads(line)["title"] for line in path.read_text().splitlines()]

    assert len(titles(None)) == 3
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("The river Tal rises at Holm. " * 200)
    (tmp_path / "mine" / "b.png").write_bytes(b"\x89PNG")
    assert titles(tmp_path / "mine") == ["a.txt"]
    (row,) = (tmp_path / "documents.jsonl").read_text().splitlines()
    assert 600 < len(json.loads(row)["document"]) < 1300, "300 tokens of it"
    with pytest.raises(NoDocuments, match="holds no document that can be read"):
        titles(tmp_path / "mine" / "b.png")
    with pytest.raises(NoDocuments, match="no such file or folder"):
        titles(tmp_path / "none")


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("is_short", [False, True])
def test_every_agents_yaml_of_it_can_be_read(recipe: Recipe, is_short: bool, tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text(agents_yaml(Folder(tmp_path), URL, URL, recipe, is_short=is_short))
    config = read_config(tmp_path / "agents.yaml")
    assert config.recipe == (("star",) if recipe == "star" else ("agent_instruct", "arena"))
    assert {one.model for one in config.agents.values()} <= {"hosted_vllm/smollm2", "openai/minilm"}


async def test_replies_without_form_cut_ones_and_mended_ones_are_told_of_each_part(tmp_path: Path) -> None:
    def write(asked: Asked) -> Any:
        return {"items": [item("text", f"Ask {asked.is_again}?")]} if asked.is_again else "No object at all."

    def edit(asked: Asked) -> Any:
        return {"instruction": asked.frame("instruction")["instruction"]}

    def suggest(asked: Asked) -> Move:
        said = {"suggestions": [{"goal": "harder", "change": "Ask for more."}]}
        return Answer(text=json.dumps(said))

    def answer(asked: Asked) -> Move:
        return Answer(text="It is so and", finish_reason="length")

    async with OpenAIServer(InstructModel(write=write, edit=edit, suggest=suggest, answer=answer)) as server:
        agent = f"{{model: openai/m, api_base: '{server.url}', input_cost_per_token: 0, output_cost_per_token: 0}}"
        parts = ("writer", "suggester", "editor", "answerer")
        skill = (
            "name: s\ntitle: S\nabout: a\nanswer: b\ntypes: [{name: one, ask: x}]\ngoals: [{name: harder, suggest: y}]"
        )
        (tmp_path / "s.yaml").write_text(skill)
        (tmp_path / "agents.yaml").write_text(
            f"agents: {{{', '.join(f'{name}: {agent}' for name in parts)}}}\nrecipe: agent_instruct\n"
            f"agent_instruct: {{{', '.join(f'{name}: {name}' for name in parts)}, skills: [./s.yaml], "
            "types_per_document: 1, instructions_per_document: 2, refine: {suggestions: 1}}\n"
        )
        await run(read_config(tmp_path / "agents.yaml"), [document()], tmp_path / "out")
    found = figures(tmp_path / "out")
    counted = {one.agent: (one.calls, one.without_form, one.cut, one.repairs, one.mended) for one in found.parts}
    assert counted == {
        "writer": (2, 1, 0, 1, 1),
        "suggester": (1, 0, 0, 0, 0),
        "editor": (2, 2, 0, 1, 0),
        "answerer": (1, 0, 1, 0, 0),
    }
    assert found.calls == 6
    lines = table(found).splitlines()
    assert lines[0].split()[:3] == ["part", "calls", "unreadable"]
    assert lines[1].split()[:3] == ["writer", "2", "50%"]
    assert lines[-1].startswith("6 calls in ")
