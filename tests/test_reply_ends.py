"""How a reply ended, and what is no answer at all: broken off, an error, unreadable, invisible."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from both_ways import WAYS, BothWays, opened
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openai_server import Answer, Raw
from recorded_replies import chat, choice, raw

from star_agents.agents.answer import Choice
from star_agents.agents.replies.finish_reasons import KNOWN, finish_reason, most_tokens
from star_agents.agents.replies.reading import longest_text, read_again, read_choice, why_unusable
from star_agents.agents.translate import translate
from star_agents.errors import AgentError, AgentRateLimited, AgentRefused, AgentUnavailable
from star_agents.recipes.star_records import Assessed, Candidate, star_outcome
from star_agents.records import AgentPair, OutcomeKind, Reply, Sample, Seed
from star_agents.storage.incoming.seed_files import read_seeds, write_rows
from star_agents.storage.outgoing.result_rows import SAMPLE_SHAPES, selected_rows
from star_agents.storage.results import Result
from star_agents.storage.rows import OutcomeRow
from star_agents.text.visible import is_visible

in_one_loop = pytest.mark.asyncio(loop_scope="module")
each_way = pytest.mark.parametrize("way", WAYS)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def ways() -> AsyncIterator[BothWays]:
    async with opened() as both:
        yield both


def reply(read: Choice, tokens: int = 5) -> Reply:
    """What a choice becomes."""
    return Reply(
        text=read.text,
        finish_reason=read.finish_reason,
        agent="it",
        model="m",
        completion_tokens=tokens,
        reasoning=read.reasoning,
        flaw=read.flaw,
    )


def why(read: Choice, *, allow_cut: bool = False) -> str:
    return str(why_unusable(reply(read), "response", allow_cut=allow_cut) or "")


# Finish reasons.

GOOD = ["stop", "STOP", "eos", "eos_token", "end_turn", "stop_sequence", "COMPLETE", "completed"]
CUT = ["length", "max_tokens", "MAX_TOKENS", "model_length", "model_context_window_exceeded"]
BROKEN = [
    "error",
    "ERROR",
    "abort",
    "network_error",
    "insufficient_system_resource",
    "pause_turn",
    "quota",
    "repetition",
]
BROKEN += ["FINISH_REASON_UNSPECIFIED", "MALFORMED_RESPONSE", "content_filter", "SAFETY", "refusal", "tool_calls"]


@in_one_loop
@each_way
@pytest.mark.parametrize("word", GOOD)
async def test_a_known_good_end_passes(word: str, way: str, ways: BothWays) -> None:
    got = await ways.choice(way, Answer(text="Paris", finish_reason=word))
    assert (got.finish_reason, why(got)) == ("stop", "")


@in_one_loop
@each_way
@pytest.mark.parametrize("word", CUT)
async def test_a_cut_reply_fails_as_cut_unless_that_is_allowed(word: str, way: str, ways: BothWays) -> None:
    got = await ways.choice(way, Answer(text="Par", finish_reason=word))
    assert why(got) == "length: the response of it was cut after 5 tokens"
    assert why(got, allow_cut=True) == ""


@in_one_loop
@each_way
@pytest.mark.parametrize("word", BROKEN)
async def test_any_other_end_fails_by_its_name_unless_that_is_allowed(word: str, way: str, ways: BothWays) -> None:
    got = await ways.choice(way, Answer(text="Par", finish_reason=word))
    named = KNOWN.get(word.lower(), word)
    assert why(got).startswith(f"format: the response of it ended with finish_reason {named!r}")
    assert why(got, allow_cut=True) == ""


@in_one_loop
@pytest.mark.parametrize("model", ["hosted_vllm/m", "openai/m", "ollama_chat/m"])
async def test_a_partial_text_with_finish_reason_error_fails_directly(model: str, ways: BothWays) -> None:
    got = await ways.choice("direct", Answer(text="The capital of", finish_reason="error"), model=model)
    assert why(got).startswith("format: ")


@in_one_loop
async def test_openrouters_own_words_count_and_not_those_of_the_provider_behind_it(ways: BothWays) -> None:
    whole = {**choice(content="Paris"), "native_finish_reason": "some_word_of_theirs"}
    broken = {**choice(content="Par", finish_reason="error"), "native_finish_reason": "some_word_of_theirs"}
    assert why(await ways.choice("litellm", chat(whole), model="openrouter/org/m")) == ""
    assert "'error'" in why(await ways.choice("litellm", chat(broken), model="openrouter/org/m"))


@in_one_loop
@pytest.mark.parametrize("way", WAYS)
async def test_no_reason_passes_where_tokens_were_left_and_is_cut_where_not(way: str, ways: BothWays) -> None:
    said = chat(choice(content="Paris", finish_reason=None))
    assert why(await ways.choice(way, said, shape={"max_tokens": 6})) == ""
    assert why(await ways.choice(way, said)) == ""
    assert why(await ways.choice(way, said, shape={"max_tokens": 5})).startswith("length: ")


@in_one_loop
async def test_no_reason_and_no_count_is_no_end(ways: BothWays) -> None:
    """LiteLLM says ``stop`` of it."""
    got = await ways.choice("direct", chat(choice(content="Paris", finish_reason=None), usage=None))
    assert why(got).startswith("format: the response of it ended without a finish_reason")


@in_one_loop
@pytest.mark.parametrize("model", ["ollama/m", "ollama_chat/m", "hosted_vllm/m"])
@pytest.mark.parametrize("way", WAYS)
async def test_a_claimed_stop_with_all_tokens_used_is_a_cut(model: str, way: str, ways: BothWays) -> None:
    """LiteLLM says ``stop`` of every reply of Ollama's ``/api/generate``."""
    if model == "ollama/m":
        way = "litellm"  # the only one
    for limit, end in ((5, "length"), (6, "stop")):
        said = Answer(text="one two three four five", completion_tokens=5)
        assert (await ways.choice(way, said, model=model, shape={"max_tokens": limit})).finish_reason == end


def test_a_limit_is_found_by_every_name_it_has() -> None:
    assert most_tokens({"max_tokens": 9}) == 9
    assert most_tokens({"max_completion_tokens": 8, "max_tokens": 9}) == 8
    assert most_tokens({"extra_body": {"num_predict": 7}}) == 7
    assert most_tokens({"num_predict": -1, "max_tokens": None}) is None


@in_one_loop
@each_way
@pytest.mark.parametrize("model", ["hosted_vllm/m", "ollama_chat/m"])
async def test_a_reply_longer_than_its_tokens_explain_is_cut_and_no_answer(
    model: str, way: str, ways: BothWays
) -> None:
    for limit in (100, None):
        longest = longest_text(limit)
        for tail in ("", "x"):
            said = Answer(text=f"{'word ' * (longest // 5 + 1)}"[:longest] + tail, completion_tokens=50)
            got = await ways.choice(way, said, model=model, shape={"max_tokens": limit} if limit else {})
            assert len(got.text) == longest
            assert why(got, allow_cut=True).startswith("format: " if tail else "")
            assert bool(got.flaw) == bool(tail)


def test_thoughts_that_never_end_are_cut_where_no_reply_of_that_length_can_be() -> None:
    got = read_choice({"content": "<think>" + "hm " * 500_000}, "stop", (), max_tokens=100)
    assert "more than `max_tokens: 100` can explain" in got.flaw
    assert len(got.text) + len(got.reasoning) <= longest_text(100)


def test_a_journal_of_before_gives_no_reply_of_impossible_length() -> None:
    kept = Reply(text="a" * 20_000_000, finish_reason="stop", agent="it", model="m")
    read = read_again(kept, max_tokens=100)
    assert len(read.text) == longest_text(100)
    assert str(why_unusable(read, "response", allow_cut=True)).startswith("format: ")


def test_of_several_answers_all_are_cut_or_none() -> None:
    assert finish_reason("stop", tokens=10, max_tokens=5, choices=2) == "length"
    assert finish_reason("stop", tokens=9, max_tokens=5, choices=2) == "stop"


@pytest.mark.parametrize("sent", [{"type": "stop"}, ["stop"], 3, "x\n\x1b[31m" * 99])
def test_a_reason_of_another_kind_is_one_short_line_and_no_good_end(sent: Any) -> None:
    word = finish_reason(sent, tokens=1, max_tokens=None)
    assert 0 < len(word) <= 40
    assert word.isprintable()
    assert word not in KNOWN.values()


# Errors inside choices.


@in_one_loop
@each_way
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 502, "message": "Provider returned error"}, AgentUnavailable),
        ({"code": 429, "message": "slow down"}, AgentRateLimited),
        ({"code": 403, "message": "flagged"}, AgentRefused),
        ({"code": "server_error", "message": "boom"}, AgentUnavailable),
        ("boom", AgentRefused),
    ],
    ids=["502", "429", "403", "a word", "a text"],
)
async def test_an_error_inside_a_choice_is_an_error(
    error: Any, kind: type[AgentError], way: str, ways: BothWays
) -> None:
    broken = {**choice(content="The capital of", finish_reason="error"), "error": error}
    with pytest.raises(Exception) as caught:  # noqa: PT011  which one is what is looked at
        await ways.answer(way, chat(broken))
    ours = translate(caught.value, agent="it", model="m")
    assert type(ours) is kind
    assert ("boom" if error == "boom" else error["message"]) in str(ours)


@in_one_loop
@each_way
async def test_an_error_in_one_of_two_choices_leaves_the_other(way: str, ways: BothWays) -> None:
    broken = {**choice(0, content="Par", finish_reason="error"), "error": {"code": 502, "message": "no"}}
    answer = await ways.answer(way, chat(broken, choice(1, content="Paris")), n=2)
    assert [one.text for one in answer.choices] == ["Paris"]


@in_one_loop
@each_way
@pytest.mark.parametrize("error", [None, {}, "", {"message": "", "code": None}])
async def test_an_error_that_says_nothing_is_none(error: Any, way: str, ways: BothWays) -> None:
    assert (await ways.choice(way, chat({**choice(content="Paris"), "error": error}))).text == "Paris"


# Texts that are none.

INVISIBLE = [
    "\u200b",
    "\u200b\u200d\ufeff",
    " \n\t",
    "\u2060\u00ad",
    "\u2800",
    "\u3164",
    "\ufe0f",
    "\u0301",
    "\u202e \x07",
]


@in_one_loop
@each_way
@pytest.mark.parametrize("text", INVISIBLE, ids=lambda text: "+".join(f"{ord(one):04X}" for one in text))
async def test_a_reply_that_shows_nothing_is_empty(text: str, way: str, ways: BothWays) -> None:
    got = await ways.choice(way, Answer(text=text))
    assert why(got, allow_cut=True) == "empty: it wrote no response (finish_reason stop)"


@pytest.mark.parametrize("text", ["4", "。", "→", "🙂", "👨\u200d👩\u200d👧", "e\u0301", "नि", "\u200bhi", "½", "©"])
def test_whatever_shows_something_is_visible(text: str) -> None:
    assert is_visible(text)


@in_one_loop
@each_way
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (rb'"Par\u0000is"', "it holds a NUL character at position 4"),
        (rb'"Paris \ud83d!"', "it holds half a surrogate pair (U+D83D) at position 7"),
        (rb'"<think>hm</think>Par\u0000is"', "it holds a NUL character at position 4"),
    ],
    ids=["NUL", "half a pair", "NUL behind thoughts"],
)
async def test_a_reply_that_no_file_can_hold_is_no_answer(body: bytes, said: str, way: str, ways: BothWays) -> None:
    sent = chat(choice(content="HERE")).body.replace(b'"HERE"', body)
    got = await ways.choice(way, Raw(body=sent))
    assert why(got, allow_cut=True) == f"format: the response of it cannot be used: {said}"


@in_one_loop
@each_way
async def test_a_whole_pair_of_surrogates_is_a_character(way: str, ways: BothWays) -> None:
    sent = chat(choice(content="HERE")).body.replace(b"HERE", rb"Paris \ud83d\ude42")
    assert (await ways.choice(way, Raw(body=sent))).text == "Paris 🙂"


@in_one_loop
@each_way
async def test_thoughts_alone_are_no_answer(way: str, ways: BothWays) -> None:
    said = "empty: it wrote no response, only thoughts (finish_reason stop)"
    assert why(await ways.choice(way, Answer(text="<think>hm</think>\n\n")), allow_cut=True) == said
    assert why(await ways.choice(way, Answer(text="", extra={"reasoning_content": "hm"})), allow_cut=True) == said


@in_one_loop
@each_way
async def test_thoughts_that_never_end_fail_even_where_a_cut_is_allowed(way: str, ways: BothWays) -> None:
    for end, said in (
        ("stop", "format: the response of it cannot"),
        ("length", "length: it was cut after 5 tokens, wh"),
    ):
        got = await ways.choice(way, Answer(text="<think>hm", finish_reason=end))
        assert why(got, allow_cut=True).startswith(said)


@in_one_loop
@pytest.mark.parametrize("content", [7, {"text": "x"}, True])
async def test_content_of_another_kind_is_an_error(content: Any, ways: BothWays) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        await ways.answer("direct", raw(200, {"choices": [choice(content=content)]}))
    assert isinstance(translate(caught.value, agent="it", model="m"), AgentUnavailable)


# What a run writes, a run reads.

NASTY = st.text(st.characters(codec=None), max_size=30) | st.text(
    '\0\ud800\udfff\u200b\u2028\x85\r\n "\\`<a', max_size=12
)
TEXTS = NASTY | st.builds("<think>{}</think>{}".format, NASTY, NASTY)


@settings(deadline=None, max_examples=60)
@given(instruction=TEXTS, response=TEXTS)
@example(instruction="Why?", response="Par\0is")
@example(instruction="Why?", response="\u200b")
@example(instruction="\u200b", response="Paris")
@example(instruction="Why?", response="\ud83d")
def test_whatever_agents_reply_our_reader_takes_what_our_run_writes(
    instruction: str, response: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    read = [read_choice({"content": text}, "stop", ()) for text in (instruction, response)]
    if any(why(one) for one in read):
        return
    sample = Sample(instruction=read[0].text.strip(), response=read[1].text.strip())
    result = result_of(sample, read[1].reasoning)
    folder = tmp_path_factory.mktemp("rows")
    for layout in SAMPLE_SHAPES:
        assert_read_back(folder / f"{layout}.jsonl", selected_rows(result, layout), sample)
    assert_read_back(folder / "messages.json", selected_rows(result, "messages"), sample)
    assert_read_back(folder / "messages.parquet", selected_rows(result, "messages"), sample)


def assert_read_back(path: Path, rows: Any, sample: Sample) -> None:
    assert write_rows(path, rows) == 1
    found = read_seeds(path)
    assert found.problems == ()
    assert [seed.sample for seed in found.seeds] == [sample]


def result_of(sample: Sample, reasoning: str, kind: OutcomeKind = "kept") -> Result:
    """A seed whose one candidate won."""
    seed = Seed.of(Sample(instruction="Why?"))
    candidate = Candidate(
        pair=AgentPair(instruction="keep", response="it"), is_base=False, sample=sample, reasoning=reasoning
    )
    outcome = star_outcome(seed.id, kind, (Assessed(candidate=candidate),), chosen=0)
    return Result.of(seed, OutcomeRow(seq=1, revision=1, at=0.0, outcome=outcome))
