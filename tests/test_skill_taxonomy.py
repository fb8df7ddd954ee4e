"""The skills that ship: how many parts they have, which the paper names, and an example of each type, of its form."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from example_model import TRANSFORMED, ExampleModel
from test_agent_instruct import TEXT, failures, outcome_of

from star_agents.recipes.parts.forms import LETTERS, Form, Written, answer_form_flaw, key_flaw, missing_text_flaw
from star_agents.recipes.skill_files import built_in_skill, built_in_skills

SKILLS = [
    *("reading_comprehension", "open_domain_qa", "text_modification", "brain_teaser", "analytical_reasoning"),
    *("multiple_choice", "data_to_text", "fermi", "coding", "text_extraction", "text_classification"),
    *("rag", "web_agent", "creative_writing", "few_shot_reasoning", "conversation", "tool_use"),
]
"""The 17 of the paper."""
NAMED_TYPES = {
    "reading_comprehension": (
        "literal_comprehension numerical_discrete_reasoning critical_comprehension evaluative_comprehension "
        "vocabulary_and_language_use relationship_comprehension sequencing_events strengthen weaken assumption flaw "
        "inference principle method_of_reasoning"
    ),
    "text_modification": (
        "paraphrasing simplification expansion translation formatting sentiment_modification annotation "
        "keyword_replacement removing capitalization styling content_rewriting data_normalization plagiarism_rewording "
        "code_switching obfuscation textual_entailment limited_vocabulary"
    ),
    "tool_use": (
        "single_api_all_parameters single_api_superfluous_parameters single_api_missing_parameters "
        "several_apis_all_parameters several_apis_missing_parameters api_missing several_apis_some_missing"
    ),
}
"""Types that the paper names; of no other skill does it name any."""
NAMED_TRANSFORMATIONS = {
    "reading_comprehension": (
        "argument_passage debate_passage conversation_passage meeting_transcript poem satirical_passage "
        "instructional_passage long_text identity"
    ),
    "tool_use": "apis_from_similar_code apis_supposed",
}
NAMED_GOALS = {
    "reading_comprehension": "cannot_be_answered another_answer harder",
    "text_modification": "another_manner",
    "tool_use": "more_steps",
}
CHECKED: set[Form] = {"choice", "label", "json", "code"}
"""Forms whose answers are held to them one by one."""


def test_all_skills_of_the_paper_are_there_and_no_other() -> None:
    assert built_in_skills() == sorted(SKILLS)
    assert {built_in_skill(name).source for name in SKILLS} == {"paper"}
    assert len({built_in_skill(name).title for name in SKILLS}) == len(SKILLS)


@pytest.mark.parametrize("name", SKILLS)
def test_what_the_paper_names_is_marked_so_and_all_else_as_ours(name: str) -> None:
    skill = built_in_skill(name)
    for parts, named in (
        (skill.types, NAMED_TYPES),
        (skill.transformations, NAMED_TRANSFORMATIONS),
        (skill.goals, NAMED_GOALS),
    ):
        assert [one.name for one in parts if one.source == "paper"] == named.get(name, "").split()
        assert {one.source for one in parts} <= {"paper", "ours"}


def test_the_papers_counts() -> None:
    reading, modification, tools = map(built_in_skill, ("reading_comprehension", "text_modification", "tool_use"))
    assert len(SKILLS) == 17
    assert Counter(one.source for one in reading.types) == {"paper": 14, "ours": 29}
    assert (len(reading.types), len(reading.transformations), len(modification.types)) == (43, 9, 18)
    kinds = {(one.demand.functions, one.demand.lacks) for one in tools.types if one.demand}
    assert kinds == {
        (functions, lacks) for functions in ("one", "several") for lacks in ("nothing", "parameter", "function")
    }
    assert len(kinds) == 6
    assert sum(len(built_in_skill(name).types) for name in SKILLS) > 100


@pytest.mark.parametrize("name", SKILLS)
def test_the_example_of_each_type_has_its_form_and_an_altered_one_has_not(name: str) -> None:
    skill = built_in_skill(name)
    for kind in skill.types:
        assert kind.example is not None, f"{kind.name} has no example"
        written, form = kind.example.written, skill.form_of(kind)
        assert skill.written_flaw(kind, written) == "", kind.name
        assert skill.written_flaw(kind, altered(written, form)), kind.name
        if form in CHECKED:
            answer = kind.example.answer or keyed(written, form)
            wrong = spoilt(answer, written, form)
            assert answer_form_flaw(answer, written, form) == key_flaw(answer, written, form) == "", kind.name
            assert answer_form_flaw(wrong, written, form) or key_flaw(wrong, written, form), kind.name


@pytest.mark.parametrize("name", SKILLS)
def test_a_type_that_needs_a_text_shows_one_and_no_other_speaks_of_one(name: str) -> None:
    skill = built_in_skill(name)
    for kind in skill.types:
        assert kind.example is not None
        if skill.carries_text(kind):
            assert kind.example.text, f"the example of {kind.name} has no text"
        else:
            assert missing_text_flaw(kind.ask) == missing_text_flaw(kind.example.instruction) == "", kind.name


@pytest.mark.parametrize("name", SKILLS)
def test_no_two_types_of_a_skill_ask_for_the_same(name: str) -> None:
    types = built_in_skill(name).types
    for told in ([kind.ask for kind in types], [kind.example.instruction for kind in types if kind.example]):
        assert len(set(told)) == len(types)


@pytest.mark.parametrize("name", SKILLS)
async def test_every_type_of_every_skill_gives_a_row_of_its_form_by_way_of_the_recipe(
    name: str, tmp_path: Path
) -> None:
    skill = built_in_skill(name)
    every = f"instructions_per_document: {len(skill.types)}, types_per_document: {len(skill.types)}"
    settings = f"skills: [{name}], {every}, refine: {{rounds: 0}}"
    outcome = await outcome_of(tmp_path, ExampleModel(skill), settings)
    assert failures(outcome) == []
    found = {row.labels["type"]: str(row.data["sample"]) for row in outcome.rows}
    assert sorted(found) == sorted(kind.name for kind in skill.types)
    carried = {kind.name for kind in skill.types if skill.carries_text(kind)}
    assert {name for name, sample in found.items() if TEXT in sample or TRANSFORMED in sample} == carried


def altered(written: Written, form: Form) -> Written:
    """The same with what its form takes spoilt."""
    match form:
        case "choice" | "label":
            return replace(written, key=f"{written.key}, or not")
        case "json":
            return (
                replace(written, keys=(*written.keys, *written.keys[:1]))
                if written.keys
                else replace(written, instruction=" ")
            )
        case "messages":
            return replace(written, turns=(*written.turns[:-1], " "))
        case _:
            return replace(written, instruction=" ")


def keyed(written: Written, form: Form) -> str:
    """The shortest right answer, as far as the key tells it."""
    return f"Answer: {LETTERS[written.options.index(written.key)]}" if form == "choice" else written.key


def spoilt(answer: str, written: Written, form: Form) -> str:
    """An answer that misses its form, or the key."""
    if form in ("choice", "label"):
        other = next(one for one in written.options if one != written.key)
        return keyed(replace(written, key=other), form)
    return answer[: answer.rindex("}")] if form == "json" else answer.rstrip("`\n")
