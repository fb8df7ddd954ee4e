"""Running sums agree with the store at every moment, and what `status` makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from budget_limits import dollars
from storage_samples import intent, keeping, make_dropped, make_outcome, make_reply, make_seed, seen

from star_agents.agents.budgets import Budgets, Charge
from star_agents.config.reading import parse_config
from star_agents.engine.accounts import Accounts, budgets_of, restore_budgets
from star_agents.engine.status import describe
from star_agents.events import CallAnswered, OutcomeCommitted, SeedsAdded
from star_agents.records import Outcome, Reply, Seed
from star_agents.storage.reader import StoreReader
from star_agents.storage.rows import Counts, PairCost, Spend, Taken, usd_or_none
from star_agents.storage.store import Store
from star_agents.storage.tallies import Tallies
from star_agents.text.figures import usd_each, usd_sum


class Working:
    """A store that is worked on, and the accounts that hear of it."""

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self.store = store
        self.accounts = accounts

    async def add(self, seeds: Sequence[Seed]) -> None:
        new, duplicates = await self.store.add_seeds(seeds)
        self.accounts.hear(SeedsAdded(source="test", new=new, duplicates=duplicates))

    async def call(self, key: str, agent: str, cost_usd: float | None) -> None:
        reply = make_reply(agent=agent, cost_usd=cost_usd)
        await self.store.intend([intent(key, agent=agent)])
        await self.store.record_answers([(key, reply)])
        for from_journal in (False, True):
            self.accounts.hear(answered(reply, from_journal=from_journal))

    async def end(self, outcome: Outcome) -> None:
        committed = await self.store.commit_outcome(outcome, foresee=keeping({}), memory=None, revision=1)
        new = committed.new_children
        self.accounts.hear(
            OutcomeCommitted(seq=committed.seq, outcome=outcome, probabilities={}, seconds=1.0, new_children=new)
        )

    async def agree(self) -> None:
        store, accounts = self.store, self.accounts
        assert accounts.counts(await store.open_work()) == await store.counts()
        assert accounts.spend() == {
            agent: spent for agent, spent in seen(store, StoreReader.spend).items() if spent.calls
        }
        assert accounts.pair_costs() == await store.pair_costs()


def answered(reply: Reply, *, from_journal: bool) -> CallAnswered:
    return CallAnswered(
        seed_id="s",
        step="respond",
        agent=reply.agent,
        model=reply.model,
        seconds=0.0,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        cost_usd=reply.cost_usd,
        from_journal=from_journal,
    )


async def test_the_sums_agree_with_the_store_from_an_empty_one_on_and_after_a_restart(tmp_path: Path) -> None:
    seeds = [make_seed(number) for number in range(9)]
    for restart in range(3):
        async with await Store.open(tmp_path) as store:
            if restart == 2:
                await store.requeue_dropped()
            working = Working(store, await Accounts.of(store))
            await working.agree()
            await working.add(seeds[: 3 * (restart + 1)])
            for seed in await store.lease(3):
                await working.agree()
                await working.call(f"{restart} {seed.id} a", "a", 0.5)
                await working.call(f"{restart} {seed.id} b", "b", None)
                await working.end(make_dropped(seed) if restart == 1 else make_outcome(seed))
            await working.agree()


async def test_children_that_are_queued_are_in_the_sums_and_those_that_were_seeds_already_are_not(
    tmp_path: Path,
) -> None:
    async with await Store.open(tmp_path) as store:
        working = Working(store, await Accounts.of(store))
        await working.add([make_seed(1), make_seed(2)])
        for seed in await store.lease(2):
            children = tuple(seed.child(make_seed(n).sample, recipe="next", kind="sample") for n in (7, 8))
            await working.end(Outcome(seed_id=seed.id, kind="kept", recipe="mine", children=children))
            await working.agree()
        assert working.accounts.counts(await store.open_work()).waiting == 2


COUNTS = Counts(
    waiting=1,
    working=0,
    kept=2,
    base=1,
    dropped=1,
    calls_answered=9,
    calls_pending=0,
    calls_maybe_paid=0,
    prompt_tokens=90,
    completion_tokens=9,
    cost_usd=1.5,
    calls_of_unknown_price=4,
)


def test_status_divides_what_is_known_by_kept_samples_and_shows_what_is_not_known_beside_it() -> None:
    budgets = Budgets(dollars(2.0))
    budgets.settle(budgets.reserve("a", Charge(1.5)), Charge(1.5))
    pairs = [
        PairCost(pair="keep/a", candidates=4, wins=2, cost_usd=1.0, unknown_cost=1),
        PairCost(pair="keep/b", candidates=4, wins=0, cost_usd=None, unknown_cost=4),
    ]
    told = describe(COUNTS, {"a": Spend(1.5, 9, 4)}, pairs, budgets.states(), {"keep/a": 1.0}, Tallies()).to_dict()
    assert told["cost"] == {
        "usd": 1.5,
        "calls_of_unknown_price": 4,
        "usd_per_sample": 0.5,
        "usd_per_improved": 0.75,
        "projected_usd": 1.875,
    }
    money = {"calls": 9, "usd": 1.5, "calls_of_unknown_price": 4, "usd_per_call": 0.3}
    assert money.items() <= told["agents"]["a"].items()
    assert told["pair_costs"]["keep/a"] == {
        "candidates": 4,
        "wins": 2,
        "usd": 1.0,
        "candidates_of_unknown_cost": 1,
        "usd_per_win": 0.5,
    }
    assert told["pair_costs"]["keep/b"]["usd"] is told["pair_costs"]["keep/b"]["usd_per_win"] is None
    (budget,) = told["budgets"]
    assert (budget["key"], budget["limit"], budget["spent"]) == ("budget_usd", 2.0, 1.5)


def test_budgets_of_agents_yaml_begin_with_what_a_store_has_spent_and_risked() -> None:
    config = parse_config(
        "agents: {a: {model: offline/tutor, budget_usd: 2, budget_usd_per_day: 1, budget_calls: 5}}\n"
        "selection: random\nbudget_usd: 4\nbudget_usd_per_day: 3\nbudget_tokens_per_day: 90"
    )
    budgets = budgets_of(config, clock=lambda: 86_400.0 * 7.5)
    spent, today = Taken(usd=0.75, calls=2, tokens=30), Taken(usd=0.25, calls=1, tokens=20)
    restore_budgets(budgets, {"a": spent}, {"a": today}, day_began=budgets.day_began())
    assert [(state.key, state.limit, state.spent) for state in budgets.states()] == [
        ("budget_usd", 4.0, 0.75),
        ("budget_usd_per_day", 3.0, 0.25),
        ("budget_tokens_per_day", 90, 20),
        ("agents.a.budget_usd", 2.0, 0.75),
        ("agents.a.budget_usd_per_day", 1.0, 0.25),
        ("agents.a.budget_calls", 5, 2),
    ]


def test_a_sum_of_nothing_but_unknown_prices_is_shown_as_unknown_and_small_shares_keep_their_digits() -> None:
    sums = [
        usd_sum(usd_or_none(0.0, 0), 0),
        usd_sum(usd_or_none(0.0, 3), 3),
        usd_sum(usd_or_none(0.0123, 7), 7),
    ]
    assert sums == ["$0.0000", "unknown", "$0.0123 and 7 calls of unknown price"]
    assert [usd_each(None), usd_each(0.0), usd_each(0.000123), usd_each(1.5)] == ["-", "$0.0000", "$0.00012", "$1.5000"]
    assert usd_each(None, 1) == "unknown"
