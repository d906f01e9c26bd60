"""The judgement of generators by a target's firing rates."""

import numpy as np
import pytest

import amb
from amb_problems.targets.spiking.target import SpikingTarget
from amb_problems.training.quality import firing_rates, judge


def test_a_generator_of_the_data_is_near_the_data() -> None:
    """Against its own kind of images a generator's distance is small, against others' it is large."""
    toy = amb.generator("toy")
    rng = np.random.default_rng(1)
    own = toy.images(rng.standard_normal((400, 16), np.float32))
    noise = rng.integers(0, 256, own.shape, np.uint8)

    def corners(images: np.ndarray) -> np.ndarray:
        return images[:, ::31, ::31].reshape(len(images), -1) / 255.0

    near = judge(toy, corners, own[:200], own[200:], seed=5)
    far = judge(toy, corners, noise[:200], noise[200:], seed=5)
    assert near.images == 200
    assert 3 * near.generator < far.generator
    assert near.generator == pytest.approx(near.training_half, rel=1)


def test_rates_are_the_targets_own() -> None:
    """Rates are spikes a frame and position: for every unit, the activation that a problem would have."""
    rates, title = firing_rates("snn-cnn", "sn2")
    images = np.random.default_rng(2).integers(0, 256, (18, 32, 32, 3), np.uint8)
    found = rates(images)
    target = SpikingTarget("snn-cnn")
    assert found.shape == (18, target.layers["sn2"])
    assert np.array_equal(found[:, 3], target.activations(images, [("sn2", 3)] * 18))
    assert "snn-cnn/sn2" in title
