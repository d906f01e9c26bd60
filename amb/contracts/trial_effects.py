"""What distinguishes a trial on a living neuron from an activation: drift, adaptation, bursts, lost trials, latency.

Each effect is a function of explicit keys: the seed and the number of a trial (`Queries`), and for adaptation the
activations of the trials before it. So a trial has the same result alone and in any batch, before and after a resume,
on any machine. Simulated subjects and the problem options of the same names share these definitions.
"""

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amb.contracts.noise import Queries
from amb.contracts.space import FloatArray
from amb.errors import SpecError

# Streams of random numbers of one query; 0 is measurement noise (`amb.contracts.noise`), 1 input noise.
SPIKES, LOST, TIMES, BASELINE = 2, 3, 4, 5

_WAVES = 64
_FARTHEST = 5
"""Adaptation forgets trials that are more than this many time constants ago."""
_WITHIN_BURST = 3.0
"""Milliseconds between two spikes of one burst."""


@dataclass(frozen=True)
class TrialEffects:
    """Effects on the mean response and on the spikes of each trial; the defaults have none of them.

    Attributes:
        drift: standard deviation of the log gain. The gain multiplies every response and changes slowly and smoothly
            over trials; its median is 1.
        drift_trials: correlation length of the gain, in trials: exp(-1/2) is the correlation at this distance.
        adaptation: suppression by recent responses: with a leaky average A of the activations of the trials before,
            a response is divided by 1 + adaptation * A / strong.
        adaptation_trials: time constant of A, in trials.
        strong: the activation that halves the next responses at adaptation = 1 if it is kept up.
        burst: mean number of spikes in a burst, at least 1; bursts come at random and their sizes have a geometric
            distribution, so that the mean count stays and variance / mean is 2 burst - 1.
        lost: probability that a trial has no result (eye movement, artefact); it then counts as a failed query.

    Raises:
        SpecError: a number out of range.
    """

    drift: float = 0.0
    drift_trials: float = 100.0
    adaptation: float = 0.0
    adaptation_trials: float = 3.0
    strong: float = 1.0
    burst: float = 1.0
    lost: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = _RANGES[field.name]
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise SpecError(f"{field.name} must be a number from {low:g} to {high:g}, got {value!r}")

    @property
    def memory(self) -> int:
        """How many trials back adaptation reaches; 0 without it."""
        return int(np.ceil(_FARTHEST * self.adaptation_trials)) if self.adaptation else 0

    def gains(self, trials: ArrayLike, *, seed: int) -> FloatArray:
        """The gain at the given trial numbers, float64[n]; `seed`, in [0, 2^64), selects the course of the drift.

        The log gain is a stationary Gaussian process with a squared-exponential kernel, as a sum of random Fourier
        features (Rahimi & Recht 2007, "Random features for large-scale kernel machines"), so that the gain of any
        trial is known without those before it.
        """
        numbers = np.asarray(trials, dtype=np.float64)
        if not self.drift:
            return np.ones(numbers.shape)
        frequencies, phases = _waves(seed)
        angles = numbers[..., None] / self.drift_trials * frequencies + phases
        return np.asarray(np.exp(self.drift * np.sqrt(2 / _WAVES) * np.cos(angles).sum(axis=-1)))

    def suppression(self, activations: FloatArray, before: FloatArray) -> FloatArray:
        """What adaptation multiplies the responses of consecutive trials with, float64[n], in (0, 1].

        Args:
            activations: float64[n], without any effect, in the order of the trials; failed ones (NaN) and activations
                below 0 do not adapt.
            before: float64[m], those of the trials immediately before, the latest last; only the last `memory` matter.
        """
        n, memory = len(activations), self.memory
        if not memory:
            return np.ones(n)
        recent = np.asarray(before, dtype=np.float64)[-memory:]
        driven = np.maximum(np.nan_to_num(np.r_[np.zeros(memory - len(recent)), recent, activations], nan=0.0), 0.0)
        weights = np.exp(-np.arange(memory) / self.adaptation_trials)
        weights /= weights.sum()
        # Row i: the `memory` trials before trial i, the latest first.
        windows = np.lib.stride_tricks.sliding_window_view(driven, memory)[:n, ::-1]
        return np.asarray(1 / (1 + self.adaptation * (windows * weights).sum(axis=1) / self.strong))

    def means(self, activations: FloatArray, queries: Queries, before: FloatArray) -> FloatArray:
        """Expected responses of consecutive trials, float64[n]: activation x gain x suppression.

        Args:
            activations: float64[n], the clean activations; NaN stays NaN.
            queries: the trials' numbers and the seed.
            before: clean activations of the trials before; see `suppression`.
        """
        trials = queries.first + np.arange(len(activations))
        return activations * self.gains(trials, seed=queries.seed) * self.suppression(activations, before)

    def lost_trials(self, count: int, queries: Queries) -> NDArray[np.bool_]:
        """Which of `count` consecutive trials are lost, bool[count]."""
        if not self.lost:
            return np.zeros(count, dtype=bool)
        return np.array([queries.rng(row, stream=LOST).random() < self.lost for row in range(count)], dtype=bool)

    def counts(self, expected: FloatArray, queries: Queries) -> FloatArray:
        """Spike counts of trials whose expected counts are known, float64[n]; NaN where these are NaN.

        Poisson, or with `burst` > 1 a Poisson number of bursts. What is below 0 counts as 0.
        """
        return np.array(
            [
                np.nan if not np.isfinite(mean) else float(self.bursts(float(mean), queries, row).sum())
                for row, mean in enumerate(expected)
            ],
            dtype=np.float64,
        )

    def bursts(self, expected: float, queries: Queries, row: int) -> NDArray[np.int64]:
        """Sizes of the bursts of one trial, int64[bursts]: single spikes if `burst` is 1."""
        rng = queries.rng(row, stream=SPIKES)
        events = int(rng.poisson(max(expected, 0.0) / self.burst))
        return np.ones(events, dtype=np.int64) if self.burst == 1 else rng.geometric(1 / self.burst, events)

    def spike_times(
        self, expected: float, queries: Queries, row: int, *, latency: float, duration: float
    ) -> FloatArray:
        """Spike times of one trial in milliseconds after stimulus onset, sorted; their number is that of `counts`.

        Args:
            expected: expected number of spikes.
            queries, row: which trial it is.
            latency: when the first burst may begin; bursts begin uniformly in [latency, latency + duration).
            duration: how long the neuron responds. Spikes of one burst follow each other at 3 ms, so that the last
                ones may come later than that.
        """
        sizes = self.bursts(expected, queries, row)
        starts = latency + duration * queries.rng(row, stream=TIMES).random(len(sizes))
        within = np.concatenate([np.arange(size) for size in sizes]) if len(sizes) else np.zeros(0)
        return np.sort(np.repeat(starts, sizes) + _WITHIN_BURST * within)


_RANGES = {
    "drift": (0, 10),
    "drift_trials": (1e-3, 1e9),
    "adaptation": (0, 1e6),
    "adaptation_trials": (1e-3, 1e3),
    "strong": (1e-9, 1e9),
    "burst": (1, 1e3),
    "lost": (0, 1),
}


@lru_cache(maxsize=64)
def _waves(seed: int) -> tuple[FloatArray, FloatArray]:
    # The upper half of the counter's last word, which no query number reaches.
    rng = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, 1 << 63]))
    return rng.standard_normal(_WAVES), rng.uniform(0, 2 * np.pi, _WAVES)
