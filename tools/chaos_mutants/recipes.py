"""What a recipe of somebody's own is promised, each promise switched off: rows, children, rewards, pools, tallies,
recorded decisions and prompts, and what an outcome has to keep to."""

from __future__ import annotations

from chaos_mutants.edits import Edit
from chaos_mutants.patches import Mutant
from chaos_mutants.safeguards import TestedMutant

_STORE, _LEDGER = "star_agents/storage/store.py", "star_agents/storage/ledger.py"
_DUE, _BENCH = "star_agents/storage/rewards_due.py", "star_agents/bench/bench.py"
_RULES, _STAGES = "star_agents/engine/outcome_rules.py", "star_agents/engine/stages.py"
_CALLS, _SQL = "star_agents/bench/paid_calls.py", "star_agents/storage/queries.sql"
_UPGRADE, _GATHERING = "star_agents/storage/upgrading.py", "star_agents/bench/gathering.py"

_COMMIT = "        return await self._writer.run(commit)\n"
_PARTS = "    add_parts(connection, outcome, seq)\n"
_CHILDREN = (
    "    is_new = {one.id: one.id not in refused and _add_seed(connection, one, at) for one in outcome.children}\n"
)
_TALLIES = (
    "    tallies.add_outcome(connection, outcome, seq, lineage, completed=completed, new_children=children, "
    "sums=gathered)\n"
)
_POOLS = "        _save_pool(connection, pool, state, revision)\n        curve.add_outcome_point"
_LATER = "LATER: list[Callable[[sqlite3.Connection], object]] = []\n\n\ndef set_fact("
"""What is left for a transaction of its own."""


def _apart(name: str, what: str, text: str, later: str, sign: str) -> Mutant:
    """What follows from an outcome, written in a transaction after it."""
    return Mutant(
        name=name,
        promise=f"{what} are written in the transaction of their outcome",
        edits=[
            Edit(_LEDGER, "def set_fact(", _LATER),
            Edit(_LEDGER, text, later),
            Edit(
                _STORE,
                _COMMIT,
                "        committed = await self._writer.run(commit)\n"
                "        for late in [ledger.LATER.pop() for _ in range(len(ledger.LATER))]:\n"
                "            await self._writer.run(late)\n"
                "        return committed\n",
            ),
        ],
        loop="chain-store",
        rounds=60,
        sign=sign,
    )


def _due(name: str, promise: str, text: str, replacement: str) -> Mutant:
    return Mutant(
        name=name,
        promise=promise,
        edits=[Edit(_DUE, text, replacement)],
        loop="chain-store",
        rounds=40,
        sign="rewards due differ|tallies differ|is .*, and a replay is",
    )


def _tested(name: str, promise: str, test: str, file: str, text: str, replacement: str) -> TestedMutant:
    return TestedMutant(name=name, promise=promise, edits=[Edit(file, text, replacement)], test=test)


RECIPE_MUTANTS = (
    _apart(
        "rows-with-their-outcome",
        "rows",
        _PARTS,
        "    LATER.append(lambda connection: add_parts(connection, outcome, seq))\n",
        "^outcome [0-9]+ of .* is .*, and not ",
    ),
    _apart(
        "children-with-their-parent",
        "children",
        _CHILDREN,
        "    is_new = {one.id: not execute(connection, 'has_seed', id=one.id).fetchone() for one in outcome.children}\n"
        "    LATER.append(lambda connection: [_add_seed(connection, child, at) for child in outcome.children])\n",
        "^the child .* is lost",
    ),
    _apart(
        "tallies-with-their-outcome",
        "tallies",
        _TALLIES,
        "    late = Sums()\n"
        "    LATER.append(lambda connection: (tallies.add_outcome(\n"
        "        connection, outcome, seq, lineage, completed=completed, new_children=children, sums=late),\n"
        "        late.write(connection, at=at)))\n",
        "^[0-9]+ tallies differ",
    ),
    _apart(
        "pools-with-their-outcome",
        "the states of all pools",
        _POOLS,
        "        LATER.append(lambda later, pool=pool, state=state: _save_pool(later, pool, state, revision))\n"
        "        curve.add_outcome_point",
        "^pool .* is .*, and a replay is|^pool .* rewarded it",
    ),
    _due(
        "a-child-that-was-a-seed-already",
        "a child that was a seed already is worth nothing to who drew for it",
        "found = [reward for child in outcome.children if not is_new[child.id] for reward in _lost(connection, child)]",
        "found: list[Reward] = []",
    ),
    _due(
        "one-reward-for-one-draw",
        "a draw is rewarded once, when all of its children were heard of",
        "    if heard < children:\n",
        "    if not heard:\n",
    ),
    _due(
        "the-mean-over-children",
        "a draw is rewarded with the mean over the children of which it is known what they are worth",
        "mean = earned / known if known else None",
        "mean = earned / heard if known else None",
    ),
    _due(
        "a-child-that-was-dropped",
        "a child that was dropped is worth nothing, and heard of",
        '    worth = 0.0 if outcome.kind == "dropped" else outcome.worth\n',
        "    worth = outcome.worth\n",
    ),
    Mutant(
        name="only-new-children-count",
        promise="children that were seeds already are not counted as queued",
        edits=[
            Edit(
                _LEDGER,
                "lineage, completed=completed, new_children=children, sums=gathered)\n",
                "lineage, completed=completed, new_children=len(is_new), sums=gathered)\n",
            )
        ],
        loop="chain-store",
        rounds=40,
        sign="tallies differ: \\('recipes.children'",
    ),
    Mutant(
        name="decisions-are-recorded",
        promise="what a recipe decides by chance is recorded before anybody hears of it",
        edits=[
            Edit(
                _BENCH,
                'recorded = await store.record_step(self.seed.id, step, {"value": redactor.known_in(made)})',
                'recorded = {"value": made}',
            )
        ],
        loop="chain-daemon",
        rounds=2,
        sign="not every decision behind it is recorded",
    ),
)

_FRESH = (
    "test_own_recipe.py::"
    "test_a_recipe_that_asks_something_else_under_a_step_is_told_and_the_old_answer_is_not_taken_for_the_new"
)
_OUTCOME = (
    "test_own_recipe_faults.py::"
    "test_an_outcome_that_could_not_be_written_or_read_drops_its_seed_and_says_what_is_wrong_with_it"
)
_ARMS = "test_recipe_tallies.py::test_an_arm_that_a_pool_does_not_have_is_no_reward_and_no_label"

RECIPE_TESTED_MUTANTS = (
    _tested(
        "a-later-outcome-takes-the-place-of-the-earlier",
        "an outcome that adds to an earlier one is counted by label in its place, not beside it",
        "test_label_tallies.py::"
        "test_what_a_target_lost_by_category_is_a_count_by_hand_also_once_a_newcomer_has_caught_up",
        "star_agents/storage/label_tallies.py",
        "[(*old, -1), (*new, 1)]",
        "[(*new, 1)]",
    ),
    _tested(
        "labels-have-so-many-values",
        "what may stand in a column is counted under a bounded number of names",
        "test_label_tallies.py::"
        "test_values_beyond_the_most_are_counted_together_and_a_column_that_holds_no_text_is_no_label",
        "star_agents/storage/label_tallies.py",
        "label=label).fetchone()[0] < MOST_VALUES:",
        "label=label).fetchone()[0] >= 0:",
    ),
    _tested(
        "another-prompt-is-named",
        "a replay that asks another prompt under a recorded step is told",
        _FRESH,
        _CALLS,
        "if is_only_call_of_step and await self._store.answered_otherwise(intents[0]):",
        "if False:",
    ),
    _tested(
        "another-prompt-is-not-mixed",
        "a replay that asks another prompt under a recorded step gets no old answer for it",
        _FRESH,
        _CALLS,
        "name = [self._seed_id, step, agent, told, parameters]",
        "name = [self._seed_id, step, agent, parameters]",
    ),
    _tested(
        "one-prompt-for-one-step",
        "two prompts under one step are a fault of the recipe",
        "test_own_recipe.py::test_two_prompts_under_one_step_are_a_fault_of_the_recipe",
        _BENCH,
        "if self._asked.setdefault(call, asked) != asked:",
        "if False:",
    ),
    _tested(
        "tool-results-are-recorded",
        "what a tool gave is recorded, so that a killed run does not run it again",
        "test_tool_rounds.py::test_killed_in_the_midst_of_its_rounds_a_seed_pays_for_no_turn_and_runs_no_tool_again",
        "star_agents/bench/tool_rounds.py",
        "else await self._recorded(name, run)",
        "else await run()",
    ),
    _tested(
        "tool-rounds-end",
        "an agent that calls tools without end is ended",
        "test_tool_rounds.py::test_an_agent_that_calls_without_end_fails_with_the_reason_and_what_it_cost",
        "star_agents/bench/tool_rounds.py",
        "if self._rounds == self._most:",
        "if self._rounds == self._most + 1:",
    ),
    _tested(
        "python-is-shut-in",
        "a model's code is refused every system call that it was not given",
        "test_sandbox.py::test_code_cannot",
        "star_agents/tools/sandbox_child.py",
        "steps.append((_RETURN, 0, 0, _REFUSE))",
        "steps.append((_RETURN, 0, 0, _ALLOW))",
    ),
    _tested(
        "siblings-go-on",
        "a job whose siblings are paid for waits for them before its fault is told",
        "test_own_recipe_faults.py::test_a_fault_in_one_job_waits_for_its_siblings_whose_answers_are_paid_for",
        _GATHERING,
        "            faults.append(error)\n",
        "            raise\n",
    ),
    _tested(
        "rows-that-can-be-read",
        "a row to fine-tune on has a response",
        _OUTCOME,
        _RULES,
        'if row.shape == "sft" and not sample.is_answered:',
        "if False:",
    ),
    _tested(
        "rows-from-trials-that-there-are",
        "a row comes from trials of its own outcome",
        _OUTCOME,
        _RULES,
        "if type(place) is not int or not 0 <= place < trials:",
        "if False:",
    ),
    _tested(
        "numbers-that-can-be-added",
        "what a recipe measures, earns and is worth are numbers",
        _OUTCOME,
        _RULES,
        "    if not (isinstance(given, (int, float)) and abs(given) <= MOST_MEASURED):\n",
        "    if not isinstance(given, (int, float)):\n",
    ),
    _tested(
        "children-that-somebody-takes",
        "a child is one of the seed that it is given for, and for the next recipe",
        _OUTCOME,
        _RULES,
        "if child.parent != seed.id or child.recipe != next_recipe:",
        "if False:",
    ),
    _tested(
        "a-dropped-seed-gives-nothing",
        "an outcome that drops its seed has neither rows nor children",
        _OUTCOME,
        _RULES,
        'if given.kind == "dropped" and (given.rows or given.children):',
        "if False:",
    ),
    _tested(
        "outcomes-that-can-be-held",
        "an outcome is no longer than a store can hold",
        _OUTCOME,
        _RULES,
        "    if (characters := sum(map(len, written))) > MOST_CHARACTERS:\n",
        "    if (characters := sum(map(len, written))) < 0:\n",
    ),
    _tested(
        "arms-that-there-are",
        "an arm that a pool does not have earns nothing and labels nobody",
        _ARMS,
        _STAGES,
        "    if arm not in pools[pool]:\n",
        "    if False:\n",
    ),
    _tested(
        "a-fault-teaches-nothing",
        "a fault in a recipe's code is no news of what its seed is worth",
        "test_recipe_faults_heard.py::test_a_fault_leaves_the_reward_of_its_parent_due_and_the_retry_is_heard_once",
        _DUE,
        "    if outcome.is_fault or not (labels or outcome.children):\n",
        "    if not (labels or outcome.children):\n",
    ),
    _tested(
        "a-copy-beside-an-upgrade",
        "a store of an older release is kept as it was before anything is changed in it",
        "test_storage_upgrades.py::test_whichever_command_opens_an_older_store_first_keeps_one_copy_of_it_as_it_was",
        _UPGRADE,
        "        back_up(path.parent, copy)\n        copy.chmod(0o600)\n",
        "",
    ),
    _tested(
        "no-upgrade-under-a-daemon",
        "a store that an older release works on is not changed under it",
        "test_storage_upgrades.py::test_a_store_on_which_an_older_release_works_is_left_alone",
        "star_agents/storage/lock.py",
        "            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "            pass\n",
    ),
)
