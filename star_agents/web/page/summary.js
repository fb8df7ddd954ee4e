// The top of the page: the sentence, notices, seeds by state, and the figures.

import { byId, el, fill, keepRows, setText } from "./dom.js";
import { about, count, decimal, interval, money, moneyEach, percent, plural, rate } from "./format.js";
import { budgetOf, doneOf, hasStar, plain, reachedText, sentence, totalOf } from "./sentence.js";

/** @typedef {import("./types.js").Status} Status */
/** @typedef {{key: string, label: string, value: string, note: string, meter?: number}} Figure */

const STATES = /** @type {const} */ ({
  kept: "kept",
  base: "base kept",
  dropped: "dropped",
  working: "in hand",
  waiting: "waiting",
  stranded: "not taken now",
  quarantined: "set aside",
});
/** @typedef {keyof typeof STATES} SeedState */
/** States that are shown where there are such seeds. */
const RARE = new Set(["stranded", "quarantined"]);
/** Instructions that the memory bank's index lacks from which on that is told: a few always wait their turn. */
const WAITING_TOLD = 1000;
/** Figures of which there is nothing to say where Star is not at work. */
const STARS_OWN = new Set(["improved", "best", "referee", "memory"]);
/** What no answer was better than stays as it was; the words are Star's, and those of other recipes. */
const AS_IT_WAS = "as they were";
const QUARANTINED = "Seeds were set aside because the process died with them in hand too often. ";
const ANNOUNCE_EVERY_MS = 60_000;

let announcedAt = -Infinity;
let announcedState = "";

/**
 * @param {Status} status
 * @param {() => void} openQuarantine
 */
export function showSummary(status, openQuarantine) {
  const parts = sentence(status);
  const target = byId("sentence");
  if (target.textContent !== plain(parts)) {
    fill(target, ...parts.map((part) => (typeof part === "string" ? part : el("strong", {}, part.strong))));
  }
  announce(status.state, plain(parts));
  document.title = `${count(doneOf(status.seeds))}/${count(totalOf(status.seeds))} star_agents`;
  showNotices(status, openQuarantine);
  showSeeds(status);
  keepRows(byId("figures"), figures(status), (one) => `${one.key} ${one.meter !== undefined}`, makeFigure, updateFigure);
}

/**
 * Read out the sentence when the state changes, and else once a minute: not every second.
 *
 * @param {string} state
 * @param {string} text
 */
function announce(state, text) {
  const now = performance.now();
  if (state === announcedState && now - announcedAt < ANNOUNCE_EVERY_MS) return;
  [announcedAt, announcedState] = [now, state];
  setText(byId("announcement"), text);
}

/**
 * @param {Status} status
 * @param {() => void} openQuarantine
 */
function showNotices(status, openQuarantine) {
  const texts = status.held_because ? [`Holding: ${status.held_because}`] : [];
  texts.push(...status.stranded.map((one) => one.sentence));
  texts.push(...status.scales.filter(({ scale }) => scale === "").map((one) => one.sentence));
  texts.push(...status.config_problems.map((problem) => `agents.yaml is not in force: ${problem}`));
  texts.push(...(status.scorer?.troubles ?? []).map((trouble) => `Scorer: ${trouble}`));
  const isSaid = (/** @type {string} */ reached) => reached === "" || reached === status.waiting_for?.reason;
  texts.push(...status.budgets.filter((budget) => !isSaid(budget.reached)).map(reachedText));
  texts.push(...(status.seeds.quarantined ? [QUARANTINED] : []));
  const make = (/** @type {string} */ text) =>
    el("p", { class: "notice" }, text, text === QUARANTINED && el("button", { type: "button", onclick: openQuarantine }, "Look at them"));
  keepRows(byId("notices"), texts, (text) => text, make, () => {});
}

/** @param {Status} status */
function showSeeds(status) {
  const { seeds } = status;
  const isRare = (/** @type {SeedState} */ state) => RARE.has(state) || (state === "base" && !hasStar(status));
  const states = /** @type {SeedState[]} */ (Object.keys(STATES)).filter((state) => !isRare(state) || seeds[state] > 0);
  const total = Math.max(1, totalOf(seeds));
  showBar(byId("seed-bar"), states.map((state) => [state, seeds[state] / total]));
  showCounts(byId("seeds"), states.map((state) => [state, state === "base" && !hasStar(status) ? AS_IT_WAS : STATES[state], count(seeds[state])]));
}

/**
 * A bar of parts.
 *
 * @param {HTMLElement} bar
 * @param {(readonly [string, number])[]} shares name, which the style sheet colours, and share of 1
 */
export function showBar(bar, shares) {
  keepRows(bar, shares, ([name]) => name, ([name]) => el("span", { class: `part ${name}` }), (part, [, share]) => {
    part.style.flexGrow = String(share);
    part.hidden = share === 0;
  });
}

/**
 * @param {HTMLElement} list
 * @param {(readonly [string, string, string])[]} items name, which the style sheet colours, label and value
 */
export function showCounts(list, items) {
  const make = (/** @type {readonly [string, string, string]} */ [name, label]) => el("div", { class: name }, el("dt", {}, label), el("dd"));
  keepRows(list, items, ([name]) => name, make, (row, [, , value]) => setText(/** @type {Node} */ (row.lastChild), value));
}

/**
 * @param {Status} status
 * @returns {Figure[]}
 */
function figures(status) {
  const { cost, calls, memory, referee, scorer } = status;
  const twice = calls.maybe_paid_twice ? `; ${count(calls.maybe_paid_twice)} maybe paid twice` : "";
  const isStars = hasStar(status);
  const all = [
    pace(status),
    spent(status),
    {
      key: "improved",
      label: "Cost per improved seed",
      value: moneyEach(cost.usd_per_improved, cost.calls_of_unknown_price),
      note: `${moneyEach(cost.usd_per_sample, cost.calls_of_unknown_price)} per sample; ${plural(calls.answered, "call")}${twice}`,
    },
    {
      key: "kept",
      label: "Cost per seed kept",
      value: moneyEach(cost.usd_per_sample, cost.calls_of_unknown_price),
      note: `${plural(calls.answered, "call")}${twice}`,
    },
    best(status),
    { key: "referee", label: "Referee agreement", value: percent(referee.agreement), note: `in both orders, ${plural(referee.both_orders, "verdict")}` },
    { key: "memory", label: "Memory bank", value: count(memory.size), note: ofBank(memory) },
    scorer === null
      ? { key: "scorer", label: "Scorer", value: "none", note: "this selection scores nothing" }
      : { key: "scorer", label: "Scorer", value: `${decimal(scorer.answered_per_second, scorer.answered_per_second < 10 ? 1 : 0)} / s`, note: `${count(scorer.answered)} scored, ${count(scorer.waiting)} waiting${scorer.deaths ? `, ${count(scorer.deaths)} processes lost` : ""}${scorer.places.length ? `, on ${count(new Set(scorer.places.map((place) => place.name)).size)} nodes` : ""}${scorer.moved ? `, ${count(scorer.moved)} asked again elsewhere` : ""}` },
  ];
  const isLeftOut = (/** @type {Figure} */ { key }) => (isStars ? key === "kept" : STARS_OWN.has(key) || (key === "scorer" && scorer === null));
  return all.filter((one) => !isLeftOut(one));
}

/**
 * @param {Status["memory"]} memory
 */
function ofBank(memory) {
  const said = [`wins; ${percent(memory.hit_rate)} of draws used one`];
  if (memory.waiting >= WAITING_TOLD) said.push(`${count(memory.waiting)} not in the index yet`);
  if (memory.forgotten) said.push(`${count(memory.forgotten)} forgotten`);
  if (memory.renewed) said.push(`${count(memory.renewed)} graphs made anew`);
  if (memory.left_out) said.push(`${count(memory.left_out)} left out`);
  if (memory.trouble) said.push("takes no more in: see status");
  return said.join("; ");
}

/**
 * @param {Status} status
 * @returns {Figure}
 */
function pace({ rate: speed, seeds }) {
  const left = speed.eta_s === null ? `${rate(speed.seeds_per_minute_overall)} since the start` : `${about(speed.eta_s)} left`;
  return { key: "pace", label: "Seeds a minute", value: rate(speed.seeds_per_minute), note: seeds.waiting || seeds.working ? left : "nothing waits" };
}

/**
 * @param {Status} status
 * @returns {Figure}
 */
function spent(status) {
  const { usd, projected_usd: projected, calls_of_unknown_price: unknown } = status.cost;
  const budget = budgetOf(status);
  const today = status.budgets.find((one) => one.key === "budget_usd_per_day");
  const isOver = budget !== null && projected !== null && projected > budget.limit;
  const notes = [
    // The budget's number stands in the sentence above, and only there; here the meter shows it.
    status.rate.usd_per_hour ? `${money(status.rate.usd_per_hour)} an hour` : "",
    projected === null ? "" : projected === 0 ? "no call had a price" : `${unknown ? "at least " : ""}${money(projected)} in the end${isOver ? ", over the budget" : ""}`,
    today ? `today ${money(today.spent)} of ${money(today.limit)}` : "",
    ...status.budgets.filter(({ key }) => key === "budget_calls" || key === "budget_tokens").map(counted),
    status.budgets.length || projected === 0 ? "" : "no budget set",
    unknown ? `${plural(unknown, "call")} of unknown price` : "",
  ];
  const meter = budget && budget.limit > 0 && usd !== null ? { meter: Math.min(1, usd / budget.limit) } : {};
  return { key: "spent", label: "Spent", value: money(usd), note: notes.filter(Boolean).join("; "), ...meter };
}

/**
 * @param {Status} status
 * @returns {Figure}
 */
function best({ agents, best_agent: name }) {
  const agent = name === null ? null : agents[name];
  if (name !== null && agent) {
    const range = interval(agent.win_rate_low ?? 0, agent.win_rate_high ?? 1);
    return { key: "best", label: "Best agent", value: name, note: `chosen in ${percent(agent.win_rate)} (${range}) of ${plural(agent.candidates ?? 0, "answer")}` };
  }
  const hasAnswers = Object.values(agents).some((one) => one.candidates);
  return { key: "best", label: "Best agent", value: "–", note: hasAnswers ? "none is clear of the others yet" : "none has answered yet" };
}

/** @param {Status["budgets"][number]} budget */
function counted({ unit, spent: used, limit }) {
  return `${count(used)} of ${count(limit)} ${unit}`;
}

/** @param {Figure} figure */
function makeFigure(figure) {
  const meter = figure.meter === undefined ? null : el("span", { class: "meter", "aria-hidden": "true" }, el("span"));
  return el("div", {}, el("dt", {}, figure.label), el("dd", { class: "value" }), el("dd", { class: "note" }, el("span"), meter));
}

/**
 * @param {HTMLElement} row
 * @param {Figure} figure
 */
function updateFigure(row, figure) {
  setText(row.children[1], figure.value);
  const [note, meter] = /** @type {Iterable<HTMLElement>} */ (/** @type {unknown} */ (row.children[2].children));
  setText(note, figure.note);
  if (meter && figure.meter !== undefined) /** @type {HTMLElement} */ (meter.firstElementChild).style.width = `${figure.meter * 100}%`;
}
