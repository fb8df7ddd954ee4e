// Take the rows that are looked for away as a file, in the formats of `export`.

import { address } from "./api.js";
import { showDialog } from "./dialog.js";
import { byId, el } from "./dom.js";
import { choices, FILES, FORMATS } from "./downloading.js";

const REVIEWS = { follow: "rejected rows out, edits in", only: "only rows that were accepted or edited", "as-is": "all as they were made" };

/** @param {Record<string, string>} query of the search */
export function openSelection(query) {
  const link = el("a", { class: "button main", download: true }, "Download");
  const form = el("form", {}, choices("Format", "format", FORMATS), choices("Reviews", "reviewed", REVIEWS), choices("File", "file", FILES), el("p", { class: "buttons" }, link));
  const point = () => {
    const chosen = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
    link.href = address("v1/browse/selection", { ...query, ...chosen });
  };
  form.addEventListener("change", point);
  point();
  showDialog(/** @type {HTMLDialogElement} */ (byId("download")), "Download what is looked for", form);
}
