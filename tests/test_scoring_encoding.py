"""From samples to token ids: what each reading of Eq. 4 scores, where it cuts, and what it refuses."""

from __future__ import annotations

import pytest
from tiny_models import CHAT_TEMPLATE, train_tokenizer

from star_agents.errors import ScorerError
from star_agents.records import Message, Sample
from star_agents.scoring.compat import encoder_for
from star_agents.scoring.encoding import Encoded, PairEncoder, Reason

BOS, EOS = 1, 2
COLOURS = Sample(instruction="Name three colours.", response="Red, green and blue.")


def encode(sample: Sample, encoder: PairEncoder | None = None) -> Encoded:
    found = (encoder or PairEncoder(train_tokenizer(), max_length=256)).encode([sample])[0]
    assert isinstance(found, Encoded), found
    return found


def reason(sample: Sample, max_length: int = 256) -> Reason:
    found = PairEncoder(train_tokenizer(), max_length=max_length).encode([sample])[0]
    assert isinstance(found, Reason), found
    return found


def ids(text: str) -> tuple[int, ...]:
    return tuple(train_tokenizer().encode(text, add_special_tokens=False))


def test_both_passes_score_the_same_tokens_the_first_one_included() -> None:
    found = encode(COLOURS)
    assert found.conditional.ids == (BOS, *ids("Name three colours.\n"), *ids("Red, green and blue."))
    assert found.alone.ids == (BOS, *ids("Red, green and blue."))
    assert found.conditional.ids[found.conditional.start :] == found.alone.ids[found.alone.start :]
    assert found.alone.scored == len(ids("Red, green and blue."))


def test_an_input_stands_on_its_own_line() -> None:
    found = encode(Sample(instruction="Add.", input="1 2", response="3"))
    assert found.conditional.ids == (BOS, *ids("Add.\n1 2\n"), *ids("3"))


def test_earlier_turns_stand_before_the_instruction_each_with_a_line_break() -> None:
    history = (Message(role="user", content="Hi"), Message(role="assistant", content="Yes?"))
    found = encode(Sample(instruction="Add.", response="3", history=history))
    assert found.conditional.ids == (BOS, *ids("Hi\nYes?\nAdd.\n"), *ids("3"))


def test_eos_takes_the_place_of_a_missing_bos() -> None:
    found = encode(COLOURS, PairEncoder(train_tokenizer(bos=None), max_length=256))
    assert found.alone.ids[0] == EOS
    assert found.conditional.ids[0] == EOS


def test_a_tokenizer_without_bos_and_eos_is_refused() -> None:
    with pytest.raises(ScorerError, match="neither a BOS nor an EOS"):
        PairEncoder(train_tokenizer(bos=None, eos=None), max_length=256)


@pytest.mark.parametrize("adds", ["$A", "<s> $A", "$A </s>", "<s> $A </s>"])
def test_special_tokens_that_a_tokenizer_adds_by_itself_change_nothing(adds: str) -> None:
    assert encode(COLOURS, PairEncoder(train_tokenizer(adds=adds), max_length=256)) == encode(COLOURS)


def test_a_merge_across_the_border_moves_no_token() -> None:
    sample = Sample(instruction="x", response="\n\nfox")
    assert encode(sample).conditional.ids == (BOS, *ids("x\n"), *ids("\n\nfox"))


def test_a_response_that_recurs_in_the_prompt_is_scored_at_its_own_place() -> None:
    found = encode(Sample(instruction="sum", input="sum of the sum", response="sum"))
    assert found.conditional.start == 1 + len(ids("sum\nsum of the sum\n"))


def test_the_chat_template_runs_up_to_the_turn_of_the_assistant() -> None:
    history = (Message(role="system", content="Be brief."),)
    sample = Sample(instruction="Add.", input="1 2", response="3", history=history)
    found = encode(sample, PairEncoder(train_tokenizer(chat_template=CHAT_TEMPLATE), max_length=256))
    prompt = "<|system|>Be brief.\n<|user|>Add.\n\n1 2\n<|assistant|>"
    assert found.conditional.ids == (BOS, *ids(prompt), *ids("3"))
    assert found.alone.ids == (BOS, *ids("3"))


def test_a_chat_template_that_begins_with_bos_does_not_double_it() -> None:
    plain = PairEncoder(train_tokenizer(chat_template=CHAT_TEMPLATE), max_length=256)
    begins = PairEncoder(train_tokenizer(chat_template="{{ bos_token }}" + CHAT_TEMPLATE), max_length=256)
    assert encode(COLOURS, begins) == encode(COLOURS, plain)


def test_a_conversation_that_the_chat_template_refuses_gets_its_words_as_reason() -> None:
    template = "{{ raise_exception('System role not supported') }}"
    found = PairEncoder(train_tokenizer(chat_template=template), max_length=256).encode([COLOURS])
    assert found == ["the chat template refuses the conversation: System role not supported"]


def test_a_long_response_is_cut_on_the_right_and_the_same_in_both_passes() -> None:
    prompt, response = ids("Name three colours.\n"), ids("Red, green and blue.")
    for room in (1, 2, len(response) - 1):
        found = encode(COLOURS, PairEncoder(train_tokenizer(), max_length=1 + len(prompt) + room))
        assert found.conditional.ids == (BOS, *prompt, *response[:room])
        assert found.alone.ids == (BOS, *response[:room])
        assert found.conditional.scored == found.alone.scored == room


def test_a_prompt_that_leaves_no_room_gets_a_reason() -> None:
    size = 1 + len(ids("Name three colours.\n"))
    assert reason(COLOURS, max_length=size) == f"no room: prompt of {size} tokens fills max_length {size}"
    assert reason(COLOURS, max_length=3) == f"no room: prompt of {size} tokens fills max_length 3"


@pytest.mark.parametrize("response", ["", " ", "\n\t"])
def test_an_empty_response_gets_a_reason_not_a_score(response: str) -> None:
    assert reason(Sample(instruction="Say nothing.", response=response)) == "empty response"


def test_a_sample_without_a_response_gets_a_reason() -> None:
    assert reason(Sample(instruction="Say something.")) == "no response given"


def test_half_of_a_surrogate_pair_gets_a_reason_and_spoils_no_neighbour() -> None:
    broken = Sample(instruction="Say \ud800.", response="No.")
    found = PairEncoder(train_tokenizer(), max_length=256).encode([COLOURS, broken, COLOURS])
    assert found[0] == found[2] == encode(COLOURS)
    assert isinstance(found[1], Reason)


def test_score_eos_scores_the_end_unless_the_cut_took_it() -> None:
    whole = PairEncoder(train_tokenizer(), max_length=256, score_eos=True)
    assert encode(COLOURS, whole).alone.ids == (BOS, *ids("Red, green and blue."), EOS)
    exact = len(encode(COLOURS).conditional.ids)
    cut = PairEncoder(train_tokenizer(), max_length=exact, score_eos=True)
    assert encode(COLOURS, cut) == encode(COLOURS)


def test_score_eos_needs_an_eos() -> None:
    with pytest.raises(ScorerError, match="no EOS token"):
        PairEncoder(train_tokenizer(eos=None), max_length=256, score_eos=True)


def test_superfiltering_tokenises_jointly_and_leaves_the_first_token_of_the_alone_pass_unscored() -> None:
    encoder = encoder_for("superfiltering", train_tokenizer(), max_length=256)
    (found,) = encoder.encode([COLOURS])
    assert isinstance(found, Encoded)
    assert found.conditional.ids == ids("Name three colours.\nRed, green and blue.")
    assert found.conditional.start == len(ids("Name three colours.\n"))
    assert (found.alone.ids, found.alone.start) == (ids("Red, green and blue."), 1)


def test_superfiltering_scores_the_first_token_where_the_tokenizer_adds_a_bos() -> None:
    encoder = encoder_for("superfiltering", train_tokenizer(adds="<s> $A"), max_length=256)
    (found,) = encoder.encode([COLOURS])
    assert isinstance(found, Encoded)
    assert found.alone.ids == (BOS, *ids("Red, green and blue."))
    assert found.conditional.start == 1 + len(ids("Name three colours.\n"))


def test_superfiltering_cuts_the_alone_pass_by_the_length_of_the_prompt() -> None:
    prompt = len(ids("Name three colours.\n"))
    (found,) = encoder_for("superfiltering", train_tokenizer(), max_length=prompt + 3).encode([COLOURS])
    assert isinstance(found, Encoded)
    assert (found.conditional.scored, len(found.alone.ids)) == (3, 4)


@pytest.mark.parametrize("adds", ["$A", "<s> $A", "$A </s>", "<s> $A </s>"])
@pytest.mark.parametrize("most", [10, 14, 256])
def test_a_batch_is_cut_as_the_tokenizer_itself_cuts_one_text(adds: str, most: int) -> None:
    tokenizer = train_tokenizer(adds=adds)
    samples = [COLOURS, Sample(instruction="Add.", response="The sum is 3, as 1 and 2 make 3."), COLOURS]
    for sample, found in zip(
        samples, encoder_for("superfiltering", tokenizer, max_length=most).encode(samples), strict=True
    ):
        assert isinstance(found, Encoded)
        text, start = f"{sample.instruction}\n{sample.response}", len(tokenizer.encode(f"{sample.instruction}\n"))
        assert list(found.conditional.ids) == tokenizer.encode(text, truncation=True, max_length=most)
        alone = tokenizer.encode(str(sample.response), truncation=True, max_length=most - start + 1)
        assert list(found.alone.ids) == alone


def test_one_token_has_a_score_in_our_reading_and_a_reason_in_superfiltering() -> None:
    sample = Sample(instruction="What is 1 + 1?", response="2")
    assert encode(sample).alone.scored == 1
    (found,) = encoder_for("superfiltering", train_tokenizer(), max_length=256).encode([sample])
    assert found == "superfiltering: the response alone leaves no token to score"


def test_cherry_scores_the_response_after_its_mark_in_both_passes() -> None:
    sample = Sample(instruction="Add.", input="1 2", response="The sum is 3.")
    (found,) = encoder_for("cherry", train_tokenizer(), max_length=512).encode([sample])
    assert isinstance(found, Encoded)
    text = str(train_tokenizer().decode(list(found.conditional.ids)))
    assert text.startswith("Below is an instruction that describes a task, paired with an input")
    assert text.endswith("### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:The sum is 3.")
    assert found.alone.ids == ids("### Response:The sum is 3.")
    assert found.alone.start == len(ids("### Response:"))


def test_the_other_readings_give_reasons_where_the_prompt_leaves_no_room() -> None:
    for mode in ("superfiltering", "cherry"):
        (found,) = encoder_for(mode, train_tokenizer(), max_length=4).encode([COLOURS])
        assert isinstance(found, Reason)
        assert "fills max_length 4" in found
