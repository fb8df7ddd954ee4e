"""What each filter finds, what it passes over, and what a row is without it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from star_agents.admission.filters import Filter
from star_agents.admission.length import Length
from star_agents.admission.line import filters_of
from star_agents.admission.offered import Offered, offered_row
from star_agents.admission.own import kept_own, load_own
from star_agents.admission.personal_data import PersonalData, personal_data_in, redacted
from star_agents.admission.refusing import Refusing
from star_agents.admission.repetition import Repetition, repeated
from star_agents.config.models import Config
from star_agents.engine.configuration import check_config, read_config
from star_agents.engine.row_checks import AdmissionRules, look_at
from star_agents.errors import ConfigError, FilterError
from star_agents.recipes.giving import done, sft
from star_agents.records import Message, Row, Sample, Seed, Tool, ToolCall


def answered(response: str, instruction: str = "Say something.") -> Offered:
    return offered_row(sft(Sample(instruction=instruction, response=response)))


def pair(chosen: str, rejected: str) -> Row:
    return Row(
        shape="preference",
        data={"prompt": Sample(instruction="Where?").to_dict(), "chosen": chosen, "rejected": rejected},
    )


@pytest.mark.parametrize(
    "text",
    [
        "As an AI language model, I do not have feelings.",
        "I’m sorry, but I can't help with that.",
        "I cannot assist with this request.",
        "Als KI-Sprachmodell habe ich keine Meinung.",
        "Es tut mir leid, aber ich kann dabei nicht helfen.",
        "En tant qu'intelligence artificielle, je n'ai pas de corps.",
        "Lo siento, pero no puedo ayudarte con eso.",
        "Mi dispiace, ma non posso farlo.",
        "Como modelo de linguagem, não tenho opinião.",
        "Het spijt me, maar ik kan dat niet doen.",
        "Как языковая модель, я не имею мнения.",
        "作为一个人工智能语言模型,我没有感情。",
        "申し訳ありませんが、その質問にはお答えできません。",
        "죄송하지만 그 요청은 도와드릴 수 없습니다.",
    ],
)
def test_an_answer_that_refuses_is_found_in_its_language(text: str) -> None:
    found = Refusing().check(answered(text))
    assert found is not None
    assert found.reason.startswith("the answer refuses or speaks as a model (")


@pytest.mark.parametrize(
    ("text", "instruction"),
    [
        ("I can't wait to tell you about it.", "Say something."),
        ("I'm sorry to hear that your cat is ill.", "Say something."),
        ("The as-is state of AI models is described below.", "Say something."),
        ("As an AI language model, I do not feel.", "Correct: as an AI language model i do not feels"),
        ("Als Kind spielte er am Fluss.", "Say something."),
        ("x" * 400 + " As an AI language model, I do not have feelings.", "Say something."),
    ],
)
def test_what_only_looks_like_a_refusal_is_passed_over(text: str, instruction: str) -> None:
    assert Refusing().check(answered(text, instruction)) is None


def test_of_a_pair_the_rejected_answer_may_refuse() -> None:
    refusal = "I'm sorry, but I cannot help with that."
    assert Refusing().check(offered_row(pair("On the left.", refusal))) is None
    assert Refusing().check(offered_row(pair(refusal, "On the left."))) is not None


def test_an_answer_in_circles_is_found_and_a_list_is_not() -> None:
    said = "the river rises in the hills and falls into the sea at the end of the day. "
    found = Repetition().check(answered(said * 8))
    assert found is not None
    assert found.evidence.startswith("88% of its words, such as: the river rises in the hills")
    assert repeated(said * 2) == (0.0, ""), "too short to be judged"
    numbered = " ".join(f"{n}. The number {n} has the square {n * n} and the cube {n**3}." for n in range(60))
    assert Repetition().check(answered(numbered)) is None
    assert Repetition().check(answered("我喜欢吃苹果和香蕉也喜欢喝茶。" * 10)) is not None


def test_personal_data_is_told_by_its_form_and_check() -> None:
    text = (
        "Write to bob.smith@web.de or +49 30 1234567, (030) 123456, 0171/1234567 or (212) 867-5309; card "
        "4111 1111 1111 1111, account DE89 3704 0044 0532 0130 00, key AKIAIOSFODNN7EXAMPLE."
    )
    assert redacted(text) == (
        "Write to [mail] or [phone], [phone], [phone] or [phone]; card [card], account [iban], key [key]."
    )
    found = PersonalData().check(answered(text))
    assert found is not None
    assert found.reason == "it holds: card, iban, key, mail, phone"
    assert "bob" not in found.evidence
    assert "1 mail (b…)" in found.evidence


@pytest.mark.parametrize(
    "text",
    [
        "someone@example.com and a@mail.example and root@localhost",
        "2024-01-02 10:20:30, 1234567890123, 3.14159265358979, 1.234.567.890, 192.168.100.200",
        "ISBN 978-3-16-148410-0, 4111 1111 1111 1112, DE89 3704 0044 0532 0130 01",
        "call 212-555-0123; 0000-0000-0000-0000; 10-20-30-40; 1/2/2024",
        "@app.route('/x') and user@host",
    ],
)
def test_numbers_that_only_look_like_it_and_those_for_examples_are_passed_over(text: str) -> None:
    assert personal_data_in(text) == []


def rules(**admission: object) -> AdmissionRules:
    config = check_config(
        {"agents": {"a": {"model": "offline/good"}}, "star": {"selection": "base"}, "admission": admission}
    )
    assert isinstance(config, Config)
    return AdmissionRules(config.admission.duplicates, filters_of(config))


def test_a_row_is_redacted_in_every_turn_and_its_calls_stay_calls() -> None:
    call = ToolCall.of("c1", "dial", {"number": 4111111111111111, "to": "bob@web.de"})
    sample = Sample(
        instruction="Dial +49 30 1234567.",
        response="I dialled +49 30 1234567.",
        history=(Message(role="user", content="I am bob@web.de"), Message(role="assistant", content="Hello.")),
        tool_turns=(
            Message(role="assistant", content="", tool_calls=(call,)),
            Message(role="tool", content="bob@web.de is busy", tool_call_id="c1"),
        ),
        tools=(Tool.of("dial", "Dials.", {"type": "object", "properties": {"number": {"type": "integer"}}}),),
    )
    seed = Seed.of(sample)
    checked = look_at(done(seed, rows=[sft(sample)]), seed, rules(personal_data="redact"))
    (one,) = checked.rows
    assert [finding.action for finding in one.findings] == ["redacted"]
    assert one.row is not None
    written = json.dumps(one.row.to_dict())
    assert "web.de" not in written
    assert "1234567" not in written
    kept = Sample.from_dict(one.row.data["sample"])
    assert kept.tool_turns[0].tool_calls[0].read_arguments() == {"number": "[card]", "to": "[mail]"}
    assert kept.tools == sample.tools


def test_a_pair_whose_answers_are_the_same_without_it_is_refused() -> None:
    seed = Seed.of(Sample(instruction="Where?"))
    row = pair("Call +49 30 1234567.", "Call +49 30 7654321.")
    (one,) = look_at(done(seed, rows=[row]), seed, rules(personal_data="redact")).rows
    assert [finding.action for finding in one.findings] == ["redacted", "refused"]


def test_what_is_reported_stands_in_the_dataset() -> None:
    seed = Seed.of(Sample(instruction="Where?"))
    made = done(seed, rows=[sft(Sample(instruction="Where?", response="As an AI language model, I do not know."))])
    (one,) = look_at(made, seed, rules(refusals="report")).rows
    assert [finding.action for finding in one.findings] == ["reported"]
    assert not one.is_refused


OWN = """\
def no_tables(row):
    if "|---" in row["sample"]["response"]:
        return f"a table of {len(row['sample']['response'])} characters"

def broken(row):
    return row["nothing"]

def wrong(row):
    return 7

def ends(row):
    raise SystemExit(3)
"""


def own(folder: Path, function: str) -> Filter:
    (folder / "mine.py").write_text(OWN)
    return load_own(kept_own(f"./mine.py:{function}", folder)[0])[0]


def test_a_function_of_ones_own_refuses_with_its_reason_and_one_that_fails_for_that(tmp_path: Path) -> None:
    assert own(tmp_path, "no_tables").check(answered("No table.")) is None
    found = own(tmp_path, "no_tables").check(answered("|---|---|"))
    assert found is not None
    assert (found.filter, found.reason) == ("own no_tables", "a table of N characters")
    assert found.evidence == "a table of 9 characters"
    said = [own(tmp_path, name).check(answered("x")) for name in ("broken", "wrong", "ends")]
    assert [one.reason if one else None for one in said] == [
        "the filter failed: KeyError",
        "the filter failed: it gave int, and None or a reason is possible",
        "the filter failed: SystemExit",
    ]
    assert said[0] is not None
    assert said[0].evidence == "'nothing' (mine.py:6)"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("./none.py:f", "cannot be read: No such file"),
        ("./mine.py:f", "holds no function 'f'"),
        ("./bad.py:f", r"cannot be loaded: NameError: name 'x' is not defined \(bad.py:1\)"),
        ("mine", "is no function; write ./file.py:function or module:function"),
        ("no.such.module:f", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_a_filter_that_cannot_be_loaded_is_told_with_its_field(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "bad.py").write_text("x\n")
    (tmp_path / "agents.yaml").write_text(
        f"agents: {{a: {{model: offline/good}}}}\nstar: {{selection: base}}\nadmission:\n  own: ['{name}']\n"
    )
    with pytest.raises(FilterError, match=told):
        kept_own(name, tmp_path)
    with pytest.raises(ConfigError, match=rf"agents.yaml:4: admission.own.*{told}"):
        read_config(tmp_path / "agents.yaml")


@pytest.mark.parametrize(
    ("admission", "told"),
    [
        ({"length": {"instruction": [9, 3]}}, "the least, 9, is more than the most, 3"),
        ({"length": {}}, "bounds nothing"),
        ({"refusals": "maybe"}, "'refuse' or 'report'"),
        ({"personal_data": "hide"}, "'refuse', 'report' or 'redact'"),
        ({"duplicates": {"minhash": 2}}, "less than or equal to 1"),
    ],
)
def test_a_setting_that_says_nothing_possible_is_refused_with_what_is(admission: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        rules(**admission)


def test_short_forms_of_older_files_are_read() -> None:
    assert rules(duplicates=0.5).duplicates.minhash == 0.5
    off = rules(duplicates="off").duplicates
    assert (off.exact, off.minhash) == (False, None)


def test_lengths_are_in_words_and_characters_of_scripts_without_spaces() -> None:
    bounds = Length((3, 5), None)
    assert bounds.check(answered("x", "One two three.")) is None
    assert bounds.check(answered("x", "我喜欢茶")) is None
    found = bounds.check(answered("x", "One two three four five six"))
    assert found is not None
    assert found.evidence == "6 words, 3 to 5 are admitted"


def test_of_real_answers_those_refused_for_repetition_or_refusal_are_few(shared_data: Path) -> None:
    """Answers of small models of 2023, of which some do go in circles."""
    rows = [row for path in (shared_data / "pandalm").glob("*.json") for row in json.loads(path.read_text())]
    answers = [row[name] for row in rows if "response1" in row for name in ("response1", "response2")]
    answers = [one for one in answers if isinstance(one, str)]
    in_circles = sum(Repetition().check(answered(one)) is not None for one in answers)
    refusing = sum(Refusing().check(answered(one)) is not None for one in answers)
    assert (len(answers), in_circles, refusing) == (1992, 99, 0)
