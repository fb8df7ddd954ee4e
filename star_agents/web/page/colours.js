// Which colour and dash an arm of a pool has. It goes by when the arm came, and then by its name: neither who leads, nor
// a reload, nor an arm that joins later changes it. Pure.

/** @typedef {{colour: string, isDashed: boolean}} Look a colour of the style sheet, such as `--series-1` */

export const COLOURS = Array.from({ length: 10 }, (_, at) => `--series-${at + 1}`);
/** So many arms can be told apart: every colour once as a whole line and once dashed. */
export const LOOKS = 2 * COLOURS.length;

/**
 * @param {readonly string[]} came every arm there ever was, in the order of `CurvePoints.came`
 * @returns {Map<string, Look>}
 */
export function looksOf(came) {
  return new Map(came.map((arm, at) => [arm, { colour: COLOURS[at % COLOURS.length], isDashed: at % LOOKS >= COLOURS.length }]));
}

/**
 * The arms that are drawn in their colour: all while they can be told apart, else the leaders.
 *
 * @param {readonly string[]} ranked the best first
 * @param {ReadonlyMap<string, Look>} looks
 * @returns {Map<string, Look>} in the order in which the arms came
 */
export function coloured(ranked, looks) {
  const shown = new Set(ranked.length <= LOOKS ? ranked : ranked.slice(0, COLOURS.length));
  return new Map([...looks].filter(([arm]) => shown.has(arm)));
}
