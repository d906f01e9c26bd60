"""How close a generator's images are to the data, judged by one of the shipped target networks.

The distance is the Fréchet distance of Heusel et al. 2017, but in the firing rates of a target's layer instead of the
features of Inception: it compares the generators of this project with each other, not with published values.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amb.contracts.generator import Generator
from amb.contracts.problem import UInt8Array
from amb_problems.training.frechet import frechet_distance

_CHUNK = 16
FEWEST = 2
"""Images of each kind that `judge` needs: distances are of normal distributions."""

Features = Callable[[UInt8Array], npt.NDArray[np.float64]]
"""Images uint8 [n, h, w, c] -> features [n, k]."""


@dataclass(frozen=True)
class Quality:
    """Fréchet distances to the test half; each sample has `images` images."""

    images: int
    generator: float
    """Of prior samples: smaller is better."""
    training_half: float
    """Of training images: the distance of a perfect generator."""

    def as_metrics(self, features: str) -> Mapping[str, float]:
        """For a model card: the distances, under names that state their features."""
        distance = f"Fréchet distance to {self.images} test images in {features}"
        return {
            f"{distance}: prior samples": round(self.generator, 4),
            f"{distance}: training images": round(self.training_half, 4),
        }


def judge(
    generator: Generator, features: Features, train_images: UInt8Array, test_images: UInt8Array, *, seed: int
) -> Quality:
    """Compare prior samples with the test half of the data, the same number of each."""
    count = min(len(test_images), len(train_images))
    latents = np.random.default_rng(seed).standard_normal((count, generator.latent_dim), np.float32)
    test = features(test_images[:count])
    return Quality(
        images=count,
        generator=frechet_distance(features(generator.images(latents)), test),
        training_half=frechet_distance(features(train_images[:count]), test),
    )


def firing_rates(target_name: str, layer: str) -> tuple[Features, str]:
    """The firing rates of all units of a shipped target's layer, as features, and their description.

    Rates are spikes per frame and position.

    Raises:
        CheckpointError: the target's checkpoint is missing or damaged.
    """
    from amb_problems import checkpoint
    from amb_problems.targets.spiking.target import SpikingTarget

    target = SpikingTarget(target_name)
    units = tuple(range(target.layers[layer]))

    def rates(images: UInt8Array) -> npt.NDArray[np.float64]:
        parts = [images[start : start + _CHUNK] for start in range(0, len(images), _CHUNK)]
        counts = [target.evaluator.unit_counts(part, layer, units) for part in parts]
        return np.concatenate(counts) / target.spikes[layer]

    digest = checkpoint.fingerprint(target_name)[:8]
    return rates, f"the firing rates of {target_name}/{layer} (checkpoint {digest})"
