// uPlot, and what every chart of the page shares: when it loads, its colours, and its size.

/** @typedef {any} Plot uPlot ships no JSDoc */
/** @typedef {any} Options */

/** A chart takes at most one part in so many of the time, however many lines it has. */
const DRAWING_SHARE = 20;

/** @type {any} */
let library = null;

/** @returns {Promise<boolean>} whether charts can be drawn; without uPlot every number stands in a table */
export async function loadCharts() {
  try {
    library = (await import(new URL("vendor/uplot/uPlot.esm.js", import.meta.url).href)).default;
    return true;
  } catch {
    return false;
  }
}

/** @param {string} name of a colour in the style sheet, such as `--accent` */
export function colour(name) {
  // A canvas does not know light-dark(): the computed colour of an element does.
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** @returns {any} path builders: `paths.stepped`, `paths.bars` */
export function paths() {
  return library.paths;
}

/**
 * An axis in the page's type and colours.
 *
 * @param {(tick: number, step: number) => string} text
 * @param {Options} options
 * @returns {Options}
 */
export function axis(text, options) {
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const values = (/** @type {Plot} */ _, /** @type {number[]} */ ticks, /** @type {number} */ __, /** @type {number} */ ___, /** @type {number} */ step) => ticks.map((tick) => text(tick, step));
  const grid = { stroke: colour("--rule"), width: 1 };
  return { values, stroke: colour("--muted"), font, grid, ticks: { show: false }, border: { show: false }, ...options };
}

/**
 * Mark one value of a scale by a dashed line across the plot.
 *
 * @param {Plot} plot
 * @param {"x" | "y"} scale
 * @param {number} value
 * @param {string} [stroke] a colour of the style sheet
 */
export function dashed(plot, scale, value, stroke = "--muted") {
  const at = Math.round(plot.valToPos(value, scale, true)) + 0.5;
  const { left, top, width, height } = plot.bbox;
  if (scale === "x" && (at < left || at > left + width)) return;
  const pen = plot.ctx;
  pen.save();
  pen.strokeStyle = colour(stroke);
  pen.setLineDash([2 * devicePixelRatio, 4 * devicePixelRatio]);
  pen.lineWidth = devicePixelRatio;
  pen.beginPath();
  pen.moveTo(scale === "x" ? at : left, scale === "x" ? top : at);
  pen.lineTo(scale === "x" ? at : left + width, scale === "x" ? top + height : at);
  pen.stroke();
  pen.restore();
}

/** A place for a plot that keeps the plot as wide as itself and redraws it in the colours of the day. */
export class Chart {
  /**
   * @param {HTMLElement} place
   * @param {() => {options: Options, data: any}} describe
   */
  constructor(place, describe) {
    this.place = place;
    this.describe = describe;
    /** @type {Plot} */
    this.plot = null;
    this.mayDrawAt = 0;
    new ResizeObserver(() => this.resize()).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.rebuild());
  }

  /** Draw anew: other series, or other colours. */
  rebuild() {
    this.plot?.destroy();
    this.plot = null;
    if (library === null || this.place.clientWidth === 0) return;
    const { options, data } = this.describe();
    this.plot = new library({ ...options, ...this.size(), legend: { show: false } }, data, this.place);
  }

  /**
   * Draw the same series with other values; seldom where drawing is slow.
   *
   * @param {any} data
   */
  update(data) {
    const began = performance.now();
    if (!this.plot) this.rebuild();
    else if (began >= this.mayDrawAt) {
      this.plot.setData(data);
      // uPlot draws in a microtask, and so before this one.
      queueMicrotask(() => {
        this.mayDrawAt = began + DRAWING_SHARE * (performance.now() - began);
      });
    }
  }

  resize() {
    if (this.plot) this.plot.setSize(this.size());
  }

  size() {
    return { width: this.place.clientWidth, height: this.place.clientHeight };
  }
}
