// The history of every pair's probability as columns, bounded, and the axis it is drawn on. Pure.

/** @typedef {import("./types.js").CurvePoint} CurvePoint */

export const MOST_POINTS = 1200;

export class CurvePoints {
  constructor() {
    /** @type {number[]} */
    this.seqs = [];
    /** @type {Map<string, (number | null)[]>} */
    this.columns = new Map();
  }

  /** @param {readonly CurvePoint[]} points in order */
  replace(points) {
    this.seqs = [];
    this.columns = new Map();
    for (const point of points) this.add(point.seq, point.probabilities);
  }

  /**
   * Add a point; one that is not newer than the last replaces its values.
   *
   * @param {number} seq
   * @param {Readonly<Record<string, number>>} probabilities
   */
  add(seq, probabilities) {
    const last = this.seqs.at(-1);
    if (last !== undefined && seq < last) return;
    if (seq !== last) {
      this.seqs.push(seq);
      for (const column of this.columns.values()) column.push(null);
    }
    const end = this.seqs.length - 1;
    for (const [pair, value] of Object.entries(probabilities)) this.column(pair)[end] = value;
    if (this.seqs.length > MOST_POINTS) this.thin();
  }

  /** @param {string} pair */
  column(pair) {
    let column = this.columns.get(pair);
    if (column === undefined) {
      column = new Array(this.seqs.length).fill(null);
      this.columns.set(pair, column);
    }
    return column;
  }

  /** Leave out every second point, but never the first or the last. */
  thin() {
    const end = this.seqs.length - 1;
    const keep = (/** @type {unknown} */ _, /** @type {number} */ at) => at % 2 === 0 || at === end;
    this.seqs = this.seqs.filter(keep);
    for (const [pair, column] of this.columns) this.columns.set(pair, column.filter(keep));
  }

  /**
   * Every pair that ever had a probability: who came first stands first, and who came together stand by name.
   *
   * @returns {string[]}
   */
  came() {
    const first = (/** @type {string} */ pair) => this.seqs[this.columns.get(pair)?.findIndex((value) => value !== null) ?? 0];
    const order = (/** @type {string} */ one, /** @type {string} */ other) => first(one) - first(other) || (one < other ? -1 : 1);
    return [...this.columns.keys()].sort(order);
  }

  /**
   * @param {string} pair
   * @returns {number | null} the pair's probability now
   */
  last(pair) {
    return this.columns.get(pair)?.at(-1) ?? null;
  }

  /**
   * @param {string} pair
   * @returns {number | null} the pair's probability at its first point
   */
  first(pair) {
    return this.columns.get(pair)?.find((value) => value !== null) ?? null;
  }
}

/**
 * From 0 to twice the even share at least, so that equal pairs are a line in the middle and never a range of nothing.
 *
 * @param {number} high the greatest probability drawn
 * @param {number} even the probability of each pair if none were better
 * @returns {[number, number]} the ends of the axis of probabilities
 */
export function shareRange(high, even) {
  return [0, Math.max(1.06 * high, Math.min(1, 2 * even))];
}
