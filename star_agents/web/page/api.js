// Requests to the daemon's API. A refusal is a Refusal with the daemon's own words (RFC 9457).

/** @typedef {import("./types.js").Problem} Problem */

/** The daemon said no, or could not be reached (status 0). */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   * @param {Problem[]} [problems]
   */
  constructor(status, detail, problems = []) {
    super(detail);
    this.status = status;
    this.problems = problems;
  }
}

/** @type {() => void} */
let whenUnknown = () => {};

/**
 * Say what happens when the daemon asks who is there (401).
 *
 * @param {() => void} ask
 */
export function onUnknown(ask) {
  whenUnknown = ask;
}

/**
 * @param {string} path
 * @param {Record<string, string | number | null | undefined>} [query] empty values are left out
 */
export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value != null && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

/**
 * @param {string} url
 * @param {RequestInit} [options]
 * @returns {Promise<any>} the answer's JSON
 * @throws {Refusal}
 */
export async function request(url, options = {}) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(url, { credentials: "same-origin", cache: "no-store", ...options });
  } catch {
    throw new Refusal(0, "the daemon cannot be reached");
  }
  if (response.status === 401) whenUnknown();
  const body = await response.json().catch(() => null);
  if (response.ok) return body;
  throw new Refusal(response.status, body?.detail || body?.title || `the daemon answered ${response.status}`, body?.problems);
}

/**
 * @param {string} path
 * @param {Record<string, string | number | null | undefined>} [query]
 */
export function get(path, query) {
  return request(address(path, query));
}

/**
 * @param {string} path
 * @param {unknown} [data] sent as JSON
 */
export function post(path, data) {
  const body = data === undefined ? {} : { body: JSON.stringify(data), headers: { "Content-Type": "application/json" } };
  return request(path, { method: "POST", ...body });
}
