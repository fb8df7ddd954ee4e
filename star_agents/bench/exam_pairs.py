"""The planted pairs that a judge is examined with, whatever the form in which it judges."""

from __future__ import annotations

from star_agents.agents.judging.exam import Exam, ExamPair, general_exam
from star_agents.config.models import Config
from star_agents.offline import PREFIX
from star_agents.offline import exam as world_exam


def exam_pairs(config: Config, judge: str) -> Exam:
    """Sample agents see only the closed world, everybody else reads plain English."""
    agent = config.agents.get(judge)
    if agent is not None and all(endpoint.model.startswith(PREFIX) for endpoint in agent.endpoints):
        pairs = tuple(ExamPair(**pair._asdict()) for pair in world_exam.pairs())
        return Exam(version=world_exam.VERSION, pairs=pairs)
    return general_exam()
