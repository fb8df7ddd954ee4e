// The servers that are started beside the work: whom each serves, and how it does.

import { byId, el, keepRows, setText } from "./dom.js";

/** @typedef {import("./types.js").ServerState} ServerState */

/** @param {readonly ServerState[]} servers */
export function showServers(servers) {
  byId("servers-section").hidden = servers.length === 0;
  keepRows(byId("servers"), [...servers], (one) => `${one.agents.join()} ${one.address}`, () => el("li"), (row, one) => {
    setText(row, one.sentence);
    row.title = one.log;
    row.classList.toggle("is-most", one.state === "down");
  });
}
