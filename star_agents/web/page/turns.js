// What the loop turned to: what is said of it, the shares of arms over time, and a table of them by group with how the
// seeds ended that had them, the most changed first. Of an arena on its own: how seeds ended by what they are of. There
// may be hundreds of rows: groups are folded, and a filter finds one. Names are of the user's own.

import { Refusal, get } from "./api.js";
import { coloured, looksOf } from "./colours.js";
import { Curve } from "./curve.js";
import { CurvePoints } from "./curve_points.js";
import { byId, el, fill, keepRows, setText } from "./dom.js";
import { count } from "./format.js";
import { Marks } from "./marks.js";
import { attempt } from "./trouble.js";
import { columnsOf, itemsOf } from "./turn_rows.js";

/** @typedef {import("./types.js").Status} Status */
/** @typedef {import("./types.js").Turns} Known */
/** @typedef {import("./turn_rows.js").Item} Item */
/** @typedef {import("./turn_rows.js").Column} Column */

const AGAIN_AFTER_MS = 5_000;

export class Turns {
  constructor() {
    this.section = byId("turns-section");
    this.said = byId("turns-said");
    this.table = /** @type {HTMLTableElement} */ (byId("turns-table"));
    this.body = this.table.tBodies[0];
    this.choice = /** @type {HTMLSelectElement} */ (byId("turns-choice"));
    this.filter = /** @type {HTMLInputElement} */ (byId("turns-filter"));
    this.points = new CurvePoints();
    this.marks = new Marks();
    this.curve = new Curve(byId("turns-curve"), this.points, this.marks, (name) => this.mark(name));
    this.choice.addEventListener("change", () => attempt(() => this.choose(this.choice.value)));
    this.filter.addEventListener("input", () => this.draw());
    byId("turns-filters").addEventListener("submit", (event) => event.preventDefault());
    /** The pool or column that is shown; empty before there is one. */
    this.name = "";
    /** @type {Known | null} all of its rows */
    this.known = null;
    /** @type {Column[]} */
    this.columns = [];
    /** @type {Set<string>} groups that stand open; the empty name is that of all rows */
    this.open = new Set();
    /** @type {Status | null} */
    this.status = null;
    this.seq = -1;
    this.askedAt = -AGAIN_AFTER_MS;
    this.isWaiting = false;
  }

  /** @param {Status} status */
  async follow(status) {
    this.status = status;
    const names = Object.keys(status.turns);
    this.section.hidden = names.length === 0;
    if (names.length === 0) return;
    const { options } = this.choice;
    if (options.length !== names.length || names.some((name, at) => options[at].value !== name)) {
      fill(this.choice, ...names.map((name) => el("option", { value: name }, nameOf(name))));
    }
    byId("turns-choice-label").hidden = names.length < 2;
    if (!names.includes(this.name)) return this.choose(names.find(isOfTypes) ?? names[0]);
    this.tell();
    await this.ask();
  }

  /**
   * Show another one, with its history.
   *
   * @param {string} name
   */
  async choose(name) {
    this.name = this.choice.value = name;
    this.known = null;
    this.seq = -1;
    this.askedAt = -AGAIN_AFTER_MS;
    this.open.clear();
    this.points.replace([]);
    this.tell();
    if (this.status?.turns[name].is_pool) await this.readCurve();
    await this.ask();
  }

  async readCurve() {
    const { name } = this;
    const { points, marks } = await get(`v1/pools/${encodeURIComponent(name)}/curve`);
    if (name !== this.name) return;
    this.points.replace(points);
    this.marks.marks = marks;
  }

  /** Ask for all rows, but not at every status: there may be hundreds. */
  async ask() {
    const status = this.status;
    if (status === null || status.latest_seq === this.seq || this.isWaiting) return;
    const rest = this.askedAt + AGAIN_AFTER_MS - performance.now();
    if (rest > 0) return this.later(rest);
    this.askedAt = performance.now();
    const { name } = this;
    try {
      const known = await get(`v1/turns/${encodeURIComponent(name)}`);
      if (name !== this.name) return;
      [this.known, this.seq] = [known, status.latest_seq];
      this.show();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }

  /** @param {number} rest milliseconds */
  later(rest) {
    if (this.isWaiting) return;
    this.isWaiting = true;
    setTimeout(() => {
      this.isWaiting = false;
      attempt(() => this.ask());
    }, rest);
  }

  tell() {
    const told = this.status?.turns[this.name];
    if (told === undefined) return;
    const { is_pool: isPool, recipe, sentences } = told;
    setText(byId("turns-title"), isPool ? "What the loop turns to" : `How seeds ended by ${this.name}`);
    const judged = recipe ? ` Beside it how the seeds of ${recipe} ended that had it, with 95 % intervals (Wilson); of many arms some lie apart by chance.` : "";
    setText(byId("turns-lead"), isPool ? `The share of each arm now and when it came, the most changed first.${judged}` : `What ${recipe} measured, with 95 % intervals (Wilson).`);
    keepRows(this.said, sentences, (sentence) => sentence, (sentence) => el("li", {}, sentence), () => {});
    byId("turns-curve-place").hidden = !isPool;
  }

  show() {
    const { known, status } = this;
    if (known === null || status === null) return;
    const measures = status.recipes[known.recipe]?.measures ?? {};
    this.columns = columnsOf(known, measures);
    const heads = this.columns.map(({ text, title, isRange }, at) => el("th", { scope: "col", title, class: at === 0 ? null : isRange ? "number range" : "number" }, text));
    fill(/** @type {HTMLElement} */ (this.table.tHead), el("tr", {}, ...heads));
    this.body.replaceChildren();
    byId("turns-filter-label").hidden = known.rows.length < 12;
    this.draw();
    if (known.is_pool) this.drawCurve(known, status);
  }

  /**
   * @param {Known} known
   * @param {Status} status
   */
  drawCurve(known, status) {
    const drawn = known.rows.filter(({ share }) => share !== null);
    this.points.add(status.latest_seq, Object.fromEntries(drawn.map(({ name, share }) => [name, share ?? 0])));
    const looks = coloured(drawn.map(({ name }) => name), looksOf(this.points.came()));
    this.curve.draw(looks, 1 / Math.max(1, drawn.length), "arms");
    for (const row of this.body.rows) {
      const look = looks.get(row.dataset.arm ?? "");
      row.cells[0].classList.toggle("swatch", look !== undefined);
      row.cells[0].classList.toggle("is-dashed", look?.isDashed ?? false);
      if (look) row.cells[0].style.setProperty("--swatch", `var(${look.colour})`);
    }
  }

  draw() {
    const { known, status } = this;
    if (known === null || status === null) return;
    const { items, left } = itemsOf(known, this.filter.value, this.open);
    keepRows(this.body, items, ({ key }) => `${this.name} ${key}`, (item) => this.makeRow(item), (row, item) => this.updateRow(row, item));
    setText(byId("turns-more"), left > 0 ? `and ${count(left)} more` : items.length === 0 ? "nothing of that name" : "");
    if (known.is_pool) this.drawCurve(known, status);
  }

  /** @param {Item} item */
  makeRow({ kind, turn, key }) {
    const numbers = this.columns.slice(1).map(({ isRange }) => el("td", { class: isRange ? "number range" : "number" }));
    if (kind === "row") {
      const listeners = { onpointerenter: () => this.curve.point(turn.name), onpointerleave: () => this.curve.point(null) };
      const mark = turn.mark ? el("span", { class: "arm-mark" }, turn.mark) : null;
      return el("tr", { ...listeners, "data-arm": turn.name }, el("th", { scope: "row" }, el("span", {}), mark), ...numbers);
    }
    const fold = el("button", { type: "button", onclick: () => this.fold(key) });
    return el("tr", { class: "turn-group" }, el("th", { scope: "row" }, fold), ...numbers);
  }

  /**
   * @param {HTMLTableRowElement} row
   * @param {Item} item
   */
  updateRow(row, { kind, turn, text, isOpen }) {
    const place = /** @type {HTMLElement} */ (row.cells[0].firstElementChild);
    setText(place, text);
    if (kind === "group") place.ariaExpanded = String(isOpen);
    this.columns.slice(1).forEach(({ of, note }, at) => {
      const cell = row.cells[at + 1];
      setText(cell, of(turn));
      cell.title = note?.(turn) ?? "";
    });
  }

  /** @param {string} key of a group */
  fold(key) {
    if (!this.open.delete(key)) this.open.add(key);
    this.draw();
  }

  /** @param {string | null} name */
  mark(name) {
    for (const row of this.body.rows) row.classList.toggle("marked", name !== null && row.dataset.arm === name);
  }
}

/** @param {string} name */
function nameOf(name) {
  return name.slice(name.indexOf(".") + 1);
}

/** @param {string} name */
function isOfTypes(name) {
  return nameOf(name) === "types";
}
