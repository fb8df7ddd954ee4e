"""Secrets in every form that a provider may give them, in every place of its reply: looked for in all that is kept."""

from __future__ import annotations

import base64
import itertools
import json
from dataclasses import replace as replace_fields
from functools import partial
from pathlib import Path

import pytest
from anyio.to_thread import run_sync
from canary import FORMS, PLACES, found_in, live_through, remains, texts_of
from chaos_canary import IN_AN_EDIT, give_away
from openai_server import Body, Move, OpenAIServer, brain

from star_agents.agents.answer import Call
from star_agents.agents.endpoints import Endpoint
from star_agents.agents.http_failure import HttpFailure
from star_agents.agents.replies.body import refuse_redirect
from star_agents.agents.replies.reading import SECRET, read_again, read_choice
from star_agents.agents.replies.usage import openai_claims, read_usage
from star_agents.config.reading import parse_config
from star_agents.config.secrets import revision_of, shown_parameters, written_secrets
from star_agents.errors import ConfigError
from star_agents.records import Reply
from star_agents.text.redaction import Redactor, keep_secret, redactor

KEY = 'qv7/Zr+wX"n2\\Lk<9dTe4'
PASSWORD, GATE, QUERY = "Hy5p-Wm8tRc3Jx", "Ub6nQe1sVf9zKo4a", "Pd2gYi7hMl0cBw5v"
SECRETS = {"key": KEY, "password": PASSWORD, "gate": GATE}
MATRIX = list(itertools.product(SECRETS, FORMS, PLACES))


def indiscreet(body: Body) -> Move:
    """Says what the model's name asks for; ``good`` answers and judges."""
    name = str(body["model"])
    if "." not in name:
        return brain(body)
    secret, form, place = name.split(".")
    return PLACES[place](FORMS[form](SECRETS[secret]))


def config(url: str, *, password: str = PASSWORD) -> str:
    shape = f"api_base: '{url}', api_key: os.environ/CANARY_KEY, retries: 0, give_up_after_s: 1, timeout_s: 60"
    headed = f"extra: {{extra_headers: {{X-Gate: {GATE}, X-Same: os.environ/CANARY_KEY}}}}"
    names = ["good", *(".".join(one) for one in MATRIX)]
    agents = "".join(f"  {name}: {{model: openai/{name}, {shape}}}\n" for name in names)
    away = shape.replace("://", f"://someone:{password}@").replace("api_key: os.environ/CANARY_KEY, ", "")
    agents += f"  away: {{model: openai/away, {away}}}\n"
    agents += f"  headed: {{model: openai/headed, {shape}, {headed}}}\n"
    names += ["away", "headed"]
    pairs = "".join(f"  - {{instruction: keep, response: {name}}}\n" for name in names)
    return (
        f"agents:\n{agents}pairs:\n{pairs}"
        f"referee: {{agents: [good], exam: 'off', orders: one}}\nselection: referee\ncandidates: {len(names)}\n"
        "memory: off\nconcurrency: 1\n"
    )


@pytest.mark.timeout(300)
async def test_no_form_of_a_secret_in_any_place_of_a_reply_is_kept_or_shown(tmp_path: Path) -> None:
    async with OpenAIServer(indiscreet) as server:
        configs = config(server.url), config(server.url, password=PASSWORD[::-1])
        said = await run_sync(partial(live_through, tmp_path, *configs, environ={"CANARY_KEY": KEY}))
        asked = {str(request.body["model"]) for request in server.requests}
    assert asked == {"good", "headed", "away", *(".".join(one) for one in MATRIX)}, (
        "every cell of the matrix was lived through"
    )
    assert "'event': 'config_applied'" in said, "the password was edited"
    texts = {"what was said": said} | texts_of(tmp_path)
    assert {"data/store.sqlite3", "copy.sqlite3", "report.html", "rows.jsonl", "data/log.jsonl"} <= texts.keys()
    assert found_in(texts, {**SECRETS, "new password": PASSWORD[::-1]}) == []


@pytest.mark.timeout(300)
def test_random_secrets_in_random_forms_at_random_places_leave_nothing_behind(tmp_path: Path) -> None:
    report = give_away(tmp_path, rounds=30, seed=7)
    assert report.violations == []
    assert report.places.total() == 30
    assert report.places[IN_AN_EDIT], "broken edits are among them"


# What is kept of agents.yaml.

WRITTEN = f"""
selection: random
agents:
  one:
    model: openai/m
    api_base: https://someone:{PASSWORD}@gate.example/v1?api-key={QUERY}&version=2
    extra:
      extra_headers: {{X-Gate: {GATE}, Accept: application/json, X-Key: os.environ/CANARY_KEY}}
      extra_body: {{access_token: {QUERY[::-1]}, reasoning_effort: low}}
"""


def test_a_revision_holds_references_in_place_of_secrets_and_everything_else_as_it_is() -> None:
    read = parse_config(WRITTEN, environ={"CANARY_KEY": KEY})
    digest, kept = revision_of(read, {"GATE_TOKEN": GATE})
    agent = json.loads(kept)["agents"]["one"]
    assert agent["api_base"] == "https://***@gate.example/v1?api-key=***&version=2"
    assert agent["extra"] == {
        "extra_headers": {"X-Gate": "os.environ/GATE_TOKEN", "Accept": "***", "X-Key": "os.environ/CANARY_KEY"},
        "extra_body": {"access_token": "***", "reasoning_effort": "low"},
    }
    other = parse_config(WRITTEN.replace(PASSWORD, "another-password"), environ={"CANARY_KEY": KEY})
    assert revision_of(other, {"GATE_TOKEN": GATE})[0] == digest, "from a hash a short password could be guessed"
    again = parse_config(kept, environ={"CANARY_KEY": KEY, "GATE_TOKEN": GATE})
    assert again.pool == read.pool, "it can be read again"


def test_what_is_written_in_agents_yaml_is_known_as_a_secret_and_ordinary_headers_are_not() -> None:
    [agent] = parse_config(WRITTEN, environ={"CANARY_KEY": KEY}).agents.values()
    known = set(written_secrets(agent))
    assert {f"someone:{PASSWORD}", PASSWORD, QUERY, GATE, QUERY[::-1]} <= known
    assert not known & {"application/json", "low", "os.environ/CANARY_KEY", "2"}


def test_the_password_behind_basic_is_known_too() -> None:
    basic = base64.b64encode(f"someone:{PASSWORD}".encode()).decode()
    headers = f"extra_headers: {{Authorization: Basic {basic}}}"
    text = f"selection: random\nagents: {{one: {{model: openai/m, extra: {{{headers}}}}}}}"
    [agent] = parse_config(text).agents.values()
    assert PASSWORD in set(written_secrets(agent))


def test_the_journal_keeps_the_parameters_of_a_call_without_the_values_of_headers() -> None:
    shape = {"temperature": 0.5, "extra_headers": {"X-Gate": GATE}, "stop": ["###"]}
    assert shown_parameters(shape) == {"temperature": 0.5, "extra_headers": {"X-Gate": "***"}, "stop": ["###"]}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("length", range(8, 15))
def test_of_a_secret_of_any_length_nothing_remains_in_any_form(form: str, length: int) -> None:
    secret, redactor = (KEY * 2)[3 : 3 + length], Redactor()
    redactor.keep([secret])
    for before in range(4):
        struck = redactor.known(f"{FORMS[form]('-' * before + secret)} and more")
        assert not [one for one in remains(secret) if one in struck], struck
        assert struck.endswith(" and more")


def test_a_reply_that_repeats_a_secret_is_no_answer_and_holds_it_nowhere() -> None:
    redactor.keep([GATE])
    for form in FORMS.values():
        told = form(GATE)
        message = {"content": f"<think>They sent {told}.</think>It is {told}.", "reasoning_content": f"So {told}."}
        choice = read_choice(message, "stop", ())
        assert not [one for one in remains(GATE) if one in f"{choice}"]
        assert choice.flaw == SECRET
    kept = read_choice({"content": "Five.", "reasoning_content": f"So {GATE}."}, "stop", ())
    assert (kept.text, kept.flaw) == ("Five.", ""), "an answer is not lost for what stands beside it"


def test_what_the_journal_holds_from_before_is_struck_out_when_it_is_read() -> None:
    redactor.keep([GATE])
    before = Reply(text=f"It is {GATE}.", finish_reason="stop", agent="a", model="m")
    again = read_again(replace_fields(before, reasoning=f"So {GATE}."))
    assert (again.text, again.reasoning, again.flaw) == ("It is ***.", "So ***.", SECRET)


def test_ordinary_text_that_looks_like_a_key_is_no_known_secret_of_a_reply() -> None:
    redactor = Redactor()
    redactor.keep([KEY])
    text = "Use sk-learn-pipelines with api_key: 'your-key-here' and a 100% certain C:\\path\\to"
    assert redactor.known(text) == text


def test_a_secret_that_is_longer_than_what_is_quoted_is_struck_before_it_is_cut() -> None:
    secret = "".join(f"{number:02x}q" for number in range(30))
    keep_secret(secret)
    hidden = "".join(f"%{ord(character):02x}" for character in secret)
    with pytest.raises(ConfigError) as told:
        parse_config(f"agents: {{a: {{model: openai/a, temperature: '{hidden}'}}}}\nselection: base\nmemory: off\n")
    with pytest.raises(HttpFailure) as redirected:
        refuse_redirect(302, {"Location": "x" * 480 + hidden})
    asked = Call(
        endpoint=Endpoint(model="openai/m", params={}, price=None),
        messages=[{"role": "user", "content": "Why?"}],
        shape={},
        timeout_s=9.0,
    )
    doubted = read_usage(openai_claims({"prompt_tokens": hidden, "completion_tokens": 3}), asked, []).doubt
    assert doubted
    for said in (str(told.value), str(redirected.value), redirected.value.body, doubted):
        assert hidden[:12] not in said
        assert secret[:8] not in said
