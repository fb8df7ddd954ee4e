"""What the scorer found of one sample."""

from __future__ import annotations

from dataclasses import dataclass

from star_agents.records.flat import Flat


@dataclass(frozen=True, kw_only=True, slots=True)
class Score(Flat):
    """Dual-model IFD of one sample (Eq. 4), or the reason why there is none."""

    ifd_small: float | None = None
    """``None`` together with ``reason``; never NaN."""
    ifd_large: float | None = None
    reason: str = ""
    formula: str = "perplexity_ratio"
    """Which IFD this is: two other definitions are about, so every stored score names its own."""
    response_tokens: int = 0
    """Tokens scored by the small model."""

    @property
    def gap(self) -> float | None:
        """IFD_small - IFD_large (the numerator of Eq. 5); ``None`` where either is missing."""
        if self.ifd_small is None or self.ifd_large is None:
            return None
        return self.ifd_small - self.ifd_large
