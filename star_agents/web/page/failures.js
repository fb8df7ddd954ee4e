// What failed and was done without, so far: the sentences that the daemon makes of its counts.

import { byId, el, keepRows, setText } from "./dom.js";

/** @typedef {import("./types.js").FailureTold} FailureTold */

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
