// The pairs: their curves, and the table beside them that is also the legend.

import { Curve } from "./curve.js";
import { CurvePoints } from "./curve_points.js";
import { byId, el, keepRows, setText } from "./dom.js";
import { count, decimal, money, percent } from "./format.js";

/** @typedef {import("./types.js").Status} Status */

const COLOURS = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5"];

export class Pairs {
  constructor() {
    this.points = new CurvePoints();
    this.body = /** @type {HTMLTableElement} */ (byId("pair-table")).tBodies[0];
    this.curve = new Curve(byId("curve"), this.points, (pair) => this.mark(pair));
    /** @type {Map<string, string>} pair to colour */
    this.coloured = new Map();
  }

  /** @param {readonly import("./types.js").CurvePoint[]} points */
  setCurve(points) {
    this.points.replace(points);
  }

  /** @param {Status} status */
  show(status) {
    this.points.add(status.latest_seq, status.pairs);
    const ranked = Object.entries(status.pairs).sort((one, other) => other[1] - one[1]);
    this.colourTop(ranked.slice(0, COLOURS.length).map(([pair]) => pair));
    this.showTable(ranked, status.pair_costs);
    this.curve.draw(this.coloured, 1 / Math.max(1, ranked.length));
  }

  /**
   * The leaders have a colour each, and keep it for as long as they lead.
   *
   * @param {readonly string[]} top
   */
  colourTop(top) {
    for (const pair of [...this.coloured.keys()]) if (!top.includes(pair)) this.coloured.delete(pair);
    const taken = new Set(this.coloured.values());
    const free = COLOURS.filter((colour) => !taken.has(colour));
    for (const pair of top) if (!this.coloured.has(pair)) this.coloured.set(pair, /** @type {string} */ (free.shift()));
  }

  /** @param {string | null} pair */
  mark(pair) {
    for (const row of this.body.rows) row.classList.toggle("marked", row.dataset.key === pair);
  }

  /**
   * @param {[string, number][]} ranked
   * @param {Status["pair_costs"]} costs
   */
  showTable(ranked, costs) {
    keepRows(this.body, ranked, ([pair]) => pair, ([pair]) => this.makeRow(pair), (row, [pair, share]) => {
      row.cells[0].style.setProperty("--swatch", `var(${this.coloured.get(pair) ?? "--grey-line"})`);
      const cost = costs[pair];
      const texts = [
        percent(share, 1),
        this.change(pair, share),
        count(cost?.candidates ?? 0),
        cost?.candidates ? percent(cost.wins / cost.candidates) : "–",
        money(cost?.usd_per_win),
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
    const numbers = Array.from({ length: 5 }, () => el("td", { class: "number" }));
    const listeners = { onpointerenter: () => this.curve.point(pair), onpointerleave: () => this.curve.point(null) };
    return el("tr", listeners, el("th", { scope: "row", class: "swatch" }, pair), ...numbers);
  }
}
