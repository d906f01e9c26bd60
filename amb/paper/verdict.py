"""A claim, how it is measured, and its verdict, which follows from the interval alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

Verdict = Literal["holds", "does not hold", "cannot be decided"]
VERDICTS: Mapping[Verdict, str] = MappingProxyType(
    {"holds": "hold", "does not hold": "do not hold", "cannot be decided": "cannot be decided"}
)
"""All verdicts, each with its wording for several claims."""


@dataclass(frozen=True)
class Claim:
    """One claim of the paper, judged.

    Attributes:
        section: where the paper states it.
        claim: the claim in our words, as it is judged: its words and the range below say the same.
        how: how we measure it.
        figure: what the number is.
        value, low, high: the number and its 95% interval; NaN where it cannot be measured.
        least, most: the claim holds if the number lies between them.
        effect: an effect size in words, with its number.
        data: how much the number rests on.
    """

    section: str
    claim: str
    how: str
    figure: str
    value: float
    low: float
    high: float
    least: float
    most: float
    effect: str = ""
    data: str = ""

    @property
    def verdict(self) -> Verdict:
        """The claim holds if the whole interval lies in the claimed range, and does not if none of it does."""
        if not (np.isfinite(self.low) and np.isfinite(self.high)):
            return "cannot be decided"
        if self.least <= self.low and self.high <= self.most:
            return "holds"
        if self.high < self.least or self.low > self.most:
            return "does not hold"
        return "cannot be decided"

    @property
    def range(self) -> str:
        """The claimed range in words."""
        if np.isinf(self.most):
            return f"at least {self.least:g}"
        if np.isinf(self.least):
            return f"at most {self.most:g}"
        return f"{self.least:g} to {self.most:g}"

    @property
    def number(self) -> str:
        """The number with its interval."""
        if not np.isfinite(self.value):
            return "–"
        if not np.isfinite(self.low):
            return f"{self.value:.3g}, too few for an interval"
        return f"{self.value:.3g}" if self.low == self.high else f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"

    def row(self) -> dict[str, object]:
        """The claim as a row of a table."""
        return {
            "section": self.section,
            "claim": self.claim,
            "how": self.how,
            "figure": self.figure,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "claimed": self.range,
            "effect": self.effect,
            "data": self.data,
            "verdict": self.verdict,
        }


def tally(claims: Sequence[Claim]) -> list[tuple[Verdict, int, str]]:
    """Every verdict, how many claims have it, and the words that follow the number: "1 holds", "4 do not hold"."""
    counts = [(verdict, sum(claim.verdict == verdict for claim in claims)) for verdict in VERDICTS]
    return [(verdict, number, verdict if number == 1 else VERDICTS[verdict]) for verdict, number in counts]
