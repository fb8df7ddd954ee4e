// The page of `browse`: looks for rows, opens one beside them, and hears keys.

import { get, onUnknown, post, Refusal } from "./api.js";
import { Filters } from "./browse_filters.js";
import { Found } from "./browse_found.js";
import { RowView } from "./browse_row.js";
import { openSelection } from "./browse_selection.js";
import { byId, setText } from "./dom.js";
import { count } from "./format.js";
import { askForToken, takeTokenFromAddress } from "./session.js";

/** @typedef {import("./types.js").BrowsedRow} BrowsedRow */

const SETTLED_MS = 250;
const PATIENT_S = 60;

class Browse {
  constructor() {
    this.filters = new Filters(() => this.searchSoon());
    this.found = new Found((row) => this.open(row));
    this.row = new RowView((verdict, texts) => this.review(verdict, texts), () => this.close());
    this.canReview = false;
    /** Which search is the newest: what older ones still bring is not shown. */
    this.turn = 0;
    this.timer = 0;
    /** What the last key asked for. @type {Promise<unknown>} */
    this.keyed = Promise.resolve();
    this.found.more.addEventListener("click", () => this.attempt(() => this.loadMore()));
    this.found.longer.addEventListener("click", () => this.attempt(() => this.search(PATIENT_S)));
    byId("open-download").addEventListener("click", () => openSelection(this.filters.query()));
    document.addEventListener("keydown", (event) => this.key(event));
  }

  async begin() {
    await takeTokenFromAddress();
    onUnknown(() => askForToken(() => this.attempt(() => this.load())));
    await this.attempt(() => this.load());
  }

  async load() {
    const facts = await get("v1/browse");
    this.canReview = facts.why_no_review === "";
    setText(byId("folder"), `${facts.folder}: ${count(facts.outcomes)} seeds worked`);
    setText(byId("reviewer"), this.canReview ? `Reviews are ${facts.reviewer}'s.` : `Read only: ${facts.why_no_review}.`);
    this.filters.offer(facts);
    await this.search();
  }

  searchSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.attempt(() => this.search()), SETTLED_MS);
  }

  /** @param {number} [seconds] that it may take */
  async search(seconds) {
    this.turn += 1;
    this.filters.keepInAddress();
    this.found.clear();
    await this.loadMore(seconds);
  }

  /** @param {number} [seconds] */
  async loadMore(seconds) {
    const turn = this.turn;
    do {
      const page = await get("v1/browse/rows", { ...this.filters.query(), order: this.filters.order(), cursor: this.found.next, seconds });
      if (turn !== this.turn) return;
      this.found.add(page, this.filters.order());
      // A search that finds little goes on by itself until a page is full or everything was seen.
    } while (this.found.isWanting());
  }

  /** @param {BrowsedRow} row */
  async open(row) {
    this.found.mark(row);
    await this.attempt(async () => {
      const detail = await get(`v1/browse/rows/${row.seq}/${row.ord}`);
      if (!this.found.isOpen(row)) return;
      this.row.show(detail, this.canReview);
      document.body.classList.add("is-open");
    });
  }

  close() {
    document.body.classList.remove("is-open");
  }

  /**
   * @param {string} verdict
   * @param {Record<string, string>} [texts]
   */
  async review(verdict, texts) {
    const row = this.row.shown;
    if (!row || row.ord < 0 || !this.canReview) return;
    await this.attempt(async () => {
      const detail = await post(`v1/browse/rows/${row.seq}/${row.ord}/review`, { verdict, ...(texts ? { texts } : {}) });
      this.found.replace(detail.row);
      if (this.row.shown?.seq === row.seq && this.row.shown.ord === row.ord) this.row.show(detail, true);
      if (verdict === "accepted" || verdict === "rejected") await this.step(1);
    });
  }

  /** @param {number} by */
  async step(by) {
    if (by > 0 && this.found.isAtEnd() && this.found.next) await this.attempt(() => this.loadMore());
    const row = this.found.neighbour(by);
    if (row) await this.open(row);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const isTyped = event.target instanceof Element && event.target.closest("input, textarea, select, dialog[open]");
    if (isTyped || event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {Record<string, () => unknown>} */
    const keys = {
      j: () => this.step(1),
      k: () => this.step(-1),
      a: () => this.review("accepted"),
      r: () => this.review("rejected"),
      u: () => this.review("withdrawn"),
      e: () => this.canReview && this.row.edit(),
      "/": () => this.filters.words.focus(),
    };
    const work = keys[event.key];
    if (work === undefined) return;
    event.preventDefault();
    if (event.key === "/") work();
    // One after the other: a key that comes while the next row is fetched means that row, not the one still shown.
    else this.keyed = this.keyed.catch(() => {}).then(work);
  }

  /** @param {() => Promise<unknown>} work */
  async attempt(work) {
    const trouble = byId("trouble");
    try {
      await work();
      trouble.hidden = true;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.status === 401) return;
      setText(trouble, error.status === 0 ? "`browse` cannot be reached; start it again" : error.message);
      trouble.hidden = false;
    }
  }
}

new Browse().begin();
