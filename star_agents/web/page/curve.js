// The curve of each pair's probability over the outcomes: Figure 5 of the paper, live.

import { Chart, axis, colour, dashed } from "./chart.js";
import { shareRange } from "./curve_points.js";
import { el, setText } from "./dom.js";
import { count, digitsOf, percent } from "./format.js";

/** @typedef {import("./curve_points.js").CurvePoints} CurvePoints */
/** @typedef {import("./marks.js").Marks} Marks */
/** @typedef {import("./colours.js").Look} Look */

const DASHES = [6, 3];
/** Pairs that are read out. */
const NAMED = 5;

export class Curve {
  /**
   * @param {HTMLElement} place
   * @param {CurvePoints} points
   * @param {Marks} marks
   * @param {(pair: string | null) => void} onPointed hears which line the pointer is at
   */
  constructor(place, points, marks, onPointed) {
    this.marks = marks;
    this.chart = new Chart(place, () => ({ options: this.options(), data: this.data() }));
    this.points = points;
    this.onPointed = onPointed;
    this.tip = el("div", { class: "tip", "aria-hidden": "true", hidden: true });
    /** @type {ReadonlyMap<string, Look>} the others are grey */
    this.coloured = new Map();
    /** @type {string[]} in order of drawing */
    this.names = [];
    /** @type {string | null} */
    this.pointed = null;
    this.even = 0;
  }

  /**
   * @param {ReadonlyMap<string, Look>} coloured
   * @param {number} even the probability of each pair if none were better
   */
  draw(coloured, even) {
    this.even = even;
    // The grey lines first, so that the others lie on top.
    const names = [...[...this.points.columns.keys()].filter((pair) => !coloured.has(pair)), ...coloured.keys()];
    const isSame = names.join("\n") === this.names.join("\n") && coloured.size === this.coloured.size;
    [this.names, this.coloured] = [names, new Map(coloured)];
    if (isSame) this.chart.update(this.data());
    else this.chart.rebuild();
    this.describe();
  }

  describe() {
    const now = (/** @type {string} */ pair) => this.points.last(pair) ?? 0;
    const ranked = this.names.toSorted((one, other) => now(other) - now(one));
    const leaders = ranked.slice(0, NAMED).map((pair) => `${pair} ${percent(this.points.last(pair), 1)}`);
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
      const dash = own?.isDashed ? { dash: DASHES } : {};
      return { label: pair, points: { show: false }, stroke: own ? colour(own.colour) : grey, width: own ? 2 : 1, ...dash };
    };
    return {
      scales: { x: { time: false }, y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number | null} */ high) => shareRange(high ?? 0, this.even) } },
      series: [{}, ...this.names.map(line)],
      axes: [
        axis((tick) => (Number.isInteger(tick) ? count(tick) : ""), { size: 28, grid: { show: false } }),
        axis((tick, step) => percent(tick, digitsOf(step * 100)), { size: 52 }),
      ],
      cursor: { y: false, drag: { x: false, y: false }, focus: { prox: 24 }, points: { show: false } },
      focus: { alpha: 0.25 },
      hooks: {
        ready: [(/** @type {any} */ plot) => plot.over.append(this.tip)],
        draw: [
          (/** @type {any} */ plot) => dashed(plot, "y", this.even),
          (/** @type {any} */ plot) => this.marks.draw(plot),
        ],
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
   * Name the mark or the line at the pointer.
   *
   * @param {any} plot
   */
  name(plot) {
    const { left, top } = plot.cursor;
    const text = left < 0 ? "" : this.marks.at(plot) || this.lineAt(plot.cursor.idx);
    this.tip.hidden = text === "";
    if (text === "") return;
    setText(this.tip, text);
    const room = plot.over.clientWidth - this.tip.offsetWidth;
    this.tip.style.transform = `translate(${Math.max(0, Math.min(left + 12, room))}px, ${Math.max(0, top - 30)}px)`;
  }

  /** @param {number | null | undefined} at index of a point */
  lineAt(at) {
    const value = this.pointed === null || at == null ? null : this.points.columns.get(this.pointed)?.[at];
    return value == null || at == null ? "" : `${this.pointed} ${percent(value, 1)} after ${count(this.points.seqs[at])}`;
  }
}
