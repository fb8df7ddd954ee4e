// The rows that were found, in order, and which of them is open.

import { byId, el, fill, setText } from "./dom.js";
import { count, decimal, plural } from "./format.js";

/** @typedef {import("./types.js").BrowsedRow} BrowsedRow */
/** @typedef {import("./types.js").BrowsedPage} BrowsedPage */

const FULL = 50;
const SHAPES = { sft: "sample", preference: "preference", reward: "reward pair", instruction: "instruction", "": "no row" };

export class Found {
  /** @param {(row: BrowsedRow) => void} onOpen */
  constructor(onOpen) {
    this.list = byId("found");
    this.more = /** @type {HTMLButtonElement} */ (byId("more"));
    this.longer = /** @type {HTMLButtonElement} */ (byId("look-longer"));
    this.onOpen = onOpen;
    this.clear();
  }

  clear() {
    /** @type {BrowsedRow[]} */
    this.rows = [];
    /** @type {HTMLButtonElement[]} */
    this.buttons = [];
    /** @type {string | null} */
    this.next = null;
    this.open = -1;
    this.wanted = FULL;
    this.isCut = false;
    this.measure = "";
    fill(this.list);
    setText(byId("found-told"), "Looking …");
  }

  /**
   * @param {BrowsedPage} page
   * @param {string} order
   */
  add(page, order) {
    this.measure = ["newest", "oldest"].includes(order) ? "" : order.replace(/^-/, "");
    for (const row of page.rows) this.append(row);
    this.next = page.next;
    this.isCut = page.is_cut;
    const isSorted = this.measure !== "";
    this.more.hidden = page.next === null;
    this.longer.hidden = !(isSorted && page.is_cut);
    const seen = `${count(page.looked_at)} of ${count(page.outcomes)} outcomes looked at`;
    const rows = `${plural(this.rows.length, "row")}${page.next === null ? "" : " so far"}`;
    setText(byId("found-told"), this.rows.length || page.next === null ? `${rows}, ${seen}${isSorted && page.is_cut ? "; the order is of these" : ""}.` : `Looking: ${seen} …`);
    if (!this.isWanting()) this.wanted = this.rows.length + FULL;
  }

  /** Whether the search was cut before it found as much as one looks at. */
  isWanting() {
    return this.isCut && this.measure === "" && this.next !== null && this.rows.length < this.wanted;
  }

  /** @param {BrowsedRow} row */
  append(row) {
    this.rows.push(row);
    const button = el("button", { type: "button", onclick: () => this.onOpen(this.rows[this.buttons.indexOf(button)]) });
    this.buttons.push(button);
    this.list.append(el("li", {}, button));
    this.draw(row, button);
  }

  /**
   * @param {BrowsedRow} row
   * @param {HTMLButtonElement} button
   */
  draw(row, button) {
    const texts = row.texts;
    const value = this.measure === "cost_usd" ? row.cost_usd : row.measures[this.measure];
    fill(
      button,
      el("span", { class: "begins" }, texts.instruction ?? texts.title ?? texts.text ?? ""),
      el(
        "span",
        { class: "beside" },
        el("span", {}, SHAPES[row.shape]),
        el("span", { class: `kind ${row.kind}` }, row.kind === "dropped" ? `dropped: ${row.reason}` : row.kind),
        row.arm ? el("span", {}, row.arm) : null,
        this.measure ? el("span", {}, `${this.measure} ${decimal(value, 3)}`) : null,
        row.review ? el("span", { class: `review-of ${row.review.verdict}` }, row.review.verdict) : null,
      ),
    );
  }

  /** @param {BrowsedRow} row */
  place(row) {
    return this.rows.findIndex((one) => one.seq === row.seq && one.ord === row.ord);
  }

  /** @param {BrowsedRow} row that has changed */
  replace(row) {
    const at = this.place(row);
    if (at < 0) return;
    this.rows[at] = row;
    this.draw(row, this.buttons[at]);
  }

  /** @param {BrowsedRow} row */
  mark(row) {
    this.buttons[this.open]?.removeAttribute("aria-current");
    this.open = this.place(row);
    this.buttons[this.open]?.setAttribute("aria-current", "true");
    this.buttons[this.open]?.scrollIntoView({ block: "nearest" });
  }

  /** @param {BrowsedRow} row */
  isOpen(row) {
    return this.open >= 0 && this.open === this.place(row);
  }

  isAtEnd() {
    return this.open >= this.rows.length - 1;
  }

  /** @param {number} by */
  neighbour(by) {
    return this.rows[this.open + by];
  }
}
