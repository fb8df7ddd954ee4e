"""Documents become seeds, whichever way they come: by `run`, the inbox, a POST, `add` and Python."""

from __future__ import annotations

import json
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import anyio
import pytest
from click.testing import CliRunner
from daemons import post, star_agents, start
from document_files import book, pdf
from lines import read_jsonl, results

import star_agents as sa
from star_agents.api.inputs import SeedsLike
from star_agents.cli.main import cli
from star_agents.config.models import Config
from star_agents.engine.batch import load_seeds
from star_agents.engine.configuration import read_config
from star_agents.engine.document_door import read_for
from star_agents.engine.inbox import Inbox, make_inbox
from star_agents.engine.intake import DocumentsTaken, take_in_rows
from star_agents.engine.seed_sources import find_sources
from star_agents.engine.wiring import open_engine
from star_agents.errors import ConfigError, SeedFileError
from star_agents.events import Event, IntakeWaits, SeedsAdded, SeedsRejected
from star_agents.observe.bus import Bus
from star_agents.records import Document, Seed
from star_agents.storage.store import Store

WORDS = '''
"""How many words a document has."""
from star_agents.recipes.protocol import done, recipe, sft
from star_agents.records import Sample


@recipe(takes="document")
async def words(seed, bench, settings):
    """One row for each."""
    count = len(seed.document.text.split())
    return done(seed, rows=[sft(Sample(instruction="How many words? " + seed.document.text, response=str(count)))])
'''
RIVER = (
    "A river is a natural stream of water that flows towards an ocean, a lake or another river. "
    "Most rivers begin at a spring, and they grow on their way down to the sea, where they end."
)
FLUSS = (
    "Ein Fluss ist ein natürlicher Strom von Wasser, der zu einem Meer, einem See oder einem anderen Fluss fließt. "
    "Die meisten Flüsse beginnen an einer Quelle und werden auf dem Weg zum Meer immer größer."
)


def written(folder: Path, more: str = "", recipe: str = "./words.py:words") -> Path:
    (folder / "words.py").write_text(WORDS)
    path = folder / "agents.yaml"
    path.write_text(f"agents: {{a: {{model: offline/tutor}}}}\nrecipe: {recipe}\n{more}\n")
    return path


def config_in(folder: Path, more: str = "") -> Config:
    return read_config(written(folder, more))


def docs_in(folder: Path, **files: str | bytes) -> Path:
    """A folder of documents; two underscores in a name stand for a dot."""
    docs = folder / "docs"
    docs.mkdir(exist_ok=True)
    for name, data in files.items():
        (docs / name.replace("__", ".")).write_bytes(data.encode() if isinstance(data, str) else data)
    return docs


def star(*arguments: object) -> tuple[int, str]:
    ended = CliRunner().invoke(cli, [str(one) for one in arguments])
    return ended.exit_code, ended.output


def test_a_folder_runs_and_every_row_says_where_it_comes_from_and_again_it_costs_nothing(tmp_path: Path) -> None:
    docs = docs_in(
        tmp_path,
        a__md=f"# Rivers\n\n## Sources\n\n{RIVER}\n",
        b__md=f"# Other\n\n{RIVER}\n",
        c__py="x = 1\n",
        d__txt="",
    )
    (docs / "more").mkdir()
    (docs / "more" / "f.txt").write_text(FLUSS)
    arguments = ("run", "-c", written(tmp_path), "-s", docs, "-o", tmp_path / "out", "-q")
    code, said = star(*arguments)
    assert code == 0, said
    assert "1 of 5 documents in docs gave nothing: is empty (first: docs/d.txt: is empty)" in said
    labels = [json.loads(row["provenance"])["labels"] for row in read_jsonl(tmp_path / "out" / "dataset.jsonl")]
    found = {one["document:path"]: {name.partition(":")[2]: value for name, value in one.items()} for one in labels}
    text = (docs / "a.md").read_text()
    span = f"0-{len(text.rstrip())}"
    assert found["a.md"] == {
        "path": "a.md", "title": "Rivers", "headings": "Rivers > Sources", "span": span, "language": "en"
    }  # fmt: skip
    assert found["c.py"] == {"path": "c.py", "span": "0-5", "code_language": "python"}
    assert found["more/f.txt"]["language"] == "de"
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert {(one["part"], one["reason"], one["failures"], one["tries"]) for one in summary["failures"]} == {
        ("documents", "is empty", 1, 5),
        ("documents", "repeats an earlier document", 1, 5),
        ("chunks", "repeats an earlier document", 1, 4),
    }
    code, said = star(*arguments[:-1])
    assert "0 new seeds" in said.replace("\n", " ")
    assert len(read_jsonl(tmp_path / "out" / "dataset.jsonl")) == len(labels)


def seeds_of(folder: Path, docs: Path, more: str = "", *, skip_bad: bool = False) -> list[Seed]:
    return list(load_seeds(docs, config_in(folder, more), skip_bad=skip_bad, limit=None).seeds)


def test_what_repeats_an_earlier_document_is_left_out_and_names_it(tmp_path: Path) -> None:
    docs = docs_in(tmp_path, a__txt=RIVER, b__md=f"{RIVER}\n\nThe end.", c__txt=RIVER, d__txt=FLUSS)
    file = load_seeds(docs, config_in(tmp_path), skip_bad=False, limit=None)
    assert [seed.labels["document:path"] for seed in file.seeds] == ["a.txt", "d.txt"]
    nothing, chunks = file.tolerated
    assert [(one.reason, one.count) for one in nothing.failures] == [("repeats an earlier document", 2)]
    assert (
        nothing.failures[0].example == f"docs/b.md: repeats an earlier document (it is kept as {file.seeds[0].source})"
    )
    assert (chunks.tries, chunks.failures[0].count) == (4, 2)
    assert len(seeds_of(tmp_path, docs, "documents: {duplicates: off}")) == 3


def test_only_languages_that_are_asked_for_are_taken_and_code_is(tmp_path: Path) -> None:
    docs = docs_in(tmp_path, a__txt=RIVER, b__txt=FLUSS, c__py="x = 1\n")
    found = seeds_of(tmp_path, docs, "documents: {languages: [de]}")
    assert [seed.labels["document:path"] for seed in found] == ["b.txt", "c.py"]
    with pytest.raises(ConfigError, match=r"agents.yaml:3: documents.languages: xx, yy: no language that can be told"):
        config_in(tmp_path, "documents: {languages: [yy, de, xx]}")


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("{chunk_tokens: 10}", "documents.chunk_tokens"),
        ("{overlap_tokens: 600}", "overlap_tokens must be half of chunk_tokens at the most"),
        ("{languages: [English]}", r"documents.languages\[0\]"),
        ("{chunks: 3}", "documents.chunks: is not a key"),
        ("{duplicates: 7}", "documents.duplicates"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_its_line(tmp_path: Path, setting: str, told: str) -> None:
    with pytest.raises(ConfigError, match=f"agents.yaml:3: .*{told}"):
        config_in(tmp_path, f"documents: {setting}")


def test_past_a_share_of_bad_documents_nothing_is_taken_unless_they_are_to_be_skipped(tmp_path: Path) -> None:
    docs = docs_in(tmp_path, a__txt=RIVER, b__txt="", c__pdf=b"%PDF-1.4 no", d__png="x", e__png="y", f__txt="a\0b")
    with pytest.raises(SeedFileError) as told:
        seeds_of(tmp_path, docs)
    assert [(one.where, one.message) for one in told.value.problems] == [
        ("docs/b.txt", "is empty"),
        ("docs/c.pdf", "is a damaged PDF"),
        ("docs/f.txt", "is no text: it holds NUL bytes"),
    ]
    assert len(seeds_of(tmp_path, docs, skip_bad=True)) == 1
    assert len(seeds_of(tmp_path, docs, "failure_limits: {share: 0.8}")) == 1


def test_a_folder_that_gives_nothing_at_all_says_why(tmp_path: Path) -> None:
    docs = docs_in(tmp_path, a__png="x")
    with pytest.raises(SeedFileError, match=r"holds no seeds .*is of a kind that is not read \(\.png\)"):
        seeds_of(tmp_path, docs)
    with pytest.raises(SeedFileError, match=r"a\.png: is of a kind that is not read \(documents are \.txt"):
        seeds_of(tmp_path, docs / "a.png")
    with pytest.raises(SeedFileError, match="no such file"):
        seeds_of(tmp_path, docs / "b.pdf")


def test_rows_are_documents_whose_column_is_named_or_told(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        json.dumps({"content": RIVER, "title": "Rivers", "url": "u"})
        + "\n"
        + json.dumps({"content": " ".join(f"Satz {n} von {n * 7} sagt, dass {n * 13} Vögel kamen." for n in range(60))})
    )
    file = load_seeds(rows, config_in(tmp_path, "documents: {chunk_tokens: 200}"), skip_bad=False, limit=None)
    assert file.seeds[0].document == Document(text=RIVER, title="Rivers")
    assert file.seeds[0].meta == {"url": "u"}
    assert file.seeds[0].labels["document:path"] == "rows.jsonl:1"
    assert len(file.seeds) == 5
    assert file.not_read[:2] == (
        "documents are read from column `content` (2 rows)",
        "these columns are kept, but no model sees them: url (1 rows)",
    )
    named = load_seeds(rows, config_in(tmp_path, "documents: {column: title}"), skip_bad=True, limit=None)
    assert [seed.document.text for seed in named.seeds] == ["Rivers"]
    with pytest.raises(SeedFileError, match=r"rows.jsonl:2"):
        seeds_of(tmp_path, rows, "documents: {column: title}")


@pytest.mark.parametrize("order", [("rows.jsonl", "guide.md"), ("guide.md", "rows.jsonl")])
def test_bad_rows_of_one_file_stop_a_run_whatever_is_read_beside_it(tmp_path: Path, order: tuple[str, str]) -> None:
    config = config_in(tmp_path)
    (tmp_path / "rows.jsonl").write_text(json.dumps({"text": FLUSS}) + '\n{"text": \n')
    (tmp_path / "guide.md").write_text(RIVER)
    sources = find_sources([str(tmp_path / name) for name in order], documents=True)
    with pytest.raises(SeedFileError, match=r"rows\.jsonl:2") as caught:
        load_seeds(sources, config, skip_bad=False, limit=None)
    assert len(caught.value.problems) == 1
    assert len(load_seeds(sources, config, skip_bad=True, limit=None).seeds) == 2


def test_how_far_the_reading_is_is_told_of_the_files_of_a_pattern(tmp_path: Path) -> None:
    config, folder = config_in(tmp_path, "documents: {duplicates: off}"), tmp_path / "pages"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.html").write_text(f"<html><body><p>{RIVER} This is page {number}.</p></body></html>")
    sources = find_sources([f"{folder}/*.html"], documents=True)
    heard = list[tuple[int, int]]()
    read = read_for(config, sources.paths, name=sources.name, hear=lambda done, total: heard.append((done, total)))
    assert len(read.seeds) == 4
    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_chain_whose_first_recipe_takes_no_documents_refuses_them_in_words(tmp_path: Path) -> None:
    docs = docs_in(tmp_path, a__md=RIVER)
    config = read_config(written(tmp_path, "star: {selection: base}", recipe="star"))
    for given, what in ((docs, "a folder, as of documents"), (docs / "a.md", "a document")):
        with pytest.raises(SeedFileError) as told:
            load_seeds(given, config, skip_bad=True, limit=None)
        assert [(one.message, one.fix) for one in told.value.problems] == [
            (
                f"recipe star takes instruction or sample, and this is {what}",
                "put a recipe that takes documents first in `recipe`, or name a file of rows",
            )
        ]


def test_python_takes_a_folder_rows_and_documents_alike(tmp_path: Path) -> None:
    docs = docs_in(tmp_path, a__md=f"# Rivers\n\n{RIVER}")
    path = written(tmp_path)
    several: list[SeedsLike] = [docs, [{"text": RIVER}, {"document": FLUSS}], [sa.Document(text=RIVER)]]
    for number, given in enumerate(several):
        result = sa.run(path, given, out=tmp_path / f"out{number}", progress=False)
        assert len(list(result.rows())) == (2 if number == 1 else 1)
    with pytest.raises(SeedFileError):
        sa.run(path, docs_in(tmp_path / "docs", x__pdf=b"no"), out=tmp_path / "none", progress=False)


def test_an_estimate_counts_chunks_of_documents(tmp_path: Path) -> None:
    docs = docs_in(tmp_path, a__pdf=pdf(book(12)))
    path = written(tmp_path, "documents: {chunk_tokens: 200}")
    code, said = star("run", "-c", path, "-s", docs, "-o", tmp_path / "out", "--estimate", "--json", "-q")
    assert code == 0, said
    count = len(seeds_of(tmp_path, docs, "documents: {chunk_tokens: 200}"))
    assert json.loads(said[said.index("{") :])["estimate"]["seeds"] == count > 30


@asynccontextmanager
async def doors(folder: Path, more: str = "") -> AsyncIterator[tuple[Inbox, Path, list[Event], DocumentsTaken]]:
    """An inbox of a line that works nothing, without time to settle; what it hears; and what it knows."""
    heard: list[Event] = []
    bus = Bus()
    bus.subscribe(heard.append)
    inbox = folder / "inbox"
    make_inbox(inbox)
    async with (
        await Store.open(folder / "store") as store,
        open_engine(config_in(folder, more), store, bus=bus, seeds_expected=None, ends_when_empty=False) as line,
    ):
        taken = DocumentsTaken()
        yield Inbox(line, inbox, settle_s=0.0, documents=taken, clock=lambda: 0.0), inbox, heard, taken


def told(heard: list[Event], kind: type[Event]) -> list[Event]:
    return [one for one in heard if isinstance(one, kind)]


async def test_a_document_in_the_inbox_is_taken_in_or_rejected_with_its_reason(tmp_path: Path) -> None:
    async with doors(tmp_path) as (inbox, folder, heard, _):
        (folder / "a.md").write_text(RIVER)
        (folder / "b.pdf").write_bytes(b"%PDF-1.4 no")
        (folder / "c.png").write_bytes(b"x")
        await inbox.look()
        assert (folder / "done" / "a.md").exists()
        assert "is a damaged PDF" in (folder / "rejected" / "b.pdf.problems.txt").read_text()
        assert "is of a kind that is not read" in (folder / "rejected" / "c.png.problems.txt").read_text()
        assert len(told(heard, SeedsRejected)) == 2
        (folder / "again.md").write_text(RIVER)
        (folder / "near.txt").write_text(RIVER + " That is all.")
        await inbox.look()
        added = [one for one in told(heard, SeedsAdded) if isinstance(one, SeedsAdded)]
        assert [(one.source, one.new, one.duplicates) for one in added] == [
            ("a.md", 1, 0), ("again.md", 0, 1), ("near.txt", 0, 0)
        ]  # fmt: skip
        assert "repeats an earlier document" in added[-1].not_read[0]
        counts = {(one.part, one.name, one.reason): one.failures for one in await inbox._line.store.failures()}
    assert counts == {
        ("documents", "inbox", "repeats an earlier document"): 1,
        ("chunks", "inbox", "repeats an earlier document"): 1,
    }


async def test_posts_and_the_inbox_know_of_each_other_and_a_post_that_is_refused_is_not_known(tmp_path: Path) -> None:
    async with doors(tmp_path) as (inbox, folder, heard, taken):
        line = inbox._line
        with pytest.raises(SeedFileError):
            await take_in_rows(line, [{"text": RIVER}, {"other": 1}], "post", documents=taken)
        added = await take_in_rows(line, [{"text": RIVER}], "post", documents=taken)
        assert added.new == 1
        (folder / "near.txt").write_text(RIVER + " That is all.")
        await inbox.look()
        assert '"new": 0' in json.dumps(asdict(told(heard, SeedsAdded)[-1]))
        both: list[int] = []

        async def post(end: str) -> None:
            both.append((await take_in_rows(line, [{"text": FLUSS + end}], "post", documents=taken)).new)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(post, " Das ist alles.")
            tasks.start_soon(post, " Das war alles.")
        assert sorted(both) == [0, 1]


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_second_run_into_the_folder_knows_the_documents_of_the_first_and_its_own(tmp_path: Path) -> None:
    path, first = written(tmp_path), docs_in(made(tmp_path / "first"), a__md=RIVER)
    second = docs_in(made(tmp_path / "second"), a__md=RIVER, near__txt=RIVER + " That is all.", other__txt=FLUSS)
    assert star("run", "-c", path, "-s", first, "-o", tmp_path / "out", "-q")[0] == 0
    code, said = star("run", "-c", path, "-s", second, "-o", tmp_path / "out", "-q")
    assert code == 0, said
    assert len(read_jsonl(tmp_path / "out" / "dataset.jsonl")) == 2
    (told,) = [one for one in json.loads((tmp_path / "out" / "summary.json").read_text())["failures"]
               if one["part"] == "chunks"]  # fmt: skip
    assert (told["name"], told["reason"], told["failures"]) == ("docs", "repeats an earlier document", 1)
    assert "(it is kept as docs/a.md)" in told["example"]
    code, said = star("run", "-c", path, "-s", second, "-o", tmp_path / "other", "-q")
    assert code == 0, said
    assert len(read_jsonl(tmp_path / "other" / "dataset.jsonl")) == 2, "another folder begins anew"


def test_documents_of_a_store_of_before_are_compared_with_once_they_were_read_again(tmp_path: Path) -> None:
    path, first = written(tmp_path), docs_in(made(tmp_path / "first"), a__md=RIVER)
    second = docs_in(made(tmp_path / "second"), near__txt=RIVER + " That is all.")
    out = tmp_path / "out"
    assert star("run", "-c", path, "-s", first, "-o", out, "-q")[0] == 0
    with closing(sqlite3.connect(out / "store.sqlite3")) as store:
        store.executescript(
            "DROP INDEX memory_keys; DROP TABLE reviews; DROP TABLE row_vectors; DROP TABLE batch_calls;"
            "DROP TABLE batches;"
            "DROP TABLE findings; DROP TABLE row_digests;"
            "DROP TABLE signature_bands; DROP TABLE signatures;"
            "DELETE FROM meta WHERE key = 'signatures';"
            "PRAGMA user_version = 16;"
        )
    for _ in range(2):
        assert star("run", "-c", path, "-s", first, "-o", out, "-q")[0] == 0
    with closing(sqlite3.connect(out / "store.sqlite3")) as store:
        assert store.execute("SELECT count(*) FROM signatures").fetchone() == (1,)
    star("run", "-c", path, "-s", second, "-o", out, "-q")
    assert len(read_jsonl(out / "dataset.jsonl")) == 1


async def test_of_two_that_were_read_at_once_and_are_nearly_the_same_the_store_takes_one(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    files = [
        load_seeds(docs_in(made(tmp_path / name), a__md=text), config, skip_bad=False, limit=None)
        for name, text in (("one", RIVER), ("two", RIVER + " That is all."))
    ]
    async with await Store.open(tmp_path / "store") as store:
        assert [await store.add_seeds(file.seeds, unlike=file.unlike) for file in files] == [(1, 0), (0, 1)]
        (told,) = await store.failures()
    assert (told.part, told.name, told.failures) == ("chunks", "docs", 1)
    async with await Store.open(tmp_path / "store") as store:
        assert (await store.counts()).waiting == 1
        assert await store.add_seeds(files[0].seeds, unlike=files[0].unlike) == (0, 1)


async def test_a_restarted_daemon_knows_the_documents_of_before(tmp_path: Path) -> None:
    for number, text in enumerate((RIVER, RIVER + " That is all.")):
        async with doors(tmp_path) as (inbox, folder, heard, _):
            (folder / f"{number}.txt").write_text(text)
            await inbox.look()
            (added,) = told(heard, SeedsAdded)
            assert isinstance(added, SeedsAdded)
            assert added.new == (number == 0)


async def test_a_folder_in_the_inbox_is_taken_whole_and_each_file_ends_with_chunks_or_a_reason(tmp_path: Path) -> None:
    async with doors(tmp_path) as (inbox, folder, heard, _):
        laid = folder / "laid"
        (laid / "deep" / "deeper").mkdir(parents=True)
        await inbox.look()
        assert (laid.is_dir(), heard) == (True, []), "an empty one waits to be filled"
        (laid / "a.md").write_text(RIVER)
        (laid / "deep" / "b.html").write_text(f"<html><body><p>{FLUSS}</p></body></html>")
        (laid / "deep" / "deeper" / "near.txt").write_text(RIVER + " That is all.")
        (laid / "photo.png").write_bytes(b"x")
        (laid / "broken.pdf").write_bytes(b"%PDF-1.4 no")
        unfinished = laid / "deep" / "late.txt.part"
        unfinished.write_text("A late one")
        await inbox.look()
        await inbox.look()
        assert laid.is_dir(), "somebody is still working on a file of it"
        assert [one.reason for one in told(heard, IntakeWaits) if isinstance(one, IntakeWaits)] == [
            "late.txt.part in it is still worked on, as its name says; it waits until that is renamed"
        ]
        unfinished.rename(laid / "deep" / "late.txt").write_text(" ".join(f"word{number}" for number in range(40)))
        await inbox.look()
        (added,) = told(heard, SeedsAdded)
        assert isinstance(added, SeedsAdded)
        assert (added.source, added.new) == ("laid", 3)
        assert (folder / "done" / "laid" / "deep" / "deeper" / "near.txt").is_file()
        reasons = (folder / "done" / "laid.problems.txt").read_text().splitlines()
        assert [one.partition(": ")[0] for one in reasons] == [
            "laid/broken.pdf", "laid/deep/deeper/near.txt", "laid/photo.png"
        ]  # fmt: skip
        (folder / "done" / "laid" / "more.txt").write_text(" ".join(f"other{number}" for number in range(40)))
        await inbox.look()
        last = told(heard, SeedsAdded)[-1]
        assert isinstance(last, SeedsAdded)
        assert (last.new, last.duplicates) == (1, 3), "what is written into it afterwards is taken, too"
        slow = folder / "done" / "laid" / "slow.txt.part"
        slow.write_text("A slow one")
        await inbox.look()
        slow.rename(slow.with_suffix("")).write_text(" ".join(f"slow{number}" for number in range(40)))
        await inbox.look()
        last = told(heard, SeedsAdded)[-1]
        assert isinstance(last, SeedsAdded)
        assert (last.new, last.duplicates) == (1, 4), "it is looked at while somebody works on a file there"


async def test_a_folder_of_which_most_is_at_fault_is_rejected_whole(tmp_path: Path) -> None:
    async with doors(tmp_path) as (inbox, folder, heard, _):
        (folder / "bad").mkdir()
        for name in "abc":
            (folder / "bad" / f"{name}.pdf").write_bytes(b"%PDF-1.4 no")
        (folder / "bad" / "d.txt").write_text(RIVER)
        await inbox.look()
        assert (folder / "rejected" / "bad" / "d.txt").is_file()
        assert len((folder / "rejected" / "bad.problems.txt").read_text().splitlines()) == 3
        assert not told(heard, SeedsAdded)


def send(base: str, body: bytes, kind: str, query: str = "", **headers: str) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        f"{base}/v1/seeds{query}", data=body, headers={"Content-Type": kind, **headers}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_daemon_takes_the_bytes_of_a_document_by_post_and_refuses_one_that_gives_nothing(tmp_path: Path) -> None:
    daemon, base = start(tmp_path, written(tmp_path, "documents: {chunk_tokens: 400}").read_text())
    with daemon:
        code, taken = send(base, pdf(book(3)), "application/pdf", "?source=http://x/My%20book.pdf")
        assert (code, taken["new"] > 3) == (202, True), taken
        key = {"Idempotency-Key": "k"}
        page = f"<html><body><p>{RIVER}</p></body></html>".encode()
        assert send(base, page, "text/html; charset=utf-8", **key)[1]["new"] == 1
        assert send(base, page, "text/html; charset=utf-8", **key)[1]["new"] == 1
        code, refused = send(base, b"%PDF-1.4 no", "application/pdf", "?source=bad.pdf")
        assert (code, "is a damaged PDF" in refused["problems"][0]["message"]) == (400, True), refused
        assert send(base, b"", "application/pdf")[0] == 400
        assert send(base, b" " * (17 << 20), "application/pdf")[0] == 413
        long = urllib.parse.quote("河" * 120 + ".md")
        assert send(base, b"", "text/markdown", f"?source={long}")[0] == 400
        code, named = send(base, FLUSS.encode(), "text/markdown", f"?source={long}")
        assert (code, named.get("new")) == (202, 1), named
        again = send(base, (RIVER + " That is all.").encode(), "text/markdown")[1]
        assert (again["new"], "repeats an earlier document" in again["not_read"][0]) == (0, True)
        daemon.wait_for("outcome_committed", lambda line: line["seq"] == taken["new"] + 2)
        assert daemon.end() == 0
    paths = {one.seed.labels["document:path"] for one in results(tmp_path / "data")}
    assert "My_book.pdf" in paths
    assert sum(path.endswith(".html") for path in paths) == 1


def test_a_daemon_takes_rows_by_post_and_a_folder_by_add_with_where_they_come_from(tmp_path: Path) -> None:
    docs = docs_in(tmp_path, a__md=f"# Rivers\n\n## Sources\n\n{RIVER}", b__pdf=pdf(book(3)), c__py="x = 1\n")
    daemon, base = start(tmp_path, written(tmp_path, "documents: {chunk_tokens: 400}").read_text())
    with daemon:
        assert post(base, [{"text": FLUSS, "title": "Flüsse"}])["new"] == 1
        added = star_agents("add", docs, "-c", tmp_path / "agents.yaml", "--url", base, "--json")
        count = json.loads(added.stdout)["new"]
        assert count > 3
        daemon.wait_for("outcome_committed", lambda line: line["seq"] == count + 1)
        again = star_agents("add", docs, "-c", tmp_path / "agents.yaml", "--url", base)
        assert f"0 new seeds, {count:,} known already" in again.stdout
        assert daemon.end() == 0
    seeds = {one.seed.labels["document:path"]: one.seed for one in results(tmp_path / "data")}
    assert seeds["a.md"].labels["document:headings"] == "Rivers > Sources"
    assert seeds["b.pdf"].labels["document:page"] in ("1", "2", "3")
    assert seeds["c.py"].labels["document:code_language"] == "python"
    (posted,) = seeds.keys() - {"a.md", "b.pdf", "c.py"}
    assert seeds[posted].document == Document(text=FLUSS, title="Flüsse")
    assert seeds[posted].labels["document:language"] == "de"
