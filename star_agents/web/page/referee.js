// What the referee said so far.

import { byId, setText } from "./dom.js";
import { count, percent, plural } from "./format.js";
import { showBar, showCounts } from "./summary.js";

/** @param {import("./types.js").Referee} referee */
export function showReferee(referee) {
  const { verdicts, wins, ties, losses } = referee;
  const lead = verdicts
    ? `Candidate against base, ${plural(verdicts, "verdict")}. Asked in both orders it said the same in ${percent(referee.agreement)}.`
    : referee.without_verdict
      ? `Candidate against base, in both orders. Nothing it said of ${plural(referee.without_verdict, "candidate")} could be read.`
      : "Candidate against base, in both orders. No verdict yet.";
  setText(byId("referee-lead"), lead);
  const total = Math.max(1, verdicts);
  showBar(byId("referee-bar"), [["kept", wins / total], ["waiting", ties / total], ["dropped", losses / total]]);
  showCounts(byId("referee"), [
    ["kept", "candidate better", count(wins)],
    ["waiting", "tie", count(ties)],
    ["dropped", "base better", count(losses)],
    ["unreadable", "unreadable", count(referee.unreadable)],
  ]);
}
