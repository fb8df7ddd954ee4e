"""The sample agents: pure functions of what they are sent, with the skills and flaws that their profiles name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random

import pytest

from star_agents.agents.judging.verdicts import read_paper_verdict, read_verdict
from star_agents.agents.prompts import Prompts
from star_agents.errors import AgentRefused
from star_agents.offline import world
from star_agents.offline.agents import SAMPLE_AGENTS, OfflineReply, kind_of, respond
from star_agents.offline.profiles import PROFILES
from star_agents.offline.reading import Comparison, read
from star_agents.offline.referee import true_order
from star_agents.records import Message, Sample

PROMPTS = Prompts()
TASKS = [world.draw(rng) for rng in [Random(11)] for _ in range(400)]


def ask(agent: str, messages: Sequence[Message], max_tokens: int | None = None) -> OfflineReply:
    return respond(agent, [message.to_dict() for message in messages], max_tokens)


@cache
def answers(agent: str) -> list[tuple[world.Task, OfflineReply]]:
    samples = [Sample(instruction=task.instruction, input=task.input) for task in TASKS]
    return [(task, ask(agent, PROMPTS.respond(sample))) for task, sample in zip(TASKS, samples, strict=True)]


def share_right(agent: str) -> float:
    return sum(world.check(task, reply.text) for task, reply in answers(agent)) / len(TASKS)


@pytest.mark.parametrize("agent", SAMPLE_AGENTS)
def test_an_agent_is_right_as_often_as_its_profile_says(agent: str) -> None:
    profile = PROFILES[agent]
    expected = sum(profile.skill if task.family in profile.strong else profile.elsewhere for task in TASKS) / len(TASKS)
    assert share_right(agent) == pytest.approx(expected, abs=0.08)


@pytest.mark.parametrize("agent", SAMPLE_AGENTS)
def test_the_kind_of_a_reply_is_known_beforehand(agent: str) -> None:
    for task in TASKS[:100]:
        messages = [{"role": "user", "content": task.question}]
        kind = kind_of(agent, messages)
        assert kind in (PROFILES[agent].sound, PROFILES[agent].flaw)
        assert world.check(task, respond(agent, messages).text) == (kind in world.SOUND)
    assert kind_of(agent, [{"role": "user", "content": "Why is the sky blue?"}]) is None


def test_the_planted_best_is_right_most_often_and_the_planted_worst_least_often() -> None:
    shares = {agent: share_right(agent) for agent in SAMPLE_AGENTS}
    assert max(shares, key=lambda agent: shares[agent]) == "tutor"
    assert min(shares, key=lambda agent: shares[agent]) == "dreamer"


def test_the_same_messages_always_get_the_same_reply() -> None:
    for agent in SAMPLE_AGENTS:
        for task, reply in answers(agent)[:50]:
            again = ask(agent, PROMPTS.respond(Sample(instruction=task.instruction, input=task.input)))
            assert again == reply


def test_a_reference_and_a_history_do_not_hide_the_question() -> None:
    task = TASKS[0]
    history = (Message(role="system", content="Be kind."), Message(role="user", content="Hello"))
    sample = Sample(instruction=task.instruction, input=task.input, history=history)
    replies = [ask("tutor", PROMPTS.respond(sample, reference=f"attempt {number}")).text for number in range(100)]
    assert sum(world.check(task, reply) for reply in replies) >= 75


def test_some_broken_off_replies_say_so_and_some_do_not() -> None:
    cut = [reply for task, reply in answers("hasty") if not world.check(task, reply.text)]
    reasons = [reply.finish_reason for reply in cut]
    assert 0.65 < reasons.count("length") / len(reasons) < 0.85
    assert all(reply.finish_reason == "stop" for task, reply in answers("hasty") if world.check(task, reply.text))


def test_max_tokens_cuts_the_reply_and_says_so() -> None:
    reply = ask("chatty", [Message(role="user", content=TASKS[0].question)], max_tokens=5)
    assert (reply.finish_reason, reply.completion_tokens, len(reply.text.split())) == ("length", 5, 5)


def test_an_unknown_agent_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(AgentRefused, match=r"offline/tutro.*did you mean offline/tutor\?"):
        respond("tutro", [{"role": "user", "content": "hello"}], None)


@pytest.mark.parametrize("agent", ["editor", "tutor"])
def test_a_rewriting_agent_states_the_same_task_in_other_words(agent: str) -> None:
    for task in TASKS[:100]:
        sample = Sample(instruction=task.instruction, input=task.input)
        instruction = ask(agent, PROMPTS.rewrite(sample)).text
        rewritten = world.solve(f"{instruction}\n\n{task.input}" if task.input else instruction)
        assert instruction != task.instruction
        assert rewritten is not None
        assert rewritten.right == task.right


def test_the_coach_makes_many_tasks_harder_and_keeps_every_one_solvable() -> None:
    changed = 0
    for task in TASKS[:100]:
        instruction = ask("coach", PROMPTS.rewrite(Sample(instruction=task.instruction, input=task.input))).text
        rewritten = world.solve(f"{instruction}\n\n{task.input}" if task.input else instruction)
        assert rewritten is not None
        changed += rewritten.slots != task.slots
    assert changed >= 20


@pytest.mark.parametrize("agent", ["editor", "coach"])
def test_a_text_from_outside_is_rewritten_lightly(agent: str) -> None:
    instruction = "Explain [user] why </instruction> the sky is blue.\n\nUse 🙂."
    text = ask(agent, PROMPTS.rewrite(Sample(instruction=instruction, input="Some input"))).text
    assert instruction in text
    assert text != instruction


def comparisons() -> list[tuple[world.Task, str, str]]:
    rng = Random(12)
    pairs: list[tuple[world.Kind, world.Kind]] = [
        ("good", "wrong"),
        ("off", "padded"),
        ("terse", "cut"),
        ("good", "terse"),
        ("wrong", "unanswered"),
    ]
    return [
        (task, world.write(task, first, rng), world.write(task, second, rng))
        for task, (first, second) in zip(TASKS, pairs * 80, strict=True)
    ]


def true_side(task: world.Task, first: str, second: str) -> str:
    merits = world.check(task, first), world.check(task, second)
    return "tie" if merits[0] == merits[1] else "A" if merits[0] else "B"


@pytest.mark.parametrize("agent", ["referee", "editor"])
def test_a_referee_finds_the_true_order_as_often_as_its_profile_says(agent: str) -> None:
    right = 0
    for task, first, second in comparisons():
        nonce = f"{len(first):08x}ab"
        messages = PROMPTS.judge(task.question, first, task.question, second, nonce)
        side = read_verdict(ask(agent, messages).text, nonce)
        assert side is not None
        right += str(side) == true_side(task, first, second)
    assert right / 400 == pytest.approx(PROFILES[agent].referees, abs=0.06)


def test_the_referee_answers_the_prompt_of_the_paper() -> None:
    right = 0
    for task, first, second in comparisons():
        side = read_paper_verdict(ask("referee", PROMPTS.judge_paper(task.question, first, task.question, second)).text)
        assert side is not None
        right += str(side) == true_side(task, first, second)
    assert right / 400 == pytest.approx(0.85, abs=0.06)


def test_the_verdict_does_not_hang_on_the_nonce() -> None:
    task, first, second = comparisons()[0]
    verdicts = set()
    for nonce in ("abcd1234", "ffff0000", "0123beef"):
        reply = ask("referee", PROMPTS.judge(task.question, first, task.question, second, nonce))
        verdicts.add(read_verdict(reply.text, nonce))
    assert len(verdicts) == 1


def test_each_answer_is_judged_by_its_own_question() -> None:
    one, other = TASKS[0], TASKS[1]
    rng = Random(13)
    first, second = world.write(one, "good", rng), world.write(other, "good", rng)
    for messages in (
        PROMPTS.judge(one.question, first, other.question, second, "abcd1234"),
        PROMPTS.judge_paper(one.question, first, other.question, second),
    ):
        comparison = read([message.to_dict() for message in messages])
        assert isinstance(comparison, Comparison)
        assert (comparison.question_a, comparison.answer_b) == (one.question, second)
        assert true_order(comparison) == "tie"


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("Cats sleep a lot because they hunt at night and rest by day.", ""),
        (
            "Cats sleep a lot because they hunt at night and rest by day.",
            "Cats sleep a lot because they hunt at night and",
        ),
        (
            "Cats sleep a lot because they hunt at night and rest by day.",
            "A soup wants onions, time and somebody to stir it.",
        ),
        ("Cats sleep a lot because they hunt at night and rest by day.", "Yes."),
    ],
)
def test_outside_the_world_the_surface_decides(better: str, worse: str) -> None:
    question = "Why do cats sleep during the day?"

    def compare(a: str, b: str) -> str:
        return true_order(Comparison(question_a=question, question_b=question, answer_a=a, answer_b=b, code=""))

    assert (compare(better, worse), compare(worse, better), compare(better, better)) == ("A", "B", "tie")


def rows(path: Path) -> list[Mapping[str, str]]:
    tasks = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{"instruction": task["instruction"], **task["instances"][0]} for task in tasks]


@pytest.mark.parametrize("agent", SAMPLE_AGENTS)
def test_every_agent_works_on_human_written_tasks(agent: str, shared_data: Path) -> None:
    for row in rows(shared_data / "self_instruct" / "seed_tasks.jsonl"):
        sample = Sample(instruction=row["instruction"], input=row["input"], response=row["output"])
        for reference in (None, row["output"]):
            assert ask(agent, PROMPTS.respond(sample, reference)).text.strip()
        assert ask(agent, PROMPTS.rewrite(sample)).text.strip()


@pytest.mark.parametrize("text", ["", " ", "?", "🙂", "\ud800", "x" * 50_000, "1\n2\n3", "[user]\n<reference>"])
def test_no_text_brings_an_agent_down(text: str) -> None:
    for agent in SAMPLE_AGENTS:
        assert ask(agent, [Message(role="user", content=text)]).text.strip()
        assert ask(agent, PROMPTS.judge(text, text, text, "answer", "abcd1234")).text
        assert ask(agent, PROMPTS.judge_paper(text, text, text, "answer")).text


def test_the_agents_treat_a_reference_differently() -> None:
    reference = "Cats hunt at night. They rest by day. Their eyes need little light. So they sleep long."
    messages = PROMPTS.respond(Sample(instruction="Why do cats sleep by day?"), reference)
    assert (
        len({ask(agent, messages).text for agent in ("tutor", "scholar", "clerk", "terse", "chatty", "dreamer")}) == 6
    )
