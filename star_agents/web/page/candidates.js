// The candidates of one seed side by side: what each wrote, how it scored, and where it differs from the base. Of Star
// the numbers are those of its equations, of other recipes what they measure.

import { difference } from "./difference.js";
import { el } from "./dom.js";
import { decimal, money } from "./format.js";

/** @typedef {import("./types.js").Candidate} Candidate */
/** @typedef {import("./types.js").Message} Message */

/**
 * @param {readonly Candidate[]} candidates
 * @param {readonly Message[]} seed
 * @param {boolean} isStars
 */
export function candidateCards(candidates, seed, isStars) {
  const base = candidates.find((one) => one.is_base && !one.failure);
  const place = (/** @type {Candidate} */ one) => [one === base, one.chosen, one.is_base, one.pi ?? -1, one.pi_dual ?? -1].map(Number);
  const ordered = isStars ? candidates.toSorted((one, other) => inFallingOrder(place(one), place(other))) : candidates;
  return el("div", { class: "candidates" }, ...ordered.map((one) => card(one, one === base ? null : base ?? null, seed, isStars ? equations(one) : measured(one))));
}

/**
 * The turns of a conversation.
 *
 * @param {readonly Message[]} turns
 */
export function messages(turns) {
  return el("div", { class: "messages" }, ...turns.flatMap((turn) => [el("h4", {}, turn.role), el("div", { class: "text" }, turn.content)]));
}

/**
 * @param {readonly number[]} one
 * @param {readonly number[]} other
 */
function inFallingOrder(one, other) {
  const at = one.findIndex((value, index) => value !== other[index]);
  return at < 0 ? 0 : other[at] - one[at];
}

/**
 * @param {Candidate} candidate
 * @param {Candidate | null} base what to compare with
 * @param {readonly Message[]} seed
 * @param {[string, string, string][]} figures name, value and note
 */
function card(candidate, base, seed, figures) {
  const badges = [candidate.chosen ? el("span", { class: "badge chosen" }, "chosen") : null, candidate.is_base ? el("span", { class: "badge" }, "base") : null];
  const question = asked(candidate.messages);
  const isRewritten = question !== asked(seed);
  const isAnswered = !candidate.failure && candidate.messages.at(-1)?.role === "assistant";
  return el(
    "article",
    { class: `candidate${candidate.chosen ? " is-chosen" : ""}`, "aria-label": candidate.pair },
    el("h4", {}, candidate.pair, " ", ...badges),
    candidate.failure ? el("p", { class: "failure" }, candidate.failure) : scores(figures),
    isRewritten && !candidate.failure ? el("h5", {}, "Rewritten instruction") : null,
    isRewritten && !candidate.failure ? compared(question, asked(seed)) : null,
    isAnswered ? el("h5", {}, "Response") : null,
    !isAnswered ? null : compared(answered(candidate.messages), base ? answered(base.messages) : null),
    candidate.trace ? el("details", {}, el("summary", {}, "Tools called"), el("div", { class: "text" }, candidate.trace)) : null,
  );
}

/** @param {[string, string, string][]} figures */
function scores(figures) {
  return el("table", { class: "scores" }, el("tbody", {}, ...figures.map(([name, value, note]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "number" }, value), el("td", {}, note)))));
}

/**
 * What its recipe measured of it, a line each.
 *
 * @param {Candidate} candidate
 * @returns {[string, string, string][]}
 */
function measured({ measures, cost_usd: cost }) {
  const figures = Object.entries(measures).map(([name, value]) => /** @type {[string, string, string]} */ ([name, decimal(value, Number.isInteger(value) ? 0 : 3), ""]));
  return cost === 0 ? figures : [...figures, ["Cost", money(cost), ""]];
}

/**
 * Equations 5 to 7, a line each.
 *
 * @param {Candidate} candidate
 * @returns {[string, string, string][]}
 */
function equations(candidate) {
  const { score, verdict, pi_llm: piLlm, pi_dual: piDual, pi, cost_usd: cost } = candidate;
  const ifds = score?.reason || (score === null ? "" : `${decimal(score.ifd_small, 3)} − ${decimal(score.ifd_large, 3)}`);
  const votes = (verdict?.votes ?? []).map((vote, _, all) => said(vote, all.length > 1));
  return [
    ["Gap", decimal(score?.gap, 3), ifds],
    ["π_dual", decimal(piDual, 2), ""],
    ["Referee", decimal(piLlm, 2), votes.join("; ") || verdict?.failure || unasked(candidate)],
    ["π", decimal(pi, 2), cost === 0 ? "" : `cost ${money(cost)}`],
  ];
}

/**
 * Why the referee was not asked.
 *
 * @param {Candidate} candidate
 */
function unasked({ is_base: isBase, pi_llm: piLlm, pi_dual: piDual }) {
  if (isBase) return "against itself";
  if (piLlm !== null) return "the same as the base";
  return piDual !== null && piDual <= 0 ? "no gap, no verdict" : "could not win";
}

/** @type {Record<string, string>} */
const VERDICTS = { 1: "better than the base", 0: "worse than the base", 0.5: "a tie" };

/**
 * @param {import("./types.js").Vote} vote
 * @param {boolean} isJury
 */
function said(vote, isJury) {
  const who = isJury ? `${vote.referee}: ` : "";
  if (!vote.readable) return `${who}unreadable, so no vote`;
  return `${who}${VERDICTS[String(vote.value)] ?? decimal(vote.value, 2)}${vote.agreed ? "" : ": the orders disagree"}`;
}

/** @param {readonly Message[]} turns */
function asked(turns) {
  return turns.findLast((turn) => turn.role === "user")?.content ?? "";
}

/** @param {readonly Message[]} turns */
function answered(turns) {
  const last = turns.at(-1);
  return last?.role === "assistant" ? last.content : "";
}

/**
 * @param {string} text
 * @param {string | null} other
 */
function compared(text, other) {
  const runs = other === null ? [{ text, isNew: false }] : difference(text, other);
  return el("div", { class: "text" }, ...runs.map((run) => (run.isNew ? el("mark", {}, run.text) : run.text)));
}
