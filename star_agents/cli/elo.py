"""`elo`: ratings of the players of an arena, with all that says how far to trust them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from star_agents.arena.game_table import GameColumns, GameTable
from star_agents.arena.games import Battle, Game, battles_of
from star_agents.arena.leaderboard import Leaderboard, leaderboard
from star_agents.arena.lessons import Yield, yields
from star_agents.arena.ratings import ANCHOR_RATING, RESAMPLES, Rating
from star_agents.cli.tables import print_json, print_table
from star_agents.errors import UsageError
from star_agents.records import is_reward_model
from star_agents.report.pictures import picture, picture_for
from star_agents.report.ratings import ratings_svg
from star_agents.storage.formats.row_writing import atomic_file
from star_agents.storage.outgoing.game_files import GameFile, read_games
from star_agents.storage.parts import check_parts
from star_agents.text.printing import say

FEWEST_RESAMPLES = 100
THRESHOLDS = (0, 1, 2, 3, 4, 5)
"""Of the paper's table of K."""


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--import",
    "imports",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Games of others: FastChat's reviews, or JSON lines like battles.jsonl. One order is enough there.",
)
@click.option("--anchor", help="Player whose rating is fixed; the one with the most battles if not given.")
@click.option("--anchor-rating", type=float, default=ANCHOR_RATING, show_default=True)
@click.option("--resamples", type=click.IntRange(FEWEST_RESAMPLES, 100_000), default=RESAMPLES, show_default=True)
@click.option(
    "--orders-must-agree",
    is_flag=True,
    help="A judge whose two orders differ says a tie, as in FastChat; else the mean of both decides.",
)
@click.option("--part", "parts", multiple=True, metavar="NAME", help="Only battles over prompts of this part.")
@click.option("--target", help="Player that learns: what each threshold of points would teach it, from these games.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Also draw it: .svg, or .png and .pdf with the extra `plot`; ratings with intervals, and who beat whom.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(
    folders: Sequence[Path],
    imports: Sequence[Path],
    anchor: str | None,
    anchor_rating: float,
    resamples: int,
    orders_must_agree: bool,
    parts: Sequence[str],
    target: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Rate everybody who played in FOLDERS of `run` or `serve` (or files of games), all together.

    Ratings are a Bradley-Terry fit on Elo's scale; intervals are of 95 %, from a bootstrap over prompts, in which both
    turns of a question of `evaluate` are one.
    """
    if not folders and not imports:
        raise UsageError("name a folder in which an arena worked, or games of others with --import")
    kind = picture_for(out) if out is not None else ""
    found = GameFile()
    for path in (*folders, *imports):
        found.add(read_games(path))
    if parts:
        of_prompt = {prompt: labels["part"] for prompt, labels in found.labels.items() if "part" in labels}
        check_parts(parts, sorted(set(of_prompt.values())), "prompts of these games")
        found.rows = GameColumns.of(row for row in found.rows if of_prompt.get(row.prompt) in parts)
    try:
        board = leaderboard(
            GameTable.of_columns(found.rows),
            labels=found.labels,
            questions=found.questions,
            lengths=found.lengths,
            anchor=anchor,
            anchor_rating=anchor_rating,
            resamples=resamples,
            one_order_counts=bool(imports),
            orders_must_agree=orders_must_agree,
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    taught = _yields(found.games, target, one_order_counts=bool(imports)) if target else []
    if as_json:
        print_json({**board.to_dict(), **({"yields": [one._asdict() for one in taught]} if target else {})})
    else:
        show(board)
        if target:
            show_yields(taught, target)
    if out is not None:
        with atomic_file(out) as handle:
            handle.write(picture(ratings_svg(board.ratings), kind))
        say(f"  {out}", err=as_json)


def _yields(games: Sequence[Game], target: str, *, one_order_counts: bool) -> list[Yield]:
    by_prompt: dict[str, list[Battle]] = {}
    for battle in battles_of(games, one_order_counts=one_order_counts).battles:
        by_prompt.setdefault(battle.prompt, []).append(battle)
    if not any(target in (one.left, one.right) for battles in by_prompt.values() for one in battles):
        raise UsageError(f"--target {target}: is in no battle")
    return yields(by_prompt, target, THRESHOLDS)


def show_yields(taught: Sequence[Yield], target: str) -> None:
    """Print what each threshold would give."""
    print_table(
        f"rows by threshold: where {target} lost by so much, and the clearest battle of a prompt",
        ["points", "to fine-tune on", "preference pairs", f"chosen from {target}"],
        [[f"{one.threshold:g}", str(one.sft), str(one.preference), str(one.chosen.get(target, 0))] for one in taught],
    )


def show(board: Leaderboard) -> None:
    """Print ratings, who beat whom, the judges, and shares by label."""
    ratings = board.ratings
    print_table(
        f"ratings, {ratings.anchor} = {ratings.anchor_rating:g}",
        ["#", "player", "rating", "95 % interval", "battles", "won", "tied", "lost"],
        [[str(place), *_player(one)] for place, one in enumerate(ratings.players, start=1)],
    )
    for sentence in _remarks(board):
        say(sentence)
    names = [one.player for one in ratings.players]
    places = [str(place) for place in range(1, len(names) + 1)]
    if len(names) > 2:
        rows = [
            [*head, *(_cell(board, head[1], column) for column in names)] for head in zip(places, names, strict=True)
        ]
        print_table("points won of battles, row against column", ["#", "player", *places], rows)
    print_table(
        "judges",
        ["judge", "games", "unread", "orders agree", "first won", "first's bonus", "longer won", "for itself"],
        [_judge(board, number) for number in range(len(board.judges))],
    )
    for label, values in board.by_label.items():
        rows = [[value, *(_share(players, name) for name in names)] for value, players in values.items()]
        print_table(f"share of points by {label}, of battles", [label, *places], rows)


def _player(one: Rating) -> list[str]:
    rating = one.standing if one.rating is None else f"{one.rating:.0f}"
    ends = f"{_end(one.low)} to {_end(one.high)}" if one.rating is not None else "-"
    return [one.player, rating, ends, str(one.battles), str(one.wins), str(one.ties), str(one.losses)]


def _end(value: float | None) -> str:
    return "open" if value is None else f"{value:.0f}"


def _remarks(board: Leaderboard) -> Iterator[str]:
    ratings = board.ratings
    yield (
        f"{ratings.battles:,} battles over {ratings.prompts:,} prompts; intervals from {ratings.resamples:,} resamples "
        "of the prompts"
    )
    if board.one_order_only and board.one_order_counts:
        yield (
            f"{board.one_order_only:,} battles were judged in one order only: where an answer stood may have decided "
            "them, and nobody can tell from these games"
        )
    elif board.one_order_only:
        yield f"{board.one_order_only:,} battles were judged in one order only and do not count"
    for standing, what in (
        ("wins all", "won every battle against the rated, so no finite rating fits"),
        ("loses all", "lost every battle against the rated, so no finite rating fits"),
        ("unrated", "never met the rated, directly or through others: unrated"),
    ):
        if names := [one.player for one in ratings.players if one.standing == standing]:
            yield f"{', '.join(names)}: {what}"
    for judge in board.judges:
        if is_reward_model(judge.judge):
            yield f"{judge.judge} measures each answer by itself: of orders and places there is nothing to say"
    if board.spread is not None:
        yield f"jurors lie {board.spread:.2f} points apart on the same battle, on average"


def _cell(board: Leaderboard, row: str, column: str) -> str:
    if row == column or not (met := board.ratings.meetings[row][column]):
        return "-"
    return f"{board.ratings.points[row][column]:g}/{met}"


def _judge(board: Leaderboard, number: int) -> list[str]:
    judge = board.judges[number]
    own = "-" if judge.self_preference is None else f"{judge.self_preference:+.2f} of {judge.own_battles}"
    bonus = "-" if judge.first_bonus is None else f"{judge.first_bonus:+.2f}"
    shares = (judge.agreement.rate, judge.first_share.rate, judge.longer_share.rate)
    agreed, first, longer = ("-" if share is None else f"{100 * share:.0f} %" for share in shares)
    return [judge.judge, str(judge.games), str(judge.unreadable), agreed, first, bonus, longer, own]


def _share(players: object, name: str) -> str:
    rate = players.get(name) if isinstance(players, dict) else None
    return "-" if rate is None or rate.rate is None else f"{100 * rate.rate:.0f}%/{rate.answers}"
