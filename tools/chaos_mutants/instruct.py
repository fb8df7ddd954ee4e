"""What AgentInstruct promises, each promise switched off: forms, texts that go with what needs them, keys that decide,
frames that nothing closes, a bounded fan-out, and who earns what."""

from __future__ import annotations

from chaos_mutants.edits import Edit
from chaos_mutants.safeguards import TestedMutant

_RECIPE, _ANSWERS = "star_agents/recipes/agent_instruct.py", "star_agents/recipes/agent_instruct_answers.py"
_DRAFTS, _ASKING = "star_agents/recipes/parts/drafts.py", "star_agents/recipes/agent_instruct_asking.py"
_WRITING, _REFINING = "star_agents/recipes/agent_instruct_writing.py", "star_agents/recipes/agent_instruct_refining.py"
_SETTINGS = "star_agents/recipes/agent_instruct_settings.py"
_GROWTH = "star_agents/recipes/parts/growth.py"


def _tested(name: str, promise: str, test: str, file: str, text: str, replacement: str) -> TestedMutant:
    edit = Edit(file, text, replacement)
    return TestedMutant(name=name, promise=promise, edits=[edit], test=f"test_agent_instruct.py::{test}")


def _grown(name: str, promise: str, test: str, file: str, text: str, replacement: str) -> TestedMutant:
    edit = Edit(file, text, replacement)
    return TestedMutant(name=name, promise=promise, edits=[edit], test=f"test_agent_instruct_grow.py::{test}")


INSTRUCT_TESTED_MUTANTS = (
    _tested(
        "a-text-goes-with-what-needs-it",
        "an instruction that speaks of a text goes with it or not at all",
        "test_an_instruction_that_speaks_of_a_text_it_does_not_carry_is_never_a_row",
        _DRAFTS,
        '    return next(filter(None, map(missing_text_flaw, turns)), "")\n',
        '    return ""\n',
    ),
    _tested(
        "forms-are-held",
        "an instruction without its form is refused",
        "test_what_is_wrong_with_some_items_is_mended_once_and_refused_where_that_does_not_help",
        _DRAFTS,
        "    if flaw := draft.skill.written_flaw(draft.kind, draft.written):\n",
        '    if flaw := "":\n',
    ),
    _tested(
        "the-key-decides",
        "an answer that differs from the key is refused",
        "test_an_answer_that_differs_from_the_key_is_refused_and_nobody_is_told_the_key",
        _ANSWERS,
        "    flaw = key_flaw(text, draft.written, draft.form)\n",
        '    flaw = ""\n',
    ),
    _tested(
        "instruct-frames-hold",
        "what a document says closes no frame",
        "test_what_a_document_says_stays_inside_its_frame",
        _ASKING,
        "    return json.dumps(value, ensure_ascii=False)\n",
        "    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)\n",
    ),
    _tested(
        "one-instruction-once",
        "a document has each instruction once",
        "test_the_same_instruction_twice_is_one_row",
        _DRAFTS,
        "one.failure is None and one.identity in seen",
        "False",
    ),
    _tested(
        "fan-out-is-bounded",
        "refined instructions come within the bound",
        "test_refined_instructions_come_within_the_bound",
        _REFINING,
        "[:room]",
        "",
    ),
    _tested(
        "types-go-on",
        "a type whose writer fails loses no other",
        "test_a_type_whose_writer_fails_loses_no_other",
        _RECIPE,
        '([material.draft(kind).failed(found, "writer")] if isinstance(found, Failure) else found)',
        "([] if any(isinstance(one, Failure) for one in lists) else found)",
    ),
    _tested(
        "outages-teach-no-type",
        "a call that could not be made says nothing of what was drawn",
        "test_a_call_that_is_refused_says_nothing_of_what_was_drawn",
        _RECIPE,
        "        if draft.failure is not None and draft.failure.kind in NO_VERDICT:\n            continue\n",
        "",
    ),
    _tested(
        "children-earn-for-draws",
        "what goes on to another recipe earns by what that makes of it, and by nothing else",
        "test_where_another_recipe_follows_instructions_go_on_unanswered_with_what_was_drawn_for_them",
        _RECIPE,
        " if is_last or not any(kept)",
        "",
    ),
    _tested(
        "skill-files-are-config",
        "an edit of a skill's file is an edit of agents.yaml",
        "test_a_skill_of_ones_own_is_part_of_the_config_and_an_edit_of_its_file_is_one_of_agents_yaml",
        _SETTINGS,
        'found.append(_in_file(name, beside, place).model_dump(mode="json"))',
        'found.append(_in_file(name, beside, place).model_copy(update={"types": built_in_skill('
        '"text_modification").types}).model_dump(mode="json"))',
    ),
    _grown(
        "a-new-type-starts-at-the-floor",
        "a type that is added starts at the floor",
        "test_a_new_type_starts_at_the_floor_and_every_other_type_keeps_its_own",
        "star_agents/scheduling/pools.py",
        ", at_floor=True)",
        ")",
    ),
    _grown(
        "a-place-is-for-what-earns",
        "a type that earns nothing is given up",
        "test_a_type_that_earns_nothing_is_retired_never_drawn_again_and_leaves_its_place_to_another",
        _GROWTH,
        "    if not standing.earned:\n",
        "    if standing.earned < 0:\n",
    ),
    _grown(
        "a-type-is-another-one",
        "a proposal that the skill has already is refused",
        "test_what_is_no_new_type_is_refused_and_counted_by_why_and_the_rest_is_taken",
        _GROWTH,
        "            if _likeness(one.ask, proposal.ask) >= ALIKE:\n",
        "            if _likeness(one.ask, proposal.ask) > 1:\n",
    ),
)
