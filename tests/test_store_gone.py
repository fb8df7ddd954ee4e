"""A store whose files are removed or replaced at work: nothing more is acknowledged, it is said, and the end is 75."""

from __future__ import annotations

import json
import shutil
import urllib.error
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import fork_server
import pytest
from chaos_gone import FILES, WAYS, remove_stores
from daemons import PATIENCE_S, get, post, provider, refusal, rows, start, taken
from lines import agents_yaml

from star_agents.errors import StoreGone
from star_agents.storage.open_files import OpenFiles
from star_agents.storage.store import STORE_FILE

NOBODY = "http://127.0.0.1:9/v1"


def test_nothing_is_acknowledged_once_a_file_of_the_store_is_gone(tmp_path: Path) -> None:
    report = remove_stores(tmp_path, rounds=60, seed=1)
    assert report.violations == []
    assert report.refused == 3 * 60
    assert len(report.ways) == 2 * len(FILES) + 1


def test_what_happened_to_which_file_is_said_with_what_to_do(tmp_path: Path) -> None:
    database, lock, none = tmp_path / "db", tmp_path / "lock", tmp_path / "none"
    for path in (database, lock):
        path.touch()
    files = OpenFiles(database, [lock, none])
    files.check()
    none.touch()  # it was not there, so it is nobody's
    files.check()
    WAYS["replaced"](tmp_path, lock)
    with pytest.raises(StoreGone, match=r"lock: the file was replaced by another one .* put the folder back"):
        files.check()
    database.unlink()
    with pytest.raises(StoreGone, match="db: the file was removed while star_agents worked on it"):
        files.check()
    with pytest.raises(StoreGone):
        OpenFiles(database)


def remove_store(data: Path) -> None:
    (data / STORE_FILE).unlink()


def put_another_store_there(data: Path) -> None:
    other = data / "other.sqlite3"
    shutil.copy(data / STORE_FILE, other)
    other.replace(data / STORE_FILE)


@pytest.mark.parametrize("take_away", [remove_store, put_another_store_there, shutil.rmtree])
def test_a_daemon_acknowledges_no_seed_into_a_store_that_is_gone_and_ends_with_75(
    tmp_path: Path, take_away: Callable[[Path], None]
) -> None:
    daemon, base = start(tmp_path, agents_yaml(NOBODY))
    with daemon:
        post(base, {}, "/v1/pause")
        assert post(base, rows(0, 5)) == taken(5, known=0)
        take_away(tmp_path / "data")
        with suppress(urllib.error.URLError, ConnectionError):  # where it has ended already
            assert refusal(base, rows(10, 5)).code == 503
        assert daemon.process.wait(PATIENCE_S) == 75
    told = [line for line in daemon.other if "store.sqlite3: the file was re" in line]
    assert told, daemon.other
    assert not any("is safe" in line or "Traceback" in line for line in daemon.other)


def test_an_idle_daemon_notices_too(tmp_path: Path) -> None:
    daemon, base = start(tmp_path, agents_yaml(NOBODY))
    with daemon:
        assert get(base, "/readyz")["store"]
        remove_store(tmp_path / "data")
        assert daemon.process.wait(PATIENCE_S) == 75


def test_a_run_whose_store_is_gone_ends_with_75_and_says_so(tmp_path: Path) -> None:
    config, seeds, out = tmp_path / "agents.yaml", tmp_path / "seeds.jsonl", tmp_path / "out"
    with provider(tmp_path / "book.jsonl") as url:
        config.write_text(agents_yaml(url))
        seeds.write_text("".join(json.dumps(row) + "\n" for row in rows(0, 600)))
        with fork_server.start(("run", "-c", config, "-s", seeds, "-o", out)) as process:
            assert any("seeds, " in line for line in process.stderr)  # a tenth is done
            remove_store(out)
            told = process.stderr.read()
            assert process.wait(PATIENCE_S) == 75
    assert "store.sqlite3: the file was removed while star_agents worked on it" in told
    assert "Traceback" not in told
