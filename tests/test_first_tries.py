"""A pair that joins a line at work gets its first tries, whatever the memory bank draws; else nothing changes."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from storage_samples import make_outcome, make_seed

from star_agents.config.models import Config
from star_agents.config.reading import parse_config
from star_agents.records import AgentPair, Draw
from star_agents.scheduling.draw import FIRST_TRIES, draw_pairs
from star_agents.scheduling.memory import KeptRows, MemoryBank, Remembered, as_vector
from star_agents.scheduling.policies import PaperPolicy
from star_agents.scheduling.scheduler import Scheduler

HERE = as_vector([1.0, 0.0])


def config(agents: str, *, candidates: int = 4, draws: int = 4, more: str = "") -> Config:
    named = ", ".join(f"{name}: {{model: x/y}}" for name in agents)
    pairs = ", ".join(f"{{instruction: keep, response: {name}}}" for name in agents)
    return parse_config(
        f"agents: {{{named}}}\npairs: [{pairs}]\nselection: gap\ncandidates: {candidates}\n"
        f"memory: {{neighbours: 20, draws: {draws}, embedder: hashing}}\n"
        # A rate as of a daemon that has learned for long: whatever leads holds nearly all of the probability.
        "evolution: {rate: 0.5, floor: 0}\n" + more
    )


def scheduler(settings: Config) -> Scheduler:
    """One whose bank knows wins of the first four pairs, right here."""
    bank = MemoryBank("hashing")
    names = [pair.name for pair in settings.pool][:4]
    bank.load(KeptRows.of([Remembered(seq=n + 1, pair=names[n % 4], pi=1.0, embedding=HERE) for n in range(20)]))
    return Scheduler(settings, bank=bank)


def draw(one: Scheduler, numbers: Sequence[int], down: Sequence[str] = ()) -> list[Draw]:
    return [one.draw(make_seed(number), HERE, down) for number in numbers]


def tries(draws: Sequence[Draw]) -> Counter[str]:
    return Counter(pair.name for one in draws for pair in one.sampled)


@pytest.mark.parametrize(("candidates", "draws"), [(4, 4), (4, 9), (4, 2), (1, 1), (2, 0)])
def test_a_pair_added_live_gets_its_first_tries_even_where_the_bank_fills_the_draws(
    candidates: int, draws: int
) -> None:
    one = scheduler(config("abcd", candidates=candidates, draws=draws))
    assert one.state().keys() == {"policy", "weights"}
    draw(one, range(30))
    one.reconfigure(config("abcdn", candidates=candidates, draws=draws))
    after = draw(one, range(100, 100 + FIRST_TRIES))
    assert tries(after)["keep/n"] == FIRST_TRIES
    assert {len(set(each.sampled)) for each in after} == {candidates}
    assert one.state().keys() == {"policy", "weights"}
    if draws >= candidates:
        assert tries(draw(one, range(200, 260)))["keep/n"] == 0, "the bank fills the draws again"


def test_several_new_pairs_take_turns_and_one_draw_of_a_seed_is_theirs() -> None:
    one = scheduler(config("abcd"))
    one.reconfigure(config("abcdnm"))
    after = draw(one, range(2 * FIRST_TRIES))
    assert [tries(after)[name] for name in ("keep/n", "keep/m")] == [FIRST_TRIES, FIRST_TRIES]
    assert {sum(pair.response in "nm" for pair in each.sampled) for each in after} == {1}
    assert {each.from_memory for each in after} == {3}
    assert all(pair.response in "abcd" for each in after for pair in each.sampled[:3]), "the bank's stand first"


def test_a_new_pair_whose_agent_is_down_keeps_its_tries_for_later() -> None:
    one = scheduler(config("abcd"))
    one.reconfigure(config("abcdn"))
    assert tries(draw(one, range(20), down=["n"]))["keep/n"] == 0
    assert tries(draw(one, range(30, 30 + FIRST_TRIES)))["keep/n"] == FIRST_TRIES


def test_first_tries_survive_a_restart_and_a_pair_added_while_it_was_down_is_new() -> None:
    one = scheduler(config("abcd"))
    one.reconfigure(config("abcdn"))
    draw(one, range(3))
    kept = json.loads(json.dumps(one.foresee(make_outcome(make_seed(1)).earned)))
    again = scheduler(config("abcdnm"))
    again.restore(kept)
    after = tries(draw(again, range(10, 10 + 3 * FIRST_TRIES)))
    assert (after["keep/n"], after["keep/m"]) == (FIRST_TRIES - 3, FIRST_TRIES)


def test_a_pair_that_leaves_is_owed_nothing_and_one_that_comes_back_is_new() -> None:
    one = scheduler(config("abcd"))
    one.reconfigure(config("abcdn"))
    one.reconfigure(config("abcd"))
    assert "first_tries" not in one.state()
    one.reconfigure(config("abcdn"))
    assert one.state()["first_tries"] == {"keep/n": FIRST_TRIES}


def test_learning_does_not_bring_back_tries_that_were_had_meanwhile() -> None:
    one = scheduler(config("abcd"))
    one.reconfigure(config("abcdn"))
    state = one.foresee(make_outcome(make_seed(1)).earned)
    draw(one, range(4))
    one.learn(state, None)
    assert one.state()["first_tries"] == {"keep/n": FIRST_TRIES - 4}


def test_without_a_new_pair_chance_is_used_as_if_there_were_no_first_tries() -> None:
    names = [f"keep/{letter}" for letter in "abcdefgh"]
    policy = PaperPolicy(names, rate=0.05)
    policy.observe([("keep/c", 1.0), ("keep/a", 0.5)])
    for number in range(200):
        plain, mine = random.Random(number), random.Random(number)
        first = policy.draw(2, plain, ["keep/c", "keep/b"])
        rest = policy.draw(2, plain, [name for name in names if name not in first])
        drawn = draw_pairs(
            policy, ["keep/c", "keep/b"], base=(), candidates=4, from_memory=2, rng=mine, owed={"keep/x": 3}
        )
        assert drawn.sampled == tuple(AgentPair.from_name(name) for name in (*first, *rest))
        assert plain.getstate() == mine.getstate()
