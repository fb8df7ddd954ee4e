// Who met whom over one seed: points of each battle as a matrix, and what the judges said. For recipes whose judges give
// points; of others nothing is shown here.

import { el } from "./dom.js";
import { decimal, plural } from "./format.js";

/** @typedef {import("./types.js").SeedOutcome} SeedOutcome */
/** @typedef {import("./types.js").StoryJudgement} StoryJudgement */

/**
 * The matrix of an outcome, and its games below it.
 *
 * @param {SeedOutcome} outcome
 */
export function battles({ candidates, judgements }) {
  const games = judgements.filter(({ orders, judge }) => orders <= 1 || judge === "");
  if (!games.some(({ scores, rewards }) => scores.length === 2 || rewards.length === 2)) return [];
  const met = candidates.map((_, place) => place).filter((place) => games.some(({ left, right }) => left === place || right === place));
  const names = candidates.map(({ pair, role }) => (role === "target" ? `${pair} (target)` : pair));
  const rows = met.map((one) => el("tr", {}, el("th", { scope: "row" }, names[one]), ...met.map((other) => cell(games, one, other))));
  const head = el("tr", {}, el("th", {}), ...met.map((other) => el("th", { scope: "col", class: "number" }, names[other])));
  return [
    el("h3", {}, "Battles"),
    el("p", { class: "lead" }, "Points of the row against the column, the mean of all judges and both orders; where only reward models judge, how far the row is ahead."),
    el("div", { class: "scroll" }, el("table", { class: "battles" }, el("thead", {}, head), el("tbody", {}, ...rows))),
    said(games, names),
  ];
}

/**
 * @param {readonly StoryJudgement[]} games
 * @param {number} one
 * @param {number} other
 */
function cell(games, one, other) {
  const between = games.filter(({ left, right }) => (left === one && right === other) || (left === other && right === one));
  return el("td", { class: "number" }, one === other || between.length === 0 ? "–" : standing(between, one));
}

/**
 * Points of both, or why there are none.
 *
 * @param {readonly StoryJudgement[]} between
 * @param {number} one
 */
export function standing(between, one) {
  if (between.some(({ judge }) => judge === "")) return "the same answer";
  const jurors = Map.groupBy(between, ({ judge }) => judge);
  const isWhole = (/** @type {readonly StoryJudgement[]} */ games) => games.length === 2 || games[0].orders === 0;
  const counted = [...jurors.values()].filter((games) => isWhole(games) && games.every(({ scores }) => scores.length === 2));
  if (counted.length === 0) return distance(between, one);
  // Each juror counts once, in however many games it speaks.
  const of = (/** @type {0 | 1} */ side) =>
    mean(counted.map((games) => mean(games.map(({ left, scores }) => scores[left === one ? side : 1 - side]))));
  return `${points(of(0))} : ${points(of(1))}`;
}

/**
 * How far one is ahead, where reward models alone say so.
 *
 * @param {readonly StoryJudgement[]} between
 * @param {number} one
 */
function distance(between, one) {
  const gaps = between.flatMap(({ left, gap }) => (gap === null ? [] : [left === one ? gap : -gap]));
  if (gaps.length === 0) return "no battle";
  const ahead = mean(gaps);
  return `${ahead < 0 ? "−" : "+"}${points(Math.abs(ahead))}`;
}

/**
 * @param {readonly StoryJudgement[]} games
 * @param {readonly string[]} names
 */
function said(games, names) {
  const judged = games.filter(({ judge }) => judge !== "");
  const rows = judged.map(({ judge, left, right, scores, rewards, reason }) => {
    const shown = [names[left], names[right]].map((name, at) => {
      const own = scores.length === 2 ? `: ${points(scores[at])}` : "";
      return el("td", {}, rewards.length === 2 ? `${name}${own} (reward ${decimal(rewards[at], 2)})` : `${name}${own}`);
    });
    return el("tr", {}, el("th", { scope: "row" }, judge), ...shown, el("td", {}, reason));
  });
  const heads = ["Judge", "First", "Second", "Reasons"].map((head) => el("th", { scope: "col" }, head));
  return el(
    "details",
    {},
    el("summary", {}, `${plural(judged.length, "game")}, with reasons`),
    el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...rows))),
  );
}

/** @param {readonly number[]} values */
function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** @param {number} value */
function points(value) {
  return decimal(value, Number.isInteger(value) ? 0 : 1);
}
