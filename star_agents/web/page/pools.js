// The pools that are drawn from, Star's agent-pairs among them: a choice of one, its curves, and the table beside them
// that is also the legend. Names of arms are of the user's own, and there may be hundreds.

import { get } from "./api.js";
import { coloured, looksOf } from "./colours.js";
import { Curve } from "./curve.js";
import { CurvePoints } from "./curve_points.js";
import { byId, el, fill, keepRows, setText } from "./dom.js";
import { count, decimal, interval, moneyEach, percent, plural } from "./format.js";
import { nameArm, showAdded } from "./grown.js";
import { Marks } from "./marks.js";
import { attempt } from "./trouble.js";

/** @typedef {import("./types.js").Status} Status */
/** @typedef {import("./colours.js").Look} Look */
/** @typedef {{text: string, title?: string, isRange?: boolean}} Column */
/** @typedef {{arm: string, share: number, texts: string[]}} Row of the table; the texts stand behind its share and change */

export const PAIRS = "star.pairs";
/** Rows of the table: who is drawn less than all of these hardly is. */
const MOST_ROWS = 100;
const CHANGE = { text: "Change", title: "percentage points since the first outcome" };
/** @type {Column[]} */
const OF_PAIRS = [{ text: "Pair" }, { text: "Share" }, CHANGE, { text: "Answers" }, { text: "Won" }, { text: "95 %", title: "95 % interval of the share that won (Wilson)", isRange: true }, { text: "$ per win" }];
/** @type {Column[]} */
const OF_ARMS = [{ text: "Arm" }, { text: "Share" }, CHANGE, { text: "Draws" }, { text: "Mean reward", title: "from 0 to 1" }];

export class Pools {
  constructor() {
    this.points = new CurvePoints();
    this.marks = new Marks();
    this.table = /** @type {HTMLTableElement} */ (byId("pool-table"));
    this.body = this.table.tBodies[0];
    this.curve = new Curve(byId("curve"), this.points, this.marks, (arm) => this.mark(arm));
    this.choice = /** @type {HTMLSelectElement} */ (byId("pool-choice"));
    this.choice.addEventListener("change", () => attempt(() => this.choose(this.choice.value)));
    /** Of the pool that is shown; empty before the first status. */
    this.name = "";
    /** @type {Status | null} */
    this.status = null;
    /** @type {ReadonlyMap<string, Look>} */
    this.looks = new Map();
  }

  get columns() {
    return this.name === PAIRS ? OF_PAIRS : OF_ARMS;
  }

  /**
   * Say what there is to choose from, before any of it is shown.
   *
   * @param {Status} status
   */
  know(status) {
    this.status = status;
    const names = poolNames(status);
    const { options } = this.choice;
    if (options.length !== names.length || names.some((name, at) => options[at].value !== name)) {
      fill(this.choice, ...names.map((name) => el("option", { value: name }, nameOf(name))));
    }
    const isGone = !names.includes(this.name);
    if (isGone) this.become(names[0] ?? "");
    this.choice.value = this.name;
    return isGone;
  }

  /**
   * Show another pool, with its history.
   *
   * @param {string} name
   */
  async choose(name) {
    this.become(name);
    this.choice.value = name;
    await this.readCurve();
  }

  /** @param {string} name */
  become(name) {
    this.name = name;
    this.points.replace([]);
    const heads = this.columns.map(({ text, title, isRange }, at) => el("th", { scope: "col", title, class: at === 0 ? null : isRange ? "number range" : "number" }, text));
    fill(/** @type {HTMLElement} */ (this.table.tHead), el("tr", {}, ...heads));
    setText(byId("pools-title"), name === PAIRS ? "Agent-pairs" : `Pool ${name}`);
    const drawn = name === PAIRS ? "each pair is drawn: a pair that wins gains" : "each arm is drawn: one that earns more gains";
    setText(byId("pools-lead"), `The probability with which ${drawn}. Dotted: an even share.`);
  }

  async readCurve() {
    const { name } = this;
    if (name === "") return;
    const { points, marks } = await get(`v1/pools/${encodeURIComponent(name)}/curve`);
    if (name !== this.name) return;
    this.points.replace(points);
    this.marks.replace(marks);
    if (this.status !== null) this.show(this.status);
  }

  /** @param {Status} status */
  show(status) {
    const isOther = this.know(status);
    byId("pools-section").hidden = this.name === "";
    byId("pool-choice-label").hidden = this.choice.options.length < 2;
    if (isOther) attempt(() => this.readCurve());
    const rows = rowsOf(status, this.name);
    this.points.add(status.latest_seq, Object.fromEntries(rows.map(({ arm, share }) => [arm, share])));
    this.looks = coloured(rows.map(({ arm }) => arm), looksOf(this.points.came()));
    this.showTable(rows);
    showAdded(status.pools[this.name]?.arms ?? {});
    this.curve.draw(this.looks, 1 / Math.max(1, rows.length), this.name === PAIRS ? "pairs" : "arms");
  }

  /** @param {string | null} arm */
  mark(arm) {
    for (const row of this.body.rows) row.classList.toggle("marked", arm !== null && row.dataset.key === this.keyOf(arm));
  }

  /** @param {string} arm */
  keyOf(arm) {
    return `${this.name} ${arm}`;
  }

  /** @param {Row[]} rows */
  showTable(rows) {
    keepRows(this.body, rows.slice(0, MOST_ROWS), ({ arm }) => this.keyOf(arm), ({ arm }) => this.makeRow(arm), (row, { arm, share, texts }) => {
      const look = this.looks.get(arm);
      row.cells[0].style.setProperty("--swatch", `var(${look?.colour ?? "--grey-line"})`);
      row.cells[0].classList.toggle("is-dashed", look?.isDashed ?? false);
      nameArm(row.cells[0], arm, (this.status?.pools[this.name]?.arms[arm]?.grown ?? null) !== null);
      [percent(share, 1), this.change(arm, share), ...texts].forEach((text, at) => setText(row.cells[at + 1], text));
    });
    const more = rows.length - MOST_ROWS;
    byId("pool-more").hidden = more <= 0;
    setText(byId("pool-more"), more > 0 ? `and ${plural(more, "arm")} that ${more === 1 ? "is" : "are"} drawn less` : "");
  }

  /**
   * @param {string} arm
   * @param {number} share
   * @returns {string} since the first point, in percentage points
   */
  change(arm, share) {
    const start = this.points.first(arm);
    if (start === null) return "–";
    const points = (share - start) * 100;
    return `${points >= 0.05 ? "+" : ""}${decimal(points, 1)}`;
  }

  /** @param {string} arm */
  makeRow(arm) {
    const numbers = this.columns.slice(1).map(({ isRange }) => el("td", { class: isRange ? "number range" : "number" }));
    const listeners = { onpointerenter: () => this.curve.point(arm), onpointerleave: () => this.curve.point(null) };
    return el("tr", listeners, el("th", { scope: "row", class: "swatch" }, arm), ...numbers);
  }
}

/** @param {string} pool */
function nameOf(pool) {
  return pool === PAIRS ? "agent-pairs" : pool;
}

/**
 * The pools that are drawn from now.
 *
 * @param {Status} status
 */
function poolNames({ pairs, pools }) {
  const isDrawn = Object.entries(pools).filter(([, { arms }]) => Object.values(arms).some((arm) => arm.probability !== null));
  return [...(Object.keys(pairs).length ? [PAIRS] : []), ...isDrawn.map(([name]) => name)];
}

/**
 * The arms of a pool, the most probable first.
 *
 * @param {Status} status
 * @param {string} pool
 * @returns {Row[]}
 */
function rowsOf(status, pool) {
  const rows = pool === PAIRS ? Object.entries(status.pairs).map(([pair, share]) => ({ arm: pair, share, texts: textsOfPair(status, pair) })) : rowsOfArms(status.pools[pool]?.arms ?? {});
  return rows.sort((one, other) => other.share - one.share);
}

/** @param {Record<string, import("./types.js").Arm>} arms */
function rowsOfArms(arms) {
  return Object.entries(arms).flatMap(([arm, { probability, draws, mean_reward: mean }]) => (probability === null ? [] : [{ arm, share: probability, texts: [count(draws), decimal(mean, 3)] }]));
}

/**
 * @param {Status} status
 * @param {string} pair
 */
function textsOfPair({ pair_costs: costs, win_rates: rates }, pair) {
  const { rate, low, high, answers } = rates[pair] ?? { rate: null, low: 0, high: 1, answers: 0 };
  const won = rate === null ? ["–", ""] : [percent(rate), interval(low, high)];
  return [count(answers), ...won, moneyEach(costs[pair]?.usd_per_win, costs[pair]?.candidates_of_unknown_cost ?? 0)];
}
