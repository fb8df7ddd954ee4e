"""What admission promises, each promise switched off: one of two that come at once, what arms earn, what is paid."""

from __future__ import annotations

from chaos_mutants.edits import Edit
from chaos_mutants.safeguards import TestedMutant


def _tested(name: str, promise: str, test: str, file: str, text: str, replacement: str) -> TestedMutant:
    return TestedMutant(name=name, promise=promise, edits=[Edit(file, text, replacement)], test=test)


ADMISSION_TESTED_MUTANTS = (
    _tested(
        "repeats-at-once",
        "of two outcomes that come at once and repeat each other one is refused",
        "test_admission.py::test_of_two_outcomes_that_both_saw_nothing_the_second_is_refused_and_points_at_the_first",
        "star_agents/engine/admission.py",
        "            if earlier is None:\n                known.texts.add(signed.kept, self.outcome.seed_id",
        "            if earlier is None or not self.outcome.children:\n"
        "                known.texts.add(signed.kept, self.outcome.seed_id",
    ),
    _tested(
        "repeats-earn-nothing",
        "an arm that made only repetitions earns 0",
        "test_admission.py::test_of_two_outcomes_that_both_saw_nothing_the_second_is_refused_and_points_at_the_first",
        "star_agents/records/claims.py",
        "    return replace(reward, value=reward.value * admitted / len(of_arm))\n",
        "    return reward if admitted + 1 else reward\n",
    ),
    _tested(
        "same-rows-at-once",
        "of two outcomes that come at once with the same row one is admitted",
        "test_admission_rows.py::test_of_two_outcomes_at_once_with_the_same_row_one_is_admitted_and_the_other_points_at_it",
        "star_agents/engine/admission.py",
        "                    known.rows.add(checked.digest, given.seed_id, place)\n",
        "                    known.rows.add(checked.digest, given.seed_id, place) if given.children else None\n",
    ),
    _tested(
        "refused-rows-earn-nothing",
        "an arm whose rows were all refused earns 0",
        "test_admission_rows.py::test_a_part_of_the_rows_refused_lessens_what_their_arms_and_the_seed_earn",
        "star_agents/records/admitted.py",
        "    kept = sum(one.refused_for is None for one in of_arm)\n",
        "    kept = sum(one.refused_for is None or bool(one.findings) for one in of_arm)\n",
    ),
    _tested(
        "a-refused-seed-asks-nobody",
        "a seed that admission refuses is paid for by nobody",
        "test_admission_rows.py::test_a_seed_that_is_refused_asks_nobody_and_stands_among_the_refused_with_its_reason",
        "star_agents/engine/seed_admission.py",
        "    if refusal is None:\n        outcome = await work()\n",
        "    outcome = await work()\n    if refusal is None:\n",
    ),
    _tested(
        "repeats-cost-nothing-more",
        "an instruction that repeats an earlier one is not answered",
        "test_admission.py::test_an_instruction_that_nearly_repeats_one_of_another_document_is_refused_before_it_is_paid_for",
        "star_agents/bench/screening.py",
        "_repeat(one) if one and not reason else reason for",
        "reason for",
    ),
    _tested(
        "documents-at-once",
        "of two documents that were read at once and are nearly the same one is taken in",
        "test_document_door.py::test_of_two_that_were_read_at_once_and_are_nearly_the_same_the_store_takes_one",
        "star_agents/storage/ledger.py",
        "        earlier = None if kept is None else texts.find([kept], unlike.least)\n",
        "        earlier = None if kept is None or texts else texts.find([kept], unlike.least)\n",
    ),
)
