"""Recognition under noise of the input."""

import numpy as np
import pytest

from amb_problems.encoding import Encoding
from amb_problems.tables.input_noise import accuracy
from amb_problems.targets.spiking.exact_network import ExactNetwork
from amb_problems.targets.spiking.target import SpikingTarget

pytestmark = pytest.mark.usefixtures("one_thread")


def test_accuracy_counts_the_classes_that_the_network_itself_finds() -> None:
    """Labels that are the network's own answers, one of them wrong; drowned in noise, the answers change."""
    target = SpikingTarget("mnist-snn")
    rng = np.random.default_rng(0)
    strokes = np.zeros((8, *target.shape), np.uint8)
    for image in strokes:
        row, column = rng.integers(4, 20, 2)
        image[row : row + 3, 4:24] = 255
        image[4:24, column : column + 3] = 255
    labels = ExactNetwork.load("mnist-snn").class_scores(strokes).argmax(1)
    assert accuracy(target, strokes, labels, None) == 1
    wrong = np.r_[(labels[0] + 1) % 10, labels[1:]]
    assert accuracy(target, strokes, wrong, None) == pytest.approx(7 / 8)
    drowned = Encoding("gaussian", 400.0)
    assert accuracy(target, strokes, labels, drowned) < 1
    assert accuracy(target, strokes, labels, drowned, seed=1) == accuracy(target, strokes, labels, drowned, seed=1)
