// The whole story of one outcome or seed, in a dialog that has an address: #outcome=12, #seed=3f2a….

import { Refusal, get } from "./api.js";
import { battles } from "./battles.js";
import { candidateCards, messages } from "./candidates.js";
import { closeOnBackdrop, showDialog } from "./dialog.js";
import { byId, el, fill } from "./dom.js";
import { count, duration, latency, moment, money, plural } from "./format.js";
import { kindName } from "./outcomes.js";
import { STAR } from "./sentence.js";

/** @typedef {import("./types.js").SeedStory} SeedStory */
/** @typedef {import("./types.js").SeedOutcome} SeedOutcome */

export class StoryView {
  constructor() {
    this.dialog = /** @type {HTMLDialogElement} */ (byId("story"));
    this.asked = "";
    /** The newest outcome there is. */
    this.latest = 0;
    closeOnBackdrop(this.dialog);
    this.dialog.addEventListener("close", () => {
      this.asked = "";
      fill(this.dialog);
      if (/^#(outcome|seed)=/.test(location.hash)) history.pushState(null, "", location.pathname + location.search);
    });
    window.addEventListener("hashchange", () => this.follow());
    window.addEventListener("popstate", () => this.follow());
  }

  /** Show what the address asks for, or nothing. */
  async follow() {
    const [, what, id] = /^#(outcome|seed)=(\w+)$/.exec(location.hash) ?? [];
    if (what === undefined) {
      if (this.dialog.open) this.dialog.close();
      return;
    }
    if (this.asked === location.hash) return;
    this.asked = location.hash;
    const asked = location.hash;
    try {
      const story = await get(what === "outcome" ? `v1/outcomes/${id}` : `v1/seeds/${id}`);
      if (this.asked === asked) this.show(story, what === "outcome" ? Number(id) : null);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (this.asked === asked) showDialog(this.dialog, `${what} ${id}`, el("p", { class: "notice" }, error.message));
    }
  }

  /** @param {number} seq */
  neighbours(seq) {
    const link = (/** @type {number} */ to, /** @type {string} */ text) => (to < 1 || to > this.latest ? null : el("a", { href: `#outcome=${to}` }, text));
    return el("nav", { class: "neighbours", "aria-label": "Other outcomes" }, link(seq - 1, `← ${count(seq - 1)}`), link(seq + 1, `${count(seq + 1)} →`));
  }

  /**
   * @param {SeedStory} story
   * @param {number | null} seq of the outcome that was asked for; the latest otherwise
   */
  show(story, seq) {
    const outcome = story.outcomes.find((one) => one.seq === seq) ?? story.outcomes[0];
    const title = outcome ? `Outcome ${count(outcome.seq)}` : `Seed ${story.seed.id.slice(0, 8)}`;
    showDialog(this.dialog, title, ...(outcome ? [this.neighbours(outcome.seq), ...ofOutcome(story, outcome)] : seedTurns(story, undefined)), facts(story), calls(story));
  }
}

/**
 * @param {SeedStory} story
 * @param {SeedOutcome} outcome
 */
function ofOutcome(story, outcome) {
  const others = story.outcomes.filter((one) => one !== outcome);
  return [
    el("p", { class: "why" }, el("span", { class: `kind ${outcome.kind}` }, kindName(outcome.kind, outcome.recipe === STAR)), " ", outcome.why),
    outcome.cleared_at === null ? null : el("p", { class: "notice" }, `The texts were cleared on ${moment(outcome.cleared_at)}; scores and costs stay.`),
    ...seedTurns(story, outcome),
    ...candidates(story, outcome),
    ...battles(outcome),
    others.length ? el("p", {}, "Earlier outcomes of this seed: ", ...others.flatMap((one) => [el("a", { href: `#outcome=${one.seq}` }, count(one.seq)), " "])) : null,
  ];
}

/**
 * What was tried; a recipe need not say of anything that it was.
 *
 * @param {SeedStory} story
 * @param {SeedOutcome} outcome
 */
function candidates(story, { candidates: tried, recipe }) {
  if (tried.length === 0) return [];
  const isStars = recipe === STAR;
  const title = isStars ? `${plural(tried.length, "candidate")}, the base first` : plural(tried.length, "trial");
  const lead = "Gap: IFD of the small model − IFD of the large one. π_dual: gap over the largest gap of this seed. π: referee × π_dual. Words that the base does not have are marked.";
  return [el("h3", {}, title), isStars ? el("p", { class: "lead" }, lead) : null, candidateCards(tried, story.seed.sample.messages, isStars)];
}

/**
 * The seed's turns; its own response stands among the candidates where a base pair takes it.
 *
 * @param {SeedStory} story
 * @param {SeedOutcome | undefined} outcome
 */
function seedTurns({ seed }, outcome) {
  const isCandidate = outcome?.candidates.some((one) => one.pair.endsWith("/seed") && !one.failure) ?? false;
  const turns = seed.sample.messages.filter((turn, at, all) => !isCandidate || at < all.length - 1 || turn.role !== "assistant");
  return [el("h3", {}, "The seed"), messages(turns)];
}

/** @param {SeedStory} story */
function facts({ seed, draw, outcomes }) {
  const all = [
    ["Id", seed.id],
    ["Source", seed.source || "–"],
    ["Added", moment(seed.added_at)],
    outcomes.length ? ["Finished", `${moment(outcomes[0].at)}, ${duration(outcomes[0].at - seed.added_at)} after`] : ["State", seed.state],
    ["Attempts", `${seed.attempts}${seed.deaths ? `, the process died in ${seed.deaths} of them` : ""}`],
    ...(draw === null ? [] : [["Pairs drawn", [...draw.base, ...draw.sampled].join(", ") + (draw.from_memory ? `; ${draw.from_memory} by the memory bank` : "")]]),
    ["Cost", outcomes.length ? money(outcomes[0].cost_usd) : "–"],
    ...(outcomes.length && outcomes[0].recipe !== STAR ? [["Recipe", outcomes[0].recipe]] : []),
    ["Revision", outcomes.length ? String(outcomes[0].revision) : "–"],
    ...Object.entries(seed.meta).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]),
  ];
  return el("dl", { class: "facts" }, ...all.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

/** @param {SeedStory} story */
function calls({ calls: made }) {
  if (made.length === 0) return null;
  const heads = ["Step", "Agent", "Model", "State", "Took", "Sent", "Tokens in", "Tokens out", "Cost"];
  const rows = made.map((call) => {
    const took = call.answered_at === null ? "–" : latency(call.answered_at - call.intended_at);
    const numbers = [took, count(call.sends), count(call.prompt_tokens), count(call.completion_tokens), money(call.cost_usd)];
    const texts = [call.agent, call.model ?? "–", call.state].map((text) => el("td", {}, text));
    return el("tr", {}, el("th", { scope: "row" }, call.step), ...texts, ...numbers.map((text) => el("td", { class: "number" }, text)));
  });
  return el(
    "details",
    {},
    el("summary", {}, plural(made.length, "call")),
    el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ...heads.map((head, at) => el("th", { scope: "col", class: at > 3 ? "number" : null }, head)))), el("tbody", {}, ...rows))),
  );
}
