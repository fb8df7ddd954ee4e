"""Which instructions are admitted: repetitions in a document, over documents and runs, languages; who earns what."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from instruct_model import Asked, InstructModel
from lines import read_jsonl, results, run
from openai_server import OpenAIServer

from star_agents.admission.near_duplicates import signed_instruction
from star_agents.cli.main import cli
from star_agents.config.admission import DuplicatesConfig
from star_agents.engine.admission import Admission, note_on_signatures
from star_agents.engine.configuration import read_config
from star_agents.engine.row_checks import AdmissionRules, look_at
from star_agents.errors import ConfigError
from star_agents.recipes.giving import done, sft
from star_agents.records import Claim, Document, Outcome, Reward, Sample, Seed, Trial, Wording
from star_agents.records.failures import FailureCount
from star_agents.records.refusals import refusal_reason
from star_agents.records.trials import Failure
from star_agents.storage.ledger import Foresee, PoolStates
from star_agents.storage.near_texts import NearTexts
from star_agents.storage.store import Store

SAID = "Explain in two sentences why the mill at Holm was built again after the great flood of the river."
NEARLY = "Please explain in two sentences why the mill at Holm was built again after the flood of the river."
OTHER = "Name three animals that live beside a river, and say of each what it eats in winter."
GERMAN = "Erkläre in zwei Sätzen, warum die Mühle nach dem großen Hochwasser wieder aufgebaut wurde."
SKILL = """\
name: mine
title: Mine
about: Things to ask.
answer: Answer it.
types: [{name: one, ask: One thing.}]
"""


class Writes(InstructModel):
    """Writes these instructions, document after document."""

    def __init__(self, *lists: list[str]) -> None:
        super().__init__()
        self._lists = list(lists)

    def _write(self, asked: Asked) -> dict[str, Any]:
        return {"items": [{"instruction": one} for one in self._lists.pop(0)]}


def set_up(folder: Path, url: str, more: str = "", recipe: str = "agent_instruct") -> Path:
    (folder / "mine.yaml").write_text(SKILL)
    path = folder / "agents.yaml"
    path.write_text(
        f'agents: {{a: {{model: openai/m, api_base: "{url}", api_key: os.environ/LINE_TEST_KEY}}}}\n'
        f"recipe: {recipe}\nconcurrency: 1\nagent_instruct:\n"
        "  {writer: a, skills: [./mine.yaml], types_per_document: 1, instructions_per_document: 2,\n"
        "   refine: {rounds: 0}}\n"
        f"{more}\n"
    )
    return path


def documents(*names: str) -> list[Seed]:
    return [Seed.of(Document(text=f"The river {name} rises at Holm."), source=f"{name}.md") for name in names]


async def worked(folder: Path, model: InstructModel, *names: str, more: str = "") -> list[Outcome]:
    async with OpenAIServer(model) as server:
        await run(read_config(set_up(folder, server.url, more)), documents(*names), folder / "out")
    return [one.outcome for one in results(folder / "out")]


async def counted(folder: Path) -> dict[tuple[str, str], FailureCount]:
    async with await Store.open(folder) as store:
        return {(one.part, one.reason): one for one in await store.failures()}


def failures(outcome: Outcome) -> list[str]:
    return [one.failure.detail for one in outcome.trials if one.failure]


async def test_an_instruction_that_nearly_repeats_one_of_another_document_is_refused_before_it_is_paid_for(
    tmp_path: Path,
) -> None:
    model = Writes([SAID, OTHER], [NEARLY, "What is the length of the river Tal, and where does it end?"])
    first, second = await worked(tmp_path, model, "Ase", "Tal")
    assert model.calls["answer"] == 3
    assert (len(first.rows), len(second.rows)) == (2, 1)
    (reason,) = failures(second)
    assert re.fullmatch(r"it repeats an earlier instruction \([789]\d% alike: Ase\.md\)", reason)
    told = await counted(tmp_path / "out")
    one = told["instructions", "it repeats an earlier instruction"]
    assert (one.name, one.failures, one.tries) == ("agent_instruct", 1, 4)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert any(one["reason"] == "it repeats an earlier instruction" for one in summary["failures"])
    assert summary["refused"] == [
        {
            "recipe": "agent_instruct",
            "arm": "mine/one",
            "instructions": 4,
            "refused": 1,
            "reasons": {"it repeats an earlier instruction": 1},
        }
    ]
    shown = CliRunner().invoke(cli, ["status", str(tmp_path / "out")]).output
    assert re.search(r"mine/one +│ +4 │ +1 │ 1 it repeats an earlier instruction", shown), shown
    report = tmp_path / "report.html"
    assert CliRunner().invoke(cli, ["report", str(tmp_path / "out"), "-o", str(report)]).exit_code == 0
    assert "Instructions and rows that were refused" in report.read_text()
    assert "1 it repeats an earlier instruction" in report.read_text()


async def test_a_second_run_into_the_folder_and_a_document_by_itself_know_what_was_asked(tmp_path: Path) -> None:
    await worked(tmp_path, Writes([SAID, NEARLY]), "Ase")
    model = Writes([NEARLY, OTHER])
    first, second = await worked(tmp_path, model, "Ase", "Tal")
    assert failures(first) == ["the document has nearly the same instruction already"]
    assert len(first.rows) == len(second.rows) == 1
    assert failures(second)[0].startswith("it repeats an earlier instruction (")
    assert model.calls["write"] == 1


async def test_an_arm_that_made_nothing_but_repeats_earns_nothing(tmp_path: Path) -> None:
    outcomes = await worked(tmp_path, Writes([SAID, OTHER], [NEARLY, OTHER]), "Ase", "Tal")
    assert [reward.value for one in outcomes for reward in one.earned if reward.pool.endswith("types")] == [1.0, 0.0]
    assert outcomes[1].kind == "dropped"
    assert "it repeats an earlier instruction" in outcomes[1].reason


async def test_an_instruction_in_a_language_that_was_not_asked_for_is_refused_and_counted(tmp_path: Path) -> None:
    model = Writes([SAID, GERMAN])
    (outcome,) = await worked(tmp_path, model, "Ase", more="documents: {languages: [en]}")
    assert failures(outcome) == ["it is in a language that was not asked for (de)"]
    assert model.calls["answer"] == 1
    assert ("instructions", "it is in a language that was not asked for") in await counted(tmp_path / "out")
    assert len((await worked(tmp_path, Writes([GERMAN]), "Tal", more="admission: {languages: [de]}"))[-1].rows) == 1


async def test_with_admission_off_everything_is_taken_and_nothing_is_recorded(tmp_path: Path) -> None:
    outcomes = await worked(
        tmp_path, Writes([SAID, OTHER], [NEARLY, OTHER]), "Ase", "Tal", more="admission: {duplicates: off}"
    )
    assert [len(one.rows) for one in outcomes] == [2, 2]
    with closing(sqlite3.connect(tmp_path / "out" / "store.sqlite3")) as store:
        assert store.execute("SELECT count(*) FROM signatures").fetchone() == (0,)
        assert not [step for (step,) in store.execute("SELECT step FROM steps") if "admitted" in step]


async def test_a_line_that_makes_little_but_repeats_ends_and_says_why(tmp_path: Path) -> None:
    names = [f"r{number}" for number in range(60)]
    async with OpenAIServer(Writes(*[[SAID, NEARLY]] * 60)) as server:
        path = set_up(tmp_path, server.url, "failure_limits: {share: 1.0, instructions: 0.9}")
        ended = await run(read_config(path), documents(*names), tmp_path / "out")
    assert "instructions failed; failure_limits allows 90%" in ended.stopped_by
    assert "it repeats an earlier instruction" in ended.stopped_by


def test_a_language_that_nobody_can_tell_is_refused_with_its_field(tmp_path: Path) -> None:
    path = set_up(tmp_path, "http://127.0.0.1:1", "admission: {languages: [xx]}")
    with pytest.raises(ConfigError, match=r"agents.yaml:\d+: admission.languages: xx: no language that can be told"):
        read_config(path, {"LINE_TEST_KEY": "k"})


# Two at once, as the store sees them


def claimed(seed: Seed, *texts: str) -> Outcome:
    """An outcome of rows that are claimed to be new, each by an arm of its own."""
    samples = [Sample(instruction=text, response="Because.") for text in texts]
    return done(
        seed,
        rows=[sft(sample, from_trials=[place]) for place, sample in enumerate(samples)],
        trials=[Trial(arm=f"t{place}", sample=sample, role="instruction") for place, sample in enumerate(samples)],
        earned=[
            Reward(pool="q", arm="all", value=0.8),
            Reward(pool="q", arm="none", value=0.3),
            *(Reward(pool="p", arm=f"t{n}", value=1.0) for n in range(len(texts))),
        ],
        claims=[
            Claim(
                wording=Wording(text=text),
                trial=place,
                arms={"p": f"t{place}", "q": "all"},
                measures_if_refused={"kept": 0.0},
            )
            for place, text in enumerate(texts)
        ],
    )


def admission_of(outcome: Outcome, least: float | None = 0.7) -> Admission:
    rules = AdmissionRules(DuplicatesConfig(minhash=least))
    seed = Seed.of(Document(text="Of which it came."))
    return Admission(outcome, look_at(outcome, seed, rules), rules, "instruction", seed)


async def commit(store: Store, outcome: Outcome, least: float | None = 0.7) -> Outcome:
    admission = admission_of(outcome, least)
    committed = await store.commit_outcome(
        outcome, foresee=lambda completed: {}, memory=None, revision=1, admit=admission
    )
    assert committed.written is None or committed.written == admission.outcome
    return admission.outcome


async def leased(store: Store, *names: str) -> list[Seed]:
    seeds = documents(*names)
    await store.add_seeds(seeds)
    await store.add_revision("d", "{}")
    return await store.lease(len(seeds))


async def test_of_two_outcomes_that_both_saw_nothing_the_second_is_refused_and_points_at_the_first(
    tmp_path: Path,
) -> None:
    async with await Store.open(tmp_path) as store:
        ase, tal, uhl = await leased(store, "Ase", "Tal", "Uhl")
        assert (await commit(store, claimed(ase, SAID, OTHER))).rows
        second = await commit(store, claimed(tal, NEARLY, "Who built the first bridge over the Tal?"))
        third = await commit(store, claimed(uhl, OTHER.upper(), SAID))
    assert [len(one.rows) for one in (second, third)] == [1, 0]
    assert second.trials[0].failure is not None
    assert second.trials[0].notes == {"repeats": f"{ase.id}:0"}
    assert second.trials[0].measures == {"kept": 0.0}
    assert [one.value for one in second.earned] == [0.4, 0.3, 0.0, 1.0]
    assert [one.value for one in third.earned] == [0.0, 0.3, 0.0, 0.0]
    assert (third.kind, third.rows) == ("dropped", ())
    assert third.reason.startswith("all that came of it was refused: it repeats an earlier instruction (100% alike")
    with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as read:
        assert read.execute("SELECT count(*) FROM signatures").fetchone() == (3,)
        earlier = NearTexts(read).find(signed_instruction(NEARLY).sought, 0.7)
    assert earlier is not None
    assert (earlier.seed_id, earlier.place, earlier.source) == (ase.id, 0, "Ase.md")


def hearing(heard: list[Reward]) -> Foresee:
    """Notes the rewards of children that an outcome completes."""

    def foresee(completed: Sequence[Reward]) -> PoolStates:
        heard.extend(completed)
        return {}

    return foresee


async def test_a_child_that_repeats_is_not_queued_and_its_arms_hear_of_it_as_worth_nothing(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        seeds = await leased(store, "Ase", "Tal")
        rewards = []
        for seed, text in zip(seeds, (SAID, NEARLY), strict=True):
            child = seed.child(Sample(instruction=text), recipe="next", kind="instruction", labels={"r.types": "one"})
            outcome = Outcome(
                seed_id=seed.id,
                kind="kept",
                recipe="r",
                children=(child,),
                trials=(Trial(arm="one", sample=child.sample, role="instruction"),),
                claims=(Claim(wording=Wording(text=text), trial=0, child=child.id),),
                drawn=(("r.types", "one"),),
            )
            heard: list[Reward] = []
            admission = admission_of(outcome)
            committed = await store.commit_outcome(
                outcome, foresee=hearing(heard), memory=None, revision=1, admit=admission
            )
            rewards.append((committed.new_children, heard))
        assert rewards == [(1, []), (0, [Reward(pool="r.types", arm="one", value=0.0)])]
        assert (await store.counts()).waiting == 1


async def test_a_text_is_found_however_many_share_the_first_of_its_bands(tmp_path: Path) -> None:
    """As where all files begin with one licence."""
    kept, other = signed_instruction(SAID).kept, signed_instruction(OTHER).kept
    async with await Store.open(tmp_path) as store:
        await store.add_revision("d", "{}")
    with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as file, file:
        rows = [(number, "s", 0, other.values) for number in range(1, 25_001)]
        file.executemany("INSERT INTO signatures VALUES (?, ?, ?, ?)", rows)
        file.executemany("INSERT INTO signature_bands VALUES (?, ?)", [(min(kept.bands), row[0]) for row in rows])
        NearTexts(file).add(kept, "late", 3)
        earlier = NearTexts(file).find([kept], 0.7)
    assert earlier is not None
    assert (earlier.seed_id, earlier.place) == ("late", 3)


async def test_signatures_of_another_making_are_told_of(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        await leased(store, "Ase")
        assert await note_on_signatures(store) is None
        await store.meta_set("signatures", "r-minhash 1")
        noted = await note_on_signatures(store)
    assert noted is not None
    assert "are not compared with new ones, since their signatures are made otherwise" in noted.message


async def test_what_an_older_release_took_in_without_signatures_is_told_of_once(tmp_path: Path) -> None:
    async with await Store.open(tmp_path) as store:
        (seed,) = await leased(store, "Ase")
        await commit(store, claimed(seed, SAID), least=None)
        noted = await note_on_signatures(store)
        assert noted is not None
        assert "documents among them are, once they were read again" in noted.message
        assert await note_on_signatures(store) is None


@pytest.mark.parametrize(
    ("detail", "reason"),
    [
        ("it repeats an earlier instruction (91% alike: a.md)", "it repeats an earlier instruction"),
        ("answerer: it is not one of the labels alone: True, False", "answerer: it is not one of the labels alone"),
        ("the answer takes option D, and the key says B", "the answer takes option X, and the key says X"),
        ("it has 12 options, and 2 to 10 are possible", "it has N options, and N to N are possible"),
        ("write:mine/one: the reply is no JSON: line 3", "the reply is no JSON"),
        ("its key 'Bob' is none of its options", "its key … is none of its options"),
        ("it doesn't say what the writer's text isn't", "it doesn't say what the writer's text isn't"),
    ],
)  # fmt: skip
def test_a_reason_is_told_without_what_is_an_instructions_own(detail: str, reason: str) -> None:
    assert refusal_reason(Failure(kind="format", detail=detail)) == reason


def test_what_could_not_be_asked_is_told_apart_from_what_is_bad() -> None:
    kinds = ("budget", "down", "call", "empty")
    told = [refusal_reason(Failure(kind=kind, detail="x")) for kind in kinds]  # type: ignore[arg-type]
    assert told == [
        "its budget is spent", "it was down", "nobody could be asked for a part of it", "the reply held no text"
    ]  # fmt: skip


async def test_rows_of_the_dataset_are_those_admitted(tmp_path: Path) -> None:
    await worked(tmp_path, Writes([SAID, OTHER], [NEARLY, OTHER]), "Ase", "Tal")
    assert len(read_jsonl(tmp_path / "out" / "dataset.jsonl")) == 2
