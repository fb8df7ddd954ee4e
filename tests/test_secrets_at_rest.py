"""Secrets that an older release left in a store: `doctor` notices them, --repair strikes them out of rows and file."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from canary import found_in, texts_of
from storage_commands import Shown, star
from storage_samples import commit, intent, make_outcome, make_reply, make_seed, seen

from star_agents.config.models import Config
from star_agents.config.reading import parse_config
from star_agents.config.secrets import revision_of
from star_agents.storage.connection import connect_reading
from star_agents.storage.migrations import scripts
from star_agents.storage.reader import StoreReader
from star_agents.storage.store import STORE_FILE, Store

KEY, PASSWORD, GATE, OLD = "Kq3-vT8nZ5xWm1pR", "Ld7yFw2-cHs9uJb4", "Ga6tEx0oMi8nVr3k", "Ro5tAt3dYz1pQw7n"
SECRETS = {"key": KEY, "password": PASSWORD, "gate": GATE, "password of before": OLD}
AGENTS = """
selection: random
agents:
  one:
    model: openai/m
    api_base: https://someone:{password}@gate.example/v1
    extra: {{extra_headers: {{X-Gate: {gate}, Accept: application/json}}}}
"""
NOW, BEFORE = AGENTS.format(password=PASSWORD, gate=GATE), AGENTS.format(password=OLD, gate=GATE) + "random_seed: 1\n"


async def fill(folder: Path, *texts: str) -> None:
    async with await Store.open(folder) as store:
        for text in texts:
            await store.add_revision(*revision_of(parse_config(text), {}))
        await store.add_seeds([make_seed(number) for number in range(4)])
        (seed,) = await store.lease(1)
        await store.intend([intent(key) for key in ("k0", "k1")])
        await store.record_answers([("k0", make_reply('It is "five".')), ("k1", make_reply("It is six."))])
        await commit(store, make_outcome(seed))


def as_an_older_release_left_it(folder: Path) -> None:
    """Whole configs, headers among the parameters, what a provider repeated, and a page that is not in use."""
    asyncio.run(fill(folder, BEFORE, NOW))
    with closing(sqlite3.connect(folder / STORE_FILE)) as file, file:
        for number, text in enumerate((BEFORE, NOW), start=1):
            whole = parse_config(text).model_dump_json()
            file.execute("UPDATE revisions SET config = ?, digest = 'of the whole' WHERE id = ?", (whole, number))
        sent = {"temperature": 0.7, "extra_headers": {"X-Gate": GATE}}
        file.execute("UPDATE calls SET parameters = ? WHERE key = 'k0'", (json.dumps(sent),))
        file.execute("UPDATE calls SET reply = json_set(reply, '$.text', ?) WHERE key = 'k1'", (f'"{OLD}"\n{KEY}',))
        file.execute(
            "UPDATE trials SET payload = json_set(payload, '$.failure', json_object('kind', 'call', 'detail', ?))",
            (KEY,),
        )
        grown = json.dumps({"pool": "r.p", "arm": "new", "what": f"Ask what {KEY} opens."})
        file.execute("INSERT INTO meta (key, value) VALUES (?, ?)", ('grown:["r.p","new"]', grown))
        file.execute("PRAGMA secure_delete = OFF")
        file.execute("INSERT INTO meta (key, value) VALUES ('cleared', ?)", (f"{GATE} " * 2_000,))
        file.execute("DELETE FROM meta WHERE key = 'cleared'")
        file.execute("UPDATE outcomes SET reason = ?", (f"they said {PASSWORD}",))


def agents_yaml(folder: Path) -> Path:
    path = folder / "agents.yaml"
    path.write_text(NOW)
    return path


def secrets_found(shown: Shown) -> tuple[str, str]:
    return next((one["state"], one["detail"]) for one in shown.data if one["part"] == "secrets")


def rows(folder: Path, sql: str) -> list[Any]:
    with closing(connect_reading(folder / STORE_FILE)) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_KEY", KEY)


def test_doctor_notices_secrets_in_configs_and_parameters_and_with_deep_in_texts(tmp_path: Path) -> None:
    as_an_older_release_left_it(tmp_path / "data")
    before = (tmp_path / "data" / STORE_FILE).read_bytes()
    state, detail = secrets_found(star("doctor", tmp_path / "data", "--json"))
    assert (state, detail.partition(",")[0]) == ("warn", "stand in 2 revisions of agents.yaml")
    assert "1 calls, as an older release" in detail
    assert "doctor FOLDER --repair" in detail
    state, detail = secrets_found(star("doctor", tmp_path / "data", "--deep", "--json"))
    assert "2 revisions of agents.yaml, 2 calls, 1 outcomes, 4 rows, trials and decisions of recipes" in detail
    assert (tmp_path / "data" / STORE_FILE).read_bytes() == before, "nothing is changed without --repair"


def test_repair_leaves_nothing_of_them_in_the_folder_but_in_a_copy_that_it_names(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    as_an_older_release_left_it(folder)
    shown = star("doctor", folder, "-c", agents_yaml(tmp_path), "--repair", "--deep", "--json")
    assert secrets_found(shown)[0] == "ok"
    assert (
        "struck out of 2 revisions of agents.yaml, 2 calls, 1 outcomes, 4 rows, trials and decisions of recipes"
        in shown.err
    )
    assert "STILL HOLDS THE SECRETS" in shown.err
    (copy,) = folder.glob("store.before-repair-*.sqlite3")
    assert str(copy) in shown.err
    assert copy.stat().st_mode & 0o777 == 0o600
    texts = texts_of(folder)
    kept_aside = {"copy": texts.pop(copy.name)}
    assert found_in({**texts, "said": shown.out + shown.err}, SECRETS) == []
    assert {found.split(":")[0] for found in found_in(kept_aside, SECRETS)} == {f"copy of {one}" for one in SECRETS}
    again = star("doctor", folder, "-c", agents_yaml(tmp_path), "--repair", "--json")
    assert "struck" not in again.err
    assert list(folder.glob("store.before-repair-*.sqlite3")) == [copy], (
        "where nothing is struck out, nothing is copied"
    )


def test_what_is_repaired_can_be_read_as_before(tmp_path: Path) -> None:
    as_an_older_release_left_it(tmp_path)
    star("doctor", tmp_path, "--repair")

    async def read() -> None:
        async with await Store.open(tmp_path) as store:
            first, second = seen(store, StoreReader.revisions)
            assert (second.digest, second.config) == revision_of(parse_config(NOW), {})
            assert list(Config.model_validate_json(first.config).agents) == ["one"]
            answers = await store.find_answers(["k0", "k1"])
            assert [one.text for one in answers.values()] == ['It is "five".', '"***"\n***']
            assert [row.outcome.kind for row in await store.outcomes()] == ["kept"]
            assert await store.add_revision(*revision_of(parse_config(NOW), {})) == second.id, "it is still in force"

    asyncio.run(read())
    assert rows(tmp_path, "SELECT reason FROM outcomes") == [("they said ***",)]
    assert json.loads(rows(tmp_path, "SELECT parameters FROM calls WHERE key = 'k0'")[0][0]) == {
        "temperature": 0.7,
        "extra_headers": {"X-Gate": "***"},
    }


def test_a_store_of_the_first_release_is_looked_at_as_it_is_and_repaired(tmp_path: Path) -> None:
    whole: Mapping[str, Any] = {"config": parse_config(BEFORE).model_dump_json()}
    with closing(sqlite3.connect(tmp_path / STORE_FILE)) as file:
        file.executescript(f"{scripts()[0]}\nPRAGMA user_version = 1;")
        file.execute("INSERT INTO revisions (digest, config, at, after_seq) VALUES ('d', :config, 0.0, 0)", whole)
        file.commit()
    assert secrets_found(star("doctor", tmp_path, "--json"))[0] == "warn"
    assert secrets_found(star("doctor", tmp_path, "--repair", "--json"))[0] == "ok"
    assert OLD not in rows(tmp_path, "SELECT config FROM revisions")[0][0]


def test_a_healthy_store_holds_none_and_is_neither_copied_nor_written_anew(tmp_path: Path) -> None:
    asyncio.run(fill(tmp_path / "data", BEFORE, NOW))
    shown = star("doctor", tmp_path / "data", "-c", agents_yaml(tmp_path), "--deep", "--repair", "--json")
    assert secrets_found(shown)[0] == "ok"
    assert "secrets" not in shown.err
    assert [path.name for path in (tmp_path / "data").glob("*.sqlite3")] == [STORE_FILE]


def test_a_file_that_somebody_reads_meanwhile_is_written_anew_by_the_next_repair(tmp_path: Path) -> None:
    as_an_older_release_left_it(tmp_path)
    with closing(sqlite3.connect(tmp_path / STORE_FILE, isolation_level=None)) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM seeds").fetchone()
        shown = star("doctor", tmp_path, "--repair")
        assert shown.code == 3
        assert "another program reads the file" in shown.err
        assert "pages that are not in use" in secrets_found(star("doctor", tmp_path, "--json"))[1]
    assert secrets_found(star("doctor", tmp_path, "--repair", "--json"))[0] == "ok"
    (copy,) = tmp_path.glob("store.before-repair-*.sqlite3")
    copy.unlink()
    assert found_in(texts_of(tmp_path), SECRETS) == []
