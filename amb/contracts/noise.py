"""Measurement noise: what a solver observes instead of the activation, reproducible query by query."""

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from amb.contracts.space import FloatArray
from amb.errors import SpecError

Kind = Literal["poisson", "bernoulli", "gaussian"]


@dataclass(frozen=True)
class Queries:
    """The queries of a run that a batch contains: all that an observation depends on besides its activation.

    A query thus gets the same noise alone or in lockstep, before or after a resume, on any machine.

    Attributes:
        seed: seed of the run's noise, in [0, 2^64).
        first: number of the batch's first query within the run, from 0.
        before: noise-free activations of the run's queries before that one, float64[m], the latest last; only as many
            as the problem's conditions need (`Problem.memory`).
    """

    seed: int
    first: int
    before: FloatArray = field(default_factory=lambda: np.empty(0), compare=False)

    def rng(self, row: int, *, stream: int = 0) -> np.random.Generator:
        """The random numbers of one row of the batch; different streams of one query are independent.

        Philox has a counter of 256 bits: query number and stream are in its upper words, so no two streams overlap.
        """
        return np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, stream, self.first + row]))


@dataclass(frozen=True)
class Noise:
    """How a trial differs from the activation; a solver observes the mean of `trials` independent trials.

    Attributes:
        kind: the result of one trial at an activation a:
            "poisson": Poisson(a N) / N, as a neuron that fires at a rate;
            "bernoulli": Binomial(N, a) / N, where each of the N possible spikes occurs or not, independently;
            "gaussian": a plus a normal number of standard deviation `std`.
        trials: number of trials that are averaged.
        spikes: N, the number of spikes that an activation of 1 stands for; poisson and bernoulli.
        std: standard deviation in the activation's units; gaussian.

    For poisson and bernoulli an activation below 0 counts as 0; for bernoulli one above 1 counts as 1. NaN stays NaN.

    Raises:
        SpecError: unknown kind, or a number out of range.
    """

    kind: Kind
    trials: int = 1
    spikes: int | None = None
    std: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise SpecError(f"noise must be poisson, bernoulli or gaussian, got {self.kind!r}")
        if not _counts(self.trials, 10**6):
            raise SpecError(f"trials must be an integer from 1 to 1000000, got {self.trials!r}")
        if self.kind == "gaussian":
            if isinstance(self.std, bool) or not isinstance(self.std, int | float) or not 0 <= self.std <= 1e9:
                raise SpecError(f"gaussian noise needs a standard deviation from 0 to 1e9, got {self.std!r}")
        elif not _counts(self.spikes, 10**9):
            raise SpecError(f"{self.kind} noise needs spikes, an integer from 1 to 10^9, got {self.spikes!r}")

    def __str__(self) -> str:
        size = f"standard deviation {self.std:.4g}" if self.kind == "gaussian" else f"{self.spikes} spikes"
        return f"{self.kind}, {size}, mean of {self.trials} trial{'' if self.trials == 1 else 's'}"

    def observe(self, activations: FloatArray, queries: Queries) -> FloatArray:
        """Noisy values of a batch, float64[n] -> float64[n]; row i depends on the random numbers of query i alone."""
        observed = np.array(activations, dtype=np.float64)
        for row in np.flatnonzero(np.isfinite(observed)):
            observed[row] = self.mean(float(observed[row]), queries.rng(int(row)), self.trials)
        return observed

    def mean(self, activation: float, rng: np.random.Generator, trials: int) -> float:
        """The mean of some trials in one draw: Poisson, binomial and normal numbers sum to one of the same kind."""
        if self.kind == "gaussian":
            assert self.std is not None
            return activation + self.std / trials**0.5 * float(rng.standard_normal())
        assert self.spikes is not None
        possible = trials * self.spikes
        if self.kind == "poisson":
            return float(rng.poisson(max(activation, 0.0) * possible)) / possible
        return float(rng.binomial(possible, min(max(activation, 0.0), 1.0))) / possible


def _counts(number: object, most: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= most
