"""Recording conditions: what a search on a living neuron has to put up with, and what a laboratory does against it."""

from dataclasses import dataclass

import numpy as np

from amb.contracts.noise import Noise, Queries
from amb.contracts.space import FloatArray, IntArray
from amb.contracts.trial_effects import LOST, TrialEffects
from amb.errors import SpecError

MOST_REFERENCES = 1_000_000
REMEMBERED = 5
"""The gain is estimated from this many of the latest reference trials."""
_OTHER_KEY = 1 << 63
"""Changes the seed of the random numbers of a reference trial, so that they are not those of a query."""


@dataclass(frozen=True)
class Conditions:
    """How the trials of a run differ from activations, apart from noise.

    A query of `Noise.trials` repeats takes as many trials, and the drift goes on with each of them; its value is the
    mean of those that are not lost. Adaptation depends on the activations of the queries before.

    Attributes:
        effects: drift, adaptation, bursts and lost trials.
        references: number of queries between presentations of a reference image, which has as many repeats as a query.
            Values are divided by the gain that the latest of these responses show. 0: there are no references, and
            values are not corrected. The reference image drives the neuron at half of `effects.strong` and is shown
            after a pause, without adaptation. Reference trials are not queries of the budget.
    """

    effects: TrialEffects
    references: int = 0

    def __post_init__(self) -> None:
        number = self.references
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= MOST_REFERENCES:
            raise SpecError(f"references must be an integer from 0 to {MOST_REFERENCES}, got {number!r}")

    def __str__(self) -> str:
        effects = self.effects
        parts = [
            f"drift of the log gain {effects.drift:g} over {effects.drift_trials:g} trials" if effects.drift else "",
            f"adaptation {effects.adaptation:g} over {effects.adaptation_trials:g} trials"
            if effects.adaptation
            else "",
            f"bursts of {effects.burst:g} spikes" if effects.burst > 1 else "",
            f"{100 * effects.lost:g}% of trials lost" if effects.lost else "",
            f"a reference before every {self.references} queries" if self.references else "",
        ]
        return "; ".join(filter(None, parts)) or "none"

    @property
    def memory(self) -> int:
        """How many queries back a value depends on what was shown."""
        return self.effects.memory

    def observe(self, responses: FloatArray, clean: FloatArray, queries: Queries, noise: Noise | None) -> FloatArray:
        """What a solver observes of consecutive queries, float64[n]; a query without any valid trial is NaN.

        Row i depends on the seed, the number of its query and the clean activations before it, not on the batch.

        Args:
            responses: float64[n], responses without noise and effects: the clean activations, or the responses to
                frames drawn at random.
            clean: float64[n], the clean activations, which adapt the neuron.
            queries: the numbers of the queries, the seed, and the clean activations before them.
            noise: measurement noise.
        """
        repeats = 1 if noise is None else noise.trials
        numbers = queries.first + np.arange(len(clean))
        gains = self.effects.gains(self._first_trial(numbers, repeats), seed=queries.seed)
        expected = responses * gains * self.effects.suppression(clean, queries.before)
        observed = np.full(len(clean), np.nan)
        for row in np.flatnonzero(np.isfinite(expected)):
            value = self._mean(float(expected[row]), queries, int(row), noise)
            if value is not None:
                observed[row] = value / self._estimated_gain(queries.seed, int(numbers[row]), noise)
        return observed

    def _first_trial(self, query: IntArray, repeats: int) -> IntArray:
        """The numbers of the first trials of queries, among all trials, references included."""
        shown = query + query // self.references + 1 if self.references else query
        return shown * repeats

    def _mean(self, expected: float, queries: Queries, row: int, noise: Noise | None) -> float | None:
        """The mean of the trials of one query that are not lost; None if all are."""
        trials = repeats = 1 if noise is None else noise.trials
        if self.effects.lost:
            trials = int((queries.rng(row, stream=LOST).random(repeats) >= self.effects.lost).sum())
        if not trials:
            return None
        if noise is None:
            return expected
        if self.effects.burst == 1:
            return noise.mean(expected, queries.rng(row), trials)
        assert noise.spikes is not None
        possible = trials * noise.spikes
        return float(self.effects.bursts(expected * possible, queries, row).sum()) / possible

    def _estimated_gain(self, seed: int, query: int, noise: Noise | None) -> float:
        """The gain as the latest references before a query show it: their mean response relative to the expected one.

        One more response, at a gain of 1, counts with them, so that the estimate is positive and begins near 1.
        """
        if not self.references:
            return 1.0
        repeats = 1 if noise is None else noise.trials
        activation, latest = self.effects.strong / 2, query // self.references
        numbers = np.arange(max(0, latest - REMEMBERED + 1), latest + 1)
        gains = self.effects.gains(self._first_trial(numbers * self.references, repeats) - repeats, seed=seed)
        measured = [
            self._mean(activation * float(gain), Queries(seed ^ _OTHER_KEY, int(number)), 0, noise)
            for number, gain in zip(numbers, gains, strict=True)
        ]
        responses = [activation, *(value for value in measured if value is not None)]
        return float(np.mean(responses)) / activation
