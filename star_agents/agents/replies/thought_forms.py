"""The marks that models put around their thoughts, and around the answer after them, as servers are known to leak them.

A server that knows its model splits both into fields of their own. One that does not, because it was started without
its reasoning parser or does not know the model, sends the marks as text. The catalogue follows the parsers of vLLM
(``vllm/reasoning``), SGLang (``reasoning_parser.py``), llama.cpp (``common/chat.cpp``) and Ollama (``thinking``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class ThoughtForm:
    """One way to mark thoughts."""

    begin: re.Pattern[str]
    end: re.Pattern[str]
    probes: tuple[str, str]
    """In lower case, a text that every beginning holds and one that every end holds: a cheap look before a search."""
    ends_alone: bool = True
    """Whether thoughts may lack their beginning, because the chat template wrote it at the end of the prompt."""
    begins_alone: bool = True
    """Whether a beginning without an end tells of thoughts; plain English words do not."""


def _tags(names: str, probe: str) -> ThoughtForm:
    """Tags in angle brackets; a tag may be closed by another of its names."""
    return ThoughtForm(
        begin=re.compile(rf"<(?:{names})(?:\s[^<>/\n]{{0,200}})?>\n?", re.IGNORECASE),
        end=re.compile(rf"</(?:{names})>", re.IGNORECASE),
        probes=(f"<{probe}", f"</{probe}"),
    )


def _words(begin: str, end: str, *, ends_alone: bool = True, begins_alone: bool = True) -> ThoughtForm:
    """Special tokens, or other words that have one spelling."""
    return ThoughtForm(
        begin=re.compile(re.escape(begin)),
        end=re.compile(re.escape(end)),
        probes=(begin.lower(), end.lower()),
        ends_alone=ends_alone,
        begins_alone=begins_alone,
    )


_HERE = r"Here(?: is|['’]s) my "

FORMS = (
    # Qwen, DeepSeek, GLM, Nemotron, MiniMax, Olmo, ERNIE and most others; Hunyuan 3 writes <think:opensource>, K2
    # <think_fast>.
    _tags(r"think|thinking|think:[\w-]{1,20}|think_fast(?:er)?", "think"),
    _tags(r"budget:thinking", "budget:thinking"),  # Claude behind some proxies
    _tags(r"thoughts?", "thought"),  # EXAONE Deep
    _tags(r"reasoning|reflection", "re"),
    _tags(r"scratchpad", "scratchpad"),  # Hermes 3, as the next one
    _tags(r"inner_monologue", "inner_monologue"),
    _tags(r"seed:think", "seed:think"),  # Seed-OSS
    _tags(r"mm:think", "mm:think"),  # MiniMax M3
    _tags(r"longcat_think", "longcat_think"),
    _words("[THINK]", "[/THINK]"),  # Magistral, Ministral
    _words("◁think▷", "◁/think▷"),  # Kimi-VL
    _words("<|open|>think<|sep|>", "<|close|>think<|sep|>"),  # Kimi K3
    _words("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A, Command R
    _words("<|inner_prefix|>", "<|inner_suffix|>"),  # Apertus
    _words("<|think:start|>", "<|think:end|>"),  # Solar Open 2
    _words("<|channel>thought\n", "<channel|>"),  # Gemma 4
    _words("[unused16]", "[unused17]"),  # Pangu
    _words("<|begin_of_thought|>", "<|end_of_thought|>"),  # OpenThinker, Sky-T1
    ThoughtForm(
        begin=re.compile(r"<(?:unused|ctrl)94>(?:thought\n)?"),
        end=re.compile(r"<(?:unused|ctrl)95>"),
        probes=("94>", "95>"),
    ),  # MedGemma, Gemini
    _words("<|im_start|>think\n", "<|im_start|>answer\n"),  # s1
    ThoughtForm(
        begin=re.compile(r'<details type="reasoning"[^<>\n]{0,300}>'),
        end=re.compile(r"</details>"),
        probes=('<details type="reasoning"', "</details>"),
        ends_alone=False,  # an answer may fold away what it likes
    ),  # Open WebUI
    ThoughtForm(
        begin=re.compile(r"&lt;think(?:ing)?&gt;"),
        end=re.compile(r"&lt;/think(?:ing)?&gt;"),
        probes=("&lt;think", "&lt;/think"),
        ends_alone=False,
    ),  # behind gateways that write HTML
    ThoughtForm(
        begin=re.compile(r"(?:<\|message_model\|>)?<\|content_thinking\|>"),
        end=re.compile(r"<\|end_message\|>"),
        probes=("<|content_thinking|>", "<|end_message|>"),
        ends_alone=False,  # every message ends so
    ),  # Inkling
    _words("/think\n", "<|im_end|>\n<|im_start|>assistant", ends_alone=False),  # HyperCLOVA X: every turn ends so
    # Plain words: "Here is my thought process: ..." alone may be just the answer that was asked for.
    ThoughtForm(
        begin=re.compile(_HERE + r"thought process:"),
        end=re.compile(_HERE + r"response:"),
        probes=("my thought process:", "my response:"),
        ends_alone=False,
        begins_alone=False,
    ),  # Granite 3
    _words("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]", begins_alone=False),  # Apriel
    _words("## Thinking\n", "\n## Final Response\n", ends_alone=False, begins_alone=False),  # HuatuoGPT-o1
)
BEFORE_THOUGHTS = re.compile(
    r"""(?:\s|[\ufeff\u200b-\u200f\u2060]
        |<s>|<bos>|<\|begin_of_text\|>|<｜begin▁of▁sentence｜>|\[gMASK\]|<sop>
        |<\|start_header_id\|>assistant<\|end_header_id\|>|<\|im_start\|>assistant\b|<start_of_turn>model\b
        |<\|assistant\|>|<｜Assistant｜>|\[\|assistant\|\])+""",
    re.VERBOSE,
)
"""Blanks, marks that nobody sees, and what opens a turn: a server that leaks marks leaks these before them."""

MESSAGE_HEADER = re.compile(
    r"""(?=<\|start\|>|<\|channel\|>|assistant|analysis|commentary|final|\ ?to=)
        (?:<\|start\|>\s*)?(?:assistant\b)?\s*
        (?:<\|channel\|>\s*)?(?P<channel>analysis|commentary|final|assistant)?\s*
        (?:to=(?P<to>[\w.\-]{1,100}))?\s*
        (?:(?:<\|constrain\|>\s*)\w{1,30}|json)?\s*
        <\|message\|>""",
    re.VERBOSE,
)
"""What opens a message of gpt-oss (harmony: channels) or Muse (recipients): ``<|channel|>analysis<|message|>``."""
MESSAGE_END = re.compile(r"<\|(?:end|return|call|eom|eot)\|>|(?=<\|start\|>)|(?=<\|channel\|>)")

HARMONY_FINAL = "assistantfinal"
"""What is left of ``<|end|><|start|>assistant<|channel|>final<|message|>`` where a server drops special tokens."""
HARMONY_ANALYSIS = re.compile(r"(?:analysis|commentary)")
HARMONY_ANALYSIS_ALONE = re.compile(
    r"(?:analysis|commentary)(?=(?:We|The|I|User|Need|Let|They|This|It|Just|You|Simple)\b|[A-Z][a-z']*,?\ [a-z])"
)
"""Glued to the first word of a thought. ``analysisResult = ...`` is code, and ``analysis of ...`` English."""
GEMMA_LABEL = "thought\n"
"""What is left of Gemma's ``<|channel>thought`` where a server drops special tokens; the end leaves no trace."""

WRAPPERS = (
    ("<answer>", "</answer>"),  # Hunyuan A13B, GLM-4.1V
    ("<response>", "</response>"),  # ERNIE 4.5
    ("<output>", "</output>"),  # Reflection
    ("<|begin_of_solution|>", "<|end_of_solution|>"),  # OpenThinker, Sky-T1
    ("<|begin_of_box|>", "<|end_of_box|>"),  # GLM-4.1V, GLM-4.5V
    ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),  # Command A
    ("<|open|>response<|sep|>", "<|close|>response<|sep|>"),  # Kimi K3
    ("<|message_model|>", ""),  # Inkling
    ("<|content_text|>", "<|end_message|>"),  # Inkling
)
"""Marks around an answer that follows thoughts; the second is taken away where it stands."""
LEFTOVERS = (
    "[END FINAL RESPONSE]",
    "<|content_model_end_sampling|>",
    "<|close|>message<|sep|>",
    "<|end_of_msg|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "</s>",
    "<｜end▁of▁sentence｜>",
    "[|endofturn|]",
    "<end_of_turn>",
    "<|END_OF_TURN_TOKEN|>",
    "<turn|>",
    "<eos>",
)
"""Ends of turns, taken away from the end of an answer that follows thoughts."""
