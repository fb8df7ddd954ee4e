// Arms that recipes added to a pool while they worked: what each is, what it earns, and why it was retired. What they ask
// for was written by a model; it enters the document as text.

import { byId, el, fill, keepRows, setText } from "./dom.js";
import { count, decimal, percent, plural } from "./format.js";

/** @typedef {import("./types.js").Arm} Arm */
/** @typedef {{name: string, arm: Arm, grown: import("./types.js").Grown}} Added */

/**
 * The arms that were added, in the order in which they came.
 *
 * @param {Record<string, Arm>} arms
 * @returns {Added[]}
 */
export function addedArms(arms) {
  const added = Object.entries(arms).flatMap(([name, arm]) => (arm.grown ? [{ name, arm, grown: arm.grown }] : []));
  return added.sort((one, other) => one.grown.seq - other.grown.seq);
}

/**
 * What they come to, in words.
 *
 * @param {readonly Added[]} added
 */
export function summaryOfAdded(added) {
  const retired = added.filter(({ grown }) => grown.retired !== "").length;
  return `${plural(added.length, "arm")} added while it worked${retired ? `, ${count(retired)} of them retired` : ""}`;
}

/**
 * How one does, in words.
 *
 * @param {Added} added
 */
export function fateOf({ arm, grown }) {
  const came = `added at outcome ${count(grown.seq)} from ${plural(grown.evidence.length, "seed")}`;
  const earned = `${plural(arm.draws, "draw")}, ${arm.mean_reward === null ? "nothing earned yet" : `mean reward ${decimal(arm.mean_reward, 3)}`}`;
  if (grown.retired !== "") return `${came}; retired at outcome ${count(grown.retired_seq)}: ${grown.retired}; ${earned}`;
  return `${came}; ${arm.probability === null ? "not drawn under these settings" : `share ${percent(arm.probability, 1)}`}; ${earned}`;
}

/** Show them below the table of a pool. @param {Record<string, Arm>} arms */
export function showAdded(arms) {
  const added = addedArms(arms);
  const place = byId("pool-added");
  place.hidden = added.length === 0;
  setText(byId("pool-added-summary"), added.length === 0 ? "" : summaryOfAdded(added));
  const make = () => el("li", {}, el("b"), " ", el("span", { class: "badge" }), " ", el("span"), el("p", { class: "lead" }));
  keepRows(byId("pool-added-list"), added, ({ name }) => name, make, (row, one) => {
    const [name, badge, what, fate] = row.children;
    setText(name, one.name);
    setText(badge, one.grown.retired === "" ? "added" : "retired");
    setText(what, one.grown.what);
    setText(fate, fateOf(one));
  });
}

/**
 * Mark the name of an arm that was added.
 *
 * @param {Element} cell
 * @param {string} name
 * @param {boolean} isAdded
 */
export function nameArm(cell, name, isAdded) {
  if (isAdded !== (cell.childElementCount > 0)) fill(cell, name, isAdded && el("span", { class: "badge", title: "added while the recipe worked" }, "added"));
}
