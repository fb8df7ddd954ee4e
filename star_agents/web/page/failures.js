// What failed and was done without, so far: the sentences that the daemon makes of its counts.

import { byId, el, keepRows, setText } from "./dom.js";
import { count } from "./format.js";

/** @typedef {import("./types.js").FailureTold} FailureTold */
/** @typedef {import("./types.js").RefusedArm} RefusedArm */

/** @param {readonly FailureTold[]} failures */
export function showFailures(failures) {
  byId("failures-section").hidden = failures.length === 0;
  const byCount = [...failures].sort((one, other) => other.failures - one.failures);
  const make = () => el("li");
  keepRows(byId("failures"), byCount, (one) => `${one.part} ${one.name} ${one.reason}`, make, (row, one) => {
    setText(row, one.sentence);
    row.classList.toggle("is-most", 2 * one.failures > one.tries);
  });
}

/** @param {readonly RefusedArm[]} arms */
export function showRefused(arms) {
  byId("refused-section").hidden = arms.length === 0;
  keepRows(byId("refused"), [...arms], (one) => `${one.recipe} ${one.arm}`, () => el("li"), (row, one) => {
    const why = Object.entries(one.reasons).map(([reason, n]) => `${count(n)} ${reason}`).join("; ");
    setText(row, `${one.arm}: ${count(one.refused)} of ${count(one.instructions)} (${why})`);
    row.classList.toggle("is-most", 2 * one.refused > one.instructions);
  });
}
