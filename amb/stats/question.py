"""What a comparison asks: the metric, the error rate, what counts as equal, and who is compared with whom."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

from amb.errors import SpecError, unknown
from amb.spec import whole_number
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
        for name in ("alpha", "rope"):  # of any kind, such as numpy's, and kept as plain ones, which files hold
            object.__setattr__(self, name, _number(name, getattr(self, name)))
        if not 0 < self.alpha < 1:
            raise SpecError(f"alpha must lie between 0 and 1, got {self.alpha}; the usual value is {Question.alpha}")
        if not 0 <= self.rope < 1:
            raise SpecError(
                f"rope is a share of the range, at least 0 and below 1, got {self.rope}; {Question.rope} is 1% of it"
            )
        if not isinstance(self.level, str) or self.level not in LEVELS:
            raise unknown("level", str(self.level), LEVELS)
        if not (self.control is None or isinstance(self.control, str)):
            raise SpecError(f"control must be the spec of one of the solvers, got {self.control!r}")

        for name in ("look", "looks"):
            object.__setattr__(self, name, whole_number(getattr(self, name), name, 1))
        if self.look > self.looks:
            raise SpecError(
                f"look must be a number from 1 to the number of planned looks, got look {self.look} of {self.looks}"
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


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise SpecError(f"{name} must be a number, got {value!r:.80}")
    try:
        return float(value)
    except OverflowError:
        raise SpecError(f"{name} must be a number between 0 and 1") from None


DEFAULT = Question()


def check_question(value: object) -> Question:
    """A question.

    Raises:
        SpecError: it is something else.
    """
    if not isinstance(value, Question):
        raise SpecError(f"question must be an amb.stats.Question, got {value!r:.80}")
    return value


"""Median final activation, all pairs."""
