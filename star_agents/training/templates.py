"""Tokenizers, and chat templates for models that have none, by name."""

from __future__ import annotations

from typing import Any

from transformers import AutoTokenizer

from star_agents.errors import UsageError
from star_agents.training.base_model import BaseModel

VICUNA = (
    "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}{% set talk = messages[1:] %}"
    "{% else %}{{ 'A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user\\'s questions.' }}"
    "{% set talk = messages %}{% endif %}"
    "{% for message in talk %}"
    "{% if message['role'] == 'user' %}{{ ' USER: ' ~ message['content'] }}"
    "{% else %}{{ ' ASSISTANT: ' ~ message['content'] ~ eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}"
)
"""The form of Vicuna 1.1 (FastChat), in which the papers' models of MT-bench were trained; an answer ends with EOS."""
PLAIN = (
    "{% for message in messages %}{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% else %}{{ '\n' }}{% endif %}{% endfor %}"
)
"""No word but those of the turns, for a model that never read the words of a chat; an answer ends with EOS."""
NAMED = {"vicuna": VICUNA, "plain": PLAIN}
USUAL = "vicuna"
_TRIED = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hello."}]


def load_tokenizer(base: BaseModel, *, trust_remote_code: bool) -> Any:
    """The tokenizer of a model. Raises UsageError."""
    try:
        return AutoTokenizer.from_pretrained(base.folder, trust_remote_code=trust_remote_code)
    except Exception as error:  # loading runs through a dozen libraries, each with errors of its own
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"model {base.name}: its tokenizer cannot be loaded: {said}") from error


def prepare_tokenizer(tokenizer: Any, asked: str, model: str) -> str:
    """Give a tokenizer what training needs: a chat template and a padding token; return what was done, in a sentence.

    Args:
        tokenizer: A transformers tokenizer.
        asked: A name of ``NAMED``, or the text of a template; empty for the model's own.
        model: Its name, for messages.

    Raises:
        UsageError: it has no end token, or the template is none, cannot be rendered, or leaves out what is said.
    """
    if tokenizer.eos_token is None:
        raise UsageError(
            f"model {model}: its tokenizer has no end token (eos_token), so what learned from it would never stop: set "
            "it in tokenizer_config.json"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if not asked and tokenizer.chat_template:
        return "chat template: the model's own"
    name = asked or USUAL
    if name not in NAMED and "{" not in name:
        known = ", ".join(NAMED)
        raise UsageError(f"--chat-template {name}: no template is called so; there is {known}, or name a file of Jinja")
    had = "instead of its own" if tokenizer.chat_template else "the model has none"
    tokenizer.chat_template = NAMED.get(name, name)
    try:
        written = str(tokenizer.apply_chat_template(_TRIED, tokenize=False))
    except Exception as error:  # a template may raise what it likes
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(f"the chat template cannot be used: {said}") from error
    if lost := [turn["role"] for turn in _TRIED if turn["content"] not in written]:
        raise UsageError(f"the chat template cannot be used: what the {lost[0]} says does not come through it")
    told = name if name in NAMED else "yours"
    return f"chat template: {told} ({had}); it is kept with the trained model"
