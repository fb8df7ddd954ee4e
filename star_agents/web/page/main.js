// The page put together: what arrives is kept, and drawn once per frame.

import { openAdding } from "./adding.js";
import { Agents } from "./agents.js";
import { Refusal, get, onUnknown, post } from "./api.js";
import { showBatches } from "./batches.js";
import { loadCharts } from "./chart.js";
import { showCluster } from "./cluster.js";
import { byId, el, fill, setText } from "./dom.js";
import { openDownloading } from "./downloading.js";
import { Evaluation } from "./evaluation.js";
import { clock, duration } from "./format.js";
import { onFrame } from "./frame.js";
import { showFailures, showRefused } from "./failures.js";
import { Gaps } from "./gaps.js";
import { Leaderboard } from "./leaderboard.js";
import { Log } from "./log.js";
import { Outcomes } from "./outcomes.js";
import { Pools } from "./pools.js";
import { openQuarantine } from "./quarantine.js";
import { Recipes } from "./recipes.js";
import { showReferee } from "./referee.js";
import { Rounds } from "./rounds.js";
import { hintAtMore } from "./scrolling.js";
import { STAR, exampleOf, hasOthers, hasStar, takesOf, totalOf } from "./sentence.js";
import { showServers } from "./servers.js";
import { askForToken, takeTokenFromAddress } from "./session.js";
import { StoryView } from "./story.js";
import { Stream } from "./stream.js";
import { showSummary } from "./summary.js";
import { attempt } from "./trouble.js";
import { Turns } from "./turns.js";

/** @typedef {import("./types.js").Status} Status */

const AGAIN_AFTER_MS = 3000;
/** The stream's status is a second old at most when it is sent, and on its way for a few at most. */
const OVERTAKEN_S = 10;

class Page {
  constructor() {
    /** @type {Status | null} */
    this.status = null;
    this.pools = new Pools();
    this.gaps = new Gaps();
    this.recipes = new Recipes((pool) => attempt(() => this.showPool(pool)));
    this.leaderboard = new Leaderboard();
    this.rounds = new Rounds();
    this.evaluation = new Evaluation();
    this.turns = new Turns();
    this.agents = new Agents();
    this.outcomes = new Outcomes();
    this.story = new StoryView();
    this.draw = onFrame(() => this.drawNow());
    this.stream = new Stream({
      onStatus: (status) => this.hear(status),
      onOutcome: (outcome) => this.outcomes.add(outcome),
      onLine: (line) => this.log.add(line),
      onDropped: (n) => this.log.addDropped(n),
      onOpen: (isNew) => this.connected(isNew),
      onLost: () => this.lost(),
    });
    this.log = new Log((level) => this.stream.setLevel(level));
  }

  async start() {
    this.wireActions();
    onUnknown(() => {
      this.stream.stop();
      askForToken(() => this.load());
    });
    hintAtMore();
    await takeTokenFromAddress();
    if (!(await loadCharts())) withoutCharts(this.gaps);
    await this.load();
  }

  /** Read everything, then follow: the stream goes on from the latest outcome that was read. */
  async load() {
    try {
      const status = await get("v1/status");
      this.pools.know(status);
      // The curve first: who came first has its colour by it, so that a table drawn without it would change its colours.
      await this.pools.readCurve();
      this.hear(status);
      const seen = /** @type {Status} */ (this.status).latest_seq;
      await Promise.all([this.outcomes.load(), this.log.load()]);
      this.stream.start(seen);
      attempt(() => Promise.all([this.rounds.follow(), this.evaluation.load()]));
      await this.story.follow();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.lost();
      if (error.status !== 401) setTimeout(() => this.load(), AGAIN_AFTER_MS);
    }
  }

  /** @param {string} pool */
  async showPool(pool) {
    byId("pools-section").scrollIntoView({ block: "nearest" });
    await this.pools.choose(pool);
  }

  /** @param {boolean} isNew */
  async connected(isNew) {
    byId("connection").dataset.state = "live";
    setText(byId("connection"), "live");
    // Lines that were logged after the log was read, and before the stream was there, are read once more.
    await attempt(() => (isNew ? this.log.load() : Promise.all([this.pools.readCurve(), this.log.restart()])));
  }

  lost() {
    byId("connection").dataset.state = "lost";
    const since = this.status ? `; numbers of ${clock(this.status.now)}` : "";
    setText(byId("connection"), `connection lost, trying again${since}`);
  }

  /** @param {Status} status */
  hear(status) {
    if (this.status !== null && isOvertaken(status, this.status)) return;
    const isEdited = this.status !== null && this.status.revision !== status.revision;
    this.status = status;
    if (isEdited) attempt(() => this.pools.readCurve());
    this.story.latest = status.latest_seq;
    this.draw();
  }

  drawNow() {
    const status = this.status;
    if (status === null) return;
    document.body.classList.toggle("without-star", !hasStar(status));
    document.body.classList.toggle("star-alone", !hasOthers(status));
    showSummary(status, () => attempt(() => openQuarantine(() => this.refresh())));
    this.pools.show(status);
    this.agents.show(status.agents);
    this.gaps.show(status.gaps);
    showReferee(status.referee);
    attempt(() => this.leaderboard.follow(status));
    attempt(() => this.turns.follow(status));
    this.recipes.show(status);
    showBatches(status.batches, status.now);
    showServers(status.servers);
    showCluster(status.egress, status.scorer?.places ?? []);
    byId("target").hidden = status.target === null;
    setText(byId("target"), status.target?.sentence ?? "");
    showFailures(status.failures);
    showRefused(status.refused);
    this.outcomes.setNames([...status.config.base_pairs, ...status.config.pairs], status.config.agents, hasStar(status));
    this.log.setAgents(status.config.agents);
    this.drawState(status);
  }

  /** @param {Status} status */
  drawState(status) {
    const pause = /** @type {HTMLButtonElement} */ (byId("pause"));
    pause.disabled = status.state !== "ready" && status.state !== "paused";
    setText(pause, status.state === "paused" || status.held_because ? "Resume" : "Pause");
    byId("first-steps").hidden = totalOf(status.seeds) > 0;
    setText(byId("first-takes"), takesOf(status));
    setText(byId("curl-command"), `curl ${location.origin}/v1/seeds --json '${exampleOf(status)}'`);
    document.body.classList.toggle("is-empty", totalOf(status.seeds) === 0);
    fill(
      byId("footer"),
      `star_agents ${status.version}, up ${duration(status.now - status.started_at)}, revision ${status.revision} of agents.yaml. ${chain(status)}. `,
      ...links(),
    );
  }

  async refresh() {
    this.hear(await get("v1/status"));
  }

  wireActions() {
    const add = () => openAdding(this.status === null ? "" : exampleOf(this.status), () => this.refresh());
    byId("open-add").addEventListener("click", add);
    byId("open-add-first").addEventListener("click", add);
    byId("open-download").addEventListener("click", openDownloading);
    const pause = async () => {
      await post(this.status?.state === "paused" || this.status?.held_because ? "v1/resume" : "v1/pause");
      await this.refresh();
    };
    byId("pause").addEventListener("click", () => attempt(pause));
    const url = location.origin;
    setText(byId("add-command"), `star-agents add seeds.jsonl${url === "http://127.0.0.1:8321" ? "" : ` --url ${url}`}`);
  }
}

/**
 * Whether the stream told a status that is older than one that was asked for. A clock that was set back is no reason to
 * hear nothing for as long.
 *
 * @param {Status} status
 * @param {Status} latest
 */
function isOvertaken(status, latest) {
  const age = latest.now - status.now;
  return status.started_at === latest.started_at && age > 0 && age < OVERTAKEN_S;
}

/** @param {Gaps} gaps */
function withoutCharts(gaps) {
  for (const chart of document.querySelectorAll(".chart")) chart.remove();
  gaps.openTable();
  byId("main").prepend(el("p", { class: "notice" }, "Charts are shown as tables: their library was not fetched when this was installed. Install again with the network to have them."));
}

/**
 * The recipes that are chained, and what measures their samples.
 *
 * @param {Status} status
 */
function chain({ recipes, config: { selection, small, large } }) {
  const names = Object.keys(recipes).filter((name) => recipes[name].in_chain);
  const models = [small, large].filter(Boolean).join(" and ");
  const parts = [`Recipe ${names.join(" → ")}`, names.includes(STAR) ? `selection ${selection}` : "", models ? `scored by ${models}` : ""];
  return parts.filter(Boolean).join(", ");
}

function links() {
  const all = [["v1/openapi.json", "API"], ["metrics", "metrics"], ["readyz?verbose", "readiness"]];
  return all.flatMap(([href, text]) => [el("a", { href }, text), " "]);
}

await new Page().start();
