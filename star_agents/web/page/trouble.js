// What is said when something that was asked for could not be done.

import { Refusal } from "./api.js";
import { byId, setText } from "./dom.js";

/**
 * Do it, and say so where the daemon refuses. A lost connection and a missing token are told elsewhere.
 *
 * @param {() => Promise<unknown>} work
 */
export async function attempt(work) {
  try {
    await work();
    byId("trouble").hidden = true;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.status === 0 || error.status === 401) return;
    setText(byId("trouble"), error.message);
    byId("trouble").hidden = false;
  }
}
