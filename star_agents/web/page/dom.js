// Building and updating the document. Text enters it by textContent alone, so what a model wrote is never markup.

/** @typedef {Node | string | null | false} Child */

/**
 * Make an element. Properties that start with `on` are listeners, `class` and the like are attributes;
 * `null` and `false` leave an attribute out, `true` sets it empty.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} [properties]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  fill(element, ...children);
  return element;
}

/**
 * Replace what an element holds.
 *
 * @param {Element} element
 * @param {...Child} children
 */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null && child !== false));
}

/**
 * The element with this id, which index.html promises.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`index.html has no #${id}`);
  return /** @type {T} */ (element);
}

/**
 * Set text only where it differs: selections and screen readers are left alone.
 *
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Keep one child per item, in order; a row that stays keeps its node, and with it focus and selection.
 *
 * @template Item
 * @template {HTMLElement} Row
 * @param {Element} parent
 * @param {readonly Item[]} items
 * @param {(item: Item) => string} key
 * @param {(item: Item) => Row} make
 * @param {(row: Row, item: Item) => void} update
 */
export function keepRows(parent, items, key, make, update) {
  const wanted = new Set(items.map(key));
  /** @type {Map<string, Row>} */
  const known = new Map();
  for (const row of /** @type {Row[]} */ ([...parent.children])) {
    if (row.dataset.key !== undefined && wanted.has(row.dataset.key)) known.set(row.dataset.key, row);
    else row.remove();
  }
  let place = parent.firstElementChild;
  for (const item of items) {
    const row = known.get(key(item)) ?? make(item);
    row.dataset.key = key(item);
    update(row, item);
    if (row === place) place = place.nextElementSibling;
    else parent.insertBefore(row, place);
  }
}

/**
 * Fill a select with names, the first of which stands for all; what is chosen stays chosen.
 *
 * @param {HTMLSelectElement} select
 * @param {string} all
 * @param {readonly string[]} names
 */
export function setOptions(select, all, names) {
  const chosen = select.value;
  const wanted = chosen && !names.includes(chosen) ? [...names, chosen] : names;
  if (select.options.length === wanted.length + 1 && wanted.every((name, at) => select.options[at + 1].value === name)) return;
  fill(select, el("option", { value: "" }, all), ...wanted.map((name) => el("option", { value: name }, name)));
  select.value = chosen;
}
