"""The ways to a provider: through LiteLLM whole, directly over OpenAI's and Ollama's protocol, or in this process."""
