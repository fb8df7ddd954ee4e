// The agents: how good, how fast, how reliable and how dear each is. The best stand first; every heading sorts.

import { byId, el, fill, keepRows, setText } from "./dom.js";
import { count, duration, interval, latency, money, moneyEach, percent } from "./format.js";

/**
 * What it does right now is there only while it is in agents.yaml.
 *
 * @typedef {import("./types.js").CalledAgent & Partial<import("./types.js").AgentAtWork>} Agent
 */
/** @typedef {[string, Agent]} Named */
/**
 * @typedef {Object} Column
 * @property {string} label
 * @property {string} [title]
 * @property {(agent: Agent, name: string) => number | string | null} sort
 * @property {(agent: Agent, name: string) => string} text
 * @property {boolean} [isText]
 * @property {boolean} [isStars] of Star alone
 */

/** @type {Column[]} */
const COLUMNS = [
  { label: "Agent", sort: (_, name) => name, text: (_, name) => name, isText: true },
  { label: "Won", title: "share of its answers that were chosen, with its 95 % interval", sort: (agent) => agent.win_rate, text: won, isStars: true },
  { label: "Answers", sort: (agent) => agent.candidates || null, text: (agent) => (agent.candidates ? count(agent.candidates) : "–"), isStars: true },
  { label: "Calls", sort: (agent) => agent.calls, text: (agent) => count(agent.calls) },
  { label: "p50", title: "half of the calls took at most this long", sort: (agent) => agent.latency_s?.p50 ?? null, text: (agent) => latency(agent.latency_s?.p50) },
  { label: "p95", title: "95 % of the calls took at most this long", sort: (agent) => agent.latency_s?.p95 ?? null, text: (agent) => latency(agent.latency_s?.p95) },
  { label: "Tokens/s", sort: (agent) => agent.tokens_per_second, text: (agent) => count(agent.tokens_per_second) },
  { label: "Errors", sort: (agent) => agent.failed, text: (agent) => count(agent.failed) },
  { label: "Retries", sort: (agent) => agent.retries, text: (agent) => count(agent.retries) },
  { label: "In flight", title: "calls in flight, of as many as its limit allows", sort: (agent) => agent.in_flight ?? null, text: inFlight },
  { label: "Cost", sort: (agent) => agent.usd, text: cost },
  { label: "$/call", sort: (agent) => agent.usd_per_call, text: (agent) => moneyEach(agent.usd_per_call, agent.calls_of_unknown_price) },
  { label: "State", sort: (agent) => (agent.is_down ? 1 : 0), text: state, isText: true },
];

export class Agents {
  constructor() {
    const table = /** @type {HTMLTableElement} */ (byId("agent-table"));
    this.body = table.tBodies[0];
    this.sorted = { column: 1, isDescending: true };
    /** @type {Named[]} */
    this.agents = [];
    this.heads = COLUMNS.map((column, at) => this.head(column, at));
    fill(/** @type {HTMLElement} */ (table.tHead), el("tr", {}, ...this.heads));
    this.markHeads();
  }

  /**
   * @param {Column} column
   * @param {number} at
   */
  head(column, at) {
    const button = el("button", { type: "button", title: column.title, onclick: () => this.sortBy(at) }, column.label);
    return el("th", { scope: "col", class: classOf(column) }, button);
  }

  /** @param {number} at */
  sortBy(at) {
    const isDescending = this.sorted.column === at ? !this.sorted.isDescending : !COLUMNS[at].isText;
    this.sorted = { column: at, isDescending };
    this.markHeads();
    this.draw();
  }

  markHeads() {
    this.heads.forEach((head, at) => {
      head.ariaSort = at !== this.sorted.column ? null : this.sorted.isDescending ? "descending" : "ascending";
    });
  }

  /** @param {Record<string, Agent>} agents */
  show(agents) {
    this.agents = Object.entries(agents);
    this.draw();
  }

  draw() {
    const { sort } = COLUMNS[this.sorted.column];
    const sign = this.sorted.isDescending ? -1 : 1;
    const rows = this.agents.toSorted((one, other) => sign * compare(sort(one[1], one[0]), sort(other[1], other[0])) || compare(one[0], other[0]));
    keepRows(this.body, rows, ([name]) => name, () => makeRow(), updateRow);
  }
}

/**
 * What is not known is less than anything.
 *
 * @param {number | string | null} one
 * @param {number | string | null} other
 */
function compare(one, other) {
  if (one === other) return 0;
  if (one === null || other === null) return one === null ? -1 : 1;
  return one < other ? -1 : 1;
}

/** @param {Column} column */
function classOf({ isText, isStars }) {
  return [isText ? "" : "number", isStars ? "of-star" : ""].filter(Boolean).join(" ") || null;
}

function makeRow() {
  const cells = COLUMNS.map((column, at) => (at === 0 ? el("th", { scope: "row" }) : el("td", { class: classOf(column) })));
  return el("tr", {}, ...cells);
}

/**
 * @param {HTMLTableRowElement} row
 * @param {Named} agent
 */
function updateRow(row, [name, agent]) {
  COLUMNS.forEach((column, at) => setText(row.cells[at], column.text(agent, name)));
  const wins = row.cells[1];
  wins.classList.toggle("bar", agent.win_rate !== null);
  wins.style.setProperty("--share", String(agent.win_rate ?? 0));
  row.classList.toggle("is-down", agent.is_down ?? false);
  row.title = (agent.deployments ?? []).map((one) => `${one.name}: ${one.breaker}, limit ${one.limit}${one.last_error ? `, ${one.last_error}` : ""}`).join("\n");
  row.cells[7].title = Object.entries(agent.errors).map(([what, n]) => `${what.replaceAll("_", " ")}: ${n}`).join("\n");
}

/** @param {Agent} agent */
function won(agent) {
  if (agent.win_rate === null) return "–";
  return `${percent(agent.win_rate)} (${interval(agent.win_rate_low, agent.win_rate_high)})`;
}

/** @param {Agent} agent */
function inFlight(agent) {
  if (agent.in_flight === undefined) return "–";
  const limit = (agent.deployments ?? []).reduce((total, one) => total + one.limit, 0);
  return `${count(agent.in_flight)} / ${count(limit)}`;
}

/** @param {Agent} agent */
function cost(agent) {
  return agent.usd !== null && agent.calls_of_unknown_price ? `${money(agent.usd)} + ${count(agent.calls_of_unknown_price)} ?` : money(agent.usd);
}

/** @param {Agent} agent */
function state(agent) {
  const { deployments } = agent;
  if (deployments === undefined) return "not in agents.yaml";
  const out = deployments.filter((one) => one.breaker !== "closed");
  if (out.length === 0) {
    const slowed = (agent.throttled ?? []).map((one) => `, throttled (${one.cause.replaceAll("_", " ")}) for ${duration(one.for_s)}`).join("");
    return `up${slowed}${agent.queued ? `, ${count(agent.queued)} wait` : ""}`;
  }
  if (out.every((one) => one.is_held)) return agent.is_down ? "its server is awaited" : `${out.length} of ${deployments.length} wait for their server`;
  const soonest = Math.min(...out.map((one) => one.opens_in_s ?? 0));
  const when = soonest > 0 ? `, tried in ${duration(soonest)}` : ", being tried";
  return agent.is_down ? `down${when}` : `${out.length} of ${deployments.length} down${when}`;
}
