// The distribution of the IFD gap: chosen samples against all others, as shares of each, and the counts as a table.

import { Chart, dashed } from "./chart.js";
import { byId, el, keepRows, setText } from "./dom.js";
import { count } from "./format.js";
import { edge, limits, median, openEnds, sum } from "./gap_bins.js";
import { histogramData, histogramOptions, spanOf } from "./histogram.js";
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

  span() {
    return spanOf(this.bins.chosen.map((n, at) => n + this.bins.others[at]));
  }

  data() {
    return histogramData(this.span(), (at) => edge(this.bins, at), [this.bins.others, this.bins.chosen]);
  }

  options() {
    // Left of 0 nothing is earned.
    return histogramOptions([["--grey-line", "--grey-area"], ["--accent", "--accent-area"]], (plot) => dashed(plot, "x", 0));
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
