// Numbers, money and times as people read them. Pure. A thing that is not known is a dash.

const UNKNOWN = "–";
const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** @param {number | null | undefined} value */
export function count(value) {
  return value == null ? UNKNOWN : WHOLE.format(value);
}

/**
 * @param {number | null | undefined} value
 * @param {number} digits after the point
 */
export function decimal(value, digits) {
  if (value == null) return UNKNOWN;
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

/**
 * @param {number | null | undefined} share of 1
 * @param {number} [digits]
 */
export function percent(share, digits = 0) {
  return share == null ? UNKNOWN : `${decimal(share * 100, digits)} %`;
}

/**
 * A share between the ends of its interval.
 *
 * @param {number} low
 * @param {number} high
 */
export function interval(low, high) {
  return `${decimal(low * 100, 0)}–${decimal(high * 100, 0)} %`;
}

/**
 * Digits after the point that tell the multiples of a step apart: 0 for 20, 1 for 0.5, 2 for 0.25.
 *
 * @param {number} step
 */
export function digitsOf(step) {
  const isWhole = (/** @type {number} */ digits) => Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) < 1e-6 * step * 10 ** digits;
  const digits = [0, 1, 2, 3, 4, 5, 6, 7].find(isWhole);
  return digits ?? 8;
}

/** @param {number | null} usd four digits below ten cents, where calls live; two above. `null`: nobody knows */
export function money(usd) {
  if (usd == null) return "unknown";
  if (usd === 0) return "$0";
  if (usd < 0.00005) return "< $0.0001";
  return usd < 0.1 ? `$${usd.toFixed(4)}` : `$${usd.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

/**
 * What one of something costs; a dash while there is none.
 *
 * @param {number | null | undefined} usd
 * @param {number} unknown how many unknown prices belong to it
 */
export function moneyEach(usd, unknown) {
  if (usd == null) return unknown ? "unknown" : UNKNOWN;
  return money(usd);
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * MINUTE) return `${Math.round(seconds / MINUTE)} min`;
  if (seconds < 2 * DAY) return `${Math.round(seconds / HOUR)} h`;
  return `${Math.round(seconds / DAY)} days`;
}

/** @param {number} seconds that are an estimate */
export function about(seconds) {
  return seconds < 1 ? "under a second" : `about ${duration(seconds)}`;
}

/** @param {number | null | undefined} seconds of a call */
export function latency(seconds) {
  if (seconds == null) return UNKNOWN;
  if (seconds < 0.9995) return `${decimal(seconds * 1000, seconds < 0.00995 ? 1 : 0)} ms`;
  return `${decimal(seconds, seconds < 9.95 ? 1 : 0)} s`;
}

/** @param {number} perMinute */
export function rate(perMinute) {
  return perMinute > 0 && perMinute < 10 ? decimal(perMinute, 1) : count(perMinute);
}

/** @param {number} at seconds since 1970 */
export function clock(at) {
  return new Date(at * 1000).toLocaleTimeString("en-GB");
}

/** @param {number} at seconds since 1970 */
export function moment(at) {
  const date = new Date(at * 1000);
  return `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })} ${clock(at)}`;
}

/**
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 */
export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}
