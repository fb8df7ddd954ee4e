// The distribution of the IFD gap: chosen samples against all others, as shares of each, and the counts as a table.

import { Chart, axis, colour, dashed, paths } from "./chart.js";
import { byId, el, keepRows, setText } from "./dom.js";
import { count, decimal, digitsOf, percent } from "./format.js";
import { edge, limits, median, openEnds, sum } from "./gap_bins.js";
import { showCounts } from "./summary.js";

/** @typedef {import("./types.js").Gaps} Bins */

export class Gaps {
  constructor() {
    this.chart = new Chart(byId("gaps"), () => ({ options: this.options(), data: this.data() }));
    this.details = /** @type {HTMLDetailsElement} */ (byId("gap-numbers"));
    this.body = /** @type {HTMLTableElement} */ (byId("gap-table")).tBodies[0];
    /** @type {Bins} */
    this.bins = { width: 1, low: 0, chosen: [], others: [] };
    this.details.addEventListener("toggle", () => this.showTable());
  }

  /** @param {Bins} bins */
  show(bins) {
    if (JSON.stringify(bins) === JSON.stringify(this.bins)) return;
    this.bins = bins;
    const isEmpty = sum(bins.chosen) + sum(bins.others) === 0;
    this.chart.place.hidden = isEmpty;
    this.details.hidden = isEmpty;
    this.chart.update(this.data());
    this.showTable();
    const told = (/** @type {number[]} */ counts) => `${count(sum(counts))}, median ${median(bins, counts)}`;
    this.chart.place.ariaLabel = `IFD gap of the chosen samples (${told(bins.chosen)}) and of the others (${told(bins.others)}). The table below has every bin.`;
    const ends = openEnds(bins);
    byId("gap-ends").hidden = ends === "";
    setText(byId("gap-ends"), ends);
    showCounts(byId("gap-legend"), [["kept", "chosen", told(bins.chosen)], ["waiting", "others", told(bins.others)]]);
  }

  /** From the first bin that holds anything to the last, and one on either side. */
  span() {
    const full = this.bins.chosen.map((n, at) => n + this.bins.others[at]);
    const first = full.findIndex((n) => n > 0);
    const last = full.findLastIndex((n) => n > 0);
    return first < 0 ? { first: 0, last: -1 } : { first: Math.max(0, first - 1), last: Math.min(full.length - 1, last + 1) };
  }

  data() {
    const { first, last } = this.span();
    const at = Array.from({ length: last - first + 2 }, (_, index) => first + index);
    const shares = (/** @type {number[]} */ counts) => at.map((index) => (index > last ? 0 : counts[index] / Math.max(1, sum(counts))));
    return [at.map((index) => edge(this.bins, index)), shares(this.bins.others), shares(this.bins.chosen)];
  }

  options() {
    const stepped = paths().stepped({ align: 1 });
    const area = (/** @type {string} */ line, /** @type {string} */ inside) => ({ stroke: colour(line), fill: colour(inside), width: 1.5, paths: stepped, points: { show: false } });
    return {
      scales: { x: { time: false }, y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ high) => [0, (high || 1) * 1.08] } },
      series: [{}, area("--grey-line", "--grey-area"), area("--accent", "--accent-area")],
      axes: [
        axis((tick, step) => decimal(tick, digitsOf(step)), { size: 28, grid: { show: false } }),
        axis((tick, step) => percent(tick, digitsOf(step * 100)), { size: 52 }),
      ],
      cursor: { show: false },
      // Left of 0 nothing is earned.
      hooks: { draw: [(/** @type {any} */ plot) => dashed(plot, "x", 0)] },
    };
  }

  /** A closed table costs nothing. */
  showTable() {
    if (!this.details.open) return;
    const { first, last } = this.span();
    const bins = Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
    const make = () => el("tr", {}, el("th", { scope: "row" }), el("td"), el("td", { class: "number" }), el("td", { class: "number" }));
    keepRows(this.body, bins, String, make, (row, at) => {
      const texts = [...limits(this.bins, at), count(this.bins.chosen[at]), count(this.bins.others[at])];
      texts.forEach((text, cell) => setText(row.cells[cell], text));
    });
  }

  /** Without charts the table is all there is. */
  openTable() {
    this.details.open = true;
  }
}
