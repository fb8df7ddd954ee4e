// The structured log, live, exactly as it is written: newest first, bounded, filtered by level, event, agent and seed.

import { get } from "./api.js";
import { byId, el, fill, keepRows, setOptions, setText } from "./dom.js";
import { clock } from "./format.js";
import { onFrame } from "./frame.js";
import { attempt } from "./trouble.js";

/** @typedef {import("./types.js").LogLines["lines"][number]} LogLine */

const MOST_LINES = 200;
const LEVELS = ["debug", "info", "warning", "error", "critical"];
/** What the log shows, by the value that stands for it. */
const SHOWN = { notable: "warnings and changes", info: "everything", debug: "debug lines too", warning: "warnings", error: "errors" };
/** The line of every seed: a steady stream in which what matters is not found. */
const STREAM = "outcome_committed";
const APART = new Set(["n", "timestamp", "level", "event"]);

export class Log {
  /** @param {(level: string) => void} onLevel hears which lines the stream has to bring */
  constructor(onLevel) {
    this.list = byId("log");
    this.filters = /** @type {HTMLFormElement} */ (byId("log-filters"));
    /** @type {LogLine[]} newest first */
    this.lines = [];
    this.dropped = 0;
    /** @type {Set<string>} */
    this.events = new Set([STREAM]);
    this.draw = onFrame(() => this.drawNow());
    fill(this.field("level"), ...Object.entries(SHOWN).map(([value, label]) => el("option", { value }, label)));
    this.field("level").addEventListener("change", () => onLevel(this.filter().level));
    setOptions(/** @type {HTMLSelectElement} */ (this.field("event")), "all", [...this.events]);
    this.filters.addEventListener("input", () => attempt(() => this.load()));
    this.filters.addEventListener("submit", (event) => event.preventDefault());
  }

  /** @param {string} name */
  field(name) {
    return /** @type {HTMLInputElement | HTMLSelectElement} */ (this.filters.elements.namedItem(name));
  }

  filter() {
    const value = (/** @type {string} */ name) => this.field(name).value.trim();
    const [shown, event, seed] = [value("level"), value("event"), value("seed")];
    const isNotable = shown === "notable";
    // Who asks for one kind of line, or for one seed, wants all of it.
    return { level: isNotable ? "info" : shown, without: isNotable && !event && !seed ? STREAM : "", event, agent: value("agent"), seed };
  }

  /** @param {readonly string[]} agents */
  setAgents(agents) {
    setOptions(/** @type {HTMLSelectElement} */ (this.field("agent")), "all", agents);
  }

  /** Read what the daemon still remembers. */
  async load() {
    const filter = this.filter();
    const { lines } = await get("v1/logs", { ...filter, limit: MOST_LINES });
    if (JSON.stringify(filter) !== JSON.stringify(this.filter())) return;
    // What came by the stream while these were read is newer than all of them.
    const newer = this.lines.filter((line) => line.n > (lines.at(-1)?.n ?? -1)).reverse();
    this.lines = [];
    this.dropped = 0;
    for (const line of [...lines, ...newer]) this.add(line);
    this.draw();
  }

  /** @param {LogLine} line newer than all before it, or known already */
  add(line) {
    if (!this.events.has(line.event)) {
      this.events.add(line.event);
      setOptions(/** @type {HTMLSelectElement} */ (this.field("event")), "all", [...this.events].sort());
    }
    if (!this.passes(line) || line.n <= (this.lines[0]?.n ?? -1)) return;
    this.lines.unshift(line);
    if (this.lines.length > MOST_LINES) this.lines.length = MOST_LINES;
    this.draw();
  }

  /** @param {number} n lines that were too many for this tab */
  addDropped(n) {
    this.dropped += n;
    this.draw();
  }

  /** The daemon counts its lines anew. */
  restart() {
    this.lines = [];
    return this.load();
  }

  /** @param {LogLine} line */
  passes(line) {
    const { level, without, event, agent, seed } = this.filter();
    return (
      line.event !== without &&
      LEVELS.indexOf(line.level) >= LEVELS.indexOf(level) &&
      (!event || line.event === event) &&
      (!agent || line.agent === agent) &&
      (!seed || String(line.seed_id ?? "").startsWith(seed))
    );
  }

  drawNow() {
    keepRows(this.list, this.lines, (line) => String(line.n), makeLine, () => {});
    const none = byId("log-none");
    none.hidden = this.lines.length > 0 && this.dropped === 0;
    setText(none, this.dropped ? `${this.dropped} lines came too fast for this page; star_agents logs has them.` : this.field("level").value === "notable" ? "Nothing out of the ordinary." : "No line passes these filters.");
  }
}

/** @param {LogLine} line */
function makeLine(line) {
  const fields = Object.entries(line).filter(([name, value]) => !APART.has(name) && value !== null && value !== "");
  return el(
    "li",
    { class: `line ${line.level}` },
    el("time", { datetime: line.timestamp }, clock(Date.parse(line.timestamp) / 1000)),
    " ",
    el("b", {}, line.level === "info" || line.level === "debug" ? line.event : `${line.level} ${line.event}`),
    ...fields.flatMap(([name, value]) => [" ", el("i", {}, `${name}=`), shown(name, value)]),
  );
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function shown(name, value) {
  const text = typeof value === "string" ? value : typeof value === "number" ? short(value) : JSON.stringify(value);
  return name === "seed_id" ? el("a", { href: `#seed=${text}` }, text.slice(0, 8)) : text;
}

/** @param {number} value */
function short(value) {
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(4)));
}
