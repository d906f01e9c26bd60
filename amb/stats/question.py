"""What a comparison asks: the metric, the error rate, what counts as equal, and who is compared with whom."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from amb.errors import SpecError, unknown
from amb.stats.levels import LEVELS
from amb.stats.metrics import Metric, find_metric


@dataclass(frozen=True)
class Question:
    """What a comparison asks, declared before the results are seen.

    Attributes:
        metric: the primary metric, a name in `amb.stats.METRICS`.
        alpha: family-wise error rate of the pairwise tests, after Holm's correction.
        rope: region of practical equivalence, as a share of each problem's range.
        control: the solver with which every other one is compared; None compares all pairs.
        level: what the tests count as independent: "problems", or the stricter "layers" or "networks", whose problems
            share weights: differences are then averaged within each.
        look, looks: for a study that grows until a difference is shown: which of how many planned looks this is. A look
            spends part of alpha (`amb.stats.spending`), so that all of them together keep it.

    Raises:
        SpecError: an unknown metric or level (the message gives the nearest name), alpha outside (0, 1), a rope outside
            [0, 1), or a look that is not one of the looks.
    """

    metric: str = "final"
    alpha: float = 0.05
    rope: float = 0.01
    control: str | None = None
    level: str = "problems"
    look: int = 1
    looks: int = 1

    def __post_init__(self) -> None:
        find_metric(self.metric)
        if not 0 < _number("alpha", self.alpha) < 1:
            raise SpecError(f"alpha must lie between 0 and 1, got {self.alpha}; the usual value is {Question.alpha}")
        if not 0 <= _number("rope", self.rope) < 1:
            raise SpecError(
                f"rope is a share of the range, at least 0 and below 1, got {self.rope}; {Question.rope} is 1% of it"
            )
        if self.level not in LEVELS:
            raise unknown("level", str(self.level), LEVELS)
        if not (self.control is None or isinstance(self.control, str)):
            raise SpecError(f"control must be the spec of one of the solvers, got {self.control!r}")

        if not (_whole(self.look) and _whole(self.looks) and 1 <= self.look <= self.looks):
            raise SpecError(
                f"look must be a number from 1 to the number of planned looks, got look {self.look!r} of {self.looks!r}"
            )

    @property
    def alpha_now(self) -> float:
        """The family-wise error rate at this look: alpha, unless several looks share it."""
        if self.looks == 1:
            return self.alpha
        from amb.stats.spending import alpha_at

        return alpha_at(self.alpha, self.look, self.looks)

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
        """The question as plain settings, which `from_settings` reads back, and the error rate at this look."""
        return {**{f.name: getattr(self, f.name) for f in fields(self)}, "alpha_now": self.alpha_now}

    def to_options(self) -> list[str]:
        """The command-line options that ask this question; those at their defaults are left out."""
        changed = [(f.name, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) != f.default]
        return [word for name, value in changed for word in (f"--{name}", str(value))]


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SpecError(f"{name} must be a number, got {value!r}")
    return float(value)


DEFAULT = Question()
"""Median final activation, all pairs."""
