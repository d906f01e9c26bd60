"""Which inputs look alike: the nearest neighbours of every unit's best input."""

import numpy as np
from numpy.typing import NDArray

from amb.contracts.problem import UInt8Array

NUMBER = 8
BLOCK = 512


def nearest(images: UInt8Array, number: int = NUMBER) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The most similar other images of each, int64[n, k], and their correlations over pixels, float64[n, k]."""
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
    k = min(number, len(images) - 1)
    near, similar = np.empty((len(images), k), np.int64), np.empty((len(images), k))
    for start in range(0, len(images), BLOCK):
        products = flat[start : start + BLOCK] @ flat.T
        rows = np.arange(len(products))
        products[rows, start + rows] = -np.inf
        order = np.argsort(-products, axis=1, kind="stable")[:, :k]
        near[start : start + BLOCK] = order
        similar[start : start + BLOCK] = np.take_along_axis(products, order, axis=1)
    return near, similar
