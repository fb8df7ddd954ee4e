"""The page's types are those of the models that the routes answer with."""

from __future__ import annotations

import re

from star_agents.web.page_types import COMMAND, FILE, page_types


def test_the_types_of_the_page_are_made_from_the_models_of_the_answers() -> None:
    assert FILE.read_text(encoding="utf-8") == page_types(), f"types.js is of other models; `{COMMAND}` writes it anew"


def test_every_type_that_a_module_of_the_page_names_is_there() -> None:
    there = set(re.findall(r"@typedef \{Object\} (\w+)", page_types()))
    named = {
        (module.name, name)
        for module in FILE.parent.glob("*.js")
        for name in re.findall(r'import\("\./types\.js"\)\.(\w+)', module.read_text(encoding="utf-8"))
    }
    assert len(named) > 20
    assert {(module, name) for module, name in named if name not in there} == set()
