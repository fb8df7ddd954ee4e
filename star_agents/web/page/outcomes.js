// The latest outcomes, live; older ones by cursor; each opens to its story. At most one page of rows is in the document.

import { get } from "./api.js";
import { byId, el, fill, keepRows, setOptions, setText } from "./dom.js";
import { clock, count, decimal, moment, money } from "./format.js";
import { onFrame } from "./frame.js";
import { STAR } from "./sentence.js";
import { attempt } from "./trouble.js";

/** @typedef {import("./types.js").OutcomeSummary} OutcomeSummary */

export const PAGE = 25;
/** @type {Record<string, string>} */
const KINDS = { kept: "kept", base: "base kept", dropped: "dropped" };
const AS_IT_WAS = "as it was";

/**
 * What became of a seed. Of Star that which nobody answered better is its base; other recipes have no such word.
 *
 * @param {string} kind
 * @param {boolean} isStars
 */
export function kindName(kind, isStars) {
  return kind === "base" && !isStars ? AS_IT_WAS : KINDS[kind] ?? kind;
}

export class Outcomes {
  constructor() {
    this.body = /** @type {HTMLTableElement} */ (byId("outcome-table")).tBodies[0];
    this.filters = /** @type {HTMLFormElement} */ (byId("outcome-filters"));
    this.newest = /** @type {HTMLButtonElement} */ (byId("newest"));
    this.older = /** @type {HTMLButtonElement} */ (byId("older"));
    /** @type {OutcomeSummary[]} newest first */
    this.rows = [];
    /** @type {number | null} the cursor of the page after this one */
    this.next = null;
    this.isLive = true;
    /** @type {OutcomeSummary[]} the latest of the stream, newest first, whatever is shown */
    this.heard = [];
    this.news = 0;
    this.draw = onFrame(() => this.drawNow());
    const kind = this.select("kind");
    fill(kind, el("option", { value: "" }, "all"), ...Object.entries(KINDS).map(([value, label]) => el("option", { value }, label)));
    this.filters.addEventListener("change", () => attempt(() => this.load()));
    this.filters.addEventListener("submit", (event) => event.preventDefault());
    this.newest.addEventListener("click", () => attempt(() => this.load()));
    this.older.addEventListener("click", () => attempt(() => this.load(this.next)));
  }

  /** @param {string} name */
  select(name) {
    return /** @type {HTMLSelectElement} */ (this.filters.elements.namedItem(name));
  }

  filter() {
    return { kind: this.select("kind").value, pair: this.select("pair").value, agent: this.select("agent").value };
  }

  /**
   * @param {readonly string[]} pairs
   * @param {readonly string[]} agents
   * @param {boolean} isStars whether the words are Star's
   */
  setNames(pairs, agents, isStars) {
    for (const option of this.select("kind").options) if (option.value) setText(option, kindName(option.value, isStars));
    setOptions(this.select("pair"), "all", pairs);
    setOptions(this.select("agent"), "all", agents);
  }

  /**
   * Read one page; the first one goes on live.
   *
   * @param {number | null} [before]
   */
  async load(before = null) {
    const filter = this.filter();
    const page = await get("v1/outcomes", { ...filter, before, limit: PAGE });
    if (JSON.stringify(filter) !== JSON.stringify(this.filter())) return;
    // What came by the stream while the page was read is newer than all of it.
    const isNewer = (/** @type {OutcomeSummary} */ row) => row.seq > (page.outcomes[0]?.seq ?? 0) && this.passes(row);
    const newer = before === null ? this.heard.filter(isNewer) : [];
    this.rows = [...newer, ...page.outcomes].slice(0, PAGE);
    this.next = page.next_before ?? null;
    this.isLive = before === null;
    this.news = 0;
    this.draw();
  }

  /** @param {OutcomeSummary} outcome that was just committed */
  add(outcome) {
    this.heard = [outcome, ...this.heard.slice(0, PAGE - 1)];
    if (!this.passes(outcome) || outcome.seq <= (this.rows[0]?.seq ?? 0)) return;
    if (this.isLive) {
      this.rows.unshift(outcome);
      if (this.rows.length > PAGE) {
        this.rows.length = PAGE;
        this.next = this.rows[PAGE - 1].seq;
      }
    } else {
      this.news += 1;
    }
    this.draw();
  }

  /** @param {OutcomeSummary} outcome */
  passes(outcome) {
    const { kind, pair, agent } = this.filter();
    const agents = outcome.pair?.split("/") ?? [];
    return (!kind || outcome.kind === kind) && (!pair || outcome.pair === pair) && (!agent || agents.includes(agent));
  }

  drawNow() {
    keepRows(this.body, this.rows, (row) => String(row.seq), makeRow, () => {});
    this.newest.disabled = this.isLive;
    this.older.disabled = this.next === null;
    setText(byId("outcome-news"), this.isLive ? "" : `${count(this.news)} new since`);
    const none = byId("outcome-none");
    none.hidden = this.rows.length > 0;
    const isFiltered = Object.values(this.filter()).some(Boolean);
    setText(none, isFiltered ? "No outcome passes these filters." : "No outcome yet.");
  }
}

/** @param {OutcomeSummary} outcome */
function makeRow(outcome) {
  const open = () => {
    location.hash = `outcome=${outcome.seq}`;
  };
  return el(
    "tr",
    { class: "opens", onclick: open },
    el("td", { class: "number" }, el("a", { href: `#outcome=${outcome.seq}`, "aria-label": `Outcome ${outcome.seq}` }, count(outcome.seq))),
    el("td", { class: "wide-only time" }, el("time", { datetime: new Date(outcome.at * 1000).toISOString(), title: moment(outcome.at) }, clock(outcome.at))),
    el("td", {}, el("span", { class: `kind ${outcome.kind}` }, kindName(outcome.kind, outcome.recipe === STAR))),
    el("td", { class: "wide-only of-others" }, outcome.recipe),
    el("td", { class: "wide-only of-star" }, outcome.pair ?? "–"),
    el("td", { class: "question" }, el("b", { class: "narrow-only of-star" }, outcome.pair ?? "", " "), el("span", { class: "clamped" }, el("em", {}, outcome.reason, " "), outcome.question)),
    el("td", { class: "number of-others" }, count(outcome.rows)),
    el("td", { class: "number wide-only of-others" }, count(outcome.children)),
    el("td", { class: "number of-star" }, decimal(outcome.pi, 2)),
    el("td", { class: "number wide-only of-star" }, decimal(outcome.gap, 2)),
    el("td", { class: "number wide-only" }, money(outcome.cost_usd)),
  );
}
