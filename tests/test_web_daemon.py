"""The HTTP door of a real daemon: events through restarts, downloads, pause, queue, and who may come in."""

from __future__ import annotations

import io
import json
import stat
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest
from daemons import PATIENCE_S, Running, get, post, provider, refusal, rows, star_agents, start, taken
from lines import agents_yaml, read_jsonl

from star_agents.config.sections import ServerConfig
from star_agents.engine.access import Access, access_to
from star_agents.errors import UsageError
from star_agents.web.token_file import standing_token


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with provider(tmp_path_factory.mktemp("provider") / "book.jsonl") as url:
        yield url


def worked(folder: Path, config: str, count: int) -> tuple[Running, str]:
    """A daemon that has brought so many seeds to their end."""
    daemon, base = start(folder, config)
    post(base, rows(0, count))
    daemon.wait_for("outcome_committed", lambda line: line["seq"] == count)
    return daemon, base


class Events:
    """A stream of events, read line by line."""

    def __init__(self, base: str, query: str = "", last: str = "") -> None:
        self._connection = HTTPConnection(urlsplit(base).netloc, timeout=PATIENCE_S)
        self._connection.request("GET", f"/v1/events{query}", headers={"Last-Event-ID": last} if last else {})
        self._response = self._connection.getresponse()
        assert self._response.status == 200
        self.last = last

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        name = ""
        for raw in self._response:
            field, _, value = raw.decode().rstrip("\n").partition(": ")
            if field == "id":
                self.last = value
            elif field == "event":
                name = value
            elif field == "data":
                yield name, json.loads(value)

    def outcomes(self, count: int) -> list[int]:
        """The numbers of the next so many outcomes."""
        seqs = (data["seq"] for name, data in self if name == "outcome")
        return [next(seqs) for _ in range(count)]

    def close(self) -> None:
        self._connection.close()


def test_a_page_that_was_away_over_a_restart_has_missed_nothing(tmp_path: Path, url: str) -> None:
    daemon, base = worked(tmp_path, agents_yaml(url), 5)
    with daemon, closing(Events(base, "?after=2")) as events:
        assert events.outcomes(3) == [3, 4, 5]
        assert daemon.end() == 0
        assert "outcome" not in [name for name, _ in events], "an open stream is ended in order, and holds up no drain"
        last = events.last
    daemon, base = start(tmp_path, agents_yaml(url))
    with daemon:
        post(base, rows(100, 4))
        with closing(Events(base, "?after=2", last)) as events:
            assert events.outcomes(4) == [6, 7, 8, 9]
        assert daemon.end() == 0


def test_the_stream_tells_outcome_status_and_log_of_the_same_seed(tmp_path: Path, url: str) -> None:
    daemon, base = start(tmp_path, agents_yaml(url))
    with daemon, closing(Events(base, "?logs=1")) as events:
        post(base, rows(0, 1))
        told: dict[str, Any] = {}
        for name, data in events:
            if name != "log" or data["event"] == "outcome_committed":
                told[name] = data
            if told.keys() == {"outcome", "status", "log"} and told["status"]["latest_seq"] == 1:
                break
        assert told["outcome"]["seed_id"] == told["log"]["seed_id"]
        assert told["outcome"] == get(base, "/v1/outcomes")["outcomes"][0]
        assert told["status"]["seeds"] == get(base, "/v1/status")["seeds"]
        assert get(base, f"/v1/logs?seed={told['log']['seed_id']}&event=outcome_committed")["lines"] == [told["log"]]
        assert daemon.end() == 0


def test_a_download_is_what_export_writes(tmp_path: Path, url: str) -> None:
    daemon, base = worked(tmp_path, agents_yaml(url), 30)

    def download(query: str) -> bytes:
        with urllib.request.urlopen(f"{base}/v1/dataset?{query}") as response:
            return bytes(response.read())

    with daemon:
        for layout in ("messages", "prompt-completion", "alpaca", "sharegpt", "dpo", "sharegpt-dpo", "messages-dpo"):
            out = tmp_path / f"{layout}.jsonl"
            assert star_agents("export", tmp_path / "data", "-f", layout, "-o", out).returncode == 0
            assert download(f"format={layout}") == out.read_bytes(), layout
            expected = read_jsonl(out)
            assert json.loads(download(f"format={layout}&file=json")) == expected
            table = pq.read_table(io.BytesIO(download(f"format={layout}&file=parquet")))
            assert table.num_rows == len(expected)
        plain = [json.loads(line) for line in download("provenance=false").splitlines()]
        assert len(plain) == 30
        assert all("provenance" not in row for row in plain)
        assert download("which=rejected") == b""
        assert json.loads(download("which=rejected&file=json")) == []
        assert daemon.end() == 0


def test_a_paused_daemon_takes_seeds_in_works_none_and_is_still_paused_after_a_restart(
    tmp_path: Path, url: str
) -> None:
    daemon, base = start(tmp_path, agents_yaml(url))
    with daemon:
        assert post(base, None, "/v1/pause") == {"state": "paused"}
        assert post(base, None, "/v1/pause") == {"state": "paused"}
        assert post(base, rows(0, 3)) == taken(3, known=0)
        status = get(base, "/v1/status")
        assert (status["state"], status["seeds"]["waiting"]) == ("paused", 3)
        assert "paused" in status["waiting_for"]["reason"]
        assert get(base, "/readyz")["taking_seeds"] is True
        assert daemon.end() == 0
        assert [line["state"] for line in daemon.lines if line["event"] == "state_changed"].count("paused") == 1
    daemon, base = start(tmp_path, agents_yaml(url))
    with daemon:
        assert get(base, "/v1/status")["state"] == "paused"
        assert post(base, None, "/v1/resume") == {"state": "ready"}
        daemon.wait_for("outcome_committed", lambda line: line["seq"] == 3)
        assert daemon.end() == 0


def test_a_full_queue_takes_nothing_until_it_is_worked_off(tmp_path: Path, url: str) -> None:
    daemon, base = start(tmp_path, agents_yaml(url, replaced="server: {queue_limit: 5}"))
    with daemon:
        post(base, None, "/v1/pause")
        post(base, rows(0, 5))
        refused = refusal(base, rows(10, 1))
        assert (refused.code, refused.headers["Retry-After"]) == (429, "60")
        assert get(base, "/v1/status")["seeds"]["waiting"] == 5
        post(base, None, "/v1/resume")
        daemon.wait_for("outcome_committed", lambda line: line["seq"] == 5)
        assert post(base, rows(10, 1))["new"] == 1
        assert daemon.end() == 0


def test_beyond_loopback_a_token_is_made_told_once_and_asked_for(tmp_path: Path, url: str) -> None:
    config = agents_yaml(url, replaced="server: {host: 0.0.0.0, allowed_hosts: [stars.example]}")
    daemon, base = start(tmp_path, config)
    file = tmp_path / "data" / "token"
    with daemon:
        assert daemon.process.stdout is not None
        told = daemon.process.stdout.readline()
        port = base.rpartition(":")[2]
        token = file.read_text().strip()
        assert told == f"open http://stars.example:{port}/#token={token}\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        local = f"http://127.0.0.1:{port}"
        assert refusal(local, None, "/v1/status").code == 401
        assert refusal(local, rows(0, 1)).code == 401
        assert post(local, rows(0, 1), Authorization=f"Bearer {token}")["new"] == 1
        daemon.wait_for("outcome_committed")
        with urllib.request.urlopen(f"{local}/") as page:
            assert token.encode() not in page.read()
        assert daemon.end() == 0
    daemon, _ = start(tmp_path, config)
    with daemon:
        assert daemon.process.stdout is not None
        assert daemon.process.stdout.readline() == f"the token lies in {file}\n"
        assert daemon.end() == 0
    kept = [path for path in (tmp_path / "data").rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    assert kept == [file]
    assert token not in str(daemon.lines)


def test_a_token_of_one_s_own_comes_from_the_environment_and_its_absence_keeps_everybody_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = ServerConfig(host="0.0.0.0", token="os.environ/STARS_OWN_TOKEN")
    with pytest.raises(UsageError, match="STARS_OWN_TOKEN, which is not set"):
        access_to(server, tmp_path)
    monkeypatch.setenv("STARS_OWN_TOKEN", "my-own\n")
    assert access_to(server, tmp_path) == Access("my-own")
    assert access_to(ServerConfig(host="::1"), tmp_path) == Access("")
    assert list(tmp_path.iterdir()) == [], "no token is made where none is needed"


@pytest.mark.parametrize(
    ("host", "names", "link"),
    [
        ("0.0.0.0", (), "http://127.0.0.1:8321/"),
        ("::", (), "http://127.0.0.1:8321/"),
        ("192.0.2.7", (), "http://192.0.2.7:8321/"),
        ("2001:db8::7", (), "http://[2001:db8::7]:8321/"),
        ("0.0.0.0", ("stars.example", "other.example"), "http://stars.example:8321/"),
    ],
)
def test_the_link_names_a_host_that_is_served(
    host: str, names: tuple[str, ...], link: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = ServerConfig(host=host, allowed_hosts=names)
    access_to(server, tmp_path).tell("http://[::]:8321", server)
    assert capsys.readouterr().out.startswith(f"open {link}#token=")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda file: file.chmod(0o644), "others may read it"),
        (lambda file: file.write_text("short\n"), "holds no token"),
        (lambda file: file.write_bytes(b"\xff" * 50), "cannot be read"),
        (lambda file: (file.unlink(), file.symlink_to("/etc/hostname")), "cannot be read"),
        (lambda file: (file.unlink(), file.mkdir()), "cannot be read"),
    ],
    ids=["open to others", "short", "not text", "a link", "a folder"],
)
def test_a_token_that_is_no_secret_is_not_used(tmp_path: Path, make: Any, said: str) -> None:
    assert standing_token(tmp_path)[1]
    file = tmp_path / "token"
    make(file)
    with pytest.raises(UsageError, match=said):
        standing_token(tmp_path)


def test_a_token_stays_the_same_and_every_folder_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    token, is_new = standing_token(tmp_path)
    assert is_new
    assert standing_token(tmp_path) == (token, False)
    assert standing_token(tmp_path / "other")[0] != token
    with pytest.raises(UsageError, match="cannot be written"):
        standing_token(tmp_path / "nowhere")


def test_a_broken_edit_makes_a_daemon_unready_and_not_unwell(tmp_path: Path, url: str) -> None:
    daemon, base = start(tmp_path, agents_yaml(url))
    with daemon:
        (tmp_path / "agents.yaml").write_text(agents_yaml(url) + "candidats: 3\n")
        daemon.wait_for("config_rejected")
        refused = refusal(base, None, "/readyz")
        assert refused.code == 503
        with urllib.request.urlopen(f"{base}/livez") as alive:
            assert alive.status == 200
        assert daemon.end() == 0
