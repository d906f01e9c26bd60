"""How near a generator's images come to the data, judged by one of the project's own target networks.

The measure is a Fréchet distance as in Heusel et al. 2017, but in the firing rates of a target's layer and not
in Inception's features: it compares generators of this project with each other, and with no published value.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amb.contracts.generator import Generator
from amb.contracts.problem import UInt8Array
from amb_problems.training.frechet import frechet_distance

_AT_ONCE = 16

Features = Callable[[UInt8Array], npt.NDArray[np.float64]]
"""Images uint8 [n, h, w, c] -> features [n, k]."""


@dataclass(frozen=True)
class Quality:
    """Fréchet distances to the test half, each between samples of `images` images."""

    images: int
    generator: float
    """Of prior samples: the smaller, the better."""
    training_half: float
    """Of training images: what a perfect generator would get."""

    def as_metrics(self, features: str) -> Mapping[str, float]:
        """For a model card: the distances, under names that say in whose features they are."""
        measure = f"Fréchet distance to {self.images} test images in {features}"
        return {
            f"{measure}: prior samples": round(self.generator, 4),
            f"{measure}: training images": round(self.training_half, 4),
        }


def judge(
    generator: Generator, features: Features, train_images: UInt8Array, test_images: UInt8Array, *, seed: int
) -> Quality:
    """Compare prior samples with the data's test half, as many as there are of the latter."""
    count = min(len(test_images), len(train_images))
    latents = np.random.default_rng(seed).standard_normal((count, generator.latent_dim), np.float32)
    test = features(test_images[:count])
    return Quality(
        images=count,
        generator=frechet_distance(features(generator.images(latents)), test),
        training_half=frechet_distance(features(train_images[:count]), test),
    )


def firing_rates(target_name: str, layer: str) -> tuple[Features, str]:
    """The firing rates, in spikes a frame and position, of all units of a shipped target's layer, and a name.

    Raises:
        CheckpointError: the target's checkpoint is missing or damaged.
    """
    from amb_problems import checkpoint, targets

    activations = targets.load_spiking(target_name)
    info = activations.target.layers[layer]
    units = tuple(range(info.channels))

    def rates(images: UInt8Array) -> npt.NDArray[np.float64]:
        parts = [images[start : start + _AT_ONCE] for start in range(0, len(images), _AT_ONCE)]
        counts = [activations.evaluator.unit_counts(part, layer, units) for part in parts]
        return np.concatenate(counts) / (activations.target.frames * info.positions)

    digest = checkpoint.fingerprint(target_name)[:8]
    return rates, f"the firing rates of {target_name}/{layer} (checkpoint {digest})"
