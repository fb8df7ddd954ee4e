// Who is how strong in an arena, as it is at work: ratings with their intervals. Asked for anew every few seconds while
// games come in; without an arena the section is not there.

import { Refusal, get } from "./api.js";
import { byId, el, fill, setText } from "./dom.js";
import { count, decimal, percent, plural } from "./format.js";
import { attempt } from "./trouble.js";

/** @typedef {import("./types.js").Status} Status */
/** @typedef {import("./types.js").Leaderboard} Board */
/** @typedef {import("./types.js").RatedPlayer} Player */

const RECIPE = "arena";
const AGAIN_AFTER_MS = 10_000;

export class Leaderboard {
  constructor() {
    this.section = byId("leaderboard-section");
    this.lead = byId("leaderboard-lead");
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

  /** @param {Board} board */
  show(board) {
    this.section.hidden = board.players.length === 0;
    setText(this.lead, saidOf(board));
    const heads = ["Player", "Rating", "95 % interval", "Battles", "Won", "Tied", "Lost"];
    const head = el("tr", {}, ...heads.map((name, at) => el("th", { scope: "col", class: at > 0 ? "number" : null }, name)));
    fill(this.place, el("table", {}, el("thead", {}, head), el("tbody", {}, ...board.players.map(row))));
  }
}

/** @param {Player} player */
function row(player) {
  const { player: name, battles, wins, ties, losses } = player;
  const figures = [ratingOf(player), intervalOf(player), ...[battles, wins, ties, losses].map((n) => count(n))];
  return el("tr", {}, el("th", { scope: "row" }, name), ...figures.map((text) => el("td", { class: "number" }, text)));
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
function saidOf({ anchor, anchor_rating: at, battles, prompts, judges }) {
  const said = judges.map(({ judge, agreement, unreadable, has_position: isShownInOrder }) => {
    const unread = unreadable ? `, ${plural(unreadable, "game")} unreadable` : "";
    const agreed = `both orders agree in ${agreement === null ? "–" : percent(agreement, 0)} of its battles`;
    return `${judge}: ${isShownInOrder ? agreed : "measures each answer by itself, so that order cannot matter"}${unread}`;
  });
  return `Elo points, ${anchor} = ${decimal(at, 0)}; ${plural(battles, "battle")} over ${plural(prompts, "prompt")}. ${said.join("; ")}.`;
}
