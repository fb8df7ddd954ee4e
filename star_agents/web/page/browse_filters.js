// What rows are looked for by: a form whose state stands in the address, so that a link leads to the same rows.

import { byId, el, fill } from "./dom.js";

/** @typedef {import("./types.js").BrowsedFacts} BrowsedFacts */

const KINDS = { "": "all", kept: "kept", base: "base kept", dropped: "dropped" };
const SHAPES = { "": "all", sft: "samples", preference: "preferences", reward: "reward", instruction: "instructions", none: "none given" };
const REVIEWS = { "": "any or none", none: "not reviewed", any: "reviewed", accepted: "accepted", rejected: "rejected", edited: "edited" };
const PLAIN = ["words", "kind", "shape", "review", "recipe", "arm", "label"];

export class Filters {
  /** @param {() => void} onChange */
  constructor(onChange) {
    this.form = /** @type {HTMLFormElement} */ (byId("search"));
    this.words = /** @type {HTMLInputElement} */ (this.field("words"));
    /** @type {Record<string, readonly string[]>} */
    this.labels = {};
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", () => {
      this.offerValues();
      onChange();
    });
    this.form.addEventListener("reset", () => setTimeout(onChange));
  }

  /** @param {string} name */
  field(name) {
    return /** @type {HTMLInputElement | HTMLSelectElement} */ (this.form.elements.namedItem(name));
  }

  /** @param {BrowsedFacts} facts */
  offer(facts) {
    this.labels = facts.labels;
    const named = (/** @type {readonly string[]} */ names) => ({ "": "all", ...Object.fromEntries(names.map((name) => [name, name])) });
    const measures = facts.measures.flatMap((name) => [[name, `highest ${name}`], [`-${name}`, `lowest ${name}`]]);
    this.options("order", { newest: "newest", oldest: "oldest", ...Object.fromEntries(measures) });
    this.options("kind", KINDS);
    this.options("shape", SHAPES);
    this.options("review", REVIEWS);
    this.options("recipe", named(facts.recipes));
    this.options("label", named(Object.keys(facts.labels)));
    this.options("measure", named(facts.measures));
    const agents = [...new Set(facts.arms.flatMap((arm) => arm.split("/")))];
    fill(byId("arms"), ...[...new Set([...agents, ...facts.arms])].map((arm) => el("option", { value: arm })));
    const given = new URLSearchParams(location.search);
    for (const [name, value] of given) if (this.form.elements.namedItem(name)) this.field(name).value = value;
    this.offerValues();
  }

  offerValues() {
    fill(byId("values"), ...(this.labels[this.field("label").value] ?? []).map((value) => el("option", { value })));
  }

  /**
   * @param {string} name
   * @param {Record<string, string>} choices
   */
  options(name, choices) {
    const field = this.field(name);
    const chosen = field.value;
    fill(field, ...Object.entries(choices).map(([value, label]) => el("option", { value }, label)));
    field.value = chosen in choices ? chosen : Object.keys(choices)[0];
  }

  order() {
    return this.field("order").value || "newest";
  }

  /** @returns {Record<string, string>} as the API takes it, without the order */
  query() {
    const query = Object.fromEntries(PLAIN.map((name) => [name, this.field(name).value.trim()]));
    const [measure, low, high] = ["measure", "low", "high"].map((name) => this.field(name).value);
    return {
      ...query,
      value: query.label ? this.field("value").value.trim() : "",
      ranges: measure && (low || high) ? `${measure}:${low}:${high}` : "",
    };
  }

  keepInAddress() {
    const given = [...new FormData(this.form)].filter(([name, value]) => value !== "" && !(name === "order" && value === "newest"));
    const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
    history.replaceState(null, "", location.pathname + (text ? `?${text}` : ""));
  }
}
