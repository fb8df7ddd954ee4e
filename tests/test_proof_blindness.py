"""Nothing of the method sees the planted truth or the checker: read from the imports of the proof."""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

TOOLS = Path(__file__).resolve().parents[1] / "tools"
PROOF = TOOLS / "proof"
sys.path.insert(0, str(TOOLS))
METHOD = (
    *("scores", "answers", "likelihood", "arms", "outcomes", "replay", "bank", "variants", "replacements", "tune"),
    "documents_rows",
)
WORLD = {"proof.pool", "proof.candidates", "proof.truth", "proof.planted", "proof.table", "proof.documents_world"}


def imports_of(module: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse((PROOF / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def reached_from(module: str) -> set[str]:
    """All imports of a module of the proof, and of those that it imports."""
    seen, waiting, found = set(), [module], set()
    while waiting:
        one = waiting.pop()
        seen.add(one)
        for name in imports_of(one):
            found.add(name)
            local = name.removeprefix("proof.").split(".")[0]
            if name.startswith("proof.") and local not in seen and (PROOF / f"{local}.py").is_file():
                waiting.append(local)
    return found


@pytest.mark.parametrize("module", METHOD)
def test_no_module_of_the_method_can_reach_the_truth(module: str) -> None:
    reached = reached_from(module)
    assert reached.isdisjoint(WORLD)
    assert not {name for name in reached if name.startswith(("star_agents.offline", "proof.second", "pretraining"))}


def test_the_product_does_not_import_the_proof() -> None:
    package = TOOLS.parent / "star_agents"
    assert not [
        path for path in package.rglob("*.py") if "import proof" in (text := path.read_text()) or "from proof" in text
    ]


def test_an_arm_chooses_the_same_again_and_no_two_arms_choose_alike() -> None:
    arms, scores, planted = (import_module(f"proof.{name}") for name in ("arms", "scores", "planted"))
    rng = np.random.default_rng(3)
    found = scores.Scores(small=rng.random((40, 6)), large=rng.random((40, 6)))
    verdict, same = rng.choice([0.0, 0.5, 1.0], (40, 6)), np.zeros((40, 6), dtype=bool)
    drawn = 1 + np.argsort(rng.random((40, 5)), axis=1)[:, :3]
    for selection in arms.ARMS.values():
        first, again = (arms.choose_all(selection, drawn, found, verdict, same, seed=1) for _ in range(2))
        assert first == again
    assert (
        len({tuple(map(repr, arms.choose_all(one, drawn, found, verdict, same, 1))) for one in arms.ARMS.values()}) == 6
    )
    assert (planted.verdicts(np.ones((5, 6), dtype=bool), 1.0, 0) == 0.5).all()


def test_the_planted_referee_errs_as_often_as_it_is_said_to() -> None:
    planted = import_module("proof.planted")
    usable = np.zeros((20_000, 2), dtype=bool)
    usable[:, 1] = True
    values = planted.verdicts(usable, 0.7, seed=1)[:, 1]
    assert (values == 1).mean() == pytest.approx(0.49, abs=0.015)  # both orders right
    assert (values == 0).mean() == pytest.approx(0.15**2, abs=0.005)  # both orders for the base
    assert (planted.verdicts(usable, 1.0, seed=1)[:, 1] == 1).all()


def test_the_table_is_the_same_again_and_the_style_of_seeds_touches_the_base_alone() -> None:
    generate, usable = import_module("proof.candidates").generate, import_module("proof.truth").usable
    plain, again, mixed = generate(60, 4), generate(60, 4), generate(60, 4, "mixed")
    assert plain == again
    assert len(plain.pairs) >= 12
    assert sorted(map(repr, (row[1:] for row in plain.rows))) == sorted(map(repr, (row[1:] for row in mixed.rows)))
    right = dict(
        zip(["seed", *(pair.name for pair in plain.pairs)], usable(generate(400, 5)).mean(axis=0), strict=True)
    )
    assert right["keep/brief"] > 0.8 > 0.3 > right["keep/rambler"]
    assert 0.6 < right["seed"] < 0.8
