"""Rounds of a real, tiny model: data, SFT, DPO, a reward model, RLOO and exams by the commands that people call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from daemons import star_agents

from star_agents.offline import seeds

AGENTS = """
agents:
  student: {model: transformers/offline/small, max_tokens: 48, temperature: 0, max_concurrency: 64}
  tutor: {model: offline/tutor}
  chatty: {model: offline/chatty}
  referee: {model: offline/referee}
recipe: arena
arena: {target: student, opponents: [tutor, chatty], judges: [referee], exam: "off"}
memory: off
concurrency: 64
scoring: {device: cpu, threads: 1}
rounds:
  target: {agent: student, model: offline/small}
  start: off
  training:
    sft: {learning_rate: 5e-4, batch: 16, max_steps: 6, threads: 1}
    dpo: {learning_rate: 1e-5, batch: 8, max_steps: 2, threads: 1}
    reward: {learning_rate: 1e-4, batch: 8, max_steps: 2, threads: 1}
    rloo: {learning_rate: 1e-6, batch: 8, max_steps: 1, new_tokens: 16, threads: 1}
  exam: {share: 0.2, most: 8}
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_round_of_a_real_model_trains_every_stage_and_rates_every_target(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text(AGENTS)
    (tmp_path / "seeds.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in seeds.rows(120, seed=3)))
    command = ("rounds", "-c", tmp_path / "agents.yaml", "-s", tmp_path / "seeds.jsonl", "-o", tmp_path / "out")
    before = star_agents(*command, "--rounds", "1", "--estimate", "--json")
    assert before.returncode == 0, before.stderr
    at_most = {one["name"]: one for one in json.loads(before.stdout)["steps"]}
    ended = star_agents(*command, "--rounds", "1", "--json", "-q")
    assert ended.returncode == 0, ended.stderr
    summary = json.loads(ended.stdout)
    steps = {one["name"]: one for one in summary["steps"]}
    assert list(steps) == ["base", "r1-sft", "r1-dpo", "r1-rloo"]
    assert steps["r1-sft"]["last_loss"] < steps["r1-sft"]["first_loss"]
    assert all(one["rating"]["standing"] in ("rated", "loses all") for one in summary["steps"])
    assert all(steps[name]["calls"] <= at_most[name]["calls"] for name in steps if steps[name]["calls"] is not None)
    assert summary["cost"]["calls"] <= sum(one["calls"] + one["exam_calls"] for one in at_most.values())
    assert star_agents("status", tmp_path / "out").returncode == 0
    again = star_agents(*command, "--rounds", "1", "--json", "-q")
    assert json.loads(again.stdout) == summary, "there is nothing left to do"
