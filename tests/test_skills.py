"""The skills of AgentInstruct as data: complete, each part marked by its source, mistakes told with line and field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from daemons import star_agents

from star_agents.errors import ConfigError, RecipeError
from star_agents.recipes.parts.forms import (
    Written,
    answer_form_flaw,
    form_flaw,
    key_flaw,
    missing_text_flaw,
    transformed_flaw,
)
from star_agents.recipes.parts.skills import Skill
from star_agents.recipes.skill_files import built_in_skill, built_in_skills, read_skill

MINE = """\
name: mine
title: Mine
about: What it is.
answer: Answer it.
types:
  - name: why
    ask: Why something is so.
  - name: which
    ask: Which one it is.
    form: choice
    example: {instruction: Name one., options: [a, b], key: a}
goals:
  - {name: harder, suggest: Something harder.}
"""
BROKEN = [
    ("answer: Answer it.\n", "", 1, "answer", "is missing"),
    ("    ask: Why", "    asks: Why", 7, "types[0].asks", "did you mean `ask`"),
    ("name: which", "name: why", 8, "types[1].name", "another one of the types"),
    ("name: which", "name: Which One", 8, "types[1].name", "pattern"),
    ("form: choice", "form: chioce", 10, "types[1].form", "'choice'"),
    ("form: choice", "form: choice\n    options: 1", 11, "types[1].options", "2 to 26 are possible"),
    ("form: choice", "form: choice\n    options: 3", 12, "types[1].example", "it has 2 options, and 3 are asked for"),
    ("form: choice", "form: label\n    labels: [a, c]", 12, "types[1].example", "are not the labels: a, c"),
    ("form: choice", "form: choice\n    labels: [a, b]", 11, "types[1].labels", "belongs to the form 'label'"),
    (
        "form: choice",
        "form: choice\n    demand: {functions: one}",
        11,
        "types[1].demand",
        "belongs to the form 'tool_calls'",
    ),
    ("key: a}", "key: a, answer: B}", 11, "types[1].example", "takes option B, and the key says A"),
    ("key: a", "key: c", 11, "types[1].example", "has not the form 'choice': its key 'c' is none of"),
    (
        "suggest: Something",
        "changes_text: true, suggest: Something",
        13,
        "goals[0].changes_text",
        "no type has `needs_text: true`",
    ),
    ("about: What it is.", "about: 7", 3, "about", "valid string"),
    ("ask: Why something is so.", "ask: ''", 7, "types[0].ask", "at least 1"),
    ("goals:", "  - [", 13, "", "not valid YAML"),
    ("title: Mine", "name: Mine", 2, "name", "given twice, first on line 1"),
]


def test_a_skill_has_another_version_as_soon_as_a_word_of_it_changes(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(MINE)
    (tmp_path / "same.yaml").write_text(f"# a comment\n{MINE}")
    (tmp_path / "other.yaml").write_text(MINE.replace("is so", "is not so"))
    mine, same, other = (read_skill(tmp_path / f"{name}.yaml").version for name in ("mine", "same", "other"))
    assert mine == same != other
    assert mine.startswith("skill/mine:")


@pytest.mark.parametrize(("written", "instead", "line", "field", "told"), BROKEN)
def test_a_mistake_in_a_skill_file_is_told_with_its_line_field_and_fix(
    written: str, instead: str, line: int, field: str, told: str, tmp_path: Path
) -> None:
    assert MINE.count(written) >= 1
    (tmp_path / "mine.yaml").write_text(MINE.replace(written, instead, 1))
    with pytest.raises(ConfigError) as caught:
        read_skill(tmp_path / "mine.yaml")
    problem = next(one for one in caught.value.problems if one.field == field)
    assert problem.where == f"mine.yaml:{line}"
    assert told in f"{problem.message} {problem.fix}"


def test_a_skill_of_no_name_is_told_with_the_one_that_is_near() -> None:
    with pytest.raises(RecipeError, match=r"'reading_comprehensio' \(did you mean `reading_comprehension`"):
        built_in_skill("reading_comprehensio")


def test_the_command_lists_every_skill_with_what_is_the_papers_and_what_is_ours() -> None:
    shown = star_agents("skills")
    assert shown.returncode == 0, shown.stderr
    assert "43 types (14 paper, 29 ours); the text goes with them" in shown.stdout
    listed = json.loads(star_agents("skills", "--json").stdout)["skills"]
    assert [one["name"] for one in listed] == built_in_skills()
    one = json.loads(star_agents("skills", "text_modification", "--json").stdout)
    assert (len(one["types"]), one["types"][0]["form"], one["types"][0]["needs_text"]) == (18, "text", True)


def test_the_command_checks_a_file_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(MINE)
    shown = star_agents("skills", tmp_path / "mine.yaml")
    assert "type            why (own) [text]: Why something is so." in shown.stdout
    (tmp_path / "mine.yaml").write_text(MINE.replace("form: choice", "form: chioce"))
    refused = star_agents("skills", tmp_path / "mine.yaml")
    assert (refused.returncode, refused.stderr.startswith("error: mine.yaml:10: types[1].form: ")) == (2, True)
    missing = star_agents("skills", tmp_path / "none.yaml")
    assert (missing.returncode, "no such file" in missing.stderr) == (2, True)


# Forms

OPTIONS = ("red", "green", "blue")


@pytest.mark.parametrize(
    ("written", "form", "told"),
    [
        (Written(instruction=" "), "text", "is empty"),
        (Written(instruction="Which?", options=("red",), key="red"), "choice", "has 1 options"),
        (Written(instruction="Which?", options=("red", " RED"), key="red"), "choice", "are the same"),
        (Written(instruction="Which?", options=("red", " "), key="red"), "choice", "is empty"),
        (Written(instruction="Which?", options=("red", "..."), key="red"), "choice", "is empty"),
        (Written(instruction="Which?", options=("red", "?"), key="red"), "choice", ""),
        (Written(instruction="Which?", options=OPTIONS, key="B"), "choice", "none of its options"),
        (Written(instruction="Which?", options=OPTIONS, key="red"), "label", ""),
        (Written(instruction="Give it.", keys=("a", "a")), "json", "a key twice"),
        (Written(instruction="Hello."), "messages", "no further turn"),
        (Written(instruction="Hello.", turns=("And now?", "...")), "messages", "no further turn"),
        (Written(instruction="Hello.", turns=("And now?",)), "messages", ""),
        (Written(instruction="Do it."), "tool_calls", "shows 0 tools"),
        (Written(instruction="Do it.", tools=({"name": "no name"},)), "tool_calls", "is called 'no name'"),
        (Written(instruction="Do it.", tools=({"name": "f"}, {"name": "f"})), "tool_calls", "the same name"),
        (
            Written(instruction="Do it.", tools=({"name": "f", "parameters": {"required": ["x"]}},)),
            "tool_calls",
            "`required` names what is none",
        ),
    ],
)
def test_an_instruction_that_has_not_its_form_is_told_why(written: Written, form: str, told: str) -> None:
    flaw = form_flaw(written, form)  # type: ignore[arg-type]
    assert (told in flaw) if told else flaw == ""


@pytest.mark.parametrize(
    ("form", "answer", "told"),
    [
        ("choice", "Roses are. Answer: A", ""),
        ("choice", "It could be B.\nThe answer is (a).", ""),
        ("choice", "A", ""),
        ("choice", "**A)** red", ""),
        ("choice", "Answer: B", "takes option B, and the key says A"),
        ("choice", "A) or\nB)", "does not say which option"),
        ("choice", "Answer: D", "does not say which option"),
        ("label", " Red. ", ""),
        ("label", "blue", "the key says 'red'"),
        ("label", "It is red", "not one of the labels alone"),
        ("json", '```json\n{"a": 1, "b": [2]}\n```', ""),
        ("json", '{"a": 1}', "has no 'b'"),
        ("json", 'Here: {"a": 1}', "no JSON"),
        ("json", '{"a": NaN, "b": 1}', "no number"),
        ("json", "[" * 500, "more than 50 levels"),
        ("code", "```python\nprint('it (is')\n```", ""),
        ("code", "```python\nprint('it'\n```", "does not parse"),
        ("code", "```python\n" + "(" * 5000 + "\n```", "does not parse"),
        ("code", "```rust\nfn f<'a>(x: &'a str) -> char { '(' }\n```", ""),
        ("code", "```js\nlet x = ') // it'; // )\n```", ""),
        ("code", "```c\nint f() { return 1;\n```", "leaves a '{' open"),
        ("code", "```go\nfunc f() { a(1)) }\n```", "closes a ')'"),
        ("code", "```sql\nSELECT 1 -- it's (\n```", ""),
        ("code", "```python\nprint(1)\n", "is not closed"),
        ("code", "Use print.", "no block of code"),
    ],
)
def test_an_answer_that_has_not_the_form_of_its_instruction_is_told_why(form: str, answer: str, told: str) -> None:
    written = Written(instruction="Which?", options=OPTIONS, key="red", keys=("a", "b"))
    flaw = answer_form_flaw(answer, written, form) or key_flaw(answer, written, form)  # type: ignore[arg-type]
    assert (told in flaw) if told else flaw == ""


@pytest.mark.parametrize(
    ("written", "form", "told"),
    [
        ("Once there was a river.", "text", ""),
        (" ", "text", "it is empty"),
        ('```json\n[{"a": 1}]\n```', "json", ""),
        ('"a"', "json", "is no array or object"),
        ("a table", "json", "it is no JSON"),
        ('[{"name": "f"}, {"type": "function", "function": {"name": "g"}}]', "tools", ""),
        ('[{"name": "f"}, {"name": "f"}]', "tools", "the same name"),
        ('{"name": "f"}', "tools", "an array of objects is asked for"),
        ("[]", "tools", "shows 0 tools"),
    ],
)
def test_what_a_document_was_turned_into_is_held_to_its_form(written: str, form: str, told: str) -> None:
    flaw = transformed_flaw(written, form)  # type: ignore[arg-type]
    assert (told in flaw) if told else flaw == ""


@pytest.mark.parametrize(
    ("instruction", "carries"),
    [
        ("According to the passage, who won?", False),
        ("What does the following text say about rivers?", False),
        ("Which claim does the author of the article above make?", False),
        ("Write a text about rivers in the style of a sermon.", True),
        ("Explain how the index of a book is made.", True),
        ("Write a short story about a ferry, and let the last line of the story be a question.", True),
        ("Write a story. What does the article say of it?", False),
        ("How many nodes are in the document object model of an empty page?", True),
        ("Let the last line of the poem be a question.", False),
        (
            "Sum up the following text:\n\nThe river rose at night and took the mill, the bridge and a cow with it.",
            True,
        ),
        ('Is the text above a joke: "a horse walks into a bar and the man there asks why"?', True),
    ],
)
def test_an_instruction_that_speaks_of_a_text_has_to_carry_it(instruction: str, carries: bool) -> None:
    assert (missing_text_flaw(instruction) == "") == carries


def test_a_skill_says_which_of_its_types_go_with_the_text() -> None:
    skill = Skill.model_validate_json(
        json.dumps(
            {
                "name": "mixed",
                "title": "Mixed",
                "about": "Both.",
                "answer": "Answer.",
                "needs_text": True,
                "types": [{"name": "with", "ask": "x"}, {"name": "without", "ask": "x", "needs_text": False}],
            }
        )
    )
    assert [skill.carries_text(kind) for kind in skill.types] == [True, False]
