// The one live stream of this tab. The browser reconnects by itself and names the last outcome it saw, so none is missed;
// where it gives up (the daemon answered, but not with a stream) the stream is opened anew from that same outcome.

import { address, get } from "./api.js";

/** @typedef {import("./types.js").Status} Status */
/** @typedef {import("./types.js").OutcomeSummary} OutcomeSummary */
/** @typedef {import("./types.js").LogLines["lines"][number]} LogLine */

const AGAIN_AFTER_MS = 3000;

/**
 * @typedef {Object} Listener
 * @property {(status: Status) => void} onStatus
 * @property {(outcome: OutcomeSummary) => void} onOutcome
 * @property {(line: LogLine) => void} onLine
 * @property {(dropped: number) => void} onDropped lines of the log that this tab was too slow for
 * @property {(isNew: boolean) => void} onOpen `isNew` is false where a lost connection is back
 * @property {() => void} onLost
 */

export class Stream {
  /** @param {Listener} listener */
  constructor(listener) {
    this.listener = listener;
    this.lastSeq = 0;
    this.level = "info";
    this.wasOpen = false;
    /** @type {EventSource | null} */
    this.source = null;
    this.timer = 0;
  }

  /** @param {number} after the latest outcome that is shown already */
  start(after) {
    this.lastSeq = after;
    this.open();
  }

  /** @param {string} level the least level of log lines to send */
  setLevel(level) {
    this.level = level;
    if (this.source) this.open();
  }

  open() {
    clearTimeout(this.timer);
    this.source?.close();
    const source = new EventSource(address("v1/events", { after: this.lastSeq, logs: 1, level: this.level }));
    this.source = source;
    source.addEventListener("open", () => {
      this.listener.onOpen(!this.wasOpen);
      this.wasOpen = true;
    });
    source.addEventListener("status", (event) => this.listener.onStatus(JSON.parse(event.data)));
    source.addEventListener("outcome", (event) => this.heard(JSON.parse(event.data)));
    source.addEventListener("log", (event) => this.listener.onLine(JSON.parse(event.data)));
    source.addEventListener("dropped", (event) => this.listener.onDropped(JSON.parse(event.data).dropped));
    source.addEventListener("error", () => this.lost(source));
  }

  /** @param {OutcomeSummary} outcome */
  heard(outcome) {
    if (outcome.seq <= this.lastSeq) return;
    this.lastSeq = outcome.seq;
    this.listener.onOutcome(outcome);
  }

  /** @param {EventSource} source */
  lost(source) {
    if (source !== this.source) return;
    this.listener.onLost();
    if (source.readyState !== EventSource.CLOSED) return;
    this.timer = window.setTimeout(() => this.reopen(), AGAIN_AFTER_MS);
  }

  /** Ask first: a stream cannot say that a token is wanted. */
  async reopen() {
    try {
      await get("v1/status");
      this.open();
    } catch {
      this.timer = window.setTimeout(() => this.reopen(), AGAIN_AFTER_MS);
    }
  }

  stop() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }
}
