"""Exports as trainers document them: each is read here by the trainer's own rules, TRL's by TRL (`-m slow`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from lines import read_jsonl
from storage_samples import HISTORY, fill_store, make_assessed, make_dropped, make_outcome, make_seed
from tiny_models import CHAT_TEMPLATE, save_model, train_tokenizer

from star_agents.cli.main import main
from star_agents.errors import UsageError
from star_agents.recipes.star_records import Assessed, Candidate, star_outcome
from star_agents.records import Outcome, Seed
from star_agents.storage.outgoing.export import FORMATS, dataset_rows
from star_agents.storage.outgoing.result_rows import TOOLS
from star_agents.storage.reader import StoreReader
from star_agents.storage.split import Split

SEEDS = [
    make_seed(1),
    make_seed(2, input="Some input."),
    make_seed(3, history=HISTORY),
    make_seed(4, history=HISTORY[:1]),
]
OF_TEXT = [format for format in FORMATS if format != TOOLS]
SINGLE = [SEEDS[0], SEEDS[1], SEEDS[3]]


async def store_of(folder: Path, *seeds: Seed) -> Path:
    await fill_store(folder / "store", *((seed, make_outcome(seed)) for seed in seeds))
    return folder / "store"


def export(*arguments: str | Path) -> int:
    try:
        main(["export", *map(str, arguments)])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def unscored(seed: Seed) -> Outcome:
    """As `selection: base` leaves it: no score, no verdict, no π, no known cost."""
    base = make_assessed("keep/seed", seed.sample, is_base=True)
    bare = Assessed(
        candidate=Candidate(pair=base.candidate.pair, is_base=True, sample=seed.sample, cost_usd=None),
        score=None,
        pi_dual=None,
        verdict=None,
        pi=None,
    )
    return star_outcome(seed.id, "base", (bare,), chosen=0, cost_usd=None)


def type_of(value: object) -> object:
    """What a column's type is by this value alone."""
    if isinstance(value, Mapping):
        return {name: type_of(item) for name, item in value.items()}
    if isinstance(value, list):
        kinds = [type_of(item) for item in value]
        assert kinds, "an empty list says nothing about what it may hold"
        assert all(kind == kinds[0] for kind in kinds)
        return [kinds[0]]
    assert isinstance(value, str), f"{value!r} may be of several types"
    return str


@pytest.mark.parametrize("format", OF_TEXT)
async def test_any_row_alone_shows_the_types_of_all_columns(format: str, tmp_path: Path) -> None:
    seeds = [seed for seed in SEEDS if format != "alpaca" or seed in SINGLE]
    other = make_seed(9)
    pairs = [(other, unscored(other)), *((seed, make_outcome(seed)) for seed in seeds)]
    await fill_store(tmp_path, *pairs)
    with StoreReader(tmp_path) as reader:
        rows = list(dataset_rows(reader, format))
    assert len(rows) == (2 * len(seeds) if format.endswith("dpo") else len(pairs))
    assert all(type_of(row) == type_of(rows[0]) for row in rows)
    assert all(isinstance(json.loads(row["provenance"]), dict) for row in rows)


@pytest.mark.parametrize("format", OF_TEXT)
async def test_datasets_loads_every_format_whatever_row_comes_first(format: str, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the test extra is not installed whole")
    datasets.disable_progress_bars()
    seeds = [seed for seed in SEEDS if format != "alpaca" or seed in SINGLE]
    other = make_seed(9)
    await fill_store(tmp_path / "store", (other, unscored(other)), *((seed, make_outcome(seed)) for seed in seeds))
    assert export(tmp_path / "store", "-f", format, "-o", tmp_path / "rows.jsonl") == 0
    forth = read_jsonl(tmp_path / "rows.jsonl")
    for rows in (forth, forth[::-1]):
        path = tmp_path / "ordered.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        # So small a chunk makes it decide on the types after the first row, as a large file does after the first 10 MB.
        loaded = datasets.Dataset.from_json(str(path), cache_dir=str(tmp_path / "cache"), chunksize=64)
        assert [dict(row) for row in loaded] == rows


def sharegpt_turns(turns: list[dict[str, str]], tags: Mapping[str, str]) -> list[str]:
    """The roles, read as LLaMA-Factory documents it: human at odd places, gpt at even ones, a system turn before."""
    names = {
        tags.get(f"{role}_tag", name): role
        for role, name in (("system", "system"), ("user", "human"), ("assistant", "gpt"))
    }
    roles = [names[turn[tags.get("role_tag", "from")]] for turn in turns]
    assert all(turn[tags.get("content_tag", "value")] for turn in turns)
    talk = roles[1:] if roles[0] == "system" else roles
    assert talk == [("user", "assistant")[place % 2] for place in range(len(talk))]
    return roles


@pytest.mark.parametrize("asked", ["sharegpt", "messages"])
async def test_llama_factory_finds_conversations_by_dataset_info(asked: str, tmp_path: Path) -> None:
    store = await store_of(tmp_path, *SEEDS)
    assert export(store, "--for", "llama-factory", "-f", asked, "-o", tmp_path / "kept.jsonl") == 0
    entry = json.loads((tmp_path / "dataset_info.json").read_text())["kept"]
    rows = read_jsonl(tmp_path / entry["file_name"])
    assert entry["formatting"] == "sharegpt"
    assert "ranking" not in entry
    for row in rows:
        assert sharegpt_turns(row[entry["columns"]["messages"]], entry.get("tags", {}))[-1] == "assistant"
    assert len(rows) == 4


async def test_llama_factory_finds_pairs_as_objects_by_dataset_info(tmp_path: Path) -> None:
    store = await store_of(tmp_path, *SEEDS)
    assert export(store, "--for", "llama-factory", "-f", "dpo", "-o", tmp_path / "pairs.jsonl") == 0
    entry = json.loads((tmp_path / "dataset_info.json").read_text())["pairs"]
    assert (entry["formatting"], entry["ranking"]) == ("sharegpt", True)
    columns = entry["columns"]
    rows = read_jsonl(tmp_path / entry["file_name"])
    for row in rows:
        assert sharegpt_turns(row[columns["messages"]], {})[-1] == "user"
        assert [row[columns[name]]["from"] for name in ("chosen", "rejected")] == ["gpt", "gpt"]
        assert row[columns["chosen"]]["value"] != row[columns["rejected"]]["value"]
    assert len(rows) == 8


async def test_llama_factory_finds_alpaca_columns_by_dataset_info(tmp_path: Path) -> None:
    store = await store_of(tmp_path, *SINGLE)
    assert export(store, "--for", "llama-factory", "-f", "alpaca", "-o", tmp_path / "single.json") == 0
    entry = json.loads((tmp_path / "dataset_info.json").read_text())["single"]
    assert "formatting" not in entry, "alpaca is what it takes it for"
    rows = json.loads((tmp_path / entry["file_name"]).read_text())
    read = [[row[entry["columns"][name]] for name in ("system", "prompt", "query", "response")] for row in rows]
    assert read[1] == ["", "Question 2?", "Some input.", "A good answer."]
    assert read[2] == ["Be brief.", "Question 4?", "", "A good answer."]


async def test_other_entries_of_a_dataset_info_stay_and_an_unreadable_one_is_no_ones_to_overwrite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, info = await store_of(tmp_path, *SEEDS), tmp_path / "dataset_info.json"
    info.write_text('{"theirs": {"file_name": "theirs.json"}}')
    assert export(store, "--for", "llama-factory", "-o", tmp_path / "ours.jsonl") == 0
    assert json.loads(info.read_text()).keys() == {"theirs", "ours"}
    info.write_text("{broken")
    assert export(store, "--for", "llama-factory", "-o", tmp_path / "ours.jsonl") == 2
    assert "dataset_info.json: is there already and cannot be read" in capsys.readouterr().err
    assert info.read_text() == "{broken"


@pytest.mark.parametrize("asked", ["messages", "sharegpt"])
async def test_axolotl_finds_conversations_by_its_yaml(asked: str, tmp_path: Path) -> None:
    store = await store_of(tmp_path, *SEEDS)
    assert export(store, "--for", "axolotl", "-f", asked, "-o", tmp_path / "kept.jsonl") == 0
    (entry,) = yaml.safe_load((tmp_path / "kept.axolotl.yaml").read_text())["datasets"]
    assert (entry["type"], entry["ds_type"]) == ("chat_template", "json")
    names = entry.get("message_property_mappings", {"role": "role", "content": "content"})
    for row in read_jsonl(Path(entry["path"])):
        turns = row[entry["field_messages"]]
        assert turns[-1][names["role"]] in ("assistant", "gpt")
        assert all(turn[names["content"]] for turn in turns)


async def test_axolotl_finds_pairs_as_objects_by_its_yaml(tmp_path: Path) -> None:
    store = await store_of(tmp_path, *SEEDS)
    assert export(store, "--for", "axolotl", "-f", "dpo", "-o", tmp_path / "pairs.jsonl") == 0
    config = yaml.safe_load((tmp_path / "pairs.axolotl.yaml").read_text())
    (entry,) = config["datasets"]
    assert (config["rl"], entry["type"]) == ("dpo", "chat_template.default")
    role, content = (entry["message_property_mappings"][name] for name in ("role", "content"))
    rows = read_jsonl(Path(entry["path"]))
    for row in rows:
        assert row[entry["field_messages"]][-1][role] in entry["roles"]["user"]
        for field in ("field_chosen", "field_rejected"):
            assert row[entry[field]][role] in entry["roles"]["assistant"]
            assert row[entry[field]][content]
    assert len(rows) == 8


async def test_a_trainer_is_refused_what_it_does_not_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = await store_of(tmp_path, *SEEDS)
    assert export(store, "--for", "axolotl", "-f", "alpaca", "-o", tmp_path / "rows.jsonl") == 2
    assert "axolotl does not take alpaca rows; use -f messages, sharegpt, dpo" in capsys.readouterr().err
    assert not (tmp_path / "rows.jsonl").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # what it warns of is between it and transformers
async def test_trl_trains_on_both_exports_as_they_are_and_learns_the_answer_only(tmp_path: Path) -> None:
    trl = pytest.importorskip("trl", reason="the test extra is not installed whole")
    datasets = pytest.importorskip("datasets")
    store = await store_of(tmp_path, *SEEDS)
    files = {"dpo": tmp_path / "pairs.jsonl", "prompt-completion": tmp_path / "kept.jsonl"}
    for asked, path in files.items():
        assert export(store, "--for", "trl", "-f", asked, "-o", path) == 0
    tokenizer = train_tokenizer(chat_template=CHAT_TEMPLATE)
    model = save_model(tmp_path / "model", tokenizer, "llama", max_position_embeddings=512)
    common: dict[str, Any] = {
        "bf16": False,
        "max_steps": 1,
        "report_to": "none",
        "use_cpu": True,
        "save_strategy": "no",
    }

    def load(asked: str) -> Any:
        return datasets.load_dataset(
            "json", data_files=str(files[asked]), split="train", cache_dir=str(tmp_path / "cache")
        )

    sft = trl.SFTTrainer(
        model=model,
        args=trl.SFTConfig(output_dir=str(tmp_path / "sft"), **common),
        train_dataset=load("prompt-completion"),
        processing_class=tokenizer,
    )
    (batch,) = [sft.data_collator([row]) for row in list(sft.train_dataset)[:1]]
    learned = tokenizer.decode([label for label in batch["labels"][0].tolist() if label != -100])
    assert str(learned).removesuffix("</s>").strip() == "A good answer."
    assert sft.train().global_step == 1
    dpo = trl.DPOTrainer(
        model=model,
        args=trl.DPOConfig(output_dir=str(tmp_path / "dpo"), **common),
        train_dataset=load("dpo"),
        processing_class=tokenizer,
    )
    assert dpo.train().global_step == 1


async def test_a_split_keeps_the_rows_of_a_seed_together_and_moves_none_when_seeds_are_added(tmp_path: Path) -> None:
    seeds = [make_seed(number) for number in range(200)]
    store = await store_of(tmp_path, *seeds)
    for format in ("messages", "dpo"):
        assert export(store, "-f", format, "-o", tmp_path / f"{format}.jsonl", "--split", "train=0.8") == 0

    def members(format: str, part: str) -> set[str]:
        rows = read_jsonl(tmp_path / f"{format}-{part}.jsonl")
        return {json.loads(row["provenance"])["seed_id"] for row in rows}

    train, test = members("messages", "train"), members("messages", "test")
    assert train | test == {seed.id for seed in seeds}
    assert not train & test
    assert 140 < len(train) < 180
    assert (members("dpo", "train"), members("dpo", "test")) == (train, test)
    more = Split.parse("train=0.8")
    assert {seed_id for seed_id in train | test if more.part_of(seed_id) == "train"} == train
    other = Split.parse("train=0.8", seed=1)
    assert {seed_id for seed_id in train | test if other.part_of(seed_id) == "train"} != train


@pytest.mark.parametrize(
    "text",
    ["train", "train=0", "train=1.5", "train=nan", "train=0.5,test=0.6", "a=0.5,a=0.5", "", "../x=1", "a=.2,b=.2"],
)
def test_a_split_that_makes_no_sense_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(UsageError, match="write name=share"):
        Split.parse(text)


def test_three_parts_share_the_seeds_by_their_shares() -> None:
    split = Split.parse("train=0.8,valid=0.1,test=0.1")
    counts = dict.fromkeys(split.shares, 0)
    for number in range(5000):
        counts[split.part_of(f"seed {number}")] += 1
    assert counts["train"] == pytest.approx(4000, abs=150)
    assert counts["valid"] == pytest.approx(500, abs=100)


async def test_only_improved_and_min_pi_leave_out_the_others_and_count_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, base, bare, dropped = (make_seed(number) for number in range(4))
    outcomes = [
        (kept, make_outcome(kept)),
        (base, make_outcome(base, kind="base", chosen=0)),
        (bare, unscored(bare)),
        (dropped, make_dropped(dropped)),
    ]
    await fill_store(tmp_path / "store", *outcomes)
    out = tmp_path / "rows.jsonl"
    assert export(tmp_path / "store", "-o", out, "--only", "improved", "--json") == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == {"not improved": 2}
    assert len(read_jsonl(out)) == 1
    assert export(tmp_path / "store", "-o", out, "--min-pi", "0.4") == 0
    assert "left out: 1 π below 0.4, 1 without π" in capsys.readouterr().out
    assert len(read_jsonl(out)) == 1
    assert export(tmp_path / "store", "-o", out, "--min-pi", "0.25") == 0
    assert len(read_jsonl(out)) == 2


async def test_an_export_without_rows_leaves_what_is_there_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, out = await store_of(tmp_path, *SEEDS), tmp_path / "rows.jsonl"
    out.write_text("of an earlier export\n")
    assert export(store, "-o", out, "--min-pi", "0.9") == 2
    assert "holds no rows to export as messages: left out 4 π below 0.9" in capsys.readouterr().err
    assert out.read_text() == "of an earlier export\n"
    unjudged = make_seed(1)
    await fill_store(tmp_path / "unjudged", (unjudged, unscored(unjudged)))
    assert export(tmp_path / "unjudged", "-f", "dpo", "-o", tmp_path / "pairs.jsonl") == 2
    assert "no verdict prefers one of two answers to the same prompt" in capsys.readouterr().err
    assert not (tmp_path / "pairs.jsonl").exists()
