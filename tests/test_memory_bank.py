from __future__ import annotations

import random
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from star_agents.scheduling.hashing_embedder import DIMENSION, embed_by_hashing
from star_agents.scheduling.memory import KeptRows, MemoryBank, Remembered, as_vector


def remembered(count: int, dimension: int = 16) -> list[Remembered]:
    rng = random.Random(count)
    return [
        Remembered(
            seq=2 * number + 1,
            pair=f"keep/{number % 5}",
            pi=0.5,
            embedding=as_vector([rng.gauss(0, 1) for _ in range(dimension)]),
        )
        for number in range(count)
    ]


def bank_of(rows: list[Remembered]) -> MemoryBank:
    bank = MemoryBank("test")
    bank.load(KeptRows.of(rows))
    return bank


def test_an_empty_bank_remembers_nothing() -> None:
    assert MemoryBank("test").nearest_pairs(as_vector([1.0, 0.0]), 5) == []


def test_the_nearest_instruction_comes_first() -> None:
    rows = remembered(300)
    bank = bank_of(rows)
    for row in rows[::37]:
        exact = max(rows, key=lambda other: float(other.embedding @ row.embedding))
        assert bank.nearest_pairs(row.embedding, 5)[0] == exact.pair


def test_asking_for_more_neighbours_than_there_are_gives_all() -> None:
    assert len(bank_of(remembered(3)).nearest_pairs(as_vector([1.0] * 16), 50)) == 3


def test_instructions_that_are_all_alike_are_found_as_far_as_the_search_reaches() -> None:
    alike = as_vector([1.0, 2.0, 3.0, 4.0])
    rows = [Remembered(seq=seq, pair="keep/a", pi=0.5, embedding=alike) for seq in range(1, 3001)]
    bank = bank_of(rows)
    assert bank.nearest_pairs(alike, 5) == ["keep/a"] * 5
    assert set(bank.nearest_pairs(alike, len(rows))) == {"keep/a"}


def test_the_bank_grows_beyond_its_first_capacity() -> None:
    bank = bank_of(remembered(2500, dimension=4))
    assert len(bank) == 2500
    assert len(bank.nearest_pairs(as_vector([1.0, 2.0, 3.0, 4.0]), 7)) == 7


def test_a_vector_of_another_dimension_is_left_out_and_finds_nothing() -> None:
    bank = bank_of(remembered(5))
    bank.add(Remembered(seq=99, pair="keep/x", pi=1.0, embedding=as_vector([1.0, 0.0])))
    assert len(bank) == 5
    assert bank.nearest_pairs(as_vector([1.0, 0.0]), 3) == []


def test_a_saved_index_answers_like_the_bank_it_was_saved_from(tmp_path: Path) -> None:
    rows = remembered(200)
    bank = bank_of(rows)
    bank.save(tmp_path / "memory.hnsw")
    loaded = MemoryBank("test")
    loaded.load(KeptRows.of(rows), tmp_path / "memory.hnsw")
    for row in rows[::11]:
        assert loaded.nearest_pairs(row.embedding, 5) == bank.nearest_pairs(row.embedding, 5)


def test_an_index_that_is_behind_is_completed_from_the_rows(tmp_path: Path) -> None:
    rows = remembered(120)
    bank_of(rows[:100]).save(tmp_path / "memory.hnsw")
    bank = MemoryBank("test")
    bank.load(KeptRows.of(rows), tmp_path / "memory.hnsw")
    assert len(bank) == 120
    assert bank.nearest_pairs(rows[-1].embedding, 1) == [rows[-1].pair]


@pytest.mark.parametrize("damage", ["cut", "flipped", "no facts", "garbage facts", "ahead", "another embedder"])
def test_a_torn_or_foreign_index_is_rebuilt_from_the_rows(tmp_path: Path, damage: str) -> None:
    rows = remembered(80)
    path, facts = tmp_path / "memory.hnsw", tmp_path / "memory.hnsw.json"
    bank_of(rows).save(path)
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        path.write_bytes(data[:500] + bytes([data[500] ^ 0xFF]) + data[501:])
    elif damage == "no facts":
        facts.unlink()
    elif damage == "garbage facts":
        facts.write_text("{}", encoding="utf-8")
    kept = rows[:60] if damage == "ahead" else rows
    bank = MemoryBank("other" if damage == "another embedder" else "test")
    bank.load(KeptRows.of(kept), path)
    assert len(bank) == len(kept)
    assert bank.nearest_pairs(kept[3].embedding, 1) == [kept[3].pair]


def test_hashed_embeddings_are_unit_vectors_and_alike_for_alike_texts() -> None:
    sort, sorting, poem = map(embed_by_hashing, ("sort these numbers: 3 1 2", "sort the numbers 9 4", "write a poem"))
    assert sort.shape == (DIMENSION,)
    assert float(np.linalg.norm(sort)) == pytest.approx(1)
    assert float(sort @ sorting) > float(sort @ poem)


@pytest.mark.parametrize("text", ["", "!?", "\ud800", "日本語の指示"])
def test_any_text_has_a_hashed_embedding(text: str) -> None:
    assert float(np.linalg.norm(embed_by_hashing(text))) == pytest.approx(1)


def by_plain_counting(text: str) -> NDArray[np.float32]:
    """One feature after another, as the docstring says it."""
    vector = np.zeros(DIMENSION, dtype=np.float32)
    for word in re.findall(r"\w+", text.lower()):
        padded = f" {word} "
        for feature in (word, *(padded[start : start + 3] for start in range(len(padded) - 2))):
            bucket = zlib.crc32(feature.encode("utf-8", "surrogatepass"))
            vector[bucket % DIMENSION] += 1.0 if bucket & 0x8000_0000 else -1.0
    return vector / np.float32(np.linalg.norm(vector))


@pytest.mark.parametrize("text", ["How many?", "x " * 999, "ÄÖ ß ﬀ \ud800 日本語のテキスト", "a" * 500 + " b c b"])
def test_hashing_counts_every_word_and_trigram_to_the_last_bit(text: str) -> None:
    assert embed_by_hashing(text).tobytes() == by_plain_counting(text).tobytes()
