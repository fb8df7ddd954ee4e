// Bins of the IFD gap whose ends are open: the first holds all that lies below it too, the last all above. Pure.

import { count, decimal } from "./format.js";

/** @typedef {import("./types.js").Gaps} Bins */

/** @param {readonly number[]} counts */
export function sum(counts) {
  return counts.reduce((total, n) => total + n, 0);
}

/**
 * @param {Bins} bins
 * @param {number} at
 * @returns {number} where the bin begins on the axis, and the one before it ends
 */
export function edge(bins, at) {
  return Number((bins.low + at * bins.width).toFixed(6));
}

/**
 * @param {Bins} bins
 * @param {number} at
 * @returns {[string, string]} the least gap of the bin, and the gap it stays below
 */
export function limits(bins, at) {
  const last = bins.chosen.length - 1;
  return [at === 0 ? "−∞" : decimal(edge(bins, at), 2), at === last ? "∞" : decimal(edge(bins, at + 1), 2)];
}

/**
 * @param {Bins} bins
 * @param {readonly number[]} counts
 * @returns {string} the middle of the bin that holds the median; of an open bin its one limit
 */
export function median(bins, counts) {
  const half = sum(counts) / 2;
  if (half === 0) return decimal(null, 2);
  let seen = 0;
  const at = counts.findIndex((n) => (seen += n) >= half);
  const [from, to] = limits(bins, at);
  if (at === 0) return `< ${to}`;
  return at === counts.length - 1 ? `≥ ${from}` : decimal(bins.low + (at + 0.5) * bins.width, 2);
}

/**
 * @param {Bins} bins
 * @returns {string} what the open bins hold, which are drawn as wide as the others; empty where they hold nothing
 */
export function openEnds(bins) {
  const last = bins.chosen.length - 1;
  const told = (/** @type {number} */ at, /** @type {string} */ text) => {
    const n = (bins.chosen[at] ?? 0) + (bins.others[at] ?? 0);
    return n > 0 ? [`${text}: ${count(n)}, all drawn in one bin.`] : [];
  };
  return [...told(0, `Below ${limits(bins, 0)[1]}`), ...told(last, `${limits(bins, last)[0]} or more`)].join(" ");
}
