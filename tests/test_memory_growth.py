"""The memory bank beyond its first graph: what it finds while it grows, forgets, and starts from its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from vector_samples import vectors

import star_agents
from star_agents.scheduling.forgetting import OF_EACH, kept, kept_of_oldest
from star_agents.scheduling.hashing_embedder import embed_by_hashing
from star_agents.scheduling.memory import WAITING, KeptRows, MemoryBank, Remembered
from star_agents.scheduling.vector_codes import Vector

FIRST, OTHERS = 200, 600


def rows_of(made: Vector, arms: Sequence[str] = ()) -> list[Remembered]:
    return [
        Remembered(seq=at + 1, pair=arms[at] if arms else str(at + 1), pi=0.5, embedding=vector)
        for at, vector in enumerate(made)
    ]


def store_of(rows: list[Remembered], known: int | None = None) -> KeptRows:
    """A store that holds the first of some rows, and the others once they were added."""
    given = KeptRows.of(rows)
    count = len(rows) if known is None else known
    return replace(given, seqs=given.seqs[:count], arms=given.arms[:count], dimensions=given.dimensions[:count])


def bank_of(store: KeptRows, path: Path | None = None, at_most: int | None = None) -> MemoryBank:
    bank = MemoryBank("test", at_most=at_most, first=FIRST, others=OTHERS)
    bank.load(store, path)
    return whole(bank)


def whole(bank: MemoryBank) -> MemoryBank:
    assert bank.wait(60)
    assert (bank.state().waiting, bank.state().trouble) == (0, "")
    return bank


def recall(bank: MemoryBank, made: Vector, queries: Vector) -> float:
    hits = 0
    for query in queries:
        exact = {str(at + 1) for at in np.argsort(-(made @ query))[:5]}
        hits += len(exact & set(bank.nearest_pairs(query, 5)))
    return hits / (5 * len(queries))


def test_vectors_of_no_numbers_are_left_out_and_stop_no_bank_that_grows() -> None:
    made = vectors(FIRST + 100)
    rows = rows_of(made)
    rows[5] = replace(rows[5], embedding=np.full_like(made[5], np.nan))
    stored = bank_of(store_of(rows))
    added = MemoryBank("test", first=FIRST, others=OTHERS)
    for row in rows:
        added.add(row)
    for bank in (stored, whole(added)):
        assert (bank.state().size, bank.state().left_out) == (FIRST + 99, 1)
        assert np.isfinite([found.similarity for found in bank.nearest(made[0], 20)]).all()


def test_a_bank_of_many_graphs_finds_nearly_all_that_is_nearest() -> None:
    made = vectors(3000)
    bank = bank_of(store_of(rows_of(made)))
    assert (len(bank), bank.state().waiting, bank.last_seq) == (3000, 0, 3000)
    assert recall(bank, made, vectors(100, seed=2)) >= 0.95
    bank.close()


def test_nearly_all_that_is_nearest_is_found_among_texts_too() -> None:
    package = Path(star_agents.__file__).parent
    lines = {line.strip() for file in package.rglob("*.py") for line in file.read_text(encoding="utf-8").splitlines()}
    texts = sorted((line for line in lines if len(line) > 60), key=lambda line: line[::-1])
    made = np.stack([embed_by_hashing(text) for text in texts[:: len(texts) // 3000]])
    bank = MemoryBank("hashing", first=1000)
    bank.load(KeptRows.of(rows_of(made[100:])))
    assert recall(whole(bank), made[100:], made[:100]) >= 0.95
    bank.close()


def test_similarities_of_a_large_bank_are_cosines() -> None:
    made = vectors(1000)
    bank = bank_of(store_of(rows_of(made)))
    for found in bank.nearest(made[17], 4):
        assert found.similarity == pytest.approx(float(made[int(found.arm) - 1] @ made[17]), abs=0.005)
    assert bank.nearest_pairs(made[17], 1) == ["18"]


def test_what_was_just_added_is_found_before_it_is_in_a_graph() -> None:
    made = vectors(1500)
    bank = bank_of(store_of(rows_of(made), 500))
    for row in rows_of(made)[500:]:
        bank.add(row)
        assert bank.nearest_pairs(row.embedding, 1) == [row.pair]
    whole(bank)
    assert (len(bank), bank.state().size) == (1500, 1500)
    assert recall(bank, made, vectors(50, seed=2)) >= 0.95


def test_an_instruction_that_comes_twice_is_held_once() -> None:
    made = vectors(500)
    bank = bank_of(store_of(rows_of(made)))
    bank.add(rows_of(made)[3])
    whole(bank)
    assert len(bank) == 500


def test_those_of_another_dimension_are_counted() -> None:
    rows = [*rows_of(vectors(400)), Remembered(seq=999, pair="x", pi=1.0, embedding=vectors(1, 8)[0])]
    bank = bank_of(store_of(rows))
    assert (len(bank), bank.state().left_out) == (400, 1)
    bank.add(Remembered(seq=1000, pair="x", pi=1.0, embedding=vectors(1, 8)[0]))
    assert bank.state().left_out == 2


# Forgetting


def test_the_oldest_are_forgotten_but_for_the_newest_of_each_arm() -> None:
    arms = ["rare"] * 3 + ["often"] * 97
    stays = kept(arms, 40)
    assert sum(stays) == 40
    assert stays[:3] == [True] * 3
    assert stays[3:63] == [False] * 60
    assert kept(arms, 100) == [True] * 100


def test_no_arm_keeps_more_than_its_share_by_age_alone() -> None:
    arms = ["old"] * (2 * OF_EACH) + ["new"] * (4 * OF_EACH)
    stays = kept(arms, 4 * OF_EACH)
    assert sum(stays[: 2 * OF_EACH]) == OF_EACH / 2  # Two arms share a quarter of the room.
    assert kept_of_oldest(["old"] * 10, ["new"] * 90, 40) == [False] * 5 + [True] * 5
    assert kept_of_oldest(["new"] * 10, ["new"] * 90, 40) == [False] * 10


def test_a_full_bank_forgets_its_oldest_graph_and_says_so() -> None:
    made = vectors(3000)
    arms = ["rare" if at < 20 else "often" for at in range(3000)]
    bank = bank_of(store_of(rows_of(made, arms), 1000), at_most=1000)
    assert bank.state().forgotten == 0
    for row in rows_of(made, arms)[1000:]:
        bank.add(row)
    whole(bank)
    state = bank.state()
    assert 750 <= state.size <= 1000
    assert state.size + state.forgotten == 3000
    assert bank.nearest_pairs(made[7], 1) == ["rare"]
    assert "often" in bank.nearest_pairs(made[2999], 1)


def test_a_quarter_is_forgotten_at_a_time_and_no_more_than_another_one_lies_in_memory() -> None:
    made = vectors(4000)
    rows = rows_of(made)
    bank = bank_of(store_of(rows, 1000), at_most=1000)
    for begin in range(1000, 4000, 50):
        for row in rows[begin : begin + 50]:
            bank.add(row)
        whole(bank)
        found, graphs = bank.state(), bank._graphs
        assert graphs is not None
        assert 750 <= found.size <= 1000
        assert found.size + found.forgotten == begin + 50
        assert sum(one.size for one in graphs.segments) <= 1250
    held = range(4000 - bank.state().size, 4000)
    queries = vectors(100, seed=2)
    hits = 0
    for query in queries:
        nearest = {str(at + 1) for at in held[0] + np.argsort(-(made[held] @ query))[:5]}
        told = bank.nearest_pairs(query, 5)
        assert all(int(pair) > held[0] for pair in told), "what is forgotten is not found"
        hits += len(nearest & set(told))
    assert hits >= 0.95 * 500
    bank.close()


def test_a_start_with_more_than_may_be_held_takes_the_newest() -> None:
    bank = bank_of(store_of(rows_of(vectors(2000), ["a"] * 2000)), at_most=1000)
    assert (bank.state().size, bank.state().forgotten) == (1000, 1000)


# Files


def test_a_large_bank_starts_from_its_files_and_answers_the_same(tmp_path: Path) -> None:
    made = vectors(1500)
    rows, path = rows_of(made), tmp_path / "memory.hnsw"
    bank = bank_of(store_of(rows), path)
    bank.save(path)
    again = MemoryBank("test", first=FIRST, others=OTHERS)
    again.load(KeptRows(seqs=range(1, 1501), arms=[row.pair for row in rows], dimensions=[48] * 1500, vectors=unread))
    assert again.state().waiting
    again.load(
        KeptRows(seqs=range(1, 1501), arms=[row.pair for row in rows], dimensions=[48] * 1500, vectors=unread), path
    )
    assert (again.state().size, again.state().waiting) == (1500, 0)
    for query in vectors(30, seed=2):
        assert again.nearest(query, 5) == bank.nearest(query, 5)
    again.add(Remembered(seq=1501, pair="new", pi=0.5, embedding=vectors(1, seed=9)[0]))
    whole(again)
    assert again.nearest_pairs(vectors(1, seed=9)[0], 1) == ["new"]


def unread(_: Sequence[int]) -> dict[int, Vector]:
    raise OSError("the disk is gone")


def test_a_store_that_cannot_be_read_is_told_and_the_rest_is_found(tmp_path: Path) -> None:
    made = vectors(1000)
    rows, path = rows_of(made), tmp_path / "memory.hnsw"
    bank_of(store_of(rows, 900), path).save(path)
    bank = MemoryBank("test", first=FIRST, others=OTHERS)
    given = KeptRows(seqs=range(1, 1001), arms=[row.pair for row in rows], dimensions=[48] * 1000, vectors=unread)
    bank.load(given, path)
    bank.wait(60)
    assert bank.state().trouble == "OSError: the disk is gone"
    assert bank.nearest_pairs(made[4], 1) == ["5"]


def test_graphs_that_are_full_are_written_once_and_beside_the_work(tmp_path: Path) -> None:
    made = vectors(2100)
    rows, path = rows_of(made), tmp_path / "memory.hnsw"
    bank = bank_of(store_of(rows, 1400), path)
    bank.save_soon(path)
    whole(bank)
    before = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert set(before) == {
        *(f"memory.hnsw.{number}-600.{what}" for number in (1, 2) for what in ("graph", "codes")),
        "memory.hnsw.json",
    }
    killed = bank_of(store_of(rows, 1400), path)  # It has read again what was in the newest graph.
    assert killed.state().size == 1400
    for row in rows[1400:]:
        bank.add(row)
    whole(bank)
    bank.save(path)
    after = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert all(after[name] == before[name] for name in before if name != "memory.hnsw.json")
    assert {"memory.hnsw.3-600.graph", "memory.hnsw.4-300.graph"} <= set(after)


def test_after_a_kill_no_more_than_half_a_graph_is_read_again(tmp_path: Path) -> None:
    rows, path = rows_of(vectors(1050)), tmp_path / "memory.hnsw"
    killed = bank_of(store_of(rows), path)
    read: list[int] = []

    def reading(seqs: Sequence[int]) -> dict[int, Vector]:
        read.extend(seqs)
        return {seq: rows[seq - 1].embedding for seq in seqs}

    bank = bank_of(replace(store_of(rows), vectors=reading), path)
    assert [seq for seq in read if seq > 900] == [*range(901, 1051)], "900 is where the second graph was half full"
    assert len(read) < 200
    for query in vectors(30, seed=2):
        assert bank.nearest(query, 5) == killed.nearest(query, 5)


def test_of_graphs_that_were_made_smaller_only_the_last_grows(tmp_path: Path) -> None:
    rows, path = rows_of(vectors(1500)), tmp_path / "memory.hnsw"
    bank_of(store_of(rows), path).save(path)
    larger = MemoryBank("test", first=FIRST, others=2 * OTHERS)
    new = {row.seq: row.embedding for row in rows_of(vectors(2500, seed=3))[1500:]}
    larger.load(replace(store_of(rows), vectors=lambda seqs: {seq: new[seq] for seq in seqs if seq in new}), path)
    assert (larger.state().size, larger.state().waiting) == (1500, 0)
    for seq, vector in new.items():
        larger.add(Remembered(seq=seq, pair=str(seq), pi=0.5, embedding=vector))
    whole(larger)
    graphs = larger._graphs
    assert graphs is not None
    assert [one.size for one in graphs.segments] == [600, 600, 1200, 100]
    assert [one.number for one in graphs.full_ones()] == [1, 2, 3]
    larger.close()


@pytest.mark.parametrize("damage", ["memory.hnsw.1-600.graph", "memory.hnsw.2-400.codes", "memory.hnsw.json", "ahead"])
def test_files_that_do_not_fit_the_store_are_made_anew_from_it(tmp_path: Path, damage: str) -> None:
    made = vectors(1000)
    rows, path = rows_of(made), tmp_path / "memory.hnsw"
    bank_of(store_of(rows), path).save(path)
    if damage == "ahead":
        rows = rows[:800]
    else:
        data = (tmp_path / damage).read_bytes()
        (tmp_path / damage).write_bytes(data[:300] + bytes([data[300] ^ 1]) + data[301:])
    bank = MemoryBank("test", first=FIRST, others=OTHERS)
    bank.load(KeptRows.of(rows), path)
    whole(bank)
    assert bank.state().size == len(rows)
    assert bank.nearest_pairs(made[5], 1) == ["6"]


def test_what_was_forgotten_stays_so_after_a_start(tmp_path: Path) -> None:
    made, path = vectors(1600), tmp_path / "memory.hnsw"
    rows = rows_of(made, ["rare" if at < 20 else "often" for at in range(1600)])
    bank = bank_of(store_of(rows, 900), path, at_most=1000)
    for row in rows[900:]:
        bank.add(row)
    whole(bank)
    bank.save(path)
    again = bank_of(store_of(rows), path, at_most=1000)
    assert (again.state().size, again.state().forgotten) == (bank.state().size, bank.state().forgotten)
    before, after = bank._graphs, again._graphs
    assert before is not None
    assert after is not None
    hidden = [(one.number, one.size, one.hidden) for one in before.segments]
    assert [(one.number, one.size, one.hidden) for one in after.segments] == hidden
    assert any(count for *_, count in hidden), "a part of a graph is forgotten"
    for query in vectors(30, seed=2):
        assert again.nearest(query, 5) == bank.nearest(query, 5)
    fewer = bank_of(store_of(rows), path, at_most=600)
    assert (fewer.state().size, fewer.state().forgotten) == (600, 1000)


def test_a_bank_that_may_hold_fewer_writes_what_it_then_holds(tmp_path: Path) -> None:
    rows, path = rows_of(vectors(2400)), tmp_path / "memory.hnsw"
    bank_of(store_of(rows), path, at_most=4800).save(path)
    fewer = bank_of(store_of(rows), path, at_most=2399)
    fewer.save(path)
    again = bank_of(store_of(rows), path, at_most=2399)
    assert [again.nearest_pairs(row.embedding, 1) for row in rows[-20:]] == [[row.pair] for row in rows[-20:]]
    assert "1" not in again.nearest_pairs(rows[0].embedding, 5)
    assert again.state().size == fewer.state().size


@pytest.mark.parametrize("count", [FIRST, 1500])
def test_files_of_a_store_with_as_many_other_instructions_are_not_taken(tmp_path: Path, count: int) -> None:
    path, ours = tmp_path / "memory.hnsw", vectors(count, seed=2)
    bank_of(store_of(rows_of(vectors(count))), path).save(path)
    bank = bank_of(store_of(rows_of(ours)), path)
    assert bank.nearest_pairs(ours[-1], 1) == [str(count)]
    assert bank.nearest(ours[-1], 1)[0].similarity > 0.999


@pytest.mark.parametrize("count", [FIRST - 50, 1300])
def test_files_that_cannot_be_written_are_told_and_nothing_else_ends(tmp_path: Path, count: int) -> None:
    rows, path = rows_of(vectors(count + 700)), tmp_path / "memory.hnsw"
    bank = bank_of(store_of(rows, count), path)
    for name in ("memory.new", "memory.hnsw.3-600.codes.new"):
        (tmp_path / name).mkdir()
    bank.save_soon(path)
    for row in rows[count : count + 700 * (count > FIRST)]:
        bank.add(row)
    whole(bank)
    assert "Error: " in bank.not_written
    bank.save(path)
    assert "Error: " in bank.not_written
    for name in ("memory.new", "memory.hnsw.3-600.codes.new"):
        (tmp_path / name).rmdir()
    bank.save(path)
    assert not bank.not_written


def test_what_stays_of_the_oldest_is_there_after_a_kill(tmp_path: Path) -> None:
    made, path = vectors(1300), tmp_path / "memory.hnsw"
    rows = rows_of(made, ["rare" if at < 150 else "often" for at in range(1300)])
    bank = bank_of(store_of(rows, 900), path, at_most=1001)
    for row in rows[900:1003]:
        bank.add(row)
    whole(bank).save_soon(path)
    assert whole(bank).state().forgotten
    killed = bank_of(store_of(rows, 1003), path, at_most=1001)
    assert bank.nearest_pairs(made[140], 1) == killed.nearest_pairs(made[140], 1) == ["rare"]
    assert killed.state() == bank.state()


@pytest.mark.parametrize("finds_all", [True, False])
def test_a_bank_that_finds_all_holds_every_one_that_waits(finds_all: bool) -> None:
    rows = rows_of(vectors(WAITING + 400))
    bank = MemoryBank("test", first=FIRST, others=OTHERS, finds_all=finds_all)
    bank.load(store_of(rows, FIRST))
    with bank._news:  # Nothing enters a graph meanwhile.
        for row in rows[FIRST:]:
            bank.add(row)
        waits = [row.pair for row in rows[FIRST + 1 :]]
        asked = rows[0].embedding
        assert ({found.arm for found in bank._waiting.similar(asked, None)} >= set(waits)) == finds_all
        assert ({found.arm for found in bank._newest(asked)} >= set(waits)) == finds_all
    whole(bank)
