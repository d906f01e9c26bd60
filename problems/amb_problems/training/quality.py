"""How near a generator's images come to the data, judged by one of the project's own target networks.

The measure is a Fréchet distance as in Heusel et al. 2017, but in the firing rates of a target's layer and not
in Inception's features: it compares generators of this project with each other, and with no published value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from amb_problems.generators.base import Generator, UInt8Array
from amb_problems.training.frechet import frechet_distance

_AT_ONCE = 250


class Judge(Protocol):
    """What is needed of a target: its name, its frames, and spike counts of a layer's units."""

    @property
    def name(self) -> str: ...

    @property
    def frames(self) -> int: ...

    def counts(
        self, images: UInt8Array, units: Mapping[str, Sequence[int]]
    ) -> Mapping[str, npt.NDArray[np.int64]]:
        """Spikes over all frames and positions, int64 [n, len(units)], by layer."""


@dataclass(frozen=True)
class Quality:
    """Fréchet distances to the test half, in the rates of `units` units of `layer`, spikes a frame."""

    judge: str
    layer: str
    units: int
    images: int
    """Images in each of the samples that are compared."""
    generator: float
    train_half: float
    """The same distance for as many training images: what a perfect generator would get."""

    def as_metrics(self) -> dict[str, object]:
        """For a model card: the distances under a name that says in whose features."""
        measure = f"Fréchet distance in the rates of {self.judge}/{self.layer} ({self.units} units)"
        return {
            f"{measure}, {self.images} prior samples to the test half": round(self.generator, 4),
            f"{measure}, {self.images} training images to the test half": round(self.train_half, 4),
        }


def judge(
    generator: Generator,
    target: Judge,
    *,
    layer: str,
    units: int,
    train_images: UInt8Array,
    test_images: UInt8Array,
    seed: int,
) -> Quality:
    """Compare prior samples and the data's test half (uint8 [n, h, w, c]), as many as there are of the latter."""
    count = min(len(test_images), len(train_images))
    rng = np.random.default_rng(seed)
    latents = rng.standard_normal((count, generator.latent_dim), np.float32)
    test = _rates(target, test_images[:count], layer, units)
    made = _rates(target, generator.images(latents), layer, units)
    train = _rates(target, train_images[:count], layer, units)
    distances = (frechet_distance(made, test), frechet_distance(train, test))
    return Quality(target.name, layer, units, count, *distances)


def _rates(target: Judge, images: UInt8Array, layer: str, units: int) -> npt.NDArray[np.float64]:
    parts = [images[start : start + _AT_ONCE] for start in range(0, len(images), _AT_ONCE)]
    counts = [target.counts(part, {layer: range(units)})[layer] for part in parts]
    return np.concatenate(counts) / target.frames
