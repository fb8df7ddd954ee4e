// What every dialog of the page has: a title, a way to close it, and a body.

import { el, fill } from "./dom.js";

/**
 * @param {HTMLDialogElement} dialog
 * @param {string} title
 * @param {...import("./dom.js").Child} body
 */
export function showDialog(dialog, title, ...body) {
  const close = el("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() }, "×");
  fill(dialog, el("div", { class: "dialog-head" }, el("h2", { id: `${dialog.id}-title` }, title), close), ...body);
  dialog.tabIndex = -1;
  if (!dialog.open) dialog.showModal();
  // Reading begins at the title, not at the way out; a form begins at its first field.
  const first = dialog.querySelector("textarea, input");
  /** @type {HTMLElement} */ (first ?? dialog).focus();
  dialog.scrollTop = 0;
}

/**
 * Close when the backdrop is clicked.
 *
 * @param {HTMLDialogElement} dialog
 */
export function closeOnBackdrop(dialog) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}
