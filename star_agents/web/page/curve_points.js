// The history of every arm's probability as columns, bounded, and the axis it is drawn on. Pure.

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
    for (const [arm, value] of Object.entries(probabilities)) this.column(arm)[end] = value;
    if (this.seqs.length > MOST_POINTS) this.thin();
  }

  /** @param {string} arm */
  column(arm) {
    let column = this.columns.get(arm);
    if (column === undefined) {
      column = new Array(this.seqs.length).fill(null);
      this.columns.set(arm, column);
    }
    return column;
  }

  /** Leave out every second point, but never the first or the last. */
  thin() {
    const end = this.seqs.length - 1;
    const keep = (/** @type {unknown} */ _, /** @type {number} */ at) => at % 2 === 0 || at === end;
    this.seqs = this.seqs.filter(keep);
    for (const [arm, column] of this.columns) this.columns.set(arm, column.filter(keep));
  }

  /**
   * Every arm that ever had a probability: who came first stands first, and who came together stand by name.
   *
   * @returns {string[]}
   */
  came() {
    const first = (/** @type {string} */ arm) => this.seqs[this.columns.get(arm)?.findIndex((value) => value !== null) ?? 0];
    const order = (/** @type {string} */ one, /** @type {string} */ other) => first(one) - first(other) || (one < other ? -1 : 1);
    return [...this.columns.keys()].sort(order);
  }

  /**
   * @param {string} arm
   * @returns {number | null} the arm's probability now
   */
  last(arm) {
    return this.columns.get(arm)?.at(-1) ?? null;
  }

  /**
   * @param {string} arm
   * @returns {number | null} the arm's probability at its first point
   */
  first(arm) {
    return this.columns.get(arm)?.find((value) => value !== null) ?? null;
  }
}

/**
 * From 0 to twice the even share at least, so that equal arms are a line in the middle and never a range of nothing.
 *
 * @param {number} high the greatest probability drawn
 * @param {number} even the probability of each arm if none were better
 * @returns {[number, number]} the ends of the axis of probabilities
 */
export function shareRange(high, even) {
  return [0, Math.max(1.06 * high, Math.min(1, 2 * even))];
}
