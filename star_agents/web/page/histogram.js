// Distributions: counts by bins of equal width, drawn as stepped areas of shares.

import { axis, colour, paths } from "./chart.js";
import { decimal, digitsOf, percent } from "./format.js";
import { sum } from "./gap_bins.js";

/** @typedef {{first: number, last: number}} Span */

/**
 * @param {readonly number[]} counts
 * @returns {Span} from the first bin that holds anything to the last, and one on either side
 */
export function spanOf(counts) {
  const first = counts.findIndex((n) => n > 0);
  const last = counts.findLastIndex((n) => n > 0);
  return first < 0 ? { first: 0, last: -1 } : { first: Math.max(0, first - 1), last: Math.min(counts.length - 1, last + 1) };
}

/**
 * @param {Span} span
 * @param {(at: number) => number} edge where a bin begins on the axis
 * @param {readonly (readonly number[])[]} series counts of each
 */
export function histogramData({ first, last }, edge, series) {
  const at = Array.from({ length: last - first + 2 }, (_, index) => first + index);
  const shares = (/** @type {readonly number[]} */ counts) => at.map((index) => (index > last ? 0 : counts[index] / Math.max(1, sum(counts))));
  return [at.map(edge), ...series.map(shares)];
}

/**
 * @param {readonly (readonly [string, string])[]} looks colours of line and area, of each series
 * @param {(plot: any) => void} [mark] draws over it
 */
export function histogramOptions(looks, mark = () => {}) {
  const stepped = paths().stepped({ align: 1 });
  const area = (/** @type {readonly [string, string]} */ [line, inside]) => ({ stroke: colour(line), fill: colour(inside), width: 1.5, paths: stepped, points: { show: false } });
  return {
    scales: { x: { time: false }, y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ high) => [0, (high || 1) * 1.08] } },
    series: [{}, ...looks.map(area)],
    axes: [
      axis((tick, step) => decimal(tick, digitsOf(step)), { size: 28, grid: { show: false } }),
      axis((tick, step) => percent(tick, digitsOf(step * 100)), { size: 52 }),
    ],
    cursor: { show: false },
    hooks: { draw: [mark] },
  };
}
