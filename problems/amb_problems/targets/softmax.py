"""Class probabilities from class scores."""

import numpy as np

from amb.contracts.space import FloatArray

RATE_SCALE = 8.0
"""Where spike rates in [0, 1] are the class scores, they are multiplied by this before the softmax, in training too: it
lets them tell ten classes apart."""


def softmax(scores: FloatArray) -> FloatArray:
    """Probabilities of the classes, `[n, classes]`, each row from its own scores alone."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
