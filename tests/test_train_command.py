"""`train` as it is typed: what it prints, how it exits, and several processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from daemons import PATIENCE_S
from lines import read_jsonl
from processes import until
from safetensors.torch import load_file
from training_samples import samples, tiny, write

from star_agents.cli.main import main
from star_agents.engine.training.folder import is_whole

REPOSITORY = Path(__file__).resolve().parents[1]
QUICK = ["--batch", "4", "--max-length", "128", "--learning-rate", "5e-3", "--max-steps", "2"]


def star(*arguments: str | Path) -> int:
    try:
        main(["train", *map(str, arguments)])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny(tmp_path_factory.mktemp("base"))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write(tmp_path / "rows.jsonl", samples())


def test_it_says_what_it_did_and_that_a_second_call_has_nothing_to_do(
    model: str, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert star(rows, "--model", model, "-o", out, *QUICK, "--lora") == 0
    told = capsys.readouterr()
    assert told.out.startswith("trained 8 rows in 2 steps: loss ")
    assert f"  {out / 'README.md'}" in told.out
    assert "LoRA of rank 16" in told.err
    assert "2/2 steps, loss" in told.err
    assert star(rows, "--model", model, "-o", out, *QUICK, "--lora", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["was_finished"], again["steps"], again["rows"]) == (True, 2, 8)
    assert star(rows, "--model", model, "-o", out, *QUICK) == 2
    assert "lora_rank was 16 and is None" in capsys.readouterr().err


def test_mistakes_end_with_one_line_and_code_2(
    model: str, rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for arguments, told in (
        ((tmp_path / "none.jsonl", "--model", model), "no such file"),
        ((rows, "--model", tmp_path / "none"), "there is no such folder"),
        ((rows, "--model", "nobody/none"), "the hub cannot be reached (name a folder"),
        ((rows, "--model", model, "--epochs", "0"), "--epochs must be a number above 0"),
        ((rows, "--model", model, "--chat-template", "./none.jinja"), "--chat-template ./none.jinja: cannot be read"),
        ((rows, "--model", model, "--method", "dpo"), "dpo learns from preference or reward rows"),
        ((tmp_path, "--model", model), "holds neither a store nor one of"),
        ((rows, "--model", model, "--eval-steps", "2"), "--eval-steps needs --eval-share"),
        ((rows, "--model", model, "--eval-share", "0.001"), "no prompt of them falls into --eval-share 0.001"),
    ):
        assert star(*arguments, "-o", out) == 2
        shown = capsys.readouterr().err
        assert told in shown
        assert "Traceback" not in shown
    assert not out.exists()


def test_help_loads_neither_torch_nor_a_trainer(tmp_path: Path) -> None:
    code = (
        "import sys; from star_agents.cli.main import main\n"
        "try: main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'transformers', 'trl', 'peft', 'datasets'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "accelerate launch -m star_agents train OUT" in done.stdout


def test_without_the_extra_it_says_how_to_install_it(model: str, rows: Path, tmp_path: Path) -> None:
    spec = find_spec("trl")
    assert spec is not None
    assert spec.origin is not None
    installed, left = Path(spec.origin).parents[1], tmp_path / "site-packages"
    left.mkdir()
    for one in installed.iterdir():
        if not one.name.startswith(("trl", "peft")):
            (left / one.name).symlink_to(one)
    done = subprocess.run(
        [sys.executable, "-S", "-m", "star_agents", "train", rows, "--model", model, "-o", tmp_path / "out"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{left}", "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    assert "error: training needs " in done.stderr
    assert "which is not installed: pip install 'star-agents[train]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


@pytest.mark.timeout(240)
def test_sigterm_saves_after_the_step_in_hand_and_exits_with_143_and_the_command_to_go_on(
    model: str, rows: Path, tmp_path: Path
) -> None:
    out, told = tmp_path / "out", tmp_path / "told"
    options = [
        "--batch",
        "4",
        "--max-length",
        "128",
        "--max-steps",
        "100000",
        "--checkpoint-steps",
        "1",
        "--threads",
        "1",
    ]
    command = [sys.executable, "-m", "star_agents", "train", str(rows), "--model", model, "-o", str(out), *options]
    part = out.with_name("out.part")
    with told.open("w") as errors:
        process = subprocess.Popen(command, stderr=errors, env={**os.environ, "HF_HUB_OFFLINE": "1"})
        until(lambda: any(map(is_whole, part.glob("checkpoint-*"))), process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 143
    shown = told.read_text()
    assert "finishing the step in hand, then saving; a second signal ends it at once" in shown
    assert f"saved in {part}" in shown
    assert "to go on: python -m star_agents train" in shown
    assert any(is_whole(one) for one in part.glob("checkpoint-*"))
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_train_one_model_and_one_of_them_tells(model: str, rows: Path, tmp_path: Path) -> None:
    # What `accelerate launch` starts for several GPUs; on CPUs it would want MPI.
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    options = [*QUICK, "--threads", "1"]
    together, alone = tmp_path / "together", tmp_path / "alone"
    done = subprocess.run(
        [*launcher, "-m", "star_agents", "train", str(rows), "--model", model, "-o", str(together), *options],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("16 answered rows") == 1
    assert "2 in a pass × 1 passes × 2 processes" in done.stderr
    assert done.stdout.count("trained 8 rows in 2 steps") == 1
    assert star(rows, "--model", model, "-o", alone, *options) == 0
    first, second = (load_file(out / "model.safetensors") for out in (together, alone))
    assert all(torch.allclose(first[name], second[name], atol=1e-4) for name in first)
    losses = [[row["loss"] for row in read_jsonl(out / "curve.jsonl")] for out in (together, alone)]
    assert len(losses[0]) == 2
    assert losses[0] == pytest.approx(losses[1], abs=1e-4), "each step's loss is that of all rows of its batch"
    assert not together.with_name("together.part").exists()
