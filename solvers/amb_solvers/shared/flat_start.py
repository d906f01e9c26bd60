"""A common policy for silent neurons, for methods that would stop, restart or drift on them."""

import numpy as np

from amb.contracts.space import FloatArray


class FlatStart:
    """As long as all values are equal, a method learns nothing and draws every population from its start distribution.

    Equal values rank no candidate above another, so a strategy that adapts to them performs a random walk away from
    the prior, and its package may mistake them for convergence. Under this policy a run on a silent neuron samples the
    start distribution until the first value differs; from then on the method works as usual. Failed queries are
    ignored.
    """

    def __init__(self) -> None:
        self._first: float | None = None
        self._flat = True

    def holds(self, values: FloatArray) -> bool:
        """Record a population's values, NaN where a query failed; whether all values so far are equal."""
        for value in values[~np.isnan(values)]:
            if self._first is None:
                self._first = float(value)
            self._flat &= bool(value == self._first)
        return self._flat
