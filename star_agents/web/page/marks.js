// Edits of agents.yaml along the curve: lines on the chart, and a list for everybody who does not see it.

import { dashed } from "./chart.js";
import { byId, el, keepRows, setText } from "./dom.js";
import { count, moment, plural } from "./format.js";

/** @typedef {import("./types.js").ConfigMark} ConfigMark */

/** Pixels from a mark within which the pointer is at it. */
const NEAR = 7;
/** Changes that are named at the pointer; the list has all of them. */
const NAMED = 3;

export class Marks {
  constructor() {
    /** @type {readonly ConfigMark[]} */
    this.marks = [];
  }

  /** @param {readonly ConfigMark[]} marks oldest first */
  replace(marks) {
    this.marks = marks;
    const details = byId("curve-marks");
    details.hidden = marks.length === 0;
    setText(/** @type {Node} */ (details.firstElementChild), `${plural(marks.length, "edit")} of agents.yaml, marked on the curve`);
    keepRows(byId("mark-list"), marks.toReversed(), (mark) => String(mark.revision), makeItem, () => {});
  }

  /** @param {any} plot */
  draw(plot) {
    for (const seq of new Set(this.marks.map((mark) => mark.seq))) dashed(plot, "x", seq, "--mark");
  }

  /**
   * What there is to say of the mark at the pointer; empty where there is none.
   *
   * @param {any} plot
   */
  at(plot) {
    const near = this.marks.filter((mark) => Math.abs(plot.valToPos(mark.seq, "x") - plot.cursor.left) <= NEAR);
    const changes = near.flatMap((mark) => mark.changes);
    if (near.length === 0) return "";
    const more = changes.length > NAMED ? ` and ${changes.length - NAMED} more` : "";
    return `agents.yaml after ${count(near[0].seq)}: ${changes.slice(0, NAMED).join(", ")}${more}`;
  }
}

/** @param {ConfigMark} mark */
function makeItem(mark) {
  const when = el("time", { datetime: new Date(mark.at * 1000).toISOString() }, moment(mark.at));
  return el("li", {}, `Revision ${mark.revision}, after ${plural(mark.seq, "outcome")}, `, when, `: ${mark.changes.join(", ")}`);
}
