"""Which steps a reproduction takes, and the agents.yaml that an arm's run works under. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from star_agents.config.models import Config
from star_agents.engine.reproduction.experiment import Experiment
from star_agents.engine.reproduction.papers import Arm, Paper
from star_agents.text.content_hash import digest

Kind = Literal["data", "model", "grades"]


class Step(NamedTuple):
    """One thing that is done once."""

    kind: Kind
    arm: str
    training: int
    """Which training of the arm; its random seed, too. 0 for data, which all of them share."""

    @property
    def name(self) -> str:
        """Of the step in the state, and in messages."""
        return f"{self.player} {self.kind}"

    @property
    def player(self) -> str:
        """What the model that it is about is called."""
        return f"{self.arm}-{self.training}" if self.training else self.arm


def steps_of(experiment: Experiment, paper: Paper) -> tuple[Step, ...]:
    """All steps in their order: every arm once before any of them is trained again, so that a table is there early."""
    return tuple(_steps(experiment, paper))


def _steps(experiment: Experiment, paper: Paper) -> Iterator[Step]:
    for training in range(1, experiment.trainings + 1):
        for arm in experiment.arms:
            source = paper.arms[arm].learns_from
            if source == "nothing":
                if training == 1:
                    yield Step("grades", arm, 0)
                continue
            if source == "run" and training == 1:
                yield Step("data", arm, 0)
            yield Step("model", arm, training)
            yield Step("grades", arm, training)


def config_of(config: Config, arm: Arm) -> Config:
    """agents.yaml as the run of an arm works under it."""
    assert arm.selection is not None, "an arm that makes data"
    changed = {
        "star": config.star.model_copy(update={"selection": arm.selection}),
        "memory": config.memory.model_copy(update={"enabled": config.memory.enabled and arm.remembers}),
        "evolution": config.evolution if arm.evolves else config.evolution.model_copy(update={"policy": "uniform"}),
    }
    return config.model_copy(update=changed)


_FREE = {"arms", "trainings", "answers_at_once"}
"""Of an experiment, what may be other when it goes on: more of it adds steps, and changes none."""
_WORKED_BY = ("recipe", "star", "memory", "evolution", "scoring", "evaluation")
"""Of agents.yaml, what a figure hangs on beside the models that agents are."""


def fixed_by(config: Config, experiment: Experiment) -> dict[str, Any]:
    """What must stay as it is while a reproduction goes on."""
    settings = config.model_dump(mode="json", include=set(_WORKED_BY), exclude_defaults=True)
    own = experiment.model_dump(mode="json", exclude=_FREE, exclude_defaults=True)
    models = {name: [one.model for one in agent.endpoints] for name, agent in config.agents.items()}
    return {
        "target": experiment.target,
        "settings of experiment.yaml": digest(own)[:12],
        "settings of agents.yaml": digest([settings, models])[:12],
    }
