"""A referee without truth: the large scorer answers each question itself, and a candidate that says the same is better.

Judging by a reference answer of the judge's own is the field's common remedy for judges that are taken in by style
(Zheng et al. 2023, reference-guided grading). Method: it sees texts and the large model. It is exactly as good as the
large model is at the tasks, and blind to style by construction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from proof.generation import load, prompt_of, respond
from proof.kept import ask_once
from star_agents.records import Sample

_SAID = re.compile(r"\bthe answer is (.+?) \.")


def said(response: str) -> str:
    """What a response answers: the words after its last "the answer is", or all of it."""
    found = _SAID.findall(response)
    return found[-1] if found else response.strip().removesuffix(" .")


def verdicts(
    rows: Sequence[Sequence[Sample]], folder: str, file: Path, said: Callable[[str], str] = said
) -> NDArray[np.float64]:
    """π_llm of every candidate against column 0, [seeds, 1 + pairs] in {0, 0.5, 1}; both orders agree by construction.

    The model's own answers are kept in ``file``. ``said`` reads what a response answers.
    """
    prompts = list(dict.fromkeys(prompt_of(sample) for row in rows for sample in row))
    model, tokenizer = load(folder)
    written = ask_once(file, prompts, str, partial(respond, model, tokenizer))
    own = {prompt: said(str(text)) for prompt, text in zip(prompts, written, strict=True)}
    agrees = np.array(
        [[said(one.response or "") == own[prompt_of(one)] for one in row] for row in rows], dtype=np.float64
    )
    values: NDArray[np.float64] = 0.5 + 0.5 * (agrees - agrees[:, :1])
    return values
