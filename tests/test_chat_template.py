"""A chat template that asks for the time gives the same prompt every day, and a changed one is noticed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from in_this_process import real_models
from tiny_models import CHAT_TEMPLATE, save_model, train_tokenizer

from star_agents.config.sections import ScoringConfig
from star_agents.engine.score_dataset.job import ScoreJob, score_file
from star_agents.errors import ScorerError, UsageError
from star_agents.records import Message, Sample, Score
from star_agents.scoring import Scorer
from star_agents.scoring.compat import encoder_for
from star_agents.scoring.encoding import PairEncoder
from star_agents.scoring.probe import PROBES, probe
from star_agents.storage.formats.row_writing import write_rows
from star_agents.text.chat_template import FIXED_DATE, ChatTemplate

ASKED = Sample(instruction="Why?", response="Because.")
# As models on the Hub ask for the date (Llama 3.2, SmolLM3, gpt-oss, Granite, Mistral): forms, not their texts.
LLAMA = """{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "none" %}
    {%- endif %}
{%- endif %}
{{- "Today: " + date_string + "\n" }}"""
FORMS = {
    LLAMA: "<s>Today: 26 Jul 2024\n",
    '{%- set today = strftime_now("%d %B %Y") -%}\n{{ today }}': "26 July 2024",
    '{{- "Date: " + strftime_now("%Y-%m-%d") + "\n\n" }}': "Date: 2024-07-26\n\n",
    "{{ strftime_now('%B %d, %Y') }}": "July 26, 2024",
    '{%- set today = strftime_now("%d-%m-%Y") %}{{ today.split("-")[0] | int - 1 }}': "25",
    "{%- macro line() %}[{{ strftime_now('%A') }}]{% endmacro %}{{ line() }}{{ line() }}": "[Friday][Friday]",
    "{{ strftime_now('%-d/%-m/%y, %H:%M, day %j, 100 %%') }}": "26/7/24, 12:00, day 208, 100 %",
    "{{ strftime_now('') }}.{{ strftime_now('plain') }}.{{ strftime_now('%d')[0:1] }}": ".plain.2",
}


@pytest.mark.parametrize(("template", "text"), FORMS.items())
def test_every_way_to_print_the_date_prints_the_fixed_one(template: str, text: str) -> None:
    assert PairEncoder(train_tokenizer(chat_template=template), max_length=256).prompts([ASKED]) == [text]


@pytest.mark.parametrize(
    "lead", ["", "\n", "\n\n", "  ", "   {% if true %}x{% endif %}\n", "{%- if true %}y{% endif -%}\n "]
)
def test_the_fixed_clock_changes_nothing_but_the_date(lead: str) -> None:
    template = lead + "{% if true %}\n  a\n  {% endif %}\nYear {{ strftime_now('%Y') }} \n"
    tokenizer = train_tokenizer(chat_template=template)
    messages = [{"role": "user", "content": "x"}]
    theirs: Any = tokenizer.apply_chat_template(messages, tokenize=False)
    assert ChatTemplate(tokenizer).render(messages) == theirs.replace(str(datetime.now().year), str(FIXED_DATE.year))


def test_the_named_default_of_several_templates_is_under_the_fixed_clock_too() -> None:
    tokenizer = train_tokenizer(bos=None)
    tokenizer.chat_template = {"default": "{{ strftime_now('%Y') }}", "tool_use": "tools"}
    try:
        assert PairEncoder(tokenizer, max_length=256).prompts([ASKED]) == ["2024"]
        tokenizer.chat_template = {"one": "1", "two": "2"}
        assert "no default" in PairEncoder(tokenizer, max_length=256).prompts([ASKED])[0]
    finally:
        tokenizer.chat_template = None


def test_a_template_that_draws_lots_is_refused() -> None:
    tokenizer = train_tokenizer(chat_template=CHAT_TEMPLATE + "{{ range(10000) | random }}")
    with pytest.raises(ScorerError, match="otherwise each time"):
        probe(PairEncoder(tokenizer, max_length=256))


def test_a_probe_tells_templates_tokenizers_and_readings_apart() -> None:
    plain = probe(PairEncoder(train_tokenizer(), max_length=256))
    assert probe(PairEncoder(train_tokenizer(), max_length=256)) == plain
    chat = probe(PairEncoder(train_tokenizer(chat_template=CHAT_TEMPLATE), max_length=256))
    other = probe(PairEncoder(train_tokenizer(bos=None), max_length=256))
    only_system = CHAT_TEMPLATE.replace("<|{{ message['role'] }}|>", "{{ '#' if message['role'] == 'system' }}")
    cherry = probe(encoder_for("cherry", train_tokenizer(), max_length=256))
    assert (plain.prompts, plain.tokens != other.tokens) == (other.prompts, True)
    assert len({one.prompts for one in (plain, chat, cherry)}) == 3
    assert probe(PairEncoder(train_tokenizer(chat_template=only_system), max_length=256)) != chat
    assert any(turn == Message(role="system", content=turn.content) for one in PROBES for turn in one.history)


class Breaking(Scorer):
    """A real scorer that is lost after so many samples."""

    left = 100

    async def score(self, samples: Sequence[Sample]) -> list[Score]:
        scores = await super().score(samples)
        self.left -= len(samples)
        if self.left < 0:
            raise ScorerError("the models are gone")
        return scores


async def test_a_resume_under_another_chat_template_is_refused_with_what_changed(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(chat_template=LLAMA + CHAT_TEMPLATE)
    config = ScoringConfig(small=str(tmp_path / "small"), large=str(tmp_path / "large"), device="cpu", threads=1)
    for name in (config.small, config.large):
        save_model(Path(name), tokenizer, seed=len(name))
    job = ScoreJob(source=tmp_path / "in.jsonl", out=tmp_path / "out.jsonl", config=config)
    write_rows(job.source, [{"instruction": f"Say {n}.", "input": "", "output": f"{n}!"} for n in range(200)])
    await score_file(job, Scorer(config, embedder=None, places=real_models()))
    whole = job.out.read_text()
    job.out.unlink()

    with pytest.raises(ScorerError, match="gone"):
        await score_file(job, Breaking(config, embedder=None, places=real_models()))
    begun = {path: path.read_bytes() for path in tmp_path.glob("*out.jsonl*")}
    assert begun
    resumed = await score_file(job, Scorer(config, embedder=None, places=real_models()))
    assert 0 < resumed.resumed < 200
    assert job.out.read_text() == whole
    job.out.unlink()

    for path, content in begun.items():
        path.write_bytes(content)
    changed: Any = train_tokenizer(chat_template=LLAMA.replace("Today", "Date") + CHAT_TEMPLATE)
    changed.save_pretrained(config.large)
    with pytest.raises(UsageError, match=r"prompts of large .by its chat template. was .* and is .*--fresh") as caught:
        await score_file(job, Scorer(config, embedder=None, places=real_models()))
    assert "of small" not in str(caught.value)
