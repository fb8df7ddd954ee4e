// One row beside what it came from: seed and row, chosen and rejected, before and after an edit; its candidates below.

import { battles } from "./battles.js";
import { candidateCards } from "./candidates.js";
import { difference } from "./difference.js";
import { byId, el, fill } from "./dom.js";
import { count, decimal, moment, money, plural } from "./format.js";
import { STAR } from "./sentence.js";

/** @typedef {import("./types.js").BrowsedDetail} BrowsedDetail */
/** @typedef {import("./types.js").BrowsedRow} BrowsedRow */
/** @typedef {import("./types.js").RowReview} RowReview */
/** @typedef {Record<string, string>} Texts */

export class RowView {
  /**
   * @param {(verdict: string, texts?: Texts) => void} onReview
   * @param {() => void} onBack
   */
  constructor(onReview, onBack) {
    this.place = byId("detail");
    this.onReview = onReview;
    this.onBack = onBack;
    /** @type {BrowsedRow | null} */
    this.shown = null;
    this.editor = el("div");
  }

  /**
   * @param {BrowsedDetail} detail
   * @param {boolean} canReview
   */
  show(detail, canReview) {
    const { row, story } = detail;
    this.shown = row;
    this.editor = el("div");
    const outcome = story.outcomes.find((one) => one.seq === row.seq);
    const tried = outcome?.candidates ?? [];
    fill(
      this.place,
      el("div", { class: "head" }, el("h2", {}, title(row)), this.verdicts(row, canReview)),
      row.review ? said(row.review) : null,
      this.editor,
      sides(detail),
      outcome?.why ? el("p", { class: "why" }, outcome.why) : null,
      tried.length ? el("h3", {}, plural(tried.length, row.recipe === STAR ? "candidate" : "trial")) : null,
      tried.length ? candidateCards(tried, story.seed.sample.messages, row.recipe === STAR) : null,
      ...(outcome ? battles(outcome) : []),
      facts(detail),
    );
    this.place.scrollTop = 0;
  }

  /**
   * @param {BrowsedRow} row
   * @param {boolean} canReview
   */
  verdicts(row, canReview) {
    const back = el("button", { type: "button", class: "to-list", onclick: this.onBack }, "← Rows");
    if (!canReview || row.ord < 0) return el("p", { class: "verdicts" }, back);
    const button = (/** @type {string} */ text, /** @type {string} */ key, /** @type {() => void} */ work, isOff = false) =>
      el("button", { type: "button", onclick: work, disabled: isOff, "aria-keyshortcuts": key, title: `key ${key}` }, text);
    return el(
      "p",
      { class: "verdicts" },
      back,
      button("Accept", "a", () => this.onReview("accepted")),
      button("Reject", "r", () => this.onReview("rejected")),
      button("Edit", "e", () => this.edit()),
      button("Take back", "u", () => this.onReview("withdrawn"), row.review === null),
    );
  }

  edit() {
    const row = this.shown;
    if (!row || row.ord < 0) return;
    const now = { ...row.texts, ...row.review?.texts };
    const fields = Object.entries(now).map(([name, text]) => {
      const area = el("textarea", { name, rows: Math.min(16, 2 + Math.ceil(text.length / 90)), maxlength: 500000 });
      area.value = text;
      return el("label", {}, name, area);
    });
    const form = el("form", { class: "edit" }, ...fields, el("p", { class: "buttons" }, el("button", { type: "submit", class: "main" }, "Keep the edit"), el("button", { type: "button", onclick: () => fill(this.editor) }, "Leave it")));
    const send = () => this.onReview("edited", Object.fromEntries([...new FormData(form)].map(([name, text]) => [name, String(text).replaceAll("\r\n", "\n")])));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send();
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") fill(this.editor);
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
    });
    fill(this.editor, el("h3", {}, "Edit: the row stays as it is, and exports say this instead"), form);
    form.querySelector("textarea")?.focus();
  }
}

/** @param {BrowsedRow} row */
function title(row) {
  return row.ord < 0 ? `Outcome ${count(row.seq)}: no row` : `Outcome ${count(row.seq)}, row ${row.ord + 1}`;
}

/** @param {RowReview} review */
function said(review) {
  return el("p", { class: `review-of ${review.verdict}` }, `${review.verdict} by ${review.reviewer}, ${moment(review.at)}`);
}

/** @param {BrowsedDetail} detail */
function sides({ row, story }) {
  const { instruction, input, response } = story.seed.sample;
  /** @type {Texts} */
  const seed = row.ord < 0 ? {} : Object.fromEntries(Object.entries({ instruction, input, response: response ?? "" }).filter(([, text]) => text));
  const edited = row.review?.verdict === "edited" ? row.review.texts : null;
  if ("chosen" in row.texts) {
    const { chosen, rejected, ...prompt } = row.texts;
    return el(
      "div",
      {},
      el("div", { class: "sides" }, side("Prompt", prompt, seed)),
      el("div", { class: "sides" }, side("Chosen", { chosen }, { chosen: rejected }, true), side("Rejected", { rejected }, { rejected: chosen }), edited ? side("Edited", edited, row.texts) : null),
    );
  }
  const name = row.ord < 0 ? "The seed" : "After: the row";
  return el("div", { class: "sides" }, row.ord < 0 ? null : side("Before: the seed", seed, null), side(name, row.texts, row.ord < 0 ? null : seed, row.ord >= 0), edited ? side("Edited", edited, row.texts) : null);
}

/**
 * @param {string} title
 * @param {Readonly<Texts>} texts
 * @param {Readonly<Texts> | null} before what to mark new words against
 * @param {boolean} [isChosen]
 */
function side(title, texts, before, isChosen = false) {
  return el("article", { class: `side${isChosen ? " is-chosen" : ""}` }, el("h4", {}, title), ...Object.entries(texts).flatMap(([name, text]) => [el("h5", {}, name), compared(text, before?.[name])]));
}

/**
 * @param {string} text
 * @param {string | undefined} other
 */
function compared(text, other) {
  const runs = other === undefined ? [{ text, isNew: false }] : difference(text, other);
  return el("div", { class: "text" }, ...runs.map((run) => (run.isNew ? el("mark", {}, run.text) : run.text)));
}

/** @param {BrowsedDetail} detail */
function facts({ row, reviews }) {
  const all = [
    ["Seed", row.seed_id],
    ["Source", row.source || "–"],
    ["Worked", moment(row.at)],
    ["Recipe", row.recipe],
    ["Arm", row.arm || "–"],
    ["Ended", row.reason ? `${row.kind}: ${row.reason}` : row.kind],
    ["Cost", money(row.cost_usd)],
    ...Object.entries(row.labels),
    ...Object.entries(row.measures).map(([name, value]) => [name, decimal(value, 3)]),
    ...reviews.map((one) => ["Review", `${one.verdict} by ${one.reviewer}, ${moment(one.at)}`]),
  ];
  return el("dl", { class: "facts" }, ...all.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}
