// Calls that go by the batches of their providers: those that gather, and each batch by its state and age.

import { byId, el, keepRows, setText } from "./dom.js";
import { count, duration } from "./format.js";

/** @typedef {import("./types.js").AgentBatches} AgentBatches */
/** @typedef {import("./types.js").BatchAtWork} BatchAtWork */
/** @typedef {import("./types.js").Batches} Batches */

/**
 * @param {Batches} batches
 * @param {number} now seconds since 1970, on the daemon's clock
 */
export function showBatches(batches, now) {
  const agents = Object.entries(batches.agents);
  const lines = [
    ...agents.filter(([, one]) => one.gathered > 0).map(([name, one]) => ({ key: `gathered ${name}`, text: gathered(name, one, now) })),
    ...batches.at_work.map((one) => ({ key: one.id, text: atWork(one, now) })),
    ...agents.filter(([, one]) => isOdd(one)).map(([name, one]) => ({ key: `odd ${name}`, text: odd(name, one) })),
  ];
  byId("batches-section").hidden = agents.length === 0;
  setText(byId("batches-lead"), lead(batches));
  keepRows(byId("batches"), lines, (one) => one.key, () => el("li"), (row, one) => setText(row, one.text));
}

/** @param {Batches} batches */
function lead(batches) {
  const all = Object.values(batches.agents);
  const sum = (/** @type {(one: AgentBatches) => number} */ of) => all.reduce((total, one) => total + of(one), 0);
  const waiting = batches.seeds ? `${count(batches.seeds)} seeds wait for them. ` : "";
  return `${waiting}${count(sum((one) => one.answered))} calls were answered so, in ${count(sum((one) => one.batches))} batches.`;
}

/**
 * @param {string} name
 * @param {AgentBatches} one
 * @param {number} now
 */
function gathered(name, one, now) {
  return `${name}: ${count(one.gathered)} calls gather for the next one, the first for ${age(one.gathered_since ?? now, now)}`;
}

/**
 * @param {BatchAtWork} one
 * @param {number} now
 */
function atWork(one, now) {
  const states = {
    made: `is being handed in, for ${age(one.made_at, now)}`,
    submitted: `at the provider for ${age(one.submitted_at ?? one.made_at, now)}${one.said ? ` (${one.said})` : ""}`,
    ended: `${one.said || "ended"}; its files are being deleted`,
    done: one.said,
  };
  return `${one.agent}: ${count(one.requests)} calls, ${states[one.state]}${one.answered ? `, ${count(one.answered)} taken in` : ""}`;
}

/** @param {AgentBatches} one */
function isOdd(one) {
  return one.unanswered + one.failed + one.duplicates + one.unknown + one.unreadable > 0;
}

/**
 * @param {string} name
 * @param {AgentBatches} one
 */
function odd(name, one) {
  const told = [
    [one.unanswered, "left unanswered"],
    [one.failed, "came back with an error"],
    [one.duplicates, "came twice"],
    [one.unknown, "of no call in the batch"],
    [one.unreadable, "could not be read"],
  ];
  return `${name}: of its results ${told.filter(([n]) => n).map(([n, what]) => `${count(Number(n))} ${what}`).join(", ")}`;
}

/**
 * @param {number} since
 * @param {number} now
 */
function age(since, now) {
  return duration(Math.max(0, now - since));
}
