// What the daemon is doing, in one sentence or two. Pure: status in, parts of text out.

import { about, count, money, percent, plural, rate } from "./format.js";

/** @typedef {import("./types.js").Status} Status */
/** @typedef {string | {strong: string}} Part */

/**
 * @param {Status} status
 * @returns {Part[]}
 */
export function sentence(status) {
  return [...doing(status), ...spent(status), ...best(status)];
}

/** @param {readonly Part[]} parts */
export function plain(parts) {
  return parts.map((part) => (typeof part === "string" ? part : part.strong)).join("");
}

/** @param {Status["seeds"]} seeds */
export function doneOf(seeds) {
  return seeds.kept + seeds.base + seeds.dropped;
}

/** @param {Status["seeds"]} seeds */
export function totalOf(seeds) {
  return doneOf(seeds) + seeds.waiting + seeds.working + seeds.quarantined;
}

/** @param {Status} status */
export function budgetOf(status) {
  return status.budgets.find((budget) => budget.key === "budget_usd") ?? null;
}

/**
 * The pair that is asked the most; `null` while none leads.
 *
 * @param {Record<string, number>} pairs
 * @returns {[string, number] | null}
 */
export function bestPair(pairs) {
  const sorted = Object.entries(pairs).sort((one, other) => other[1] - one[1]);
  const leads = sorted.length > 1 && sorted[0][1] > sorted[1][1] + 1e-9;
  return leads ? sorted[0] : null;
}

/**
 * @param {Status} status
 * @returns {Part[]}
 */
function doing({ state, seeds, rate: speed, waiting_for: waitingFor }) {
  const done = doneOf(seeds);
  const open = seeds.waiting + seeds.working;
  const ofTotal = [{ strong: `${count(done)} of ${plural(totalOf(seeds), "seed")}` }, " done"];
  if (state === "starting") return ["Starting."];
  if (state === "draining") return [`Draining: ${plural(seeds.working, "seed")} in hand, then it stops. `, ...ofTotal, "."];
  if (totalOf(seeds) === 0) return ["Ready, with nothing to do: there are no seeds yet."];
  if (open === 0) return ["Done: ", ...outcomesOf(seeds), "."];
  if (state === "paused") return [seeds.working ? "Pausing: " : "Paused: ", ...ofTotal, `, ${count(open)} wait.`];
  if (waitingFor) return ["Waiting: ", waitingFor.reason, ". ", ...ofTotal, "."];
  return ["Working: ", ...ofTotal, ...pace(speed), "."];
}

/**
 * @param {Status["seeds"]} seeds
 * @returns {Part[]}
 */
function outcomesOf(seeds) {
  const better = { strong: `${count(seeds.kept)} of ${plural(doneOf(seeds), "seed")}` };
  return [better, " improved", `, ${count(seeds.base)} kept the base answer`, seeds.dropped ? `, ${count(seeds.dropped)} dropped` : ""];
}

/**
 * @param {Status["rate"]} speed
 * @returns {Part[]}
 */
function pace({ seeds_per_minute: perMinute, eta_s: left }) {
  if (!perMinute) return [];
  return [`, ${rate(perMinute)} a minute`, ...(left === null ? [] : [", ", { strong: about(left) }, " left"])];
}

/**
 * @param {Status} status
 * @returns {Part[]}
 */
function spent(status) {
  const { usd, calls_of_unknown_price: unknown } = status.cost;
  if (!status.calls.answered) return [];
  if (usd === 0) return [unknown ? " What it cost is not known." : " It cost nothing."];
  const budget = budgetOf(status);
  return [" ", { strong: money(usd) }, budget ? ` of ${money(budget.limit)}` : "", " spent."];
}

/**
 * @param {Status} status
 * @returns {Part[]}
 */
function best({ pairs }) {
  const leader = bestPair(pairs);
  return leader ? [" Best pair: ", { strong: leader[0] }, `, drawn with ${percent(leader[1])}.`] : [];
}
