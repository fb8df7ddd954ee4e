// Who is there: the token, handed over once for a cookie that scripts cannot read.

import { Refusal, request } from "./api.js";
import { byId, el, fill } from "./dom.js";

/** @returns {Promise<boolean>} whether the address held a token; it is taken out of the address either way */
export async function takeTokenFromAddress() {
  const [, token] = /^#token=(.+)$/.exec(location.hash) ?? [];
  if (token === undefined) return false;
  history.replaceState(null, "", location.pathname + location.search);
  try {
    await open(decodeURIComponent(token));
    return true;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return false;
  }
}

/**
 * Ask for the token until it is right.
 *
 * @param {() => void} onOpen
 */
export function askForToken(onOpen) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("token"));
  if (dialog.open) return;
  const input = el("input", { id: "token-input", type: "password", autocomplete: "current-password", required: true });
  const answer = el("div", { role: "status" });
  const form = el(
    "form",
    {},
    el("p", {}, "This can be reached from other machines, so it asks who is there. The token is in the environment variable that was named for it, or else in the file ", el("code", {}, "token"), " of the folder."),
    el("label", { for: "token-input" }, "Token"),
    input,
    el("p", { class: "buttons" }, el("button", { type: "submit", class: "main" }, "Open")),
    answer,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await open(input.value.trim());
      dialog.close();
      onOpen();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      fill(answer, el("p", { class: "notice" }, error.status === 401 ? "That is not the token." : error.message));
    }
  });
  fill(dialog, el("h2", { id: "token-title" }, "Token"), form);
  dialog.oncancel = (event) => event.preventDefault();
  dialog.showModal();
}

/** @param {string} token */
function open(token) {
  return request("v1/session", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
}
