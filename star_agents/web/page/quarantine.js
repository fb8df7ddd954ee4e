// The seeds that were set aside because the process died with them in hand too often, and the way back for each.

import { Refusal, get, post } from "./api.js";
import { showDialog } from "./dialog.js";
import { byId, el, fill } from "./dom.js";
import { plural } from "./format.js";

/** @typedef {import("./types.js").QuarantinedSeed} QuarantinedSeed */

/** @param {() => void} onReleased */
export async function openQuarantine(onReleased) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("quarantine"));
  /** @type {{seeds: QuarantinedSeed[]}} */
  const { seeds } = await get("v1/quarantine");
  const answer = el("div", { role: "status" });
  const release = async (/** @type {unknown} */ which) => {
    try {
      const { released } = await post("v1/quarantine/release", which);
      onReleased();
      await openQuarantine(onReleased);
      fill(/** @type {HTMLElement} */ (dialog.querySelector("[role=status]")), el("p", {}, `${plural(released, "seed waits", "seeds wait")} again.`));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      fill(answer, el("p", { class: "notice" }, error.message));
    }
  };
  const all = el("button", { type: "button", class: "main", onclick: () => release({ all: true }) }, "Release all");
  showDialog(dialog, "Seeds set aside", ...(seeds.length ? [table(seeds, release), el("p", { class: "buttons" }, all)] : [el("p", {}, "None.")]), answer);
}

/**
 * @param {readonly QuarantinedSeed[]} seeds
 * @param {(which: unknown) => void} release
 */
function table(seeds, release) {
  const heads = ["Seed", "Source", "Attempts", "Deaths", ""].map((head) => el("th", { scope: "col" }, head));
  const rows = seeds.map((seed) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, el("a", { href: `#seed=${seed.id}` }, seed.id.slice(0, 8))),
      el("td", {}, seed.source),
      el("td", { class: "number" }, String(seed.attempts)),
      el("td", { class: "number" }, String(seed.deaths)),
      el("td", {}, el("button", { type: "button", "aria-label": `Release ${seed.id.slice(0, 8)}`, onclick: () => release({ seeds: [seed.id] }) }, "Release")),
    ),
  );
  return el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...rows)));
}
