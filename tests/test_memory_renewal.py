"""What a memory bank finds where instructions come that are unlike the first ones, and after a kill while it mends."""

from __future__ import annotations

import signal
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from star_agents.process.crash_points import VARIABLE
from star_agents.scheduling.memory import KeptRows, MemoryBank, Remembered
from star_agents.scheduling.memory_renewal import LEAST, Renewal, is_due, measure
from star_agents.scheduling.memory_segments import Check, CodedSegment
from star_agents.scheduling.vector_codes import Vector, VectorCoder

FIRST, OTHERS, DIMENSION = 200, 600, 384
COUNT = 900


def of_kind(kind: int, count: int, seed: int = 1) -> Vector:
    """Unit vectors in 128 dimensions of their kind's own, where they are in clusters."""
    fixed, chance = np.random.default_rng(kind), np.random.default_rng([kind, seed])
    topics = fixed.standard_normal((40, 128))
    made = np.zeros((count, DIMENSION))
    inner = topics[chance.integers(0, len(topics), count)] + chance.standard_normal((count, 128)) * 0.6
    made[:, 128 * kind : 128 * (kind + 1)] = inner
    unit: Vector = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return unit


def of_two_kinds() -> Vector:
    return np.vstack([of_kind(0, FIRST), of_kind(1, COUNT - FIRST)])


def grown(path: Path | None = None, others: int = OTHERS) -> MemoryBank:
    """One that was given the first kind, and then the other, with its files written on the way."""
    bank = MemoryBank("test", first=FIRST, others=others)
    made = of_two_kinds()
    rows = [Remembered(seq=at + 1, pair=str(at + 1), pi=0.5, embedding=one) for at, one in enumerate(made)]
    bank.load(KeptRows.of(rows), path)
    assert bank.wait(120)
    return bank


def recall(bank: MemoryBank, made: Vector, queries: Vector) -> float:
    exact = ({str(at + 1) for at in np.argsort(-(made @ query))[:5]} for query in queries)
    hits = sum(len(near & set(bank.nearest_pairs(query, 5))) for near, query in zip(exact, queries, strict=True))
    return hits / (5 * len(queries))


def coded(made: Vector, *, fitted_to: Vector) -> CodedSegment:
    coder = VectorCoder.of(fitted_to)
    segment = CodedSegment(1, coder, 2 * len(made))
    for at, vector in enumerate(made):
        segment.add(at + 1, str(at + 1), coder.code(vector.reshape(1, -1)))
    return segment


def test_a_bank_finds_what_is_near_among_instructions_unlike_the_first_ones() -> None:
    bank, made = grown(), of_two_kinds()
    for kind in (0, 1):
        assert recall(bank, made, of_kind(kind, 60, seed=2)) >= 0.95
    state = bank.state()
    assert (state.size, state.waiting, state.trouble) == (COUNT, 0, "")
    assert state.recall is not None
    assert state.recall >= LEAST
    told = bank.renewals()
    assert len(told) == state.renewed > 0
    assert "was made anew: it found 0." in told[0]
    assert bank.renewals() == []
    bank.close()


def test_a_graph_with_directions_of_another_kind_is_found_to_find_little_and_enough_once_it_was_made_anew() -> None:
    made = of_kind(1, 500)
    stale = coded(made, fitted_to=of_kind(0, FIRST))
    before = measure(stale)
    renewal = Renewal(stale)
    while not renewal.step():
        pass
    assert measure(stale).recall == before.recall, "searches went on in the one before"
    after = measure(renewal.made)
    assert before.recall is not None
    assert after.recall is not None
    assert before.recall < 0.8
    assert after.recall >= LEAST
    assert (before.size, after.size) == (500, 500)
    assert measure(coded(made, fitted_to=made)).recall == pytest.approx(after.recall, abs=0.03)


def test_what_enters_while_a_graph_is_made_anew_is_in_it() -> None:
    made = of_kind(1, 300)
    stale = coded(made[:200], fitted_to=of_kind(0, FIRST))
    renewal, at = Renewal(stale), 200
    while not renewal.step():
        if at < 300:
            stale.add(at + 1, str(at + 1), stale.coder.code(made[at : at + 1]))
            at += 1
    assert renewal.made.size == at > 200
    assert renewal.made.seqs() == stale.seqs()
    recalled = measure(renewal.made).recall
    assert recalled is not None
    assert recalled >= LEAST


def test_a_graph_is_made_anew_no_more_than_a_dozen_times_however_little_it_finds() -> None:
    segment = coded(of_kind(0, 3), fitted_to=of_kind(0, FIRST))
    segment.capacity, times, segment.check = 500_000, 0, Check(5000)
    for size in range(5000, 500_001, 100):
        segment.arms = range(size)  # type: ignore[assignment]  # Only their number counts.
        if is_due(segment, 5000):
            times, segment.check = times + 1, Check(size, 192, 0.1)
    assert times == 12


def test_files_of_graphs_that_were_made_anew_answer_the_same_and_are_not_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "memory.hnsw"
    bank = grown(path)
    bank.save(path)
    again = grown(path)
    assert (again.state().renewed, again.state().recall) == (0, bank.state().recall)
    for query in of_kind(1, 30, seed=2):
        assert again.nearest(query, 5) == bank.nearest(query, 5)
    again.close()


def grow_and_save(path: Path) -> None:
    """In a process that is killed on the way."""
    bank = grown(path)
    bank.save(path)


@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("point", ["index_before_rename", "index_saved"])
def test_a_kill_while_graphs_that_were_made_anew_are_written_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, passes: int
) -> None:
    path = tmp_path / "memory.hnsw"
    monkeypatch.setenv(VARIABLE, f"{point}:{passes}")
    killed = get_context("spawn").Process(target=grow_and_save, args=(path,))
    killed.start()
    killed.join(120)
    assert killed.exitcode == -signal.SIGKILL
    monkeypatch.delenv(VARIABLE)
    bank = grown(path)
    assert (bank.state().size, bank.state().forgotten, bank.state().trouble) == (COUNT, 0, "")
    assert recall(bank, of_two_kinds(), of_kind(1, 60, seed=2)) >= 0.95
    bank.save(path)
    assert not list(tmp_path.glob("*.new")), "nothing of what was half written stays"
    bank.close()
