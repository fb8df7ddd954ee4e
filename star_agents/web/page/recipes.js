// What recipes did, whatever their method: outcomes, rows, children, their measures as distributions, their pools as
// tables. Star has its own places. Names are of the user's own; they enter the document as text.

import { Chart } from "./chart.js";
import { byId, el, keepRows, setText } from "./dom.js";
import { count, decimal, digitsOf, percent, plural } from "./format.js";
import { histogramData, histogramOptions, spanOf } from "./histogram.js";
import { hasStar } from "./sentence.js";

/** @typedef {import("./types.js").Status} Status */
/** @typedef {import("./types.js").RecipeState} RecipeState */
/** @typedef {import("./types.js").Measured} Measured */
/** @typedef {import("./types.js").Arm} Arm */

const STAR = "star";
const STARS_OWN = ["pairs-section", "gaps-section", "referee-section"];
const BETTER = /** @type {Record<string, string>} */ ({ high: "higher is better", low: "lower is better" });

export class Recipes {
  constructor() {
    this.section = byId("recipes-section");
    this.place = byId("recipes");
    /** @type {WeakMap<Element, RecipeView>} */
    this.views = new WeakMap();
  }

  /** @param {Status} status */
  show({ recipes, pools }) {
    const told = Object.entries(recipes).filter(([name]) => name !== STAR);
    this.section.hidden = told.length === 0;
    for (const id of STARS_OWN) byId(id).hidden = told.length > 0 && !hasStar({ recipes });
    const make = (/** @type {[string, RecipeState]} */ [name]) => {
      const view = new RecipeView(name);
      this.views.set(view.place, view);
      return view.place;
    };
    keepRows(this.place, told, ([name]) => name, make, (place, [name, recipe]) => {
      const own = Object.entries(pools).filter(([pool]) => pool.startsWith(`${name}.`));
      this.views.get(place)?.show(recipe, own.map(([pool, { arms }]) => [pool.slice(name.length + 1), arms]));
    });
    // A chart needs a place in the document, with a width.
    for (const place of this.place.children) this.views.get(place)?.draw();
  }
}

class RecipeView {
  /** @param {string} name */
  constructor(name) {
    this.lead = el("p", { class: "lead" });
    this.measures = el("div", { class: "measures" });
    this.pools = el("div", { class: "pools" });
    this.place = el("article", { class: "recipe" }, el("h3", {}, name), this.lead, this.measures, this.pools);
    /** @type {WeakMap<Element, MeasureView>} */
    this.views = new WeakMap();
  }

  /**
   * @param {RecipeState} recipe
   * @param {[string, Record<string, Arm>][]} pools
   */
  show(recipe, pools) {
    setText(this.lead, summaryOf(recipe));
    const make = () => {
      const view = new MeasureView();
      this.views.set(view.place, view);
      return view.place;
    };
    keepRows(this.measures, Object.values(recipe.measures), ({ name }) => name, make, (place, measure) => this.views.get(place)?.show(measure));
    keepRows(this.pools, pools, ([pool]) => pool, ([pool]) => makePool(pool), (place, [, arms]) => showArms(place, arms));
  }

  draw() {
    for (const place of this.measures.children) this.views.get(place)?.draw();
  }
}

class MeasureView {
  constructor() {
    this.title = el("h4");
    this.lead = el("p", { class: "lead" });
    this.ends = el("p", { class: "lead" });
    const drawing = el("div", { class: "chart measure-chart", role: "img" });
    this.place = el("figure", { class: "measure" }, this.title, this.lead, drawing, this.ends);
    /** @type {Measured} */
    this.measure = { name: "", what: "", better: "", low: 0, high: 1, values: 0, mean: null, sum: 0, histogram: [] };
    this.chart = new Chart(drawing, () => ({ options: histogramOptions([["--accent", "--accent-area"]]), data: this.data() }));
  }

  /** @param {Measured} measure */
  show(measure) {
    if (JSON.stringify(measure) === JSON.stringify(this.measure)) return;
    this.measure = measure;
    setText(this.title, measure.name);
    setText(this.lead, [measure.what, BETTER[measure.better], said(measure)].filter(Boolean).join("; "));
    const ends = beyond(measure);
    setText(this.ends, ends);
    this.ends.hidden = ends === "";
    this.chart.place.hidden = measure.values === 0;
    this.chart.place.ariaLabel = `Distribution of ${measure.name}: ${said(measure)}`;
  }

  draw() {
    if (this.measure.values > 0) this.chart.update(this.data());
  }

  data() {
    const { low, high, histogram } = this.measure;
    const edge = (/** @type {number} */ at) => low + ((high - low) * at) / Math.max(1, histogram.length);
    return histogramData(spanOf(histogram), edge, [histogram]);
  }
}

/** @param {RecipeState} recipe */
function summaryOf({ takes, in_chain: isThere, outcomes, rows, children, trials, failed_trials: failed }) {
  const { kept = 0, base = 0, dropped = 0 } = outcomes;
  const failures = Object.values(failed).reduce((total, n) => total + n, 0);
  const shapes = Object.entries(rows).map(([shape, n]) => `${count(n)} ${shape}`);
  const parts = [
    `${plural(kept + base, "seed")} worked${dropped ? `, ${count(dropped)} dropped` : ""}`,
    shapes.length ? `rows: ${shapes.join(", ")}` : "no rows",
    children ? plural(children, "child", "children") : "",
    trials ? `${plural(trials, "trial")}${failures ? `, ${count(failures)} failed` : ""}` : "",
  ];
  const told = `${takes.length ? `Takes ${takes.map((kind) => `${kind}s`).join(" and ")}. ` : ""}${parts.filter(Boolean).join("; ")}.`;
  return isThere ? told : `${told} It is no longer in agents.yaml.`;
}

/** @param {Measured} measure */
function said({ values, mean, low, high }) {
  return `${values ? `mean ${near(mean, low, high)}` : "nothing measured yet"} (${plural(values, "value")})`;
}

/**
 * The value with the digits that its range calls for.
 *
 * @param {number | null} value
 * @param {number} low
 * @param {number} high
 */
function near(value, low, high) {
  const digits = Math.min(8, Math.max(0, 3 - Math.floor(Math.log10(high - low))));
  return decimal(value, digits);
}

/**
 * That the bins at the ends hold what lies beyond them, too.
 *
 * @param {Measured} measure
 */
function beyond({ low, high, histogram }) {
  const width = (high - low) / Math.max(1, histogram.length);
  const text = (/** @type {number} */ value) => decimal(value, Math.min(6, digitsOf(width)));
  const first = histogram[0] ? `Below ${text(low + width)}: ${count(histogram[0])}` : "";
  const last = histogram.at(-1) ? `${text(high - width)} or more: ${count(histogram.at(-1))}` : "";
  return [first, last].filter(Boolean).join("; ");
}

/** @param {string} pool */
function makePool(pool) {
  const heads = ["Probability", "Draws", "Mean reward"].map((text) => el("th", { scope: "col", class: "number" }, text));
  const head = el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Arm"), ...heads));
  const table = el("table", {}, el("caption", {}, `Pool ${pool}`), head, el("tbody"));
  return el("div", { class: "scroll pool", role: "region", tabindex: 0, "aria-label": `Pool ${pool}` }, table);
}

/**
 * @param {Element} place
 * @param {Record<string, Arm>} arms
 */
function showArms(place, arms) {
  const body = /** @type {HTMLTableElement} */ (place.firstElementChild).tBodies[0];
  const ranked = Object.entries(arms).sort(([, one], [, other]) => (other.probability ?? -1) - (one.probability ?? -1));
  const make = (/** @type {[string, Arm]} */ [arm]) => el("tr", {}, el("th", { scope: "row" }, arm), ...[1, 2, 3].map(() => el("td", { class: "number" })));
  keepRows(body, ranked, ([arm]) => arm, make, (row, [, arm]) => {
    const texts = [percent(arm.probability, 1), count(arm.draws), decimal(arm.mean_reward, 3)];
    texts.forEach((text, at) => setText(row.cells[at + 1], text));
  });
}
