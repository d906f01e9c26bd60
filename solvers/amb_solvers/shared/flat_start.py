"""What is done about a silent neuron: one policy for every method that would stop, restart or drift on it."""

import numpy as np

from amb.contracts.space import FloatArray


class FlatStart:
    """As long as all values told are equal, nothing is learned and every population is drawn from the start.

    Equal values rank nobody, so a strategy that adapts to them walks at random, away from the prior, and its package
    may take them for convergence. Under this policy a run on a silent neuron is a search of the start distribution,
    until the first value that differs; from then on the method does what it does. Failed queries say nothing.
    """

    def __init__(self) -> None:
        self._first: float | None = None
        self._flat = True

    def holds(self, values: FloatArray) -> bool:
        """Hear a population's values, NaN where a query failed; whether all heard so far are equal."""
        for value in values[~np.isnan(values)]:
            if self._first is None:
                self._first = float(value)
            self._flat &= bool(value == self._first)
        return self._flat
