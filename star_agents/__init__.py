"""star_agents: many LLM agents turn a seed dataset into a better one for your target model.

Importing the package loads neither torch nor litellm: a heavy library loads in the room that is its home, when that
room is built.
"""

__version__ = "0.1.0"
