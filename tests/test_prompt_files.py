"""Prompts of somebody's own, named in agents.yaml or beside a recipe's file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from lines import agents_yaml, results, run, seeds
from openai_server import OpenAIServer, brain
from star_outcomes import read_star_outcome as stars

from star_agents.agents.prompts import Prompts
from star_agents.config.changes import changes_between, config_marks, until_restart
from star_agents.config.kept import kept_config
from star_agents.config.reading import config_digest
from star_agents.engine.configuration import read_config
from star_agents.errors import ConfigError, Problem, PromptError
from star_agents.recipes.registry import find_recipe
from star_agents.records import Sample
from star_agents.text.prompt_templates import MAX_BYTES, PromptTemplates

MINE = "{# version 4 #}\n[system]\nMind the facts.\n{% if reference %}\nSeen: {{ reference }}\n{% endif %}\n"


def written(folder: Path, prompts: str, template: str | None = MINE, url: str = "http://127.0.0.1:9/v1") -> Path:
    if template is not None:
        (folder / "mine.jinja").write_text(template)
    path = folder / "agents.yaml"
    path.write_text(agents_yaml(url, agents=("a", "b")) + f"prompts: {prompts}\n")
    return path


def problem(path: Path) -> Problem:
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    (found,) = caught.value.problems
    return found


def test_a_file_named_in_agents_yaml_takes_the_place_of_ours_and_its_digest_is_in_the_version(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, "{star/respond: ./mine.jinja}"))
    prompts, ours = Prompts(config.prompt_texts), Prompts()
    assert [one.content for one in prompts.respond(Sample(instruction="Add."))] == ["Mind the facts.", "Add."]
    assert prompts.version("respond") == f"respond@4:{hashlib.sha256(MINE.encode()).hexdigest()[:8]}"
    assert prompts.rewrite(Sample(instruction="Add.")) == ours.rewrite(Sample(instruction="Add."))
    assert prompts.judging_version("default") == ours.judging_version("default")
    assert kept_config(config.model_dump_json()) == config


async def test_a_run_asks_by_it_and_every_row_says_so(tmp_path: Path) -> None:
    async with OpenAIServer(brain) as server:
        config = read_config(written(tmp_path, "{star/respond: ./mine.jinja}", url=server.url))
        await run(config, seeds(2), tmp_path / "out")
        asked = [body["messages"][0] for body in (one.body for one in server.requests)]
    assert {"role": "system", "content": "Mind the facts."} in asked
    told = {
        one
        for result in results(tmp_path / "out")
        for each in stars(result.outcome).candidates
        for one in each.candidate.prompts
    }
    assert told == {f"respond@4:{hashlib.sha256(MINE.encode()).hexdigest()[:8]}"}


def test_an_edit_of_the_file_is_an_edit_of_the_config_which_a_restart_puts_in_force(tmp_path: Path) -> None:
    path = written(tmp_path, "{star/respond: ./mine.jinja}")
    before = read_config(path)
    written(tmp_path, "{star/respond: ./mine.jinja}", MINE.replace("facts", "figures"))
    after = read_config(path)
    assert config_digest(before) != config_digest(after)
    assert changes_between(before, after) == ("~ prompts",)
    (mark,) = config_marks([(1, 0, 1.0, before.model_dump_json()), (2, 1, 2.0, after.model_dump_json())])
    assert mark.changes == ("~ prompts",)
    assert until_restart(before, after) == (before, ("prompts",))


def test_a_judges_prompt_of_ones_own_is_another_exam(tmp_path: Path) -> None:
    template = "[user]\n{{ nonce }} {{ question_a }} {{ answer_a }} {{ answer_b }}"
    config = read_config(written(tmp_path, "{judging/judge: mine.jinja}", template))
    assert Prompts(config.prompt_texts).judging_version("default") != Prompts().judging_version("default")
    assert Prompts(config.prompt_texts).judging_version("paper") == Prompts().judging_version("paper")


@pytest.mark.parametrize(
    ("prompts", "template", "says", "fix"),
    [
        ("{star/respnd: mine.jinja}", MINE, "is no prompt of the recipes in use", "star/respond"),
        ("{evol/deepen: mine.jinja}", MINE, "is no prompt of the recipes in use", ""),
        ("{star/respond: mine.jinja}", None, "mine.jinja: cannot be read: No such file", ""),
        ("{star/respond: .}", None, "cannot be read: it is no file", ""),
        ('{star/respond: "a\\0b"}', None, "cannot be read", ""),
        ("{star/respond: mine.jinja}", "[user]\nx\n{% if %}", "prompt respond.jinja, line 3: ", ""),
        ("{star/respond: mine.jinja}", "[user]\n{{ refrence }}", "uses refrence", "it is given reference"),
        ("{star/respond: mine.jinja}", "no sections", "has no line [system] or [user]", "[user]"),
        ("{star/respond: mine.jinja}", "[user]\n" + "x" * MAX_BYTES, "is larger than", ""),
        ("{star/respond: mine.jinja}", '{% extends "gone.jinja" %}', "there is no prompt gone", ""),
    ],
)
def test_a_mistake_in_it_is_a_problem_of_agents_yaml_with_its_line(
    prompts: str, template: str | None, says: str, fix: str, tmp_path: Path
) -> None:
    path = written(tmp_path, prompts, template)
    found = problem(path)
    last = path.read_text().count("\n")
    assert found.where == f"agents.yaml:{last}"
    assert found.field.startswith("prompts.")
    assert says in found.message
    assert fix in found.fix


def test_prompts_must_be_paths_by_names(tmp_path: Path) -> None:
    for wrong in ("[a]", "7", "{star/respond: 7}", "{star/respond: [a]}"):
        assert problem(written(tmp_path, wrong)).field.startswith("prompts")
    path = written(tmp_path, "{}")
    path.write_text(path.read_text() + "prompt_texts: {}\n")
    assert problem(path).message == "is not for anybody to write"


RECIPE = '''
from star_agents.config.recipes import Agent
from star_agents.recipes.protocol import Settings, done, recipe, sft
from star_agents.records import Trial, Sample

class MineSettings(Settings):
    writer: Agent
    """Who answers."""

@recipe(settings=MineSettings)
async def mine(seed, bench, settings):
    """One answer."""
    prompt = bench.prompt("ask", task=seed.sample.question)
    said = await bench.ask(settings.writer, prompt, step="ask")
    sample = Sample(instruction=prompt.text, response=said.text)
    trial = Trial(arm="x", sample=sample, prompts=(prompt.version,))
    return done(seed, rows=[sft(sample, from_trials=[0])], trials=[trial])
'''


def recipe_in(folder: Path, template: str, url: str, more: str = "") -> Path:
    (folder / "prompts" / "mine").mkdir(parents=True, exist_ok=True)
    (folder / "prompts" / "mine" / "ask.jinja").write_text(template)
    (folder / "mine.py").write_text(RECIPE)
    path = folder / "agents.yaml"
    path.write_text(agents_yaml(url, agents=("a",)) + f"recipe: ./mine.py:mine\nmine: {{writer: a}}\n{more}")
    return path


async def test_a_recipe_in_a_file_has_its_prompts_beside_it_and_they_can_be_replaced(tmp_path: Path) -> None:
    template = "{# version 2 #}\n[user]\nKindly: {{ task }}"
    async with OpenAIServer(brain) as server:
        config = read_config(recipe_in(tmp_path, template, server.url))
        await run(config, seeds(1), tmp_path / "out")
        (tmp_path / "other.jinja").write_text("[user]\nGruffly: {{ task }}")
        other = read_config(recipe_in(tmp_path, template, server.url, "prompts: {mine/ask: ./other.jinja}\n"))
        await run(other, seeds(1), tmp_path / "other")
        asked = [body["messages"][-1]["content"] for body in (one.body for one in server.requests)]
    assert [one.partition(":")[0] for one in asked] == ["Kindly", "Gruffly"]
    (first,), (second,) = (results(tmp_path / out) for out in ("out", "other"))
    assert first.outcome.trials[0].prompts == (f"mine/ask@2:{hashlib.sha256(template.encode()).hexdigest()[:8]}",)
    assert second.outcome.trials[0].prompts[0].startswith("mine/ask@0:")


def test_the_templates_beside_a_recipe_are_in_its_digest(tmp_path: Path) -> None:
    digests = []
    for number, template in enumerate(("[user]\nA {{ task }}", "[user]\nB {{ task }}")):
        folder = tmp_path / str(number)
        folder.mkdir()
        recipe_in(folder, template, "http://127.0.0.1:9/v1")
        digests.append(find_recipe(f"{folder / 'mine.py'}:mine").digest)
    assert digests[0] != digests[1]


async def test_a_recipe_that_asks_for_a_prompt_that_is_not_there_drops_its_seeds_and_says_which(tmp_path: Path) -> None:
    async with OpenAIServer(brain) as server:
        path = recipe_in(tmp_path, "[user]\n{{ tsk }}", server.url)
        await run(read_config(path), seeds(1), tmp_path / "out")
    (dropped,) = results(tmp_path / "out")
    assert "prompt mine/ask: 'tsk' is undefined" in dropped.outcome.reason


def test_a_prompt_of_no_name_is_an_error_that_lists_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "one.jinja").write_text("[user]\n{{ 1 // 0 }}")
    templates = PromptTemplates(tmp_path, prefix="p/")
    with pytest.raises(PromptError, match="there is no prompt p/two; there are one"):
        templates.prompt("two")
    with pytest.raises(PromptError, match="prompt p/one: "):
        templates.prompt("one")
    assert PromptTemplates(tmp_path / "nowhere").names == []
