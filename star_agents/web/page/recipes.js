// What recipes did, whatever their method: outcomes, rows, children, their measures as distributions, and the pools that
// they draw from. Star has its own places. Names are of the user's own; they enter the document as text.

import { Chart } from "./chart.js";
import { byId, el, keepRows, setText } from "./dom.js";
import { count, decimal, digitsOf, percent, plural } from "./format.js";
import { histogramData, histogramOptions, spanOf } from "./histogram.js";
import { STAR } from "./sentence.js";

/** @typedef {import("./types.js").Status} Status */
/** @typedef {import("./types.js").RecipeState} RecipeState */
/** @typedef {import("./types.js").Measured} Measured */
/** @typedef {import("./types.js").Arm} Arm */
/** @typedef {import("./types.js").Pool} Pool */

const BETTER = /** @type {Record<string, string>} */ ({ high: "higher is better", low: "lower is better" });

export class Recipes {
  /** @param {(pool: string) => void} onPool hears which pool is to be shown */
  constructor(onPool) {
    this.onPool = onPool;
    this.section = byId("recipes-section");
    this.place = byId("recipes");
    /** @type {WeakMap<Element, RecipeView>} */
    this.views = new WeakMap();
  }

  /** @param {Status} status */
  show({ recipes, pools }) {
    const told = Object.entries(recipes).filter(([name]) => name !== STAR);
    this.section.hidden = told.length === 0;
    const make = (/** @type {[string, RecipeState]} */ [name]) => {
      const view = new RecipeView(name, this.onPool);
      this.views.set(view.place, view);
      return view.place;
    };
    keepRows(this.place, told, ([name]) => name, make, (place, [name, recipe]) => {
      this.views.get(place)?.show(recipe, Object.entries(pools).filter(([pool]) => pool.startsWith(`${name}.`)));
    });
    // A chart needs a place in the document, with a width.
    for (const place of this.place.children) this.views.get(place)?.draw();
  }
}

class RecipeView {
  /**
   * @param {string} name
   * @param {(pool: string) => void} onPool
   */
  constructor(name, onPool) {
    this.onPool = onPool;
    this.lead = el("p", { class: "lead" });
    this.measures = el("div", { class: "measures" });
    this.pools = el("span");
    this.drawsFrom = el("p", { class: "lead draws-from" }, "Draws from ", this.pools);
    this.place = el("article", { class: "recipe" }, el("h3", {}, name), this.lead, this.measures, this.drawsFrom);
    /** @type {WeakMap<Element, MeasureView>} */
    this.views = new WeakMap();
  }

  /**
   * @param {RecipeState} recipe
   * @param {[string, Pool][]} pools
   */
  show(recipe, pools) {
    setText(this.lead, summaryOf(recipe));
    const make = () => {
      const view = new MeasureView();
      this.views.set(view.place, view);
      return view.place;
    };
    keepRows(this.measures, Object.values(recipe.measures), ({ name }) => name, make, (place, measure) => this.views.get(place)?.show(measure));
    this.drawsFrom.hidden = pools.length === 0;
    keepRows(this.pools, pools, ([pool]) => pool, ([pool]) => this.makePool(pool), (place, [pool, { arms }]) => {
      setText(/** @type {Node} */ (place.firstChild), pool.slice(pool.indexOf(".") + 1));
      setText(/** @type {Node} */ (place.lastChild), ` (${saidOf(arms)}) `);
    });
  }

  /** @param {string} pool */
  makePool(pool) {
    return el("span", {}, el("button", { type: "button", title: "its curves", onclick: () => this.onPool(pool) }), " ");
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

/** @param {Record<string, Arm>} arms */
function saidOf(arms) {
  const all = Object.entries(arms);
  const draws = all.reduce((total, [, arm]) => total + arm.draws, 0);
  const [leader] = all.toSorted(([, one], [, other]) => (other.probability ?? 0) - (one.probability ?? 0));
  const leads = leader?.[1].probability ? `, ${leader[0]} leads with ${percent(leader[1].probability, 1)}` : "";
  return `${plural(all.length, "arm")}, ${plural(draws, "draw")}${leads}`;
}
