// The pairs: their curves, and the table beside them that is also the legend.

import { coloured, looksOf } from "./colours.js";
import { Curve } from "./curve.js";
import { CurvePoints } from "./curve_points.js";
import { byId, el, keepRows, setText } from "./dom.js";
import { count, decimal, interval, moneyEach, percent } from "./format.js";
import { Marks } from "./marks.js";

/** @typedef {import("./types.js").Status} Status */
/** @typedef {import("./colours.js").Look} Look */

export class Pairs {
  constructor() {
    this.points = new CurvePoints();
    this.marks = new Marks();
    this.body = /** @type {HTMLTableElement} */ (byId("pair-table")).tBodies[0];
    this.curve = new Curve(byId("curve"), this.points, this.marks, (pair) => this.mark(pair));
    /** @type {ReadonlyMap<string, Look>} */
    this.looks = new Map();
  }

  /**
   * @param {readonly import("./types.js").CurvePoint[]} points
   * @param {readonly import("./types.js").ConfigMark[]} marks
   */
  setCurve(points, marks) {
    this.points.replace(points);
    this.marks.replace(marks);
  }

  /** @param {Status} status */
  show(status) {
    this.points.add(status.latest_seq, status.pairs);
    const ranked = Object.entries(status.pairs).sort((one, other) => other[1] - one[1]);
    this.looks = coloured(ranked.map(([pair]) => pair), looksOf(this.points.came()));
    this.showTable(ranked, status);
    this.curve.draw(this.looks, 1 / Math.max(1, ranked.length));
  }

  /** @param {string | null} pair */
  mark(pair) {
    for (const row of this.body.rows) row.classList.toggle("marked", row.dataset.key === pair);
  }

  /**
   * @param {[string, number][]} ranked
   * @param {Status} status
   */
  showTable(ranked, { pair_costs: costs, win_rates: rates }) {
    keepRows(this.body, ranked, ([pair]) => pair, ([pair]) => this.makeRow(pair), (row, [pair, share]) => {
      const look = this.looks.get(pair);
      row.cells[0].style.setProperty("--swatch", `var(${look?.colour ?? "--grey-line"})`);
      row.cells[0].classList.toggle("is-dashed", look?.isDashed ?? false);
      const { rate, low, high, answers } = rates[pair] ?? { rate: null, low: 0, high: 1, answers: 0 };
      const texts = [
        percent(share, 1),
        this.change(pair, share),
        count(answers),
        rate === null ? "–" : percent(rate),
        rate === null ? "" : interval(low, high),
        moneyEach(costs[pair]?.usd_per_win, costs[pair]?.candidates_of_unknown_cost ?? 0),
      ];
      texts.forEach((text, at) => setText(row.cells[at + 1], text));
    });
  }

  /**
   * @param {string} pair
   * @param {number} share
   * @returns {string} since the first point, in percentage points
   */
  change(pair, share) {
    const start = this.points.first(pair);
    if (start === null) return "–";
    const points = (share - start) * 100;
    return `${points >= 0.05 ? "+" : ""}${decimal(points, 1)}`;
  }

  /** @param {string} pair */
  makeRow(pair) {
    const numbers = Array.from({ length: 6 }, (_, at) => el("td", { class: at === 4 ? "number range" : "number" }));
    const listeners = { onpointerenter: () => this.curve.point(pair), onpointerleave: () => this.curve.point(null) };
    return el("tr", listeners, el("th", { scope: "row", class: "swatch" }, pair), ...numbers);
  }
}
