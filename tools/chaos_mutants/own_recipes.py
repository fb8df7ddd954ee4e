"""What a user's recipe and edits of the chain can do wrong, each safeguard against it switched off."""

from __future__ import annotations

from chaos_mutants.edits import Edit
from chaos_mutants.safeguards import TestedMutant

_RULES, _BENCH = "star_agents/engine/outcome_rules.py", "star_agents/bench/bench.py"
_STAGES, _TIME = "star_agents/engine/stages.py", "star_agents/bench/seed_time.py"
_OUTCOME = (
    "test_own_recipe_faults.py::"
    "test_an_outcome_that_could_not_be_written_or_read_drops_its_seed_and_says_what_is_wrong_with_it"
)
_KEYS = (
    "test_own_recipe_faults.py::test_keys_that_a_recipe_writes_anywhere_are_struck_before_anything_of_them_is_stored"
)
_SETTINGS = "test_settings_faults.py::test_whatever_a_validator_raises_is_told_with_its_field_and_the_line_of_its_file"


def _tested(name: str, promise: str, test: str, file: str, text: str, replacement: str) -> TestedMutant:
    return TestedMutant(name=name, promise=promise, edits=[Edit(file, text, replacement)], test=test)


OWN_RECIPE_TESTED_MUTANTS = (
    _tested(
        "stranded-seeds-wait",
        "a seed whose recipe is not in the chain is not taken",
        "test_stranded.py::test_a_suspect_that_nobody_takes_holds_nobody_back",
        "star_agents/storage/quarantine.py",
        '        "taken": None if taken is None else json.dumps(taken),\n',
        '        "taken": None,\n',
    ),
    _tested(
        "stranded-seeds-are-told",
        "seeds whose recipe is not in the chain are told, and count as no others",
        "test_stranded.py::test_a_run_without_the_recipe_leaves_its_seeds_waiting_says_so_and_a_later_one_works_them",
        "star_agents/storage/stranded.py",
        '    rows = execute(connection, "waiting_by_recipe", taken=taken)\n',
        "    rows: list[tuple[str, str, int]] = []\n",
    ),
    _tested(
        "seeds-of-other-parts-wait",
        "a run of one part takes no seed of another",
        "test_parts.py::test_a_run_works_one_part_tells_of_the_others_and_everything_that_is_written_knows_it",
        "star_agents/storage/quarantine.py",
        '        "parts": json.dumps(list(parts)) if parts else None,\n',
        '        "parts": None,\n',
    ),
    _tested(
        "children-share-the-part",
        "a child of a seed that had no part yet has that of its parent",
        "test_parts.py::test_children_share_their_parents_part_also_those_that_waited_before_there_were_parts",
        "star_agents/storage/parts.py",
        '            inherited = _part_in_store(connection, parent) if parent else ""\n',
        '            inherited = ""\n',
    ),
    _tested(
        "parts-and-splits-are-independent",
        "a part holds its share of each part of an export's split",
        "test_parts.py::test_parts_have_their_shares_and_hold_their_share_of_every_split_of_an_export",
        "star_agents/storage/split.py",
        'f"{self.what}{self.seed}:{seed_id}"',
        'f"{self.seed}:{seed_id}"',
    ),
    _tested(
        "a-spent-agent-ends-a-batch",
        "a batch whose recipe asks an agent that is out of budget ends",
        "test_stranded.py::test_at_the_budget_of_the_agent_that_its_recipe_names_a_batch_ends_and_does_not_ask_for_ever",
        "star_agents/engine/engine.py",
        "        draws_again = bool(bench.stage.recipe.own_pool) and error.agent is not None\n",
        "        draws_again = error.agent is not None\n",
    ),
    _tested(
        "one-reward-for-a-draw",
        "an arm earns once for each time that it was drawn",
        _OUTCOME,
        _RULES,
        "        if rewards + labels <= draws[pool, arm]:\n",
        "        if draws[pool, arm]:\n",
    ),
    _tested(
        "rewards-for-what-was-drawn",
        "an arm earns only by a seed that it was drawn for",
        _OUTCOME,
        _RULES,
        "        if rewards + labels <= draws[pool, arm]:\n",
        "        if rewards + labels <= max(1, draws[pool, arm]):\n",
    ),
    _tested(
        "preferences-that-teach",
        "the two answers of a preference row differ",
        _OUTCOME,
        _RULES,
        '    if row.data["chosen"].strip() == row.data["rejected"].strip():\n',
        "    if False:\n",
    ),
    _tested(
        "outcomes-without-keys",
        "keys are struck out of outcomes before they are stored",
        _KEYS,
        _RULES,
        "    given = _without_secrets(given) if any(map(redactor.may_hold, written)) else given\n",
        "",
    ),
    _tested(
        "decisions-without-keys",
        "keys are struck out of recorded decisions",
        _KEYS,
        _BENCH,
        '{"value": redactor.known_in(made)}',
        '{"value": made}',
    ),
    _tested(
        "draws-and-decisions-apart",
        "a decision is never recorded under the name of a draw",
        "test_own_steps.py::test_a_decision_of_ones_own_may_be_called_as_a_draw_is",
        "star_agents/bench/steps.py",
        '    return f"own:{step}" if found is not None and found[1] in pools else f"once:{step}"\n',
        '    return f"once:{step}"\n',
    ),
    _tested(
        "faults-of-validators",
        "what a validator of a recipe's settings raises is a mistake in agents.yaml",
        _SETTINGS,
        "star_agents/config/reading.py",
        "        if (fault := fault_of(error, model, sections)) is None:\n            raise\n",
        "        raise\n",
    ),
    _tested(
        "seeds-end-in-time",
        "a recipe that awaits for ever is ended",
        "test_seed_time.py::test_the_time_of_a_seed_is_over_once_it_took_so_long_of_its_own",
        _TIME,
        "            self._scope.deadline = _now() + self._left_s\n",
        "            pass\n",
    ),
    _tested(
        "calls-take-no-time-of-the-seed",
        "while a call is under way, the time of its seed stands still",
        "test_seed_time.py::test_the_time_of_a_seed_stands_still_until_the_last_of_several_calls_has_ended",
        _TIME,
        "        if not self._under_way:\n",
        "        if True:\n",
    ),
    _tested(
        "an-overrun-is-a-fault",
        "whatever a recipe raises while it is ended is no more than that",
        "test_seed_time.py::test_a_recipe_that_awaits_for_ever_is_ended_with_its_line_and_the_next_seed_is_worked",
        _STAGES,
        "        if not scope.cancel_called or is_being_cancelled() or first_of_ours(error) is not None:\n",
        "        if True:\n",
    ),
    _tested(
        "chains-that-fit",
        "a chain whose next recipe does not take what the one before gives is refused",
        "test_evol_chained.py::"
        "test_a_chain_whose_next_recipe_does_not_take_what_evol_gives_is_refused_before_anything_is_spent",
        "star_agents/recipes/registry.py",
        "        if why := one.why_no_stage_before(following):\n",
        "        if False:\n",
    ),
    _tested(
        "what-children-earn-is-recalled",
        "what an arm earned by its children is recalled near what it was drawn for",
        "test_draw_near.py::test_an_arm_that_earns_by_its_children_is_recalled_once_they_were_heard_of",
        "star_agents/storage/recollections.py",
        '        execute(connection, "complete_recollection", seed_id=seed_id, **known)\n',
        "        pass\n",
    ),
)
