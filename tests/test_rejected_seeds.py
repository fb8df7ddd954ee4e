"""Whether a batch stops at 429s, or one seed is at fault."""

from __future__ import annotations

from star_agents.engine.rejected_seeds import RejectedSeeds


def test_two_seeds_in_a_row_are_the_providers_doing() -> None:
    seeds = RejectedSeeds()
    seeds.ended_well()
    assert [seeds.fate_of("a"), seeds.fate_of("b")] == ["again", "stop"]


def test_one_that_is_rejected_again_is_at_fault_where_others_ended_well() -> None:
    seeds = RejectedSeeds()
    seeds.ended_well()
    assert [seeds.fate_of("a"), seeds.fate_of("a")] == ["again", "dropped"]


def test_one_that_is_rejected_again_stops_a_batch_that_nobody_ended_well_in() -> None:
    seeds = RejectedSeeds()
    assert [seeds.fate_of("a"), seeds.fate_of("a")] == ["again", "stop"]


def test_a_seed_that_ends_well_gives_the_next_its_second_try() -> None:
    seeds = RejectedSeeds()
    assert seeds.fate_of("a") == "again"
    seeds.ended_well()
    assert seeds.fate_of("b") == "again"
