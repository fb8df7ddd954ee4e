"""Examples as token ids, each written by the model's own chat template just as it will be asked later.

An answer is what follows where the tokens of the prompt alone and of the whole conversation part; only answers are
learned. The prompt is written as ``scoring/generation.py`` writes it for an agent, a pair for a reward model as
``scoring/scorers/reward.py`` reads it. What does not fit is left out or cut by a stated rule, and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from star_agents.text.chat_template import ChatTemplate, without_system
from star_agents.training.examples import Example, Turns
from star_agents.training.request import Method, Settings

IGNORED = -100
"""Label of a token that is not learned (torch's cross entropy)."""
TOO_LONG = "longer than --max-length"
REFUSED = "refused by the chat template"
NOTHING_LEFT = "no token of the answer within --max-length"
EMPTY = "no token to learn"
Ids = list[int]
Row = dict[str, Any]


class Reason(str):
    """Why an example is not learned."""

    __slots__ = ()


@dataclass(kw_only=True)
class Encoded:
    """All examples of a training."""

    rows: list[Row] = field(default_factory=list[Row])
    """Columns that the method's trainer takes."""
    tokens: int = 0
    learned: int = 0
    """Of those, tokens that are learned; for pairs, those of both answers."""
    longest: int = 0
    """Tokens of the longest row, those that are left out included."""
    left_out: Counter[str] = field(default_factory=Counter[str])
    """Rows that are not learned, by reason."""
    first_left_out: dict[str, str] = field(default_factory=dict[str, str])
    """Reason to the place of the first such row."""
    notes: Counter[str] = field(default_factory=Counter[str])
    """What happened to rows that are learned, in words."""

    @property
    def asked(self) -> int:
        """Rows that were to be learned."""
        return len(self.rows) + self.left_out.total()


class _Refused(Exception):
    """A chat template, or a tokenizer, does not take an example."""


class _Written(NamedTuple):
    ids: Ids
    start: int
    """Where the answer begins."""


class Encoder:
    """Encodes for one method.

    Args:
        tokenizer: A transformers tokenizer with a chat template.
        ends: Tokens that end an answer when the model writes it.
        settings: What the training is asked for.
        method: Which columns are made.
    """

    def __init__(self, tokenizer: Any, ends: frozenset[int], settings: Settings, method: Method) -> None:
        self._tokenizer = tokenizer
        self._template = ChatTemplate(tokenizer)
        self._ends = ends
        self._settings = settings
        self._adds_start = _adds_start(tokenizer)
        make: Mapping[Method, Callable[[Example], Row | Reason]] = {
            "sft": self._sample,
            "dpo": self._pair,
            "reward": self._rewarded_pair,
            "rloo": self._prompt,
        }
        self._make = make[method]
        self._found = Encoded()

    def encode(self, examples: Iterable[Example]) -> Encoded:
        """All of them, in order."""
        self._found = found = Encoded()
        for example in examples:
            said = ""
            try:
                row = self._make(example)
            except _Refused as refused:
                row, said = Reason(REFUSED), f": {refused}"
            if isinstance(row, Reason):
                found.left_out[str(row)] += 1
                found.first_left_out.setdefault(str(row), f"{example.where}{said}")
            else:
                found.rows.append(row)
        return found

    def _sample(self, example: Example) -> Row | Reason:
        turns, tools = self._turns(example)
        whole = self._answered(turns, tools)
        spans = [*self._earlier(example, turns, tools, whole.ids), (whole.start, len(whole.ids))]
        self._see(whole.ids)
        ids = self._fitting(whole.ids)
        if ids is None:
            return Reason(TOO_LONG)
        labels = [IGNORED] * len(ids)
        for start, end in spans:
            labels[start:end] = ids[start:end]
        learned = sum(label != IGNORED for label in labels)
        if not learned:
            return Reason(NOTHING_LEFT if len(ids) < len(whole.ids) else EMPTY)
        self._found.tokens += len(ids)
        self._found.learned += learned
        return {"input_ids": ids, "labels": labels}

    def _earlier(self, example: Example, turns: Turns, tools: Turns, whole: Ids) -> list[tuple[int, int]]:
        """Where earlier turns that are learned stand within the whole conversation; not those that its end changes."""
        spans: list[tuple[int, int]] = []
        said = [place for place, turn in enumerate(turns) if turn["role"] == "assistant"][:-1]
        for place in said if self._settings.turns == "all" else said[len(said) + 1 - example.answers :]:
            told = self._answered(turns[: place + 1], tools, count=False)
            if whole[: len(told.ids)] == told.ids:
                spans.append((told.start, len(told.ids)))
            else:
                self._found.notes["earlier answers are not learned where the chat template rewrites them"] += 1
        return spans

    def _pair(self, example: Example) -> Row | Reason:
        chosen, rejected = self._both(example)
        start = min(chosen.start, rejected.start)
        prompt, answers = chosen.ids[:start], (chosen.ids[start:], rejected.ids[start:])
        longest = max(chosen.ids, rejected.ids, key=len)
        self._see(longest)
        room = self._settings.max_length - start
        if len(longest) > self._settings.max_length:
            if self._settings.long_rows == "drop":
                return Reason(TOO_LONG)
            if room < 1:
                return Reason(NOTHING_LEFT)
            self._found.notes["cut at their end to --max-length"] += 1
            answers = (answers[0][:room], answers[1][:room])
        if not all(answers) or answers[0] == answers[1]:
            return Reason(EMPTY)
        self._found.tokens += 2 * start + sum(map(len, answers))
        self._found.learned += sum(map(len, answers))
        return {"prompt_ids": prompt, "chosen_ids": answers[0], "rejected_ids": answers[1]}

    def _rewarded_pair(self, example: Example) -> Row | Reason:
        """Two whole conversations. None is ever cut: a part of a conversation is another one."""
        texts = (
            [*example.prompt, {"role": "assistant", "content": answer}] for answer in (example.answer, example.rejected)
        )
        pair = [self._for_reward(self._text(self._template.render, turns, is_answered=True)) for turns in texts]
        longest = max(pair, key=len)
        self._see(longest)
        if len(longest) > self._settings.max_length:
            return Reason(TOO_LONG)
        if pair[0] == pair[1]:
            return Reason(EMPTY)
        self._found.tokens += sum(map(len, pair))
        self._found.learned += sum(map(len, pair))
        row: Row = {"chosen_ids": pair[0], "rejected_ids": pair[1]}
        if self._settings.margin_scale:
            row["margin"] = self._settings.margin_scale * (example.margin or 0.0)
        return row

    def _prompt(self, example: Example) -> Row | Reason:
        """Turns: RLOO's trainer writes them itself, by the same template and clock."""
        turns = list(example.prompt)
        try:
            text = self._text(self._template.render, turns)
        except _Refused:
            if len(turns) < 2 or turns[0]["role"] != "system":
                raise
            turns = without_system(turns)
            text = self._text(self._template.render, turns)
        ids = self._ids(text)
        self._see(ids)
        if len(ids) + self._settings.new_tokens > self._settings.max_length:
            return Reason("longer than --max-length less --new-tokens")
        self._found.tokens += len(ids)
        return {"prompt": [{"role": turn["role"], "content": turn["content"]} for turn in turns]}

    def _turns(self, example: Example) -> tuple[Turns, Turns]:
        if example.turns and self._template.reads_tools:
            self._found.notes["hold tools, in the chat template's own form"] += 1
            return example.turns, example.tools
        if example.turns:
            self._found.notes["hold tools, as text: the chat template knows none"] += 1
        return example.messages, ()

    def _both(self, example: Example) -> tuple[_Written, _Written]:
        texts = (example.answer, example.rejected)
        turns = ((*example.prompt, {"role": "assistant", "content": text}) for text in texts)
        chosen, rejected = (self._answered(one, (), count=not at) for at, one in enumerate(turns))
        return chosen, rejected

    def _answered(self, turns: Sequence[Mapping[str, Any]], tools: Turns, *, count: bool = True) -> _Written:
        """A conversation that ends with an answer, and where that begins."""
        write = self._template.render_whole
        alone = self._ids(self._text(write, turns[:-1], tools=tools))
        ids = self._ids(self._text(write, turns, is_answered=True, tools=tools))
        start = common_prefix(alone, ids)
        if start == len(ids):  # An end token alone would be learned, and nothing of the answer.
            raise _Refused("it writes nothing of the answer")
        end = self._tokenizer.eos_token_id
        if not self._ends.intersection(ids[start:]) and end is not None:
            ids = [*ids, end]
            if count:
                self._found.notes["get the end token, which the chat template leaves out"] += 1
        return _Written(ids, start)

    def _fitting(self, ids: Ids) -> Ids | None:
        if len(ids) <= self._settings.max_length:
            return ids
        if self._settings.long_rows == "drop":
            return None
        self._found.notes["cut at their end to --max-length"] += 1
        return ids[: self._settings.max_length]

    def _see(self, ids: Ids) -> None:
        self._found.longest = max(self._found.longest, len(ids))

    def _text(self, write: Callable[..., str], turns: Sequence[Mapping[str, Any]], **how: Any) -> str:
        try:
            text = write(list(turns), **how)
            text.encode()
        except Exception as error:  # a template may raise what it likes
            raise _Refused((str(error).strip() or type(error).__name__).splitlines()[0][:200]) from error
        return text

    def _ids(self, text: str) -> Ids:
        """A text beginning with BOS where the tokenizer would put one there, and once."""
        ids: Ids = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        start = self._tokenizer.bos_token_id
        return [start, *ids] if self._adds_start and ids[:1] != [start] else ids

    def _for_reward(self, text: str) -> Ids:
        """A text with all that the tokenizer puts around it, BOS once."""
        ids: Ids = self._tokenizer(text, verbose=False)["input_ids"]
        start = self._tokenizer.bos_token_id
        return ids[1:] if start is not None and ids[:2] == [start, start] else ids


def common_prefix(one: Ids, other: Ids) -> int:
    """Tokens that both begin with."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _adds_start(tokenizer: Any) -> bool:
    return tokenizer.bos_token_id is not None and tokenizer.bos_token_id in tokenizer("", verbose=False)["input_ids"]
