"""How a judge's points for two answers are read where they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from star_agents.arena.scores import Scored, read_scores, scores_form
from star_agents.recipes.reads import Unreadable


@dataclass(frozen=True, slots=True)
class Scores:
    """Points from 1 to 10 for each of two answers, in an object that carries a code which no player can know."""

    code: str

    @property
    def schema(self) -> Mapping[str, Any]:
        """What the reply can be bound to."""
        return scores_form(self.code)

    @property
    def request(self) -> str:
        """What is said beside the prompt where the reply is bound."""
        return "Reply with this one JSON object and nothing else, your reasons inside it."

    def read(self, text: str) -> Scored:
        """The points. Raises ``Unreadable``."""
        try:
            return read_scores(text, self.code)
        except ValueError as error:
            raise Unreadable(str(error)) from None
