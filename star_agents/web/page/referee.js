// What the referee said so far.

import { byId, setText } from "./dom.js";
import { count, percent, plural } from "./format.js";
import { showBar, showCounts } from "./summary.js";

/** @param {import("./types.js").Referee} referee */
export function showReferee(referee) {
  const { verdicts, wins, ties, losses, without_verdict: without } = referee;
  const votes = referee.unreadable ? ` ${plural(referee.unreadable, "vote")} could not be read.` : "";
  setText(byId("referee-lead"), `Candidate against base, ${said(referee)}.${votes}${exams(referee)}`);
  const total = Math.max(1, verdicts + without);
  showBar(byId("referee-bar"), [["kept", wins / total], ["waiting", ties / total], ["dropped", losses / total], ["unreadable", without / total]]);
  showCounts(byId("referee"), [
    ["kept", "candidate better", count(wins)],
    ["waiting", "tie", count(ties)],
    ["dropped", "base better", count(losses)],
    ["unreadable", "unreadable", count(without)],
  ]);
}

/** @param {import("./types.js").Referee} referee */
function exams({ exam }) {
  const told = exam === null ? "" : saidOfExams(exam);
  return told ? ` ${told}` : "";
}

/**
 * How each judge did in the exam that it sat before.
 *
 * @param {import("./types.js").Exams} exam
 */
export function saidOfExams({ judges }) {
  const parts = Object.values(judges).map(({ judge, right, pairs, passed }) => `${judge} ${right} of ${pairs}${passed ? "" : " (failed)"}`);
  return parts.length ? `Exam: ${parts.join(", ")}.` : "";
}

/** @param {import("./types.js").Referee} referee */
function said({ verdicts, agreement, without_verdict: without }) {
  if (verdicts) return `${plural(verdicts, "verdict")}. Asked in both orders it said the same in ${percent(agreement)}`;
  return without ? `in both orders. It gave no verdict on ${plural(without, "candidate")}` : "in both orders. No verdict yet";
}
