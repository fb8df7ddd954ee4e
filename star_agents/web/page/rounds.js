// The rounds that the folder is part of: what each step learned from, and how strong the target is since. They are the
// work of another command, so they are asked for anew while the page is open. Without rounds the section is not there.

import { Refusal, get } from "./api.js";
import { byId, el, fill, setText } from "./dom.js";
import { count, decimal, percent, plural } from "./format.js";

/** @typedef {import("./types.js").Rounds} Told */
/** @typedef {import("./types.js").RoundStep} Step */
/** @typedef {import("./types.js").TargetRating} Rating */
/** @typedef {import("./types.js").TargetScore} Score */

const AGAIN_AFTER_MS = 10_000;
const HEADS = ["Step", "Rows", "Lost", "Difficulty", "Training loss", "Rating", "Gain", "Benchmark"];

export class Rounds {
  constructor() {
    this.section = byId("rounds-section");
    this.lead = byId("rounds-lead");
    this.troubles = byId("rounds-troubles");
    this.place = byId("rounds");
    this.isFollowed = false;
  }

  /** Ask, and go on asking where there are some. */
  async follow() {
    if (this.isFollowed) return;
    this.isFollowed = true;
    await this.ask();
  }

  async ask() {
    try {
      const told = /** @type {Told} */ (await get("v1/rounds"));
      this.show(told);
      if (told.rounds === 0 && told.unread === "") return;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
    setTimeout(() => this.ask(), AGAIN_AFTER_MS);
  }

  /** @param {Told} told */
  show(told) {
    this.section.hidden = told.rounds === 0 && told.unread === "";
    setText(this.lead, told.unread || saidOf(told));
    fill(this.troubles, ...troublesOf(told).map((text) => el("li", {}, text)));
    this.troubles.hidden = this.troubles.childElementCount === 0;
    const head = HEADS.map((name, at) => el("th", { scope: "col", class: at > 0 ? "number" : null }, name));
    fill(this.place, told.steps.length > 0 && el("table", { class: "round-steps" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...told.steps.map(row))));
  }
}

/** @param {Step} step */
function row(step) {
  return el("tr", {}, el("th", { scope: "row" }, step.name), ...cells(step).map((text) => el("td", { class: "number" }, text)));
}

/**
 * What stands in the row of a step, behind its name.
 *
 * @param {Step} step
 */
export function cells({ rows, own_rows: own, battles, loss_rate: lost, difficulty, first_loss: first, last_loss: last, given_up: isGivenUp, rating, gain, gain_over: over, benchmark }) {
  return [
    rows === null || rows === own ? count(rows) : `${count(rows)} (${count(own)} new)`,
    lost === null ? "–" : `${percent(lost)} of ${count(battles)}`,
    decimal(difficulty, 2),
    first === null ? (isGivenUp ? "failed" : "–") : `${decimal(first, 3)} → ${decimal(last, 3)}`,
    rated(rating, false),
    gain === null ? "–" : `${rated(gain, true)} over ${over}`,
    graded(benchmark),
  ];
}

/**
 * A rating, or by how much one is ahead, with its interval.
 *
 * @param {Rating | null} rating
 * @param {boolean} isSigned
 */
export function rated(rating, isSigned) {
  if (rating === null) return "–";
  const points = (/** @type {number | null} */ value) => (value === null ? "open" : `${isSigned && value > 0 ? "+" : ""}${decimal(value, 0)}`);
  return rating.rating === null ? rating.standing : `${points(rating.rating)} (${points(rating.low)} to ${points(rating.high)})`;
}

/** @param {Score | null} score */
function graded(score) {
  if (score === null) return "–";
  const ends = score.low === null && score.high === null ? "" : ` (${decimal(score.low, 2)} to ${decimal(score.high, 2)})`;
  const lacks = [score.unreadable ? `${count(score.unreadable)} unreadable` : "", score.missing ? `${count(score.missing)} missing` : ""];
  return [`${decimal(score.score, 2)}${ends}`, ...lacks.filter(Boolean)].join(", ");
}

/** @param {Told} told */
export function saidOf({ rounds, target, anchor, exam_prompts: prompts, exam_battles: battles, stopped }) {
  const told = [
    `${plural(rounds, "round")}; the target is ${target}`,
    anchor === null ? "" : `ratings in Elo points, ${anchor} = 1,000, with 95 % intervals, over ${plural(prompts, "prompt")} and ${plural(battles, "battle")} of the exam`,
    stopped ? `ended early: ${stopped}` : "",
  ];
  return `${told.filter(Boolean).join("; ")}.`;
}

/** @param {Told} told */
function troublesOf({ steps, troubles }) {
  const failed = steps.flatMap(({ name, failures, given_up: isGivenUp }) => [
    ...failures.map(({ reason }) => `${name}: a training failed: ${reason}`),
    ...(isGivenUp ? [`${name}: gone on without it`] : []),
  ]);
  return [...failed, ...troubles];
}
