"""The arms whose rows are trained on: what each takes of the same table, once per random seed. Figures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from proof.arms import ARMS, choose_all
from proof.bank import Line
from proof.bankruns import columns, of_columns
from proof.choices import draws, oracle
from proof.table import Table
from proof.trained import Columns
from star_agents.records import KEEP

ORACLE, FORM_ORACLE = "oracle of truth", "oracle of truth and form"
_SELECTIONS = {
    "seeds": "seeds",
    "random": "random",
    "highest IFD only": "ifd",
    "referee only": "referee",
    "dual only": "gap",
}
_LINES = {
    "full without evolution": Line(policy="uniform", memory=False),
    "full without memory": Line(memory=False),
    "full": Line(),
}
_SCORED_LINES = {
    "full, end scored": Line(),
    "full, as shipped": Line(scale=20, reward="judged"),
}


def choose(tables: Mapping[str, Table], referee: str, m: int, seeds: int) -> dict[str, list[Columns]]:
    """Name to the column that each row is taken from, per random seed. ``tables`` by mode of IFD."""
    table, scored = tables["perplexity_ratio"], tables["score_eos"]
    found: dict[str, list[Columns]] = {
        name: [_selected(table, arm, referee, m, seed) for seed in range(seeds)] for name, arm in _SELECTIONS.items()
    }
    for of, lines in ((table, _LINES), (scored, _SCORED_LINES)):
        found |= {name: [columns(of, referee, m, line, seed) for seed in range(seeds)] for name, line in lines.items()}
    found["as shipped, nothing rewritten"] = [_rewriting_nothing(scored, referee, m, seed) for seed in range(seeds)]
    drawn = [draws(table, m, seed) for seed in range(seeds)]
    found[ORACLE] = [oracle(table, one) for one in drawn]
    found[FORM_ORACLE] = [oracle(table, one, knows_form=True) for one in drawn]
    return found


def _rewriting_nothing(table: Table, referee: str, m: int, seed: int) -> Columns:
    """What ships, with the pool's pairs that leave the instruction as it is: what is a harder question worth?"""
    keeping = [at for at, pair in enumerate(table.candidates.pairs, start=1) if pair.instruction == KEEP]
    taken = columns(of_columns(table, keeping), referee, m, _SCORED_LINES["full, as shipped"], seed)
    return np.array([0, *keeping])[taken]


def _selected(table: Table, arm: str, referee: str, m: int, seed: int) -> Columns:
    taken = choose_all(ARMS[arm], draws(table, m, seed), table.scores, table.verdicts[referee], table.same, seed)
    return np.array([choice.column for choice in taken])
