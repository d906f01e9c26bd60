"""Noise of a measurement: what a solver is told instead of the activation, reproducible query by query."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from amb.contracts.space import FloatArray
from amb.errors import SpecError

Kind = Literal["poisson", "bernoulli", "gaussian"]


@dataclass(frozen=True)
class Queries:
    """Which queries of a run a batch is. All randomness of an observation comes from here and from nowhere else.

    So a query is as noisy alone as in a crowd, now as after a resume, whoever evaluates it.

    Attributes:
        seed: of the run's noise, in [0, 2^64).
        first: number of the batch's first query within the run, from 0.
    """

    seed: int
    first: int

    def rng(self, row: int, *, stream: int = 0) -> np.random.Generator:
        """The randomness of the batch's row; different streams of one query are independent.

        Philox counts in 256 bits: number and stream stand in the upper words, so no two streams meet.
        """
        return np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, stream, self.first + row]))


@dataclass(frozen=True)
class Noise:
    """How a trial differs from the activation; the mean of `trials` independent ones is told.

    Attributes:
        kind: of a trial of an activation a:
            "poisson": Poisson(a N) / N, as of a neuron that fires at a rate;
            "bernoulli": Binomial(N, a) / N, where each of the N possible spikes falls out or not by itself;
            "gaussian": a plus a normal number of standard deviation `std`.
        trials: how many of them are averaged.
        spikes: N, the spikes that an activation of 1 stands for; poisson and bernoulli.
        std: in the activation's units; gaussian.

    An activation below 0 fires as one of 0, one above 1 as one of 1 where spikes are drawn from a fixed number. NaN
    stays NaN.

    Raises:
        SpecError: no such kind, or a number out of range.
    """

    kind: Kind
    trials: int = 1
    spikes: int | None = None
    std: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise SpecError(f"noise must be poisson, bernoulli or gaussian, got {self.kind!r}")
        if not _counts(self.trials, 10**6):
            raise SpecError(f"trials must be a number from 1 to 1000000, got {self.trials!r}")
        if self.kind == "gaussian":
            if isinstance(self.std, bool) or not isinstance(self.std, int | float) or not 0 <= self.std <= 1e9:
                raise SpecError(f"gaussian noise needs a standard deviation from 0 on, got {self.std!r}")
        elif not _counts(self.spikes, 10**9):
            raise SpecError(f"{self.kind} noise needs a number of spikes from 1 to 10^9, got {self.spikes!r}")

    def __str__(self) -> str:
        size = f"standard deviation {self.std:.4g}" if self.kind == "gaussian" else f"of {self.spikes} spikes"
        return f"{self.kind}, {size}, mean of {self.trials} trial{'' if self.trials == 1 else 's'}"

    def observe(self, activations: FloatArray, queries: Queries) -> FloatArray:
        """What is told of a batch: float64[n] -> float64[n], row i from the randomness of query i alone."""
        told = np.array(activations, dtype=np.float64)
        for row in np.flatnonzero(np.isfinite(told)):
            told[row] = self._mean(float(told[row]), queries.rng(int(row)))
        return told

    def _mean(self, activation: float, rng: np.random.Generator) -> float:
        """The mean of the trials, in one draw: sums of Poisson, binomial and normal numbers are such again."""
        if self.kind == "gaussian":
            assert self.std is not None
            return activation + self.std / self.trials**0.5 * float(rng.standard_normal())
        assert self.spikes is not None
        possible = self.trials * self.spikes
        if self.kind == "poisson":
            return float(rng.poisson(max(activation, 0.0) * possible)) / possible
        return float(rng.binomial(possible, min(max(activation, 0.0), 1.0))) / possible


def _counts(number: object, most: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= most
