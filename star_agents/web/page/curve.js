// The curve of each pair's probability over the outcomes: Figure 5 of the paper, live.

import { Chart, axis, colour, dashed } from "./chart.js";
import { el, setText } from "./dom.js";
import { count, percent } from "./format.js";

/** @typedef {import("./curve_points.js").CurvePoints} CurvePoints */
/** @typedef {{readonly names: readonly string[], readonly coloured: ReadonlyMap<string, string>, readonly even: number}} Drawn */

export class Curve {
  /**
   * @param {HTMLElement} place
   * @param {CurvePoints} points
   * @param {(pair: string | null) => void} onPointed hears which line the pointer is at
   */
  constructor(place, points, onPointed) {
    this.chart = new Chart(place, () => ({ options: this.options(), data: this.data() }));
    this.points = points;
    this.onPointed = onPointed;
    this.tip = el("div", { class: "tip", "aria-hidden": "true", hidden: true });
    /** @type {ReadonlyMap<string, string>} pair to the style sheet's colour; the others are grey */
    this.coloured = new Map();
    /** @type {string[]} in order of drawing */
    this.names = [];
    /** @type {string | null} */
    this.pointed = null;
    this.even = 0;
  }

  /**
   * @param {ReadonlyMap<string, string>} coloured
   * @param {number} even the probability of each pair if none were better
   */
  draw(coloured, even) {
    this.even = even;
    // The grey lines first, so that the leaders lie on top.
    const names = [...[...this.points.columns.keys()].filter((pair) => !coloured.has(pair)), ...coloured.keys()];
    const isSame = names.join("\n") === this.names.join("\n");
    [this.names, this.coloured] = [names, new Map(coloured)];
    if (isSame) this.chart.update(this.data());
    else this.chart.rebuild();
    this.describe();
  }

  describe() {
    const leaders = [...this.coloured.keys()].map((pair) => `${pair} ${percent(this.points.last(pair), 1)}`);
    const text = `Probability of each of ${this.names.length} pairs over ${count(this.points.seqs.at(-1))} outcomes. Now ${leaders.join(", ")}. The table has every pair.`;
    if (this.chart.place.ariaLabel !== text) this.chart.place.ariaLabel = text;
  }

  /** @param {string | null} pair to bring out; the others fade */
  point(pair) {
    this.chart.plot?.setSeries(pair === null ? null : this.names.indexOf(pair) + 1, { focus: true });
  }

  data() {
    return [this.points.seqs, ...this.names.map((pair) => this.points.columns.get(pair))];
  }

  options() {
    const grey = colour("--grey-line");
    const line = (/** @type {string} */ pair) => {
      const own = this.coloured.get(pair);
      return { label: pair, points: { show: false }, stroke: own ? colour(own) : grey, width: own ? 2 : 1 };
    };
    return {
      scales: { x: { time: false }, y: { range: (/** @type {any} */ _, /** @type {number} */ low, /** @type {number} */ high) => range(Math.min(low, this.even), Math.max(high, this.even)) } },
      series: [{}, ...this.names.map(line)],
      axes: [
        axis((tick) => (Number.isInteger(tick) ? count(tick) : ""), { size: 28, grid: { show: false } }),
        axis((tick, step) => percent(tick, step < 0.001 ? 2 : step < 0.01 ? 1 : 0), { size: 52 }),
      ],
      cursor: { y: false, drag: { x: false, y: false }, focus: { prox: 24 }, points: { show: false } },
      focus: { alpha: 0.25 },
      hooks: {
        ready: [(/** @type {any} */ plot) => plot.over.append(this.tip)],
        draw: [(/** @type {any} */ plot) => dashed(plot, "y", this.even)],
        setSeries: [(/** @type {any} */ _, /** @type {number | null} */ at) => this.pointAt(at)],
        setCursor: [(/** @type {any} */ plot) => this.name(plot)],
      },
    };
  }

  /** @param {number | null} at index of the series */
  pointAt(at) {
    this.pointed = at === null ? null : this.names[at - 1] ?? null;
    this.onPointed(this.pointed);
  }

  /**
   * Name the line at the pointer.
   *
   * @param {any} plot
   */
  name(plot) {
    const { idx: at, left, top } = plot.cursor;
    const value = this.pointed === null || at == null || left < 0 ? null : this.points.columns.get(this.pointed)?.[at];
    this.tip.hidden = value == null;
    if (value == null) return;
    setText(this.tip, `${this.pointed} ${percent(value, 1)} after ${count(this.points.seqs[at])}`);
    const room = plot.over.clientWidth - this.tip.offsetWidth;
    this.tip.style.transform = `translate(${Math.max(0, Math.min(left + 12, room))}px, ${Math.max(0, top - 30)}px)`;
  }
}

/**
 * From 0, unless every pair is still so close to the even share that 0 would hide how they part.
 *
 * @param {number} low
 * @param {number} high
 * @returns {[number, number]}
 */
function range(low, high) {
  const margin = Math.max(high - low, high * 0.02) * 0.06;
  return [low > high / 2 ? low - margin : 0, high + margin];
}
