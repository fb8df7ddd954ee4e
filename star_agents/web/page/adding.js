// Add seeds: pasted, or from a file. Sent with an Idempotency-Key, so that a lost answer can be asked for again.

import { Refusal, address, request } from "./api.js";
import { showDialog } from "./dialog.js";
import { byId, el, fill } from "./dom.js";
import { count, plural } from "./format.js";

const JSONL = "application/x-ndjson";

/**
 * @param {string} example a row that is taken
 * @param {() => void} onAdded
 */
export function openAdding(example, onAdded) {
  const text = el("textarea", { id: "add-text", rows: 8, spellcheck: "false", placeholder: example });
  const file = el("input", { id: "add-file", type: "file", accept: ".json,.jsonl,.ndjson" });
  const send = el("button", { type: "submit", class: "main" }, "Add");
  const answer = el("div", { role: "status" });
  const key = newKey();
  const form = el(
    "form",
    {},
    el("p", {}, "JSON lines, one object, or a list. A row is in Alpaca's columns (instruction, input, output), messages, or ShareGPT; a document is a column of that name, and title. All rows are taken, or none."),
    el("label", { for: "add-text" }, "Paste"),
    text,
    el("label", { for: "add-file" }, "or a file: .jsonl, .json"),
    file,
    el("p", { class: "buttons" }, send),
    answer,
  );
  form.addEventListener("input", () => Object.assign(key, newKey()));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const chosen = file.files?.[0];
    const body = chosen ?? text.value;
    if (!chosen && !text.value.trim()) return fill(answer, el("p", { class: "notice" }, "Paste rows or choose a file first."));
    send.disabled = true;
    fill(answer, await sent(body, chosen?.name ?? "pasted", kindOf(chosen, text.value), key.value, onAdded));
    send.disabled = false;
  });
  showDialog(/** @type {HTMLDialogElement} */ (byId("add")), "Add seeds", form);
}

/**
 * @param {BodyInit} body
 * @param {string} source
 * @param {string} type
 * @param {string} key
 * @param {() => void} onAdded
 */
async function sent(body, source, type, key, onAdded) {
  try {
    const options = { method: "POST", body, headers: { "Content-Type": type, "Idempotency-Key": key } };
    const added = await request(address("v1/seeds", { source }), options);
    onAdded();
    const known = added.duplicates ? `, ${count(added.duplicates)} known already` : "";
    const repeated = added.repeated ? `, ${count(added.repeated)} repeated within it` : "";
    const told = el("p", {}, `${plural(added.new, "new seed")} taken in${known}${repeated}.`);
    const notes = (added.not_read ?? []).map((/** @type {string} */ sentence) => el("p", { class: "notice" }, `Note: ${sentence}`));
    return el("div", {}, told, ...notes);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const problems = error.problems.map((one) => el("li", {}, `${one.where}: ${one.field ? `${one.field}: ` : ""}${one.message}${one.fix ? ` (${one.fix})` : ""}`));
    return el("div", { class: "notice" }, el("p", {}, error.message), problems.length ? el("ul", {}, ...problems) : null);
  }
}

/**
 * JSON that parses whole is JSON; anything else is taken for JSON lines.
 *
 * @param {File | undefined} file
 * @param {string} text
 */
function kindOf(file, text) {
  if (file) return file.name.toLowerCase().endsWith(".json") ? "application/json" : JSONL;
  try {
    JSON.parse(text);
    return "application/json";
  } catch {
    return JSONL;
  }
}

/** Not randomUUID(), which browsers keep from pages that come by plain http from another machine. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return { value: `page-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}` };
}
