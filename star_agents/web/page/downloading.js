// Download the dataset, in the formats of `export`.

import { address } from "./api.js";
import { showDialog } from "./dialog.js";
import { byId, el } from "./dom.js";

const ROWS = { dataset: "the dataset: the chosen sample of each seed", rejected: "dropped seeds with their reasons, to mend and add again" };
export const FORMATS = {
  messages: "messages: role and content, as chat fine-tuning takes it",
  "prompt-completion": "prompt and completion, for TRL",
  sharegpt: "ShareGPT: conversations, for LLaMA-Factory",
  alpaca: "Alpaca: instruction, input, output; one turn",
  dpo: "preference pairs: prompt, chosen, rejected, for TRL",
  "sharegpt-dpo": "preference pairs for LLaMA-Factory",
  "messages-dpo": "preference pairs for Axolotl",
};
export const FILES = { jsonl: "JSON lines", json: "JSON", parquet: "Parquet" };

export function openDownloading() {
  const link = el("a", { class: "button main", download: true }, "Download");
  const form = el("form", {}, choices("Rows", "which", ROWS), choices("Format", "format", FORMATS), choices("File", "file", FILES), el("p", { class: "buttons" }, link));
  const point = () => {
    const chosen = new FormData(form);
    link.href = address("v1/dataset", { format: String(chosen.get("format")), file: String(chosen.get("file")), which: String(chosen.get("which")) });
  };
  form.addEventListener("change", point);
  point();
  showDialog(/** @type {HTMLDialogElement} */ (byId("download")), "Download the dataset", form);
}

/**
 * @param {string} title
 * @param {string} name
 * @param {Record<string, string>} options
 */
export function choices(title, name, options) {
  const rows = Object.entries(options).map(([value, label], at) =>
    el("label", { class: "choice" }, el("input", { type: "radio", name, value, checked: at === 0 }), " ", label),
  );
  return el("fieldset", {}, el("legend", {}, title), ...rows);
}
