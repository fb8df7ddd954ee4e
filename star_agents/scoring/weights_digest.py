"""A fingerprint of a model's weights: two processes that loaded other weights under one name are told apart by it."""

from __future__ import annotations

import hashlib
from typing import Any

from star_agents.scoring.probe import DIGITS

SAMPLED = 64
"""Numbers of each tensor at the least, at equal distances, and less than twice as many: training moves all of them, and
reading every one of billions would take longer than loading them."""


def weights_digest(model: Any) -> str:
    """Digest of names, shapes and some numbers of the parameters of a torch module. The same on every device; another
    dtype gives another one."""
    found = hashlib.sha256()
    for name, weight in sorted(model.named_parameters()):
        flat = weight.detach().reshape(-1)
        some = flat[:: max(1, flat.numel() // SAMPLED)].float().cpu().contiguous()
        found.update(f"{name} {tuple(weight.shape)} ".encode() + some.numpy().tobytes())
    return found.hexdigest()[:DIGITS]
