"""Geometry of the unit sphere: directions, the exponential map and great circles."""

from typing import Any

import numpy as np

from amb.contracts.space import FloatArray


def unit(vectors: Any) -> FloatArray:
    """Vectors scaled to length one along the last axis; a zero vector stays zero."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1.0))


def follow(base: FloatArray, tangents: FloatArray) -> FloatArray:
    """The sphere's exponential map: points reached from a unit vector along tangents, float64[k, d]."""
    lengths = np.linalg.norm(tangents, axis=1, keepdims=True)
    return unit(np.cos(lengths) * base + np.sin(lengths) * unit(tangents))


def great_circle(start: FloatArray, end: FloatArray, t: float) -> FloatArray:
    """The point at `t` on the great circle from `start` (t=0) through `end` (t=1), unit vectors."""
    angle = np.arccos(np.clip(start @ end, -1, 1))
    if np.sin(angle) < 1e-9:
        return end.copy()
    return unit((np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle))
