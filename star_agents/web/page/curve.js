// The curve of each arm's probability over the outcomes, live; of agent-pairs it is Figure 5 of the paper.

import { Chart, axis, colour, dashed } from "./chart.js";
import { shareRange } from "./curve_points.js";
import { el, setText } from "./dom.js";
import { count, digitsOf, percent } from "./format.js";

/** @typedef {import("./curve_points.js").CurvePoints} CurvePoints */
/** @typedef {import("./marks.js").Marks} Marks */
/** @typedef {import("./colours.js").Look} Look */

const DASHES = [6, 3];
/** Arms that are read out. */
const NAMED = 5;

export class Curve {
  /**
   * @param {HTMLElement} place
   * @param {CurvePoints} points
   * @param {Marks} marks
   * @param {(arm: string | null) => void} onPointed hears which line the pointer is at
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
    this.what = "arms";
  }

  /**
   * @param {ReadonlyMap<string, Look>} coloured
   * @param {number} even the probability of each arm if none were better
   * @param {string} what the arms are, in the plural
   */
  draw(coloured, even, what) {
    [this.even, this.what] = [even, what];
    // The grey lines first, so that the others lie on top.
    const names = [...[...this.points.columns.keys()].filter((arm) => !coloured.has(arm)), ...coloured.keys()];
    const isSame = names.join("\n") === this.names.join("\n") && coloured.size === this.coloured.size;
    [this.names, this.coloured] = [names, new Map(coloured)];
    if (isSame) this.chart.update(this.data());
    else this.chart.rebuild();
    this.describe();
  }

  describe() {
    const now = (/** @type {string} */ arm) => this.points.last(arm) ?? 0;
    const ranked = this.names.toSorted((one, other) => now(other) - now(one));
    const leaders = ranked.slice(0, NAMED).map((arm) => `${arm} ${percent(this.points.last(arm), 1)}`);
    const text = `Probability of each of ${this.names.length} ${this.what} over ${count(this.points.seqs.at(-1))} outcomes. Now ${leaders.join(", ")}. The table has their figures.`;
    if (this.chart.place.ariaLabel !== text) this.chart.place.ariaLabel = text;
  }

  /** @param {string | null} arm to bring out; the others fade */
  point(arm) {
    this.chart.plot?.setSeries(arm === null ? null : this.names.indexOf(arm) + 1, { focus: true });
  }

  data() {
    return [this.points.seqs, ...this.names.map((arm) => this.points.columns.get(arm))];
  }

  options() {
    const grey = colour("--grey-line");
    const line = (/** @type {string} */ arm) => {
      const own = this.coloured.get(arm);
      const dash = own?.isDashed ? { dash: DASHES } : {};
      return { label: arm, points: { show: false }, stroke: own ? colour(own.colour) : grey, width: own ? 2 : 1, ...dash };
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
