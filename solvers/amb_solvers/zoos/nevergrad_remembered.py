"""What Nevergrad computes again at every call although it never changes, remembered; its candidates stay the same.

Its CMA examines the bounds of the search space whenever it is accessed, and its scrambled sequences draw all their
permutations for every candidate: together, more than a third of the time of Portfolio.
"""

from array import array
from collections.abc import Iterator
from typing import Any

# Private, but named: Nevergrad's version is pinned, and a test compares candidates with those of the plain classes.
from nevergrad.optimization.optimizerlib import _CMA
from nevergrad.optimization.sequences import HaltonPermutationGenerator

_MOST_KEPT = 1_000_000
"""Numbers of all permutations that are kept, 4 bytes each: those of about 540 dimensions."""


class RememberedCMA(_CMA):
    """CMA that looks at the bounds only when it starts or restarts."""

    @property
    def es(self) -> Any:
        """The strategy; a new one where the last has stopped."""
        kept = self._es
        return super().es if kept is None or self._config.fcmaes or kept.stop() else kept


class RememberedPermutations(HaltonPermutationGenerator):
    """Permutations that are drawn once, as long as they are small enough to be kept."""

    _kept: "list[array[int]] | None" = None

    def get_permutations_generator(self) -> Iterator[Any]:
        """The permutation of each dimension."""
        if sum(self.primes) > _MOST_KEPT:
            drawn: Iterator[Any] = super().get_permutations_generator()
            return drawn
        if self._kept is None:
            self._kept = [array("i", permutation.tolist()) for permutation in super().get_permutations_generator()]
        return iter(self._kept)


_REMEMBERING = {_CMA: RememberedCMA, HaltonPermutationGenerator: RememberedPermutations}


def remember(optimizer: Any) -> None:
    """Let an optimizer's parts remember, those of them that exist already.

    Only on an ordinal box: in other parametrizations, Nevergrad draws random numbers while it examines bounds.
    """
    for part in _parts(optimizer):
        if (remembering := _REMEMBERING.get(type(part))) is not None:
            part.__class__ = remembering


def _parts(optimizer: Any) -> Iterator[Any]:
    """An optimizer, those that it is made of, and the permutations of its sequences."""
    yield optimizer
    sampler = getattr(optimizer, "_sampler_instance", None)
    if sampler is not None:
        yield getattr(sampler, "permgen", None)
    for part in (*getattr(optimizer, "optims", ()), getattr(optimizer, "_optim", None)):
        if part is not None:
            yield from _parts(part)
