"""Everything that talks to models: LiteLLM's Router, limits and budgets, prompts, the referee.

Home of litellm and of aiohttp's client. Importing this package does not load LiteLLM: it comes in when an
``AgentClient`` is built (``litellm_env.load``).
"""
