// The rows of what the loop turned to: which stand there, in which order, and what each says in which column. Pure.

import { count, decimal, interval, percent } from "./format.js";

/** @typedef {import("./types.js").Turns} Known */
/** @typedef {import("./types.js").Turn} Turn */
/** @typedef {import("./types.js").Measured} Measured */
/** @typedef {import("./types.js").Values} Values */
/**
 * @typedef {Object} Column
 * @property {string} text
 * @property {string} [title]
 * @property {boolean} [isRange]
 * @property {(turn: Turn) => string} of
 * @property {(turn: Turn) => string} [note] what a pointer that rests there is told
 */
/**
 * @typedef {Object} Item a row of the table
 * @property {"row" | "group"} kind
 * @property {string} key
 * @property {string} text
 * @property {Turn} turn
 * @property {boolean} isOpen
 */

/** Rows that stand before the groups, and rows of a table without groups while they are folded. */
export const TOP = 10;
/** Rows that a filter finds. */
export const MOST_FOUND = 100;

/**
 * The rows that stand there now, and how many more there would be.
 *
 * @param {Known} known
 * @param {string} filter
 * @param {ReadonlySet<string>} open keys of the groups that stand open
 * @returns {{items: Item[], left: number}}
 */
export function itemsOf({ rows, groups, all }, filter, open) {
  const wanted = filter.trim().toLowerCase();
  if (wanted !== "") {
    const found = rows.filter(({ name, mark }) => `${name} ${mark}`.toLowerCase().includes(wanted));
    return { items: found.slice(0, MOST_FOUND).map((turn) => rowOf(turn, "row")), left: Math.max(0, found.length - MOST_FOUND) };
  }
  const top = rows.slice(0, TOP).map((turn) => rowOf(turn, "top"));
  if (groups.length === 0 && rows.length <= TOP) return { items: top, left: 0 };
  const folded = groups.length ? groups : [{ ...all, name: "" }];
  const items = folded.flatMap((turn) => {
    const inside = groups.length ? rows.filter(({ group }) => group === turn.name) : rows.slice(TOP);
    const key = `group ${turn.name}`;
    const isOpen = open.has(key);
    const text = turn.name ? `${turn.name} (${count(inside.length)})` : `${count(inside.length)} that changed less`;
    const head = /** @type {Item} */ ({ kind: "group", key, text, turn: turn.name ? turn : blank(turn), isOpen });
    return [head, ...(isOpen ? inside.map((one) => rowOf(one, "row", turn.name)) : [])];
  });
  return { items: [...top, ...items], left: 0 };
}

/**
 * @param {Turn} turn
 * @param {string} place tells apart a row among the first ones from the same row in its group
 * @param {string} group in which it stands
 * @returns {Item}
 */
function rowOf(turn, place, group = "") {
  const text = group && turn.name.startsWith(`${group}/`) ? turn.name.slice(group.length + 1) : turn.name;
  return { kind: "row", key: `${place} ${turn.name}`, text, turn, isOpen: false };
}

/**
 * The head of rows that are no group: it has no figures of its own.
 *
 * @param {Turn} turn
 * @returns {Turn}
 */
function blank(turn) {
  return { ...turn, share: null, share_at_start: null, draws: 0, mean_reward: null, outcomes: 0, measures: {} };
}

/**
 * @param {Known} known
 * @param {Readonly<Record<string, Measured>>} measures of the recipe that counted
 * @returns {Column[]}
 */
export function columnsOf({ is_pool: isPool, recipe, all }, measures) {
  const first = { text: isPool ? "Arm" : "Value", of: (/** @type {Turn} */ turn) => turn.name };
  const drawn = isPool ? OF_POOLS : [];
  const ended = recipe ? [OUTCOMES, ...Object.keys(all.measures).flatMap((name) => ofMeasure(name, measures[name], all))] : [];
  return [first, ...drawn, ...ended];
}

/** @type {Column[]} */
const OF_POOLS = [
  { text: "Share", of: ({ share }) => percent(share, 1) },
  { text: "At start", title: "when it came", of: ({ share_at_start: start }) => percent(start, 1) },
  { text: "Change", title: "percentage points", of: ({ share, share_at_start: start }) => changeOf(share, start) },
  { text: "Draws", of: ({ draws }) => (draws ? count(draws) : "") },
  { text: "Mean reward", title: "from 0 to 1", of: ({ mean_reward: mean }) => decimal(mean, 2) },
];
/** @type {Column} */
const OUTCOMES = {
  text: "Seeds",
  title: "that had it and ended",
  of: ({ outcomes }) => (outcomes ? count(outcomes) : ""),
  note: ({ dropped }) => (dropped ? `${count(dropped)} of them came to nothing` : ""),
};

/**
 * @param {string} name
 * @param {Measured | undefined} measure
 * @param {Turn} all
 * @returns {Column[]}
 */
function ofMeasure(name, measure, all) {
  const words = name.replaceAll("_", " ");
  const valuesOf = (/** @type {Turn} */ turn) => turn.measures[name]?.all;
  const isShare = all.measures[name].all.low !== null;
  const told = (/** @type {Turn} */ turn) => saidOf(valuesOf(turn), isShare) + trendOf(turn, name);
  const value = { text: words[0].toUpperCase() + words.slice(1), title: measure?.what, of: told, note: (/** @type {Turn} */ turn) => lateOf(turn, name) };
  const range = { text: "95 %", isRange: true, of: (/** @type {Turn} */ turn) => rangeOf(valuesOf(turn)), note: (/** @type {Turn} */ turn) => ofHowMany(valuesOf(turn)) };
  return isShare ? [value, range] : [value];
}

/**
 * @param {Values | undefined} values
 * @param {boolean} isShare
 */
function saidOf(values, isShare) {
  if (!values?.n) return "–";
  return isShare ? percent(values.mean) : decimal(values.mean, 1);
}

/** @param {Values | undefined} values */
function rangeOf(values) {
  return values?.n && values.low !== null && values.high !== null ? `${interval(values.low, values.high)} of ${count(values.n)}` : "";
}

/** @param {Values | undefined} values */
function ofHowMany(values) {
  return values?.n ? `of ${count(values.n)}` : "";
}

/**
 * An arrow where the newest values lie apart from those before them.
 *
 * @param {Turn} turn
 * @param {string} name
 */
function trendOf({ measures }, name) {
  const { before = null, newest = null } = measures[name] ?? {};
  if (before === null || newest === null || before.low === null || before.high === null || newest.low === null || newest.high === null) return "";
  return newest.high < before.low ? " ↓" : newest.low > before.high ? " ↑" : "";
}

/**
 * @param {Turn} turn
 * @param {string} name
 */
function lateOf({ measures }, name) {
  const newest = measures[name]?.newest;
  if (!newest?.n) return "";
  const isShare = newest.low !== null && newest.high !== null;
  const said = isShare ? `${percent(newest.mean)} (${interval(newest.low ?? 0, newest.high ?? 1)})` : decimal(newest.mean, 1);
  return `of late: ${said} of ${count(newest.n)}`;
}

/**
 * @param {number | null} share
 * @param {number | null} start
 */
function changeOf(share, start) {
  if (share === null || start === null) return "";
  const points = (share - start) * 100;
  return `${points >= 0.05 ? "+" : ""}${decimal(points, 1)}`;
}
