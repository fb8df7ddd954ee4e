"""The parts that rounds are made of: their plan, guarded commands, what counts as a failed training, budgets left."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import sys
from pathlib import Path

import anyio
import pytest
from daemons import star_agents
from processes import lives, until_gone
from rich.console import Console
from rounds_target import save
from training_samples import tiny

from star_agents.arena.ratings import Rating
from star_agents.config.models import Config
from star_agents.config.rounds import KeepSettings, RoundsConfig
from star_agents.engine.campaign.campaign import Campaign, StepStopped
from star_agents.engine.campaign.estimate import estimate_rounds
from star_agents.engine.campaign.figures import is_flat
from star_agents.engine.campaign.plan import Step, of_round, plan_of
from star_agents.engine.campaign.serving import command_of
from star_agents.engine.campaign.state import CampaignState, read_state
from star_agents.engine.campaign.summary import rounds_summary
from star_agents.engine.campaign.training import (
    Losses,
    TrainingFailed,
    check_losses,
    check_model,
    check_training,
    losses_in,
)
from star_agents.engine.configuration import check_config
from star_agents.engine.training.folder import seal
from star_agents.errors import ConfigError, StoreError, UsageError
from star_agents.process.guarded import guarded
from star_agents.records import Sample, Seed
from star_agents.storage.parts import Parts

AGENTS = {"student": {"model": "offline/novice"}, "tutor": {"model": "offline/tutor"}}


def config(recipe: str = "arena", /, **rounds: object) -> Config:
    arena = {"target": "student", "opponents": ["tutor"], "judges": ["tutor"]}
    section = {"arena": arena} if recipe == "arena" else {"evol": {"writer": "tutor"}}
    settings = {"target": {"agent": "student", "model": "offline/small"}, **rounds}
    return check_config({"agents": AGENTS, "recipe": recipe, **section, "rounds": settings})


def test_three_rounds_of_an_arena_are_the_papers_ten_trainings() -> None:
    plan = plan_of(config(), 3)
    taught = {step.name: step.learns_from for step in plan.steps if step.stage}
    assert taught == {
        "r0-sft": ("D0",),
        "r1-sft": ("D1",),
        "r1-dpo": ("D2",),
        "r1-rloo": ("D3",),
        "r2-sft": ("D1", "D4"),
        "r2-dpo": ("D2", "D5"),
        "r2-rloo": ("D3", "D6"),
        "r3-sft": ("D1", "D4", "D7"),
        "r3-dpo": ("D2", "D5", "D8"),
        "r3-rloo": ("D3", "D6", "D9"),
    }
    assert math.isclose(sum(plan.parts.sizes.values()), 1)
    assert [of_round(KeepSettings().sft, number) for number in (1, 2, 3, 9)] == [3, 1, 1, 1]


def test_another_recipe_has_one_stage_and_a_plan_needs_as_many_parts_as_trainings() -> None:
    exam = {"share": 0}
    assert list(plan_of(config("evol", exam=exam, start="off"), 2).parts.sizes) == ["D1", "D2"], "nothing lies idle"
    assert [step.name for step in plan_of(config("evol", exam=exam, start="off"), 2).steps] == [
        "base",
        "r1-sft",
        "r2-sft",
    ]
    few = config().model_copy(update={"parts": plan_of(config(), 1).parts})
    with pytest.raises(UsageError, match="makes 4 parts, and these rounds need 7"):
        plan_of(few, 2)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"stages": ["sft", "sft"]}, "name each stage of a round once"),
        ({"stop_when_flat": True, "exam": {"share": 0}}, "needs an exam"),
        ({"target": {"model": "m", "serve": "vllm serve"}}, "needs `{model}` and `{port}`"),
        ({"exam": {"judges": ["nobody"]}}, "names an agent 'nobody'"),
        (
            {"target": {"agent": "tutor", "model": "m"}},
            "is student, and `rounds.target.agent` is tutor: what",
        ),
        ({"benchmark": {"questions": "mt_bench", "judge": "nobody"}}, "names an agent 'nobody'"),
    ],
)
def test_what_cannot_work_is_told_with_its_field(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match="rounds") as refused:
        config(**settings)
    assert told in str(refused.value)


def test_a_gain_is_flat_where_its_interval_reaches_0() -> None:
    def gain(low: float | None, high: float | None, rating: float | None = 10.0) -> Rating:
        return Rating(player="p", standing="rated", rating=rating, low=low, high=high)

    assert is_flat(gain(-1, 20))
    assert is_flat(gain(None, 20)), "open below"
    assert is_flat(gain(-20, -5)), "worse for certain"
    assert not is_flat(gain(1, None))
    assert not is_flat(None), "of what nobody knows nothing follows"


def test_half_a_model_is_none_and_neither_is_one_whose_loss_went_wrong(tmp_path: Path) -> None:
    save(tmp_path / "m", 1)
    check_model(tmp_path / "m")
    weights = tmp_path / "m" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(TrainingFailed, match="lacks whole weights"):
        check_model(tmp_path / "m")
    with pytest.raises(TrainingFailed, match=r"lacks config\.json, whole weights, a tokenizer"):
        check_model(tmp_path / "other")
    (tmp_path / "m" / "curve.jsonl").write_text('{"step": 1, "loss": 2}\nno line\n{"step": 2, "loss": 3}\n')
    assert losses_in(tmp_path / "m") == Losses(2, 3, 2)
    check_losses(Losses(2, 2.4, 9), 0.25)
    for losses, told in ((Losses(2, 3, 9), "loss rose from 2 to 3"), (Losses(2, math.nan, 9), "no number")):
        with pytest.raises(TrainingFailed, match=told):
            check_losses(losses, 0.25)


def test_options_of_trainings_are_checked_before_anything_is_spent() -> None:
    def check(**training: object) -> None:
        settings = config(training=training).rounds
        assert settings is not None
        check_training(settings.training, ("sft", "reward"))

    check(sft={"lora": 8, "epochs": 2, "micro_batch": 4}, reward={"margin_scale": 0.5})
    with pytest.raises(UsageError, match=r"rounds\.training\.sft\.epoks: is no option .* did you mean `epochs`"):
        check(sft={"epoks": 2})
    with pytest.raises(UsageError, match=r"rounds\.training\.reward\.out"):
        check(reward={"out": "elsewhere"})
    with pytest.raises(UsageError, match="learning-rate must be a number above 0"):
        check(sft={"learning_rate": 0})
    check(command="mine {rows} {model} {out}", sft={"whatever": 1})
    with pytest.raises(ConfigError, match=r"`command` needs `\{model\}` and `\{out\}`"):
        check(command="mine {rows}")


def test_words_of_a_command_are_told_apart_before_anything_is_put_into_them() -> None:
    assert command_of("serve '{model}' --port={port} '{{}}'", {"model": "a b", "port": "1"}) == [
        "serve",
        "a b",
        "--port=1",
        "{{}}",
    ]
    with pytest.raises(UsageError, match="cannot be read"):
        command_of("serve 'open", {})
    with pytest.raises(UsageError, match="names no program"):
        command_of(" ", {})


def test_what_is_put_into_a_command_is_taken_as_it_is() -> None:
    assert command_of("serve {model} {port}", {"model": "a/{port}/$(b)", "port": "1"}) == [
        "serve",
        "a/{port}/$(b)",
        "1",
    ]


def test_a_state_that_is_none_is_refused_with_what_to_do(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    state = CampaignState.opened(tmp_path, {"agent": "a"}, 1)
    assert read_state(tmp_path) == state
    with pytest.raises(UsageError, match='`agent` was "a" there, and is "b" now'):
        CampaignState.opened(tmp_path, {"agent": "b"}, 1)
    (tmp_path / "rounds.json").write_text('{"form": 1}')
    with pytest.raises(StoreError, match="is no state of rounds"):
        read_state(tmp_path)


async def test_a_guarded_command_ends_with_all_that_it_started_and_tells_how(tmp_path: Path) -> None:
    child = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    code = (
        f"import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE)\n"
        "print(child.stdout.readline().decode(), flush=True)\ninput()"
    )
    heard: list[str] = []
    async with guarded([sys.executable, "-c", code], log=tmp_path / "log", hear=heard.append, stop_s=5) as command:
        with anyio.fail_after(60):
            assert await command.wait() == 1, "its standard input is empty"
    await anyio.to_thread.run_sync(until_gone, int(heard[0]))
    assert "EOFError" in command.last_words


async def test_a_daemon_that_a_command_left_behind_ends_with_it(tmp_path: Path) -> None:
    child = "import os, signal; signal.alarm(120); print(os.getpid(), flush=True); signal.pause()"
    code = (
        "import subprocess, sys\nchild = subprocess.Popen("
        f"[sys.executable, '-c', {child!r}], stdout=subprocess.PIPE, start_new_session=True)\n"
        "print(child.stdout.readline().decode(), flush=True)"
    )
    heard: list[str] = []
    async with guarded([sys.executable, "-c", code], log=tmp_path / "log", hear=heard.append, stop_s=5) as command:
        with anyio.fail_after(60):
            assert await command.wait() == 0
    assert not lives(int(heard[0])), "it was waited for"


async def test_keys_of_its_environment_stand_in_no_log_of_a_command_however_it_writes_them(tmp_path: Path) -> None:
    code = (
        "import os, sys, time\n"
        "for part in ('<', os.environ['A_KEY'][:6], os.environ['A_KEY'][6:], '>', os.environ['PLAIN'], 'abc'):\n"
        "    os.write(1, part.encode()); time.sleep(0.05)"
    )
    env = {"A_KEY": "abcabcab", "PLAIN": "a secret by order"}
    async with guarded([sys.executable, "-c", code], log=tmp_path / "log", env=env, secrets=["PLAIN"]) as command:
        with anyio.fail_after(60):
            assert await command.wait() == 0
            await command.is_silent.wait()
    assert (tmp_path / "log").read_text() == "<***>***abc"
    assert command.last_words == "<***>***abc"


async def test_a_command_of_the_users_finds_no_libraries_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    command = [sys.executable, "-c", "import os; print(os.environ['PYTHONPATH'])"]
    for is_ours in (False, True):
        async with guarded(command, log=tmp_path / "log", is_ours=is_ours) as running:
            with anyio.fail_after(60):
                await running.wait()
                await running.is_silent.wait()
        *ours, theirs = running.last_words.split(os.pathsep)
        assert (theirs, bool(ours)) == (str(tmp_path), is_ours)


async def test_a_command_that_came_to_its_end_is_not_run_again(tmp_path: Path) -> None:
    code = f"open({str(tmp_path / 'runs')!r}, 'a').write('x'); print('done')"
    for _ in range(2):
        async with guarded(
            [sys.executable, "-c", code], log=tmp_path / "log", ended=tmp_path / "ended.json"
        ) as command:
            assert await command.wait() == 0
    assert (tmp_path / "runs").read_text() == "x"
    assert json.loads((tmp_path / "ended.json").read_text())["code"] == 0
    async with guarded(["/nothing/here"], log=tmp_path / "log") as command:
        assert await command.wait() == 127
    assert "cannot be started" in command.last_words


async def test_a_log_of_a_command_has_a_bound_and_a_block_that_is_left_ends_it(tmp_path: Path) -> None:
    code = "import signal\nfor n in range(2000): print('line', n)\nprint('all', flush=True)\nsignal.pause()"
    said_all = anyio.Event()

    def hear(line: str) -> None:
        if line == "all":
            said_all.set()

    log = tmp_path / "log"
    async with guarded([sys.executable, "-c", code], log=log, log_bytes=4000, hear=hear) as command:
        with anyio.fail_after(60):
            await said_all.wait()
    assert command.returncode == -signal.SIGTERM
    written = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert written <= 4000 + (1 << 16), "a chunk of a pipe is written whole"


async def test_a_log_that_takes_no_more_ends_no_command(tmp_path: Path) -> None:
    (tmp_path / "log.1" / "x").mkdir(parents=True)  # In the way of the log that is full.
    (tmp_path / ".ended.json.part").mkdir()
    code = "import os\nfor n in range(200): os.write(1, b'x' * 100 + b'\\n')\nprint('done')"
    async with guarded(
        [sys.executable, "-c", code], log=tmp_path / "log", log_bytes=500, ended=tmp_path / "ended.json"
    ) as command:
        with anyio.fail_after(60):
            assert await command.wait() == 0
            await command.is_silent.wait()
    assert "done" in command.last_words
    assert "ended.json: cannot be written" in command.last_words


async def test_a_command_whose_log_has_no_place_is_not_started_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with guarded(["/bin/true"], log=tmp_path / "file" / "log") as command:
        with anyio.fail_after(60):
            assert await command.wait() == 127
            await command.is_silent.wait()
    assert "log: cannot be written, so nothing is started" in command.last_words


async def test_what_a_command_started_ends_also_when_its_guard_is_killed(tmp_path: Path) -> None:
    child = "import os, signal; signal.alarm(120); print(os.getpid(), flush=True); signal.pause()"
    code = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {child!r}]).wait()"
    heard: list[str] = []
    is_heard = anyio.Event()

    def hear(line: str) -> None:
        heard.append(line)
        is_heard.set()

    with anyio.fail_after(60):
        async with guarded([sys.executable, "-c", code], log=tmp_path / "log", hear=hear) as command:
            await is_heard.wait()
            guard = int(Path(f"/proc/{command.pid}/stat").read_text().rpartition(")")[2].split()[1])
            os.kill(guard, signal.SIGKILL)
    await anyio.to_thread.run_sync(until_gone, int(heard[0]))


RIVERS = [Seed.of(Sample(instruction=f"Name river {n}.", response="River.")) for n in range(20)]


def campaign_over(folder: Path, settings: Config, seeds: list[Seed]) -> Campaign:
    return Campaign(
        config=settings,
        plan=plan_of(settings, 1),
        state=CampaignState.opened(folder, {}, 1),
        seeds=seeds,
        source="seeds.jsonl",
        where="agents.yaml",
        beside=folder,
        console=Console(quiet=True),
        tell=lambda sentence: None,
    )


async def test_a_training_that_was_cut_off_is_none_that_failed(tmp_path: Path) -> None:
    campaign = campaign_over(tmp_path, config(exam={"share": 0}, training={"timeout_s": 0.2}), RIVERS)
    with pytest.raises(StepStopped, match=r"cut off: it took longer than 0\.2 s .*; the same command goes on from its"):
        await campaign.run()
    found = read_state(tmp_path)
    assert found is not None
    assert found.steps["r0-sft"].failures == [], "the next call trains into the same folder"
    assert "r0-sft: the training was cut off" in found.troubles[0]


async def test_options_that_are_edited_while_a_training_is_unfinished_are_told_and_make_it_none_that_failed(
    tmp_path: Path,
) -> None:
    def settings(rate: float) -> Config:
        training = {"sft": {"learning_rate": rate, "max_steps": 2, "threads": 1}}
        return config(
            exam={"share": 0}, target={"agent": "student", "model": str(tmp_path / "base")}, training=training
        )

    tiny(tmp_path / "base")
    part = tmp_path / "models" / "r0-sft.part"
    (part / "checkpoint-1").mkdir(parents=True)
    (part / "checkpoint-1" / "trainer_state.json").write_text("{}")
    seal(part / "checkpoint-1")
    (part / "request.json").write_text(json.dumps({"request": {"learning_rate": 1e-3}, "replaces": False}))
    with pytest.raises(StepStopped) as stopped:
        await campaign_over(tmp_path, settings(1e-4), RIVERS).run()
    told = str(stopped.value)
    assert "r0-sft: the training is unfinished under other options: " in told
    assert "learning_rate was 0.001 and is" in told
    assert f"or remove {part} to begin it anew" in told
    found = read_state(tmp_path)
    assert found is not None
    assert found.steps["r0-sft"].failures == []


def test_the_rounds_to_begin_with_can_be_planned_with_what_the_package_holds(tmp_path: Path) -> None:
    path = tmp_path / "rounds.yaml"
    assert star_agents("init", "--recipe", "rounds", path).returncode == 0
    planned = star_agents("rounds", "-c", path, "-s", "offline", "-o", tmp_path / "out", "--estimate", "--json")
    assert planned.returncode == 0, planned.stderr
    found = json.loads(planned.stdout)
    assert [one["name"] for one in found["steps"]] == ["base", "r1-sft", "r2-sft", "r3-sft"]
    assert any("the benchmark takes 80 calls of each target" in one for one in found["remarks"])


async def test_a_folder_of_a_run_is_no_place_for_rounds(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite3").touch()
    with pytest.raises(UsageError, match="holds a run, and no rounds; name another -o"):
        CampaignState.opened(tmp_path, {}, 1)


def test_models_are_kept_by_their_place_in_the_folder_so_that_it_may_be_moved(tmp_path: Path) -> None:
    state = CampaignState.opened(tmp_path / "here", {"agent": "student", "model": "base"}, 1)
    state.finish(Step(name="r0-sft", round=0, stage="sft"), "taken", {"model": "models/r0-sft"})
    (tmp_path / "here").rename(tmp_path / "there")
    found = read_state(tmp_path / "there")
    assert found is not None
    assert found.path_of("models/r0-sft") == str(tmp_path / "there" / "models" / "r0-sft")
    assert found.path_of("/a/model/of/before") == "/a/model/of/before"
    assert rounds_summary(tmp_path / "there")["model"] == str(tmp_path / "there" / "models" / "r0-sft")


async def test_other_seeds_in_a_part_that_was_worked_are_refused(tmp_path: Path) -> None:
    settings = config(exam={"share": 0}, training={"command": "false {rows} {model} {out}"})
    for _ in range(2):
        with pytest.raises(StepStopped, match="r0-sft: the training failed"):
            await campaign_over(tmp_path, settings, RIVERS).run()
    parts = Parts(plan_of(settings, 1).parts)
    place = next(at for at, seed in enumerate(RIVERS) if parts.part_of(seed) == "D0")
    with pytest.raises(UsageError, match="the seeds of D0 are others than those that r0-sft worked; take the same"):
        await campaign_over(tmp_path, settings, RIVERS[:place] + RIVERS[place + 1 :]).run()


def test_calls_of_a_benchmark_count_in_an_estimate(tmp_path: Path) -> None:
    settings = config(exam={"share": 0})
    plan = plan_of(settings, 1)
    told = ["; ".join(estimate_rounds(settings, plan, [], [], tmp_path, graded=n)["remarks"]) for n in (0, 320)]
    without, graded = (
        int(found[1].replace(",", "")) for one in told if (found := re.match(r"at most ([\d,]+) calls", one))
    )
    assert graded - without == 320 * len(plan.steps)
    assert ["the benchmark takes 320 calls of each target" in one for one in told] == [False, True]


def test_settings_of_rounds_are_kept_out_of_what_others_see() -> None:
    assert "rounds" not in Config(agents={"a": {"model": "offline/tutor"}}).model_dump()  # type: ignore[dict-item]
    assert RoundsConfig.model_fields["target"].is_required()
