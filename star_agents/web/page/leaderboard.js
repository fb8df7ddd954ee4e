// Who is how strong in an arena, as it is at work: ratings with their intervals, and how far its judges can be trusted.
// Asked for anew every few seconds while games come in; without an arena the section is not there.

import { Refusal, get } from "./api.js";
import { byId, el, fill, setText } from "./dom.js";
import { count, decimal, interval, percent, plural } from "./format.js";
import { saidOfExams } from "./referee.js";
import { attempt } from "./trouble.js";

/** @typedef {import("./types.js").Status} Status */
/** @typedef {import("./types.js").Leaderboard} Board */
/** @typedef {import("./types.js").RatedPlayer} Player */
/** @typedef {import("./types.js").ArenaJudge} Judge */
/** @typedef {import("./types.js").WinRate} Share */

const RECIPE = "arena";
const AGAIN_AFTER_MS = 10_000;

export class Leaderboard {
  constructor() {
    this.section = byId("leaderboard-section");
    this.lead = byId("leaderboard-lead");
    this.exams = byId("leaderboard-exams");
    this.place = byId("leaderboard");
    /** @type {Status | null} */
    this.status = null;
    /** The newest outcome that is shown. */
    this.seq = -1;
    this.askedAt = -AGAIN_AFTER_MS;
    this.isWaiting = false;
  }

  /** @param {Status} status */
  async follow(status) {
    this.status = status;
    this.tellExams(status);
    if (!(RECIPE in status.recipes) || status.latest_seq === this.seq || this.isWaiting) return;
    const rest = this.askedAt + AGAIN_AFTER_MS - performance.now();
    if (rest > 0) return this.later(rest);
    this.askedAt = performance.now();
    try {
      const board = await get("v1/leaderboard");
      this.seq = board.seq;
      this.show(board);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
    if (this.seq !== this.status.latest_seq) this.later(AGAIN_AFTER_MS);
  }

  /** @param {number} rest milliseconds */
  later(rest) {
    if (this.isWaiting) return;
    this.isWaiting = true;
    setTimeout(() => {
      this.isWaiting = false;
      if (this.status !== null) attempt(() => this.follow(/** @type {Status} */ (this.status)));
    }, rest);
  }

  /**
   * Judges that have failed may be why nobody has a rating.
   *
   * @param {Status} status
   */
  tellExams({ exams }) {
    const exam = exams[RECIPE];
    const told = exam === undefined ? "" : saidOfExams(exam);
    setText(this.exams, told);
    if (told) this.section.hidden = false;
  }

  /** @param {Board} board */
  show(board) {
    this.section.hidden = board.players.length === 0 && this.exams.textContent === "";
    if (board.players.length === 0) return;
    setText(this.lead, saidOf(board));
    const { players, judges } = board;
    fill(
      this.place,
      tableOf("ratings", ["Player", "Rating", "95 % interval", "Battles", "Won", "Tied", "Lost"], players.map(row)),
      el("h3", {}, "Judges"),
      tableOf("judges", JUDGES, judges.map(judgeRow)),
      ...Object.entries(board.by_label).flatMap(([label, groups]) => sharesOf(label, groups, players)),
    );
  }
}

const JUDGES = ["Judge", "Orders agree", "Position decides", "First's bonus", "Longer wins", "For itself", "Unreadable"];

/**
 * @param {string} kind
 * @param {readonly string[]} heads
 * @param {HTMLTableRowElement[]} rows
 */
function tableOf(kind, heads, rows) {
  const head = heads.map((name, at) => el("th", { scope: "col", class: at > 0 ? "number" : null }, name));
  return el("table", { class: kind }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
}

/**
 * @param {string} name
 * @param {readonly string[]} figures
 */
function rowOf(name, figures) {
  return el("tr", {}, el("th", { scope: "row" }, name), ...figures.map((text) => el("td", { class: "number" }, text)));
}

/** @param {Player} player */
function row(player) {
  const { player: name, battles, wins, ties, losses } = player;
  return rowOf(name, [ratingOf(player), intervalOf(player), ...[battles, wins, ties, losses].map((n) => count(n))]);
}

/** @param {Judge} judge */
export function judgeRow({ judge, has_position: isOrdered, agreement, by_position: place, first_bonus: bonus, longer_won: longer, own_battles: own, self_preference: itself, unreadable, games }) {
  const points = (/** @type {number | null} */ value) => (value === null ? "–" : `${value > 0 ? "+" : ""}${decimal(value, 2)}`);
  const forItself = itself === null ? "–" : `${points(itself)} of ${count(own)}`;
  // A reward model measures each answer by itself: that no position decides is no merit of it.
  const inOrder = isOrdered ? [shareOf(agreement), shareOf(place), points(bonus)] : ["no order", "no order", "no order"];
  return rowOf(judge, [...inOrder, shareOf(longer), forItself, `${count(unreadable)} of ${count(games)}`]);
}

/** @param {Share} share */
function shareOf({ rate, low, high }) {
  return rate === null ? "–" : `${percent(rate)} (${interval(low, high)})`;
}

/**
 * Shares of points by what the prompts are of, a column for each player.
 *
 * @param {string} label
 * @param {Readonly<Record<string, Readonly<Record<string, number | null>>>>} groups
 * @param {readonly Player[]} players
 */
function sharesOf(label, groups, players) {
  const rows = Object.entries(groups).map(([group, shares]) => rowOf(group, players.map(({ player }) => percent(shares[player]))));
  return [el("h3", {}, `Share of points by ${label}`), tableOf("shares", [label, ...players.map(({ player }) => player)], rows)];
}

/** @param {Player} player */
export function ratingOf({ rating, standing }) {
  return rating === null ? standing : decimal(rating, 0);
}

/** @param {Player} player */
export function intervalOf({ rating, low, high }) {
  const end = (/** @type {number | null} */ value) => (value === null ? "open" : decimal(value, 0));
  return rating === null ? "–" : `${end(low)} to ${end(high)}`;
}

/** @param {Board} board */
function saidOf({ anchor, anchor_rating: at, battles, prompts, one_order_only: lost, juror_spread: apart }) {
  const told = [
    `Elo points, ${anchor} = ${decimal(at, 0)}; ${plural(battles, "battle")} over ${plural(prompts, "prompt")}`,
    lost ? `${plural(lost, "battle")} of a judge could be read in one order only and ${lost === 1 ? "does" : "do"} not count` : "",
    apart === null ? "" : `jurors lie ${decimal(apart, 2)} points apart on the same battle, on average`,
  ];
  return `${told.filter(Boolean).join("; ")}.`;
}
