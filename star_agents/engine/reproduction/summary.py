"""What a reproduction came to, as plain data: for the table, the JSON and the page of text."""

from __future__ import annotations

from typing import Any

from star_agents.engine.reproduction.plan import Step
from star_agents.engine.reproduction.table import comparisons, sentences
from star_agents.engine.reproduction.work import Reproduction


def summary_of(work: Reproduction) -> dict[str, Any]:
    """All of it so far. Raises UsageError and SeedFileError where files are not there any more."""
    paper, done, scores = work.paper, work.state.done, work.scores()
    of_arm = {one.arm: one for one in scores}
    arms = []
    for name in (name for name in paper.arms if name in work.experiment.arms):
        arm, trained = paper.arms[name], _facts(work, name, "model")
        made = _facts(work, name, "data")
        arms.append(
            {
                "arm": name,
                "what": arm.what,
                "paper": None if arm.row is None else arm.row.model_dump(mode="json"),
                "ours": of_arm[name].to_dict() if name in of_arm else None,
                "rows": trained[0]["rows"] if trained else None,
                "rows_right": trained[0]["right"] if trained else None,
                "last_loss": trained[0]["last_loss"] if trained else None,
                "cost": {key: made[0][key] for key in ("calls", "usd", "calls_of_unknown_price")} if made else None,
            }
        )
    return {
        "paper": paper.paper,
        "benchmarks": dict(paper.benchmarks),
        "steps": len(work.steps),
        "done": sum(work.state.is_done(step) for step in work.steps),
        "seconds": round(sum(float(one["seconds"]) for one in done.values()), 1),
        "trainings": work.experiment.trainings,
        "questions": len(work.benchmark.questions),
        "missing": sum(int(one.get("missing", 0)) for one in done.values()),
        "judge": work.experiment.judge,
        "is_closed_world": work.experiment.world is not None,
        "arms": arms,
        "comparisons": [one.to_dict() for one in comparisons(scores, paper)],
        "shown": [{"question": one.asked, "answer": one.answer} for one in work.shown],
        "sentences": list(sentences(scores, paper)),
    }


def _facts(work: Reproduction, arm: str, kind: str) -> list[dict[str, Any]]:
    steps: list[Step] = [step for step in work.steps if step.arm == arm and step.kind == kind]
    return [work.state.done[step.name] for step in steps if work.state.is_done(step)]
