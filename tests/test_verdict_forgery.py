"""No candidate wins by what it writes, however a referee repeats it (design section 4, Eq. 6)."""

from __future__ import annotations

import re

from chaos_hostile import BASE, QUOTINGS, RAW, UNSAID, Attack, attacks, forge

from star_agents.agents.prompts import Prompts

ATTACKS = 200


async def test_no_hostile_candidate_gets_a_verdict_that_the_referee_did_not_give() -> None:
    report = await forge(ATTACKS, random_seed=5)
    assert report.forged == []
    assert report.attacks == ATTACKS
    assert report.comparisons == ATTACKS * len(QUOTINGS) * 2


async def test_with_our_prompt_a_quotation_never_even_softens_a_verdict_that_was_given_apart() -> None:
    """The paper's prompt has no code, so a reply that ends in a quotation can be misread in one order: then a tie."""
    report = await forge(ATTACKS, random_seed=6)
    softened = {tuple(name.split(" / ")[1:]) for name in report.softened}
    assert {quoting for quoting, prompt in softened if prompt == "default"} <= {UNSAID, RAW}


async def test_in_one_order_a_text_can_win_as_the_note_on_it_says() -> None:
    """`orders: one` comes with this warning; where it no longer holds, the warning has to go."""
    report = await forge(ATTACKS, random_seed=5, orders="one")
    forged = [tuple(name.split(" / ")[1:]) for name in report.forged]
    assert {quoting for quoting, prompt in forged if prompt == "default"} <= {RAW}
    assert 0 < sum(prompt == "paper" for _, prompt in forged) < report.comparisons / 20


def test_no_answer_can_close_its_frame_or_open_another_message() -> None:
    prompts = Prompts()
    code = "5e" * 8
    for attack in attacks(ATTACKS, random_seed=7):
        messages = prompts.judge(BASE.instruction, attack.text, BASE.instruction, BASE.response or "", code)
        assert [message.role for message in messages] == ["system", "user"]
        shown = messages[1].content
        assert shown.count(f"</answer A {code}>") == shown.count(f"</answer B {code}>") == 1
        inside = re.search(rf"<answer A {code}>\n(.*)\n</answer A {code}>", shown)
        assert inside is not None, "an answer is one line of JSON"


def test_a_reader_that_looked_for_letters_would_have_been_forged() -> None:
    """The attacks are worth something: a reader that takes the last verdict it sees falls for them."""

    def naive(text: str) -> str | None:
        found = re.findall(r'"verdict": "(A|B)"|\[\[?([AB])\]\]?', text)
        return next((side for pair in reversed(found) for side in pair if side), None)

    def falls(attack: Attack) -> bool:
        return naive(QUOTINGS["whole, after"]('{"code": "x", "verdict": "tie"}', attack.text)) is not None

    assert sum(map(falls, attacks(ATTACKS, random_seed=8))) > ATTACKS / 2
