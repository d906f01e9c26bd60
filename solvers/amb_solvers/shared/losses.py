"""Values for packages that minimize."""

import numpy as np

from amb.contracts.space import FloatArray


def losses(values: FloatArray) -> FloatArray | None:
    """Negated values, in which failed queries count as the worst of the others; None if all queries failed."""
    valid = ~np.isnan(values)
    return -np.where(valid, values, values[valid].min()) if valid.any() else None


class WorstSoFar:
    """Negated values for methods that learn from one query at a time, in which a failed one counts as the worst so far.

    Before the first value it counts as -1, which is below every activation.
    """

    def __init__(self) -> None:
        self._worst: float | None = None

    def loss(self, value: float) -> float:
        """The loss of the next query, whose value may be NaN."""
        if np.isnan(value):
            return 1.0 if self._worst is None else self._worst
        self._worst = -value if self._worst is None else max(self._worst, -value)
        return -float(value)
