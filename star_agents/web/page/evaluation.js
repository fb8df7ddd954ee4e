// The evaluation that the folder holds: scores with their intervals, and the answers to one question side by side with
// what the judge said. No evaluation works in a folder that a daemon has, so it is asked for once.

import { get } from "./api.js";
import { byId, el, fill, setText } from "./dom.js";
import { count, decimal, plural } from "./format.js";
import { attempt } from "./trouble.js";

/** @typedef {import("./types.js").Evaluation} Told */
/** @typedef {import("./types.js").EvaluatedModel} Model */
/** @typedef {import("./types.js").EvaluatedQuestion} Question */
/** @typedef {import("./types.js").EvaluatedAnswer} Answer */
/** @typedef {import("./types.js").AskedQuestion} Asked */
/** @typedef {import("./types.js").ScoreEstimate} Estimate */

export class Evaluation {
  constructor() {
    this.section = byId("evaluation-section");
    this.lead = byId("evaluation-lead");
    this.place = byId("evaluation");
    this.answers = byId("evaluation-answers");
    this.choice = /** @type {HTMLSelectElement} */ (byId("evaluation-choice"));
    /** @type {string[]} Models, the best first. */
    this.order = [];
    this.choice.addEventListener("change", () => attempt(() => this.open(this.choice.value)));
  }

  async load() {
    this.show(await get("v1/evaluation"));
  }

  /** @param {Told} told */
  show(told) {
    this.section.hidden = told.models.length === 0 && told.unread === "";
    setText(this.lead, told.unread || saidOf(told));
    fill(this.place, ...(told.models.length > 0 ? [scores(told.models), byCategory(told.models)] : []));
    this.order = told.models.map(({ model }) => model);
    fill(this.choice, el("option", { value: "" }, "choose one"), ...told.questions.map((one) => el("option", { value: one.id }, nameOf(one))));
    byId("evaluation-filters").hidden = told.questions.length === 0;
  }

  /** @param {string} id */
  async open(id) {
    if (id === "") return fill(this.answers);
    const question = /** @type {Question} */ (await get(`v1/evaluation/questions/${encodeURIComponent(id)}`));
    if (this.choice.value !== id) return;
    const place = (/** @type {Answer} */ { model }) => this.order.indexOf(model);
    const turns = Map.groupBy(question.answers.toSorted((one, other) => place(one) - place(other)), ({ turn }) => turn);
    fill(this.answers, ...[...turns].toSorted(([one], [other]) => one - other).flatMap(([turn, answers]) => sideBySide(turn, answers, turns.size > 1)));
  }
}

/** @param {Told} told */
export function saidOf({ benchmark, judge, questions }) {
  return `${benchmark}, ${plural(questions.length, "question")}, graded by ${judge}; mean grades from 1 to 10, with 95 % intervals over questions.`;
}

/** @param {readonly Model[]} models */
function scores(models) {
  const rows = models.map(({ model, score, graded, unreadable, missing }) => [model, estimate(score), ...[graded, unreadable, missing].map((n) => count(n))]);
  return tableOf("scores-of-models", ["Model", "Score", "Graded", "Unreadable", "Missing"], rows);
}

/** @param {readonly Model[]} models */
function byCategory(models) {
  const categories = [...new Set(models.flatMap((one) => Object.keys(one.by_category)))];
  if (categories.length < 2) return null;
  const rows = categories.map((name) => [name, ...models.map((one) => estimate(one.by_category[name]))]);
  const table = tableOf("scores-by-category", ["Category", ...models.map(({ model }) => model)], rows);
  return el("details", {}, el("summary", {}, "By category"), table);
}

/**
 * @param {string} kind
 * @param {readonly string[]} heads
 * @param {readonly (readonly string[])[]} rows
 */
function tableOf(kind, heads, rows) {
  const head = heads.map((name, at) => el("th", { scope: "col", class: at > 0 ? "number" : null }, name));
  const body = rows.map(([name, ...cells]) => el("tr", {}, el("th", { scope: "row" }, name), ...cells.map((text) => el("td", { class: "number" }, text))));
  return el("table", { class: kind }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body));
}

/** @param {Estimate | undefined} one */
export function estimate(one) {
  if (one === undefined || one.value === null) return "–";
  const end = (/** @type {number | null} */ value) => (value === null ? "open" : decimal(value, 2));
  return one.low === null && one.high === null ? decimal(one.value, 2) : `${decimal(one.value, 2)} (${end(one.low)} to ${end(one.high)})`;
}

/** @param {Asked} asked */
export function nameOf({ id, category, scores: given }) {
  return `${id}, ${category}: ${Object.entries(given).map(([model, score]) => `${model} ${decimal(score, 1)}`).join(", ")}`;
}

/**
 * @param {number} turn
 * @param {readonly Answer[]} answers
 * @param {boolean} isOneOfSome
 */
function sideBySide(turn, answers, isOneOfSome) {
  return [
    el("h3", {}, isOneOfSome ? `Turn ${turn}` : "Question"),
    el("div", { class: "text" }, answers[0].asked),
    el("div", { class: "candidates" }, ...answers.map(card)),
  ];
}

/** @param {Answer} answer */
function card({ model, repeat, answer, score, judgement, unread, ended }) {
  const name = repeat > 1 ? `${model}, repeat ${repeat}` : model;
  return el(
    "article",
    { class: "candidate", "aria-label": name },
    el("h4", {}, name, " ", el("span", { class: "badge" }, score === null ? "no grade" : decimal(score, 1))),
    answer ? el("div", { class: "text" }, answer) : el("p", { class: "lead" }, "no answer"),
    ended && el("p", { class: "lead" }, ended),
    unread && el("p", { class: "failure" }, unread),
    judgement && el("details", {}, el("summary", {}, "What the judge wrote"), el("div", { class: "text" }, judgement)),
  );
}
