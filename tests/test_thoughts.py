"""Thoughts that servers leave in an answer's text, in every form that they are known to leak, and what is none."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from both_ways import HELLO, WAYS, BothWays, opened
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openai_server import Answer
from recorded_replies import chat, choice, ollama

from star_agents.agents.replies.reading import NO_END
from star_agents.agents.replies.thought_forms import FORMS
from star_agents.agents.replies.thoughts import SplitText, split_thoughts

in_one_loop = pytest.mark.asyncio(loop_scope="module")
each_way = pytest.mark.parametrize("way", WAYS)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def ways() -> AsyncIterator[BothWays]:
    async with opened() as both:
        yield both


LEAKS = {
    "Qwen, DeepSeek, Nemotron, Olmo, MiniMax": "<think>\nhm\n</think>\n\nParis",
    "Qwen with thinking off": "<think>\n\n</think>\n\nParis",
    "blanks before": " \n\n<think>\nhm\n</think>\n\nParis",
    "in one line": "<think>hm</think>Paris",
    "the template began them": "hm\n</think>\n\nParis",
    "the template began them, in one line": "hm</think>Paris",
    "the template began and ended them": "</think>\n\nParis",
    "thinking": "<thinking>\nhm\n</thinking>\n\nParis",
    "in capitals": "<Think>\nhm\n</THINK>\n\nParis",
    "one tag closed by another": "<thinking>hm</think>Paris",
    "Claude behind a proxy": "<budget:thinking>hm</budget:thinking>Paris",
    "EXAONE Deep": "<thought>\nhm\n</thought>\n\nParis",
    "EXAONE Deep, the template began them": "hm\n</thought>\n\nParis",
    "reasoning": "<reasoning>hm</reasoning>\n\nParis",
    "reflection": "<reflection>hm</reflection>\n\nParis",
    "Seed-OSS": "<seed:think>\nhm\n</seed:think>Paris",
    "MiniMax M3": "<mm:think>hm</mm:think>Paris",
    "LongCat": "hm</longcat_think>\nParis",
    "Hunyuan 3": "<think:opensource>hm</think:opensource>Paris",
    "Hunyuan A13B": "<think>\nhm\n</think>\n<answer>\nParis\n</answer>",
    "ERNIE 4.5": "\nhm\n</think>\n\n<response>\nParis\n</response>\n",
    "GLM-4.1V": "<think>hm</think><answer><|begin_of_box|>Paris<|end_of_box|></answer>",
    "GLM-4.5V": "<think>hm</think>\n<|begin_of_box|>Paris<|end_of_box|>",
    "Reflection": "<thinking>\nhm\n</thinking>\n<output>\nParis\n</output>",
    "Magistral": "[THINK]hm[/THINK]Paris",
    "Kimi-VL": "◁think▷hm◁/think▷Paris",
    "Kimi K3": "<|open|>think<|sep|>hm<|close|>think<|sep|><|open|>response<|sep|>Paris<|close|>response<|sep|>",
    "Command A": "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Paris<|END_RESPONSE|>",
    "Apertus": "<|inner_prefix|>hm<|inner_suffix|>Paris",
    "Solar Open 2": "hm<|think:end|>Paris",
    "Gemma 4": "<|channel>thought\nhm<channel|>Paris<turn|>",
    "Pangu": "[unused16]hm[unused17]Paris",
    "Inkling": (
        "<|message_model|><|content_thinking|>hm<|end_message|><|message_model|><|content_text|>Paris<|end_message|>"
    ),
    "HyperCLOVA X": "/think\nhm<|im_end|>\n<|im_start|>assistant\nParis",
    "Granite": "Here is my thought process:\nhm\n\nHere is my response:\nParis",
    "Granite, quantised": "Here's my thought process: hm Here's my response: Paris",
    "Apriel": "Here are my reasoning steps:\nhm\n[BEGIN FINAL RESPONSE]\nParis\n[END FINAL RESPONSE]\n<|end|>",
    "Apriel, the template began them": "hm\n[BEGIN FINAL RESPONSE]\nParis",
    "gpt-oss": "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Paris<|return|>",
    "gpt-oss, the prompt began it": "analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Paris",
    "gpt-oss, without special tokens": "analysishmassistantfinalParis",
    "gpt-oss, a tool preamble": (
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>commentary<|message|><|end|>"
        "<|start|>assistant<|channel|>final<|message|>Paris"
    ),
    "gpt-oss, half parsed, without special tokens": "<think>hm</think>assistantfinalParis",
    "gpt-oss, half parsed": "<|channel|>analysis<|message|>hm<|end|>Paris",
    "OpenThinker": "<|begin_of_thought|>\nhm\n<|end_of_thought|>\n<|begin_of_solution|>\nParis\n<|end_of_solution|>",
    "MedGemma": "<unused94>thought\nhm<unused95>Paris",
    "Gemini": "<ctrl94>thought\nhm<ctrl95>Paris",
    "s1": "<|im_start|>think\nhm\n<|im_start|>answer\nParis",
    "K2": "<think_fast>\nhm</think_fast>\nParis",
    "Hermes 3": "<SCRATCHPAD>\nhm\n</SCRATCHPAD>\n<INNER_MONOLOGUE>\n</INNER_MONOLOGUE>\nParis",
    "HuatuoGPT-o1": "## Thinking\n\nhm\n\n## Final Response\n\nParis",
    "Open WebUI": '<details type="reasoning" done="true" duration="3">\nhm\n</details>\nParis',
    "written as HTML": "&lt;think&gt;hm&lt;/think&gt;Paris",
    "with an attribute": '<think time="3">hm</think>Paris',
    "behind the opening of a turn": "<|im_start|>assistant\n<think>\nhm\n</think>\nParis",
    "behind the beginning of a text": "<s><think>hm</think>Paris</s>",
    "behind marks that nobody sees": "\ufeff\u200b<think>hm</think>Paris",
    "Muse": "to=self<|message|>hm<|eom|><|start|>assistant to=user<|message|>Paris<|eot|>",
}
WITHOUT_THOUGHTS = {"Qwen with thinking off", "the template began and ended them"}


@in_one_loop
@each_way
@pytest.mark.parametrize("form", LEAKS)
async def test_thoughts_in_the_text_are_kept_apart(form: str, way: str, ways: BothWays) -> None:
    got = await ways.choice(way, Answer(text=LEAKS[form]))
    assert (got.text.strip(), got.flaw, got.finish_reason) == ("Paris", "", "stop")
    assert got.reasoning == ("" if form in WITHOUT_THOUGHTS else "hm")


@in_one_loop
@each_way
@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
@pytest.mark.parametrize("value", [None, "", "  "], ids=["null", "empty", "blank"])
@pytest.mark.parametrize("model", ["hosted_vllm/m", "openai/m", "ollama_chat/m"])
async def test_a_field_for_thoughts_that_holds_none_does_not_hide_those_in_the_text(
    model: str, value: Any, key: str, way: str, ways: BothWays
) -> None:
    got = await ways.choice(way, Answer(text="<think>\nhm\n</think>\n\nParis", extra={key: value}), model=model)
    assert (got.text, got.reasoning) == ("Paris", "hm")


@in_one_loop
@each_way
@pytest.mark.parametrize(
    ("extra", "thoughts"),
    [
        ({"reasoning_content": "hm"}, "hm"),
        ({"reasoning_details": []}, ""),
        ({"reasoning": "hm"}, "hm"),
        ({"reasoning": "hm", "reasoning_content": "hm"}, "hm"),
        ({"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, "hm"),
        ({"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]}, "hm"),
        ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}, ""),
        ({"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}]}, "hm"),
    ],
    ids=["reasoning_content", "no details", "reasoning", "both", "details", "summary", "encrypted", "blocks"],
)
async def test_a_field_with_thoughts_is_read_and_said_once(
    extra: dict[str, Any], thoughts: str, way: str, ways: BothWays
) -> None:
    got = await ways.choice(way, Answer(text="Paris", extra=extra))
    assert (got.text, got.reasoning, got.flaw) == ("Paris", thoughts, "")


@in_one_loop
@each_way
async def test_thoughts_in_a_field_and_in_the_text_are_both_kept(way: str, ways: BothWays) -> None:
    got = await ways.choice(way, Answer(text="<think>ha</think>Paris", extra={"reasoning_content": "hm"}))
    assert (got.text, got.reasoning) == ("Paris", "hm\n\nha")


@in_one_loop
@pytest.mark.parametrize(
    "parts",
    [
        [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Paris"}],
        [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "Paris"}],
        [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}, "Paris"],
        [{"type": "text", "text": "<think>hm</th"}, {"type": "text", "text": "ink>Paris"}],
    ],
    ids=["Mistral", "Anthropic", "Responses", "in the text"],
)
async def test_thoughts_among_the_parts_of_an_answer_are_kept_apart(parts: list[Any], ways: BothWays) -> None:
    """LiteLLM refuses such a reply for these providers, and reads it for those that are known to send it."""
    got = await ways.choice("direct", chat(choice(content=parts)))
    assert (got.text, got.reasoning, got.flaw) == ("Paris", "hm", "")


@in_one_loop
async def test_an_answer_with_a_part_that_is_no_text_is_none(ways: BothWays) -> None:
    parts = [{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {"url": "x"}}]
    got = await ways.choice("direct", chat(choice(content=parts)))
    assert (got.text, got.flaw) == ("Look:", "it holds a part of type 'image_url', which is no text")


UNENDED = {
    "Qwen": "<think>\nhm",
    "Magistral": "[THINK]hm",
    "Kimi": "◁think▷hm",
    "Gemma": "<|channel>thought\nhm",
    "Gemma, without special tokens": "thought\nhm Paris",
    "gpt-oss": "<|channel|>analysis<|message|>hm",
    "gpt-oss, only a tool call": "<|channel|>commentary to=functions.f <|constrain|>json<|message|>hm<|call|>",
    "gpt-oss, without special tokens": "analysisWe hm",
    "a second block": "<think></think><think>hm",
    "a code block of nobody knows whom": "```\nhm\n</think>\n\nParis\n```",
}


@in_one_loop
@each_way
@pytest.mark.parametrize("form", UNENDED)
async def test_thoughts_that_never_end_are_no_answer(form: str, way: str, ways: BothWays) -> None:
    got = await ways.choice(way, Answer(text=UNENDED[form]))
    assert (got.text, got.flaw) == ("", NO_END)
    assert "hm" in got.reasoning


TALK = {
    "a code span": "Qwen puts its thoughts between `<think>` and `</think>`.",
    "a code span with an end alone": "The template ends them with `</think>`, then comes the answer.",
    "quotes": 'It ends with "</think>" or “[/THINK]”.',
    "a code block": "Like this:\n\n```\n<think>\nhm\n</think>\n\nParis\n```\n\nThat is all.",
    "a code block first": "```xml\n<think>hm</think>\n```",
    "an end in a line of code": "```python\ntext.split('</think>')[1]\nx = '</think>'\n```",
    "a pair in a sentence": "The tags <think> and </think> hold thoughts.",
    "a pair further down": "Write it so:\n<think>\nhm\n</think>\nThen answer.",
    "other tags": "<p>Paris</p>\n<thoughtful>yes</thoughtful>",
    "an answer in tags": "<answer>Paris</answer>",
    "English": "analysis of the final figures: the assistant finally won.",
    "code": "analysisResult = compute()\nfinalAnswer = 42",
    "a thought": "thought is free",
    "Granite's words alone": "Here is my thought process: first I look, then I leap.",
    "Apriel's words alone": "Here are my reasoning steps:\n1. Look.\n2. Leap.",
    "special tokens in a sentence": "ChatML ends a turn with <|im_end|>\n<|im_start|>assistant begins the next.",
    "harmony in a sentence": "Use <|message|> after <|channel|>final to answer.",
}


@pytest.mark.parametrize("case", TALK)
def test_talk_about_thoughts_loses_nothing(case: str) -> None:
    assert split_thoughts(TALK[case]) == SplitText(TALK[case])


@in_one_loop
@each_way
async def test_tags_that_the_prompt_asked_for_stay_and_others_go(way: str, ways: BothWays) -> None:
    asked = ({"role": "user", "content": "The capital of France? Put it into <answer> tags."},)
    said = Answer(text="<think>hm</think>\n<answer>Paris</answer>")
    assert (await ways.choice(way, said, messages=asked)).text == "<answer>Paris</answer>"
    assert (await ways.choice(way, said, messages=HELLO)).text == "Paris"


def test_a_thought_that_quotes_the_end_of_thoughts_is_whole() -> None:
    thought = "They want `</think>` explained, and <think> too.\nI end with </think> then.\nNow."
    assert split_thoughts(f"<think>\n{thought}\n</think>\n\nParis").answer == "Paris"
    assert split_thoughts(f"{thought}\n</think>\n\nParis").answer == "Paris"


@in_one_loop
@each_way
async def test_tokens_of_thoughts_are_billed_as_the_provider_counts_them(way: str, ways: BothWays) -> None:
    answer = await ways.answer(way, Answer(text="<think>hm</think>Paris", completion_tokens=500))
    assert answer.completion_tokens == 500


@in_one_loop
async def test_thoughts_are_kept_up_to_a_bound_and_say_what_is_missing(ways: BothWays) -> None:
    thinking = {"thinking": "\ud83d\0" + "x" * 300_000}
    got = await ways.choice("direct", ollama("Paris", message=thinking), model="ollama_chat/m")
    assert len(got.reasoning) < 200_100
    assert got.reasoning.startswith("\ufffd\ufffdx")
    assert got.reasoning.endswith("[100002 more characters are not kept]")
    assert got.flaw == ""


MARKS = ["<think>", "</think>", "[THINK]", "[/THINK]", "<|message|>", "<|channel|>", "analysis", "assistantfinal"]
MARKS += [
    "<|end|>",
    "`",
    "```\n",
    "\n",
    '"',
    "hm ",
    "<answer>",
    "</answer>",
    "<|channel>thought\n",
    "<channel|>",
    "final",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(MARKS), max_size=12).map("".join))
@example("</think>" * 20)
def test_an_answer_holds_no_more_thoughts_when_it_is_read_again(text: str) -> None:
    split = split_thoughts(text)
    assert not split.is_open or split.answer == ""
    assert split_thoughts(split.answer) == SplitText(split.answer)


@pytest.mark.parametrize(
    "piece", ["</think>", "<think>", "<think></think>", "`</think>", "```\n</think>\n", "[/THINK]\n"]
)
def test_a_flood_of_marks_costs_no_more_than_its_length(piece: str) -> None:
    began = time.process_time()
    split_thoughts(piece * (1_000_000 // len(piece)))
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "content",
    [
        "Okay, sure.\n<think>\nhm",
        "Paris\n<think>wait",
        "<think>hm</think>Paris\n<thinking>wait",
        '<think time="3">hm',
        "<|im_start|>assistant\n<think>hm",
        "analysisOkay, the user asks for a city",
        "commentaryWe need to look",
    ],
)
def test_thoughts_that_begin_anywhere_and_never_end_leave_no_answer(content: str) -> None:
    assert (split_thoughts(content).answer, split_thoughts(content).is_open) == ("", True)


@pytest.mark.parametrize(
    "content",
    [
        "Write\n```\n<think>\n```\nfirst.",
        'The tag\n"<think>" opens them.',
        "It begins with <think> and goes on.",
        "Fold it:\n<details>\nParis\n</details>",
        "## Thinking\n\nis what people do.",
        "analysisResult = 3",
        "<br/>Paris",
    ],
)
def test_an_opening_mark_that_is_talked_about_begins_no_thoughts(content: str) -> None:
    assert split_thoughts(content) == SplitText(content)


def test_every_form_has_a_case() -> None:
    for form in FORMS:
        assert any(form.end.search(text) for text in LEAKS.values()), form.end.pattern
