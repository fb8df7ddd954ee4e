"""A recipe where it stands in the chain, with what its bench hands it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from star_agents.recipes.protocol import Recipe
from star_agents.records import Sample, Seed
from star_agents.text.prompt_templates import PromptTemplates


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """A recipe in its place of the chain, with its settings."""

    recipe: Recipe[Any]
    settings: Any
    following: Recipe[Any] | None = None
    """Who takes its children; nobody where it is the last one."""
    prompts: PromptTemplates | None = None
    """Its templates."""

    @property
    def next(self) -> str:
        """Name of the recipe that takes its children; empty for the last one."""
        return "" if self.following is None else self.following.name

    def taken(self, seed: Seed) -> Seed:
        """The seed as its recipe knows it: calls of tools as text, unless it reads them as such."""
        content = seed.content
        if self.recipe.reads_tools or not isinstance(content, Sample) or not content.holds_tools:
            return seed
        return replace(seed, content=content.in_text)
