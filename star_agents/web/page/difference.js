// Which words of a text stand in another one too, in order (longest common subsequence). Pure, and bounded.

const MOST_WORDS = 1500;

/**
 * @typedef {{text: string, isNew: boolean}} Run
 */

/**
 * @param {string} text
 * @param {string} other
 * @returns {Run[]} `text` in runs; the new ones do not stand in `other`. Texts too long to compare are one old run.
 */
export function difference(text, other) {
  const [words, others] = [split(text), split(other)];
  if (words.length > MOST_WORDS || others.length > MOST_WORDS) return [{ text, isNew: false }];
  const lengths = table(words, others);
  /** @type {Run[]} */
  const runs = [];
  let [row, column] = [0, 0];
  while (row < words.length) {
    if (column < others.length && words[row] === others[column]) {
      add(runs, words[row], false);
      [row, column] = [row + 1, column + 1];
    } else if (column < others.length && lengths[row][column + 1] >= lengths[row + 1][column]) {
      column += 1;
    } else {
      add(runs, words[row], words[row].trim() !== "");
      row += 1;
    }
  }
  return runs;
}

/** @param {string} text */
function split(text) {
  return text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];
}

/**
 * @param {readonly string[]} words
 * @param {readonly string[]} others
 * @returns {Uint16Array[]} length of the longest common subsequence of what follows each place
 */
function table(words, others) {
  const lengths = Array.from({ length: words.length + 1 }, () => new Uint16Array(others.length + 1));
  for (let row = words.length - 1; row >= 0; row -= 1) {
    for (let column = others.length - 1; column >= 0; column -= 1) {
      const isSame = words[row] === others[column];
      lengths[row][column] = isSame ? lengths[row + 1][column + 1] + 1 : Math.max(lengths[row + 1][column], lengths[row][column + 1]);
    }
  }
  return lengths;
}

/**
 * @param {Run[]} runs
 * @param {string} word
 * @param {boolean} isNew
 */
function add(runs, word, isNew) {
  const last = runs.at(-1);
  if (last && (last.isNew === isNew || word.trim() === "")) {
    last.text += word;
    return;
  }
  const kept = last?.isNew ? last.text.trimEnd() : (last?.text ?? "");
  const space = last?.text.slice(kept.length) ?? "";
  if (last) last.text = kept;
  runs.push({ text: space + word, isNew });
}
