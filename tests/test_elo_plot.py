"""The picture of `elo -o`: ratings with their intervals and the matrix of wins, as .svg, .png and .pdf."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from star_agents.cli.elo import command
from star_agents.errors import UsageError

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>a&b</script>"


def games(folder: Path, *pairs: tuple[str, str, float]) -> Path:
    """Of each pair ten prompts, judged in both orders; the first player is ahead by so many points in nine of them."""
    path = folder / "battles.jsonl"
    rows = []
    for prompt in range(10):
        for one, other, ahead in pairs:
            scores = (5 + ahead, 5) if prompt else (5, 5 + ahead)
            for first, second, points in ((one, other, scores), (other, one, scores[::-1])):
                row = {"prompt": f"p{prompt}", "judge": "j", "first": first, "second": second}
                rows.append({**row, "first_score": points[0], "second_score": points[1]})
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return path


def drawn(data: Path, out: Path) -> bytes:
    CliRunner().invoke(command, [str(data), "-o", str(out)], catch_exceptions=False)
    return out.read_bytes()


def test_the_picture_has_a_row_for_each_player_and_a_cell_for_each_two_that_met(tmp_path: Path) -> None:
    data = games(tmp_path, ("a", HOSTILE, 2), (HOSTILE, "c", 1), ("x", "y", 1))
    tree = ElementTree.fromstring(drawn(data, tmp_path / "ratings.svg"))
    texts = [one.text or "" for one in tree.iter(f"{SVG}text")]
    assert f"2  {HOSTILE}" in texts, "a name is text, whatever stands in it"
    assert list(tree.iter(f"{SVG}script")) == []
    points = list(tree.iter(f"{SVG}circle"))
    assert len(points) == 3
    assert texts.count("unrated") == 2, "x and y never met the others"
    cells = [one for one in tree.iter(f"{SVG}rect") if one.get("class") in ("better", "worse")]
    assert len(cells) == 2 * 3
    assert {"90", "10"} <= set(texts)


@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_a_picture_is_of_the_kind_that_its_name_says(tmp_path: Path, suffix: str, begins: bytes) -> None:
    assert drawn(games(tmp_path, ("a", "b", 2)), tmp_path / f"ratings{suffix}").startswith(begins)


def test_an_unknown_kind_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown kind of picture '\.gif'; use one of \.svg, \.png, \.pdf"):
        CliRunner().invoke(command, ["nowhere", "-o", str(tmp_path / "r.gif")], catch_exceptions=False)


def test_without_the_extra_it_is_told_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['vl_convert'] = None; from star_agents.cli.main import main; main(sys.argv[1:])"
    words = ["elo", str(games(tmp_path, ("a", "b", 2))), "-o", str(tmp_path / "ratings.png")]
    ended = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "pip install 'star-agents[plot]', or write .svg" in ended.stderr
    assert not (tmp_path / "ratings.png").exists()
