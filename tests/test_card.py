"""The card of a dataset: valid to the hub, nothing in it that nobody knows, and nothing of others' that is markup."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from markdown_it import MarkdownIt

from star_agents.cli.main import main
from star_agents.engine.hub_sources import PINS
from star_agents.engine.provenance import source_of
from star_agents.engine.publishing.facts import told_sources
from star_agents.engine.publishing.making import make
from star_agents.engine.publishing.settings import shown_settings
from star_agents.errors import UsageError
from star_agents.export.card import (
    Arms,
    Cost,
    DatasetFacts,
    Finding,
    HeldAgainst,
    LeftOut,
    Model,
    Picture,
    SourceDataset,
    Stage,
    dataset_card,
    size_category,
)
from star_agents.export.licences import Licence, known_licences, read_licence
from star_agents.export.terms import Terms, terms_for

SCHEMA = json.loads(Path(__file__).with_name("dataset_card.schema.json").read_text())
CC_BY = Licence("cc-by-4.0")
HOSTILE = "![x](http://evil.example/a.png) <img src=x> | `tick` [a](javascript:b) ${{7*7}}\n\n# big"
FACTS = DatasetFacts(
    name=HOSTILE,
    repo="user/name",
    licence=CC_BY,
    rows={"sft": 3},
    columns={"sft": ["messages", "provenance"]},
    languages=[("en", 1.0)],
    looked_at=3,
    untold=1,
    sources={HOSTILE: 3},
    source_datasets=[SourceDataset(HOSTILE, HOSTILE, HOSTILE)],
    pipeline=[Stage(HOSTILE, HOSTILE, ["sample"], {"kept": 3}, {"sft": 3})],
    models=[Model(HOSTILE, HOSTILE, HOSTILE, 3, 3, Terms(HOSTILE))],
    measured_by=[Model(HOSTILE, HOSTILE, "", 0, 0, Terms(HOSTILE))],
    prompts={HOSTILE: 3},
    arms=[Arms(HOSTILE, ("arm", "draws"), [(HOSTILE, "3")], 1)],
    left_out=[LeftOut("Seeds that were dropped", {HOSTILE: 2})],
    findings=[Finding(HOSTILE, "row", "refused", HOSTILE, 4)],
    held_against=HeldAgainst([HOSTILE], "refuse", 0.5, 8),
    refused=[(HOSTILE, "3", "1", HOSTILE)],
    failures=[HOSTILE],
    cost=Cost(known_usd=None, calls_of_unknown_price=3, calls=3, prompt_tokens=30, completion_tokens=12),
    settings=f"agents:\n  a: '{HOSTILE[:20]}'\n```\n# big\n",
    pictures=[Picture("gaps.svg", HOSTILE)],
    seeds={"kept": 3},
    reviewed={"accepted": 2, "rejected": 1},
    made="",
    versions={"star_agents": "0.1.0", "python": "3.11", "schema": 17},
    notes=[HOSTILE],
)


def head_of(card: str) -> dict[str, Any]:
    found = yaml.safe_load(card.split("---\n")[1])
    assert isinstance(found, dict)
    return found


def star(*arguments: str | Path) -> int:
    try:
        main([*map(str, arguments)])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_the_head_is_what_the_hub_documents(arena_folder: Path) -> None:
    head = head_of(make(arena_folder, licence=CC_BY).card)
    jsonschema.validate(head, SCHEMA)
    assert head["language"] == ["en"]
    assert [one["config_name"] for one in head["configs"]] == ["sft", "preferences", "reward", "battles"]
    assert [one for one in head["configs"] if one.get("default")] == head["configs"][:1]
    assert {"synthetic", "star_agents", "arena", "sft", "dpo", "reward-model"} <= set(head["tags"])
    assert "source_datasets" not in head, "a file is no dataset of the hub"


def test_without_a_word_of_its_maker_there_is_no_licence(arena_folder: Path) -> None:
    card = make(arena_folder).card
    assert "license" not in head_of(card)
    assert "No licence is named yet" in card


def test_it_tells_rows_methods_models_prompts_arms_cost_and_settings(arena_folder: Path) -> None:
    made = make(arena_folder, name="Mine", licence=CC_BY)
    rows = made.gathered.rows
    for told in (
        "# Mine\n",
        f"| `sft` | {rows['sft']} |",
        f"| `battles` | {rows['battles']} |",
        "1. **arena** (takes",
        "12 kept",
        "| `novice` | `offline/novice` | not told | 12 | 12 | a small program of star\\_agents, no language model |",
        "| `referee` | `offline/referee` |",
        "| `arena/judge@1:",
        "| `seeds.jsonl` |",
        "in all.",
        "target: novice",
        "| length | row | reported | ",
        "Nobody looked for them: rows may hold items",
        "![score (arena):",
        "Sample agents of star\\_agents",
        "Made with star\\_agents",
    ):
        assert told in made.card, told
    for name in re.findall(r"\]\(plots/([^)]+)\)", made.card):
        assert name in {one.file for one in made.plots}


def test_every_table_has_its_rows_and_nothing_is_markup_that_came_from_elsewhere(arena_folder: Path) -> None:
    for card, tables in ((dataset_card(FACTS), 9), (make(arena_folder, licence=CC_BY).card, 4)):
        blocks = MarkdownIt("gfm-like", {"linkify": False}).parse(card.split("---\n", 2)[2])
        kinds = [block.type for block in blocks] + [child.type for one in blocks for child in one.children or ()]
        assert kinds.count("table_open") >= tables
        assert not {"html_block", "html_inline"} & set(kinds)
        links = [child.attrs["href"] for one in blocks for child in one.children or () if child.type == "link_open"]
        assert not [link for link in links if "evil" in str(link) or "javascript" in str(link)]
        images = [child.attrs["src"] for one in blocks for child in one.children or () if child.type == "image"]
        assert images
        assert all(str(image).startswith("plots/") for image in images)
        heads = [blocks[place + 1].content for place, one in enumerate(blocks) if one.type == "heading_open"]
        assert not [head for head in heads if head.startswith("big")]


def test_an_unknown_cost_is_told_as_unknown() -> None:
    assert "what they cost is unknown" in dataset_card(FACTS)
    some = Cost(known_usd=1.5, calls_of_unknown_price=2, calls=3, prompt_tokens=30, completion_tokens=12)
    assert "$1.5000 and 2 calls of unknown price in all" in dataset_card(dataclasses.replace(FACTS, cost=some))


def test_what_the_provider_called_the_model_stands_beside_what_was_asked_for(
    arena_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(arena_folder, tmp_path / "out")
    with sqlite3.connect(folder / "store.sqlite3") as store:
        reply = "json_set(reply, '$.model', 'openai/gpt-4o-mini', '$.answered_as', 'gpt-4o-mini-2024-07-18')"
        store.execute(f"UPDATE calls SET reply = {reply} WHERE agent = 'referee' AND state = 'answered'")
    store.close()
    card = make(folder).card
    assert "| `referee` | `openai/gpt-4o-mini` | `gpt-4o-mini-2024-07-18` |" in card
    assert "OpenAI: <https://openai.com/policies/>" in card


def test_datasets_of_the_hub_that_seeds_came_from_are_named_with_their_commit(
    arena_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(arena_folder, tmp_path / "out")
    pinned = {"commit": "a1b2c3d4e5f6", "config": "default", "split": "train", "files": ["data/train.parquet"]}
    before = {**pinned, "split": "", "files": ["data/old.jsonl"]}
    pins = {"hf:user/seeds@main:default:train": pinned, "hf:old": before, "hf:looked/at": pinned}
    (folder / PINS).write_text(json.dumps(pins))
    assert "source_datasets" not in head_of(make(folder, licence=CC_BY).card), "no row came from them"
    with sqlite3.connect(folder / "store.sqlite3") as store:
        store.execute("UPDATE seeds SET source = 'old.jsonl:1'")
        source = "user/seeds@a1b2c3d4e5/data/train.parquet:row 2"
        store.execute("UPDATE seeds SET source = ? WHERE rowid = (SELECT max(rowid) FROM seeds)", (source,))
    store.close()
    card = make(folder, licence=CC_BY).card
    assert head_of(card)["source_datasets"] == ["old", "user/seeds"]
    jsonschema.validate(head_of(card), SCHEMA)
    assert "| `user/seeds` | `default, train` | `a1b2c3d4e5f6` |" in card
    assert "| `user/seeds@a1b2c3d4e5/data/train.parquet` |" in card
    (folder / PINS).unlink()
    card = make(folder, licence=CC_BY).card
    assert head_of(card)["source_datasets"] == ["user/seeds"]
    assert "| `user/seeds` | – | `a1b2c3d4e5` |" in card


def test_files_that_seeds_came_from_are_told_in_bounds_and_those_called_alike_together() -> None:
    told = told_sources({f"docs/{n}.md": 1 for n in range(1_000)} | {"/a/x.jsonl": 3, "/b/x.jsonl": 4, "": 2})
    assert list(told.items())[:2] == [("…/x.jsonl", 7), ("not told", 2)]
    assert told["952 other files"] == 952
    assert sum(told.values()) == 1_009


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("openai/gpt-4o-mini", ("OpenAI", "https://openai.com/policies/")),
        ("ollama_chat/qwen2.5:14b", ("the model's own page", "https://ollama.com/library/qwen2.5")),
        ("hosted_vllm/mistralai/Mistral-7B", ("the model's own card", "https://huggingface.co/mistralai/Mistral-7B")),
        ("hosted_vllm/my-student", ("the model's own card", "")),
        ("transformers/./mine", ("the model's own card", "")),
        ("unheard_of/model", ("whoever serves it, and the model's maker", "")),
        ("offline/tutor", ("a small program of star_agents, no language model", "")),
    ],
)
def test_terms_are_pointed_at_and_never_guessed(model: str, told: tuple[str, str]) -> None:
    assert terms_for(model) == told


def test_settings_tell_no_key_no_address_and_no_folder(tmp_path: Path) -> None:
    config = {
        "agents": {
            "a": {"model": "hosted_vllm/m", "api_base": "http://10.1.2.3:8000/v1", "api_key": "os.environ/KEY"},
            "b": {"model": "openai/m", "extra": {"extra_headers": {"X-Api-Key": "a-secret-of-mine-77"}}},
            "c": {"model": "bedrock/m", "extra": {"aws_bedrock_runtime_endpoint": "bedrock.inner.example"}},
            "d": {"model": "openai/m", "extra": {"logged_at": "https://watch.inner.example/in"}},
        },
        "recipe": ["/home/somebody/recipes/mine.py:mine"],
        "star": {
            "pairs": [{"instruction": "keep", "response": "a"}],
            "base_pairs": [{"instruction": "keep", "response": "b"}],
        },
    }
    shown = shown_settings(json.dumps(config))
    assert "os.environ/KEY" in shown
    assert "…/mine.py:mine" in shown
    for hidden in ("10.1.2.3", "inner.example", "a-secret-of-mine-77", "/home/somebody"):
        assert hidden not in shown


@pytest.mark.parametrize(
    ("rows", "word"), [(0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (99_999, "10K<n<100K"), (10**8, "100M<n<1B")]
)
def test_sizes_are_the_hubs_words(rows: int, word: str) -> None:
    assert size_category(rows) == word


def test_a_licence_is_one_that_the_hub_knows_or_has_name_and_link() -> None:
    assert len(known_licences()) == len(set(known_licences())) > 70
    assert read_licence("CC-BY-4.0") == CC_BY
    assert read_licence(None) is None
    other = read_licence("other", "My terms", "https://example.com/terms")
    assert other is not None
    assert other.head == {"license": "other", "license_name": "My terms", "license_link": "https://example.com/terms"}
    jsonschema.validate(head_of(dataset_card(dataclasses.replace(FACTS, licence=other, source_datasets=[]))), SCHEMA)
    for wrong, told in (
        (("cc-by-4",), "did you mean cc-by-4.0"),
        (("other",), "needs --license-name"),
        (("mit", "My terms"), "has its name"),
        ((None, "My terms"), "go with `--license other`"),
    ):
        with pytest.raises(UsageError, match=re.escape(told)):
            read_licence(*wrong)


def test_the_command_writes_card_and_pictures_and_leaves_what_is_not_ours(
    arena_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = tmp_path / "README.md"
    assert star("card", arena_folder, "-o", readme) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"wrote {readme}, and ")
    assert "no licence is named: `push` needs --license" in told
    assert readme.read_text().startswith("---\nlanguage:")
    assert all(one.read_text().lstrip().startswith("<svg") for one in (tmp_path / "plots").iterdir())
    assert star("card", arena_folder, "-o", readme, "--license", "mit", "--json") == 0
    assert json.loads(capsys.readouterr().out)["license"] == "mit"
    readme.write_text("# Words of my own\n")
    assert star("card", arena_folder, "-o", readme) == 2
    assert "no card of star_agents" in capsys.readouterr().err
    assert star("card", tmp_path / "none") == 3
    assert "there is no store here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("seeds.jsonl:12", "seeds.jsonl"),
        ("python:row 3", "python"),
        ("tasks.jsonl:12 instances[1]", "tasks.jsonl"),
        ("user/seeds@a1b2c3d4e5/data/train.parquet:row 7", "user/seeds@a1b2c3d4e5/data/train.parquet"),
        ("docs/ch02.md#Processing a Guess: part 2:2350-4343", "docs/ch02.md"),
        ("paper.pdf#p3/120-980", "paper.pdf"),
        ("notes.md", "notes.md"),
        (None, ""),
    ],
)
def test_where_seeds_came_from_is_told_by_file_and_not_by_row(source: str | None, name: str) -> None:
    assert source_of({"source": source}) == name
