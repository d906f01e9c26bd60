"""What a comparison asks: the metric, the error rate, what counts as equal, and who is compared with whom."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from amb.errors import SpecError
from amb.stats.metrics import Metric, find_metric


@dataclass(frozen=True)
class Question:
    """What a comparison asks, declared before the results are seen.

    Attributes:
        metric: the primary metric, a name in `amb.stats.METRICS`.
        alpha: family-wise error rate of the pairwise tests, after Holm's correction.
        rope: region of practical equivalence, as a share of each problem's range.
        control: the solver with which every other one is compared; None compares all pairs.

    Raises:
        SpecError: an unknown metric (the message gives the nearest name), alpha outside (0, 1), or a rope that is
            negative or not finite.
    """

    metric: str = "final"
    alpha: float = 0.05
    rope: float = 0.01
    control: str | None = None

    def __post_init__(self) -> None:
        find_metric(self.metric)
        if not 0 < _number("alpha", self.alpha) < 1:
            raise SpecError(f"alpha must lie between 0 and 1, got {self.alpha}; the usual value is {Question.alpha}")
        if not (isfinite(_number("rope", self.rope)) and self.rope >= 0):
            raise SpecError(
                f"rope must be a finite number of at least 0, got {self.rope}; {Question.rope} is 1% of the range"
            )
        if not (self.control is None or isinstance(self.control, str)):
            raise SpecError(f"control must be the spec of one of the solvers, got {self.control!r}")

    @property
    def scoring(self) -> Metric:
        """The primary metric: how a run is scored, and how scores are written."""
        return find_metric(self.metric)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "Question":
        """The question in stored settings; missing entries have their defaults, other entries are ignored.

        Raises:
            SpecError: as for the class.
        """
        return cls(**{f.name: settings[f.name] for f in fields(cls) if f.name in settings})

    def to_settings(self) -> dict[str, Any]:
        """The question as plain settings, which `from_settings` reads back."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def to_options(self) -> list[str]:
        """The command-line options that ask this question; those at their defaults are left out."""
        changed = [(f.name, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) != f.default]
        return [word for name, value in changed for word in (f"--{name}", str(value))]


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SpecError(f"{name} must be a number, got {value!r}")
    return float(value)


DEFAULT = Question()
"""Median final activation, all pairs."""
