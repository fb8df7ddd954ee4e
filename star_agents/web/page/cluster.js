// Where a cluster works for the daemon: who sends its calls, and which nodes hold scorer models.

import { byId, el, keepRows, setText } from "./dom.js";
import { count, plural } from "./format.js";

/** @typedef {import("./types.js").EgressState} EgressState */
/** @typedef {import("./types.js").ScorerPlace} ScorerPlace */
/** @typedef {{key: string, text: string, isTrouble?: boolean}} Line */

/**
 * @param {EgressState | null} egress
 * @param {readonly ScorerPlace[]} places
 */
export function showCluster(egress, places) {
  const lines = [...(egress === null ? [] : senders(egress)), ...scorers(places)];
  byId("cluster-section").hidden = lines.length === 0;
  keepRows(byId("cluster"), lines, (line) => line.key, () => el("li"), (row, line) => {
    setText(row, line.text);
    row.classList.toggle("is-most", line.isTrouble ?? false);
  });
}

/**
 * @param {EgressState} egress
 * @returns {Line[]}
 */
function senders(egress) {
  const there = egress.processes.map(({ name, in_flight, sent }) => (
    { key: `sends ${name}`, text: `${name} sends calls: ${count(in_flight)} in flight, ${count(sent)} sent` }
  ));
  const isAlone = there.length === 0;
  const here = { key: "here", text: `sent from this process: ${count(egress.sent_here)}${isAlone ? "; no node sends calls now" : ""}`, isTrouble: isAlone };
  const lost = { key: "lost", text: `${plural(egress.lost, "sender of calls", "senders of calls")} lost, with ${plural(egress.calls_lost, "call")} in flight that were sent again and may be paid twice` };
  return [...there, here, ...(egress.lost ? [lost] : [])];
}

/**
 * @param {readonly ScorerPlace[]} places
 * @returns {Line[]}
 */
function scorers(places) {
  /** @type {Map<string, ScorerPlace[]>} */
  const by = new Map();
  for (const place of places) by.set(place.name, [...(by.get(place.name) ?? []), place]);
  return [...by].map(([name, some]) => {
    const starting = some.filter((place) => !place.works).length;
    const tokens = some.reduce((sum, place) => sum + place.tokens, 0);
    return { key: `scores ${name}`, text: `node ${name} scores: ${plural(some.length, "copy", "copies")}${starting ? `, ${count(starting)} of them starting` : ""}, ${count(tokens)} tokens` };
  });
}
