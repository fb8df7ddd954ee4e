// What the daemon is doing, in one sentence or two. Pure: status in, parts of text out.

import { about, count, interval, money, percent, plural, rate } from "./format.js";

/** @typedef {import("./types.js").Status} Status */
/** @typedef {string | {strong: string}} Part */

/** The recipe whose words are pairs, bases, π and judges. */
export const STAR = "star";
/** The budget in dollars of all agents together, for the life of the store. */
const TOTAL = "budget_usd";

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
  return doneOf(seeds) + seeds.waiting + seeds.stranded + seeds.working + seeds.quarantined;
}

/** @param {Status} status */
export function budgetOf(status) {
  return status.budgets.find((budget) => budget.key === TOTAL) ?? null;
}

/**
 * @param {Status} status
 * @returns {Part[]}
 */
function doing({ state, seeds, referee, recipes, rate: speed, waiting_for: waitingFor, held_because: held, budgets }) {
  const done = doneOf(seeds);
  const open = seeds.waiting + seeds.working;
  const ofTotal = [{ strong: `${count(done)} of ${plural(totalOf(seeds), "seed")}` }, " done"];
  if (state === "starting") return ["Starting."];
  if (state === "draining") return [`Draining: ${plural(seeds.working, "seed")} in hand, then it stops. `, ...ofTotal, "."];
  if (totalOf(seeds) === 0) return ["Ready, with nothing to do: there are no seeds yet."];
  if (held) return ["Holding: too much failed, as told below. ", ...ofTotal, "."];
  if (open === 0) return ["Done: ", ...outcomesOf({ seeds, referee, recipes }), "."];
  if (state === "paused") return [seeds.working ? "Pausing: " : "Paused: ", ...ofTotal, `, ${count(open)} wait.`];
  if (waitingFor) return ["Waiting: ", ...because(waitingFor.reason, budgets), " ", ...ofTotal, "."];
  return ["Working: ", ...ofTotal, ...pace(speed), "."];
}

/**
 * @param {string} reason
 * @param {Status["budgets"]} budgets
 * @returns {Part[]}
 */
function because(reason, budgets) {
  const reached = budgets.find((budget) => budget.reached === reason);
  return [reached ? reachedText(reached) : `${reason}.`];
}

/**
 * That a budget is reached, with the one number that nothing else on the page says: of the budget of everybody in
 * dollars it stands at the end of the sentence.
 *
 * @param {Status["budgets"][number]} budget
 */
export function reachedText({ key, unit, limit, spent: used }) {
  const said = unit === "usd" ? `${money(used)} of ${money(limit)}` : `${count(used)} of ${count(limit)} ${unit}`;
  const wait = key.endsWith("_per_day") ? ", or wait for the next day of UTC" : "";
  return `${key} is reached${key === TOTAL ? "" : ` (${said})`}; raise it in agents.yaml to go on${wait}.`;
}

/**
 * Whether the Star recipe is or was at work, whose words are pairs, bases, π and judges.
 *
 * @param {Pick<Status, "recipes">} status
 */
export function hasStar({ recipes }) {
  const star = recipes[STAR];
  return star !== undefined && (star.in_chain || Object.values(star.outcomes).some(Boolean));
}

/** @param {Pick<Status, "recipes">} status whether a recipe of another method is or was at work */
export function hasOthers({ recipes }) {
  return Object.keys(recipes).some((name) => name !== STAR);
}

/** @param {Pick<Status, "recipes">} status what the seeds of the first recipe are */
export function takesOf(status) {
  const [name, recipe] = firstOf(status);
  return recipe ? `Recipe ${name} takes ${recipe.takes.map((kind) => `${kind}s`).join(" and ")}.` : "";
}

/** @type {Record<string, string>} */
const EXAMPLES = {
  sample: '{"instruction": "Name three primes.", "output": "2, 3 and 5."}',
  instruction: '{"instruction": "Name three primes."}',
  document: '{"document": "The Rhine is 1,230 km long.", "title": "Rivers"}',
};

/** @param {Pick<Status, "recipes">} status a seed that the first recipe takes, as a row */
export function exampleOf(status) {
  const takes = firstOf(status)[1]?.takes ?? [];
  return EXAMPLES[["sample", "instruction", "document"].find((kind) => takes.includes(kind)) ?? "sample"];
}

/**
 * @param {Pick<Status, "recipes">} status
 * @returns {[string, Status["recipes"][string] | undefined]} the first recipe of the chain
 */
function firstOf({ recipes }) {
  return Object.entries(recipes).find(([, recipe]) => recipe.in_chain) ?? ["", undefined];
}

/**
 * @param {Pick<Status, "seeds" | "referee" | "recipes">} status
 * @returns {Part[]}
 */
function outcomesOf({ seeds, referee, recipes }) {
  if (!hasStar({ recipes })) return [{ strong: `${count(seeds.kept + seeds.base)} of ${plural(doneOf(seeds), "seed")}` }, " kept", seeds.dropped ? `, ${count(seeds.dropped)} dropped` : ""];
  const better = { strong: `${count(seeds.kept)} of ${plural(doneOf(seeds), "seed")}` };
  const tied = referee.won_by_tie ? ` (${count(referee.won_by_tie)} by a larger gap at a tie)` : "";
  return [better, ` improved${tied}`, `, ${count(seeds.base)} kept the base answer`, seeds.dropped ? `, ${count(seeds.dropped)} dropped` : ""];
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
  const more = unknown ? ` and ${plural(unknown, "call")} of unknown price` : "";
  if (!status.calls.answered) return [];
  if (usd === null) return [" What it cost is unknown."];
  if (usd === 0) return [" It cost nothing."];
  const budget = budgetOf(status);
  return [" ", { strong: money(usd) }, budget ? ` of ${money(budget.limit)}` : "", more, " spent."];
}

/**
 * The best pair, where it is clear of all others; while chance may order them, none is named.
 *
 * @param {Status} status
 * @returns {Part[]}
 */
function best({ best_pair: name, win_rates: rates }) {
  if (name === null) return [];
  const { rate: share, low, high, answers } = rates[name];
  return [" Best pair: ", { strong: name }, `, chosen in ${percent(share)} (${interval(low, high)}) of its ${plural(answers, "answer")}.`];
}
