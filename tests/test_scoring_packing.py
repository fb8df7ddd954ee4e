"""Packs: what is planned into which, and where everything stands in one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from star_agents.scoring.encoding import Passage
from star_agents.scoring.packing import STEP, lay_out, padded_length, plan

passages = st.lists(
    st.tuples(
        st.lists(st.integers(0, 3), min_size=1, max_size=12), st.lists(st.integers(0, 9), min_size=1, max_size=20)
    ),
    min_size=1,
    max_size=30,
).map(lambda pairs: [Passage((*prompt, *response), len(prompt)) for prompt, response in pairs])


def answers(prompt: int, responses: int, length: int) -> list[Passage]:
    return [Passage((*range(prompt), *(number,) * length), prompt) for number in range(responses)]


@given(passages, st.integers(8, 200))
def test_every_passage_is_in_exactly_one_pack_within_the_budget(some: list[Passage], tokens: int) -> None:
    packs = plan(some, tokens)
    assert sorted(index for pack in packs for index in pack) == list(range(len(some)))
    assert all(len(pack) == 1 or lay_out([some[i] for i in pack]).tokens <= tokens for pack in packs)


@given(passages)
def test_a_token_sees_its_own_passage_up_to_itself_and_nothing_else(some: list[Passage]) -> None:
    layout = lay_out(some)
    sees: dict[int, list[int]] = {}
    for block in layout.blocks:
        context = list(range(block.context_begin, block.context_end))
        for row in range(block.begin, block.end):
            assert row not in sees
            sees[row] = [*context, *range(block.begin, row + 1)]
    counts = [passage.scored for passage in some]
    scored = [layout.scored[sum(counts[:i]) : sum(counts[: i + 1])] for i in range(len(some))]
    for passage, rows in zip(some, scored, strict=True):
        assert tuple(layout.ids[row] for row in sees[rows[-1]]) == passage.ids
        assert [layout.positions[row] for row in sees[rows[-1]]] == list(range(len(passage.ids)))
        assert layout.predicting[layout.scored.tolist().index(rows[0])] == sees[rows[0]][-2]


@given(passages)
def test_each_scored_token_is_predicted_by_the_row_before_it(some: list[Passage]) -> None:
    layout = lay_out(some)
    assert layout.ids[layout.scored].tolist() == layout.targets.tolist()
    for before, row in zip(layout.predicting, layout.scored, strict=True):
        assert layout.positions[before] == layout.positions[row] - 1


def test_a_long_prompt_stands_in_a_pack_once() -> None:
    some = answers(prompt=50, responses=4, length=10)
    layout = lay_out(some)
    assert layout.tokens == 50 + 4 * 10
    assert plan(some, 128) == [[0, 1, 2, 3]]


def test_a_short_prompt_is_not_worth_sharing() -> None:
    assert lay_out(answers(prompt=2, responses=4, length=50)).tokens == 4 * 52


def test_answers_that_do_not_fit_one_pack_share_their_prompt_in_several() -> None:
    packs = plan(answers(prompt=50, responses=6, length=30), 128)
    assert [len(pack) for pack in packs] == [2, 2, 2]


def test_a_passage_beyond_the_budget_goes_alone() -> None:
    packs = plan([Passage((1,) * 10, 1), Passage((2,) * 300, 1), Passage((3,) * 10, 1)], 128)
    assert packs == [[1], [0, 2]]


@pytest.mark.parametrize(("tokens", "length"), [(1, 16), (16, 16), (33, 64), (65, 128), (128, 128), (129, 256)])
def test_packs_have_few_lengths(tokens: int, length: int) -> None:
    assert padded_length(tokens) == length


@given(st.integers(1, 5000))
def test_a_pack_length_holds_its_tokens_and_wastes_less_than_a_step(tokens: int) -> None:
    assert tokens <= padded_length(tokens) < tokens + STEP
    assert len({padded_length(size) for size in range(1, 1025)}) == 3 + 1024 // STEP


def test_padding_repeats_a_token_that_is_there_anyway_and_no_block_sees_it() -> None:
    layout = lay_out([Passage((7, 8, 9), 1)])
    assert layout.ids.tolist() == [7, 8, 9, *(7,) * 13]
    assert max(block.end for block in layout.blocks) == layout.tokens == 3
