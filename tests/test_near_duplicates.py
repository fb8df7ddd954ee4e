"""Near duplicates: what a signature is, how well it estimates, and what the index finds."""

from __future__ import annotations

import hashlib
import random

import pytest

from star_agents.admission.near_duplicates import SCHEME, NearDuplicates, signature, signed_instruction
from star_agents.text.minhash import VALUES, Signature

TEXT = "The quick brown fox jumps over the lazy dog, and then it sleeps until the evening comes and the owls call."


def words(count: int, chance: random.Random) -> list[str]:
    return [f"w{chance.randrange(10**9)}" for _ in range(count)]


def pair_of(jaccard: float, chance: random.Random, count: int = 300) -> tuple[str, str]:
    """Two texts whose sets of 5-grams overlap so: the second goes on with other words after a common beginning."""
    grams = count - 4
    shared = round(2 * grams * jaccard / (1 + jaccard))
    first = words(count, chance)
    return " ".join(first), " ".join(first[: shared + 4] + words(grams - shared, chance))


def similarity(first: Signature, second: Signature) -> float:
    return first.similarities([second.values])[0]


def test_a_signature_is_pinned_since_it_will_be_kept() -> None:
    """Another value here means other signatures: then SCHEME must say so, and kept ones are made again."""
    made = signature(TEXT)
    assert len(made.values) == 4 * VALUES
    assert SCHEME == "r-minhash 2, 128 values, 12 bands of 4, 5 words, 2 below 33, text 1"
    assert hashlib.sha256(made.values).hexdigest()[:16] == "08279fdce3d9af27"
    assert made.bands[:2] == [6287394769994870314, -6629905743629754411]


def test_case_punctuation_and_width_make_no_difference_and_order_does() -> None:
    assert signature(TEXT.upper().replace(",", " —")) == signature(TEXT)
    assert signature("ｆｕｌｌ width letters are the same") == signature("full width letters are the same")
    assert similarity(signature(TEXT), signature(" ".join(reversed(TEXT.split())))) < 0.1


@pytest.mark.parametrize("text", ["", "!!!", "one", "one two three four", "\ud800"])
def test_a_short_text_repeats_only_itself(text: str) -> None:
    assert similarity(signature(text), signature(text)) == 1
    assert similarity(signature(text), signature(text + "?five six")) < 0.1


def test_a_language_without_spaces_is_read_by_characters() -> None:
    said = "空が昼は青く、夕方は赤く見える理由を二つの文で詳しく説明してください。"
    assert similarity(signature(said), signature(said.replace("詳しく", ""))) > 0.5
    assert similarity(signature(said), signature("今日は朝から雨が降っていて、午後には雪に変わるそうです。")) < 0.1


@pytest.mark.parametrize("jaccard", [0.3, 0.5, 0.7, 0.9])
def test_the_estimate_is_right_on_average_and_within_its_error(jaccard: float) -> None:
    chance = random.Random(1)
    found = [similarity(*map(signature, pair_of(jaccard, chance))) for _ in range(100)]
    assert sum(found) / len(found) == pytest.approx(jaccard, abs=0.015)
    assert all(abs(one - jaccard) < 4 * 0.044 for one in found)


def test_the_index_finds_planted_duplicates_and_nothing_else() -> None:
    chance = random.Random(2)
    index = NearDuplicates[int]()
    pairs = [pair_of(0.8, chance) for _ in range(400)]
    for number, (first, _) in enumerate(pairs):
        assert index.find(signature(first), 0.7) is None
        index.add(number, signature(first))
    found = [index.find(signature(second), 0.7) for _, second in pairs]
    assert sum(one == number for number, one in enumerate(found)) >= 0.98 * len(pairs)
    assert all(one in (None, number) for number, one in enumerate(found))
    assert all(index.find(signature(pair_of(0.5, chance)[1]), 0.7) is None for _ in range(100))


def test_of_several_duplicates_the_most_similar_one_is_named() -> None:
    index = NearDuplicates[str]()
    index.add("near", signature(TEXT + " And so the day ends."))
    index.add("same", signature(TEXT))
    assert index.find(signature(TEXT), 0.5) == "same"
    assert len(index) == 2


def test_an_instruction_with_a_small_edit_repeats_and_one_about_something_else_does_not() -> None:
    said = "Write a short story of a lighthouse keeper who finds a letter in a bottle."
    edited = "Please write a short story of the lighthouse keeper who finds a letter in a bottle"
    other = "Write a short story of a train driver who loses a parcel in a tunnel."
    one = signed_instruction(said).kept
    assert similarity(one, signed_instruction(edited).kept) > 0.7
    assert similarity(one, signed_instruction(other).kept) < 0.6
    assert similarity(signature(said), signature(edited)) < 0.6, "by 5-grams it would pass for another one"


def test_the_same_instruction_with_another_text_shares_no_band() -> None:
    one, same, other = (
        signed_instruction("Sum up the text in one sentence.", [about]).kept
        for about in ("Bees make honey.", "bees  make HONEY", "The river is long.")
    )
    assert one == same
    assert not set(one.bands) & set(other.bands)


@pytest.mark.parametrize(("fewer", "more"), [(31, 34), (32, 33), (30, 40)])
def test_two_instructions_on_both_sides_of_the_border_are_found_by_each_other(fewer: int, more: int) -> None:
    said = words(fewer, random.Random(3))
    short = signed_instruction(" ".join(said))
    long = signed_instruction(" ".join([*said, *words(more - fewer, random.Random(4))]))
    for kept, seeker in ((short, long), (long, short)):
        met = [one for one in seeker.sought if set(one.bands) & set(kept.kept.bands)]
        assert len(met) == 1
        assert met[0].similarities([kept.kept.values])[0] > 0.6
    assert len(signed_instruction("Name three rivers.").sought) == 1
