"""Sampling from a tensor train; see `contraction` for the notation and how a train is stored."""

import numpy as np

from amb.contracts.space import IntArray
from amb_solvers.tensor_train.compiler import Floats, Indices, compiled, inlined
from amb_solvers.tensor_train.sums import sum_of


@compiled
def draw(cores: Floats, offsets: IntArray, r: int, w: Floats, variates: Floats) -> IntArray:
    """Sample from the density.

    Args:
        cores, offsets, r, w: as left by `sweep`.
        variates: float[k, d], uniform over (0, 1]; the level drawn is the first whose cumulative probability
            reaches the variate.

    Returns:
        int64[k, d].
    """
    samples, d = variates.shape
    drawn = np.empty((samples, d), np.int64)
    k = (samples + 7) // 8 * 8  # whole vectors; the surplus is drawn and discarded
    q = np.zeros((r, k), cores.dtype)  # samples contiguous
    q[0, :] = cores.dtype.type(1)
    u = np.empty((r, k), cores.dtype)
    longest = 0
    for j in range(d):
        longest = max(longest, (offsets[j + 1] - offsets[j]) // (r * r))
    reached = np.empty((longest, k), cores.dtype)
    levels = np.empty(longest, cores.dtype)
    thresholds = np.zeros(k, cores.dtype)
    x = np.zeros(k, np.int32)
    for j in range(d):
        start = offsets[j]
        n = (offsets[j + 1] - start) // (r * r)
        for s in range(samples):
            thresholds[s] = variates[s, j]
        w_j = w[start // r : offsets[j + 1] // r]
        core = cores[start : offsets[j + 1]]
        if n <= 4:
            _choose_across_samples(w_j, n, q, thresholds, reached, x)
            _advance_across_samples(core, n, q, x, u)
        else:
            _choose_across_levels(w_j, n, q, thresholds[:samples], levels, x)
            _advance(core, n, q, x[:samples], u)
        for s in range(samples):
            drawn[s, j] = x[s]
        _normalize(u, q)
    return drawn


@inlined
def _choose_across_samples(w: Floats, n: int, q: Floats, thresholds: Floats, reached: Floats, x: Indices) -> None:
    """Choose levels x[s] of one mode; vectors run over the samples, which suits modes with few levels."""
    r, k = q.shape
    for i in range(n):
        for s in range(k):
            reached[i, s] = q[0, s] * w[i]
        for a in range(1, r):
            factor = w[a * n + i]
            for s in range(k):
                reached[i, s] += q[a, s] * factor
        for s in range(k):
            reached[i, s] = abs(reached[i, s])
        if i > 0:
            for s in range(k):
                reached[i, s] += reached[i - 1, s]
    for s in range(k):
        thresholds[s] *= reached[n - 1, s]
        x[s] = 0
    for i in range(n - 1):
        for s in range(k):
            x[s] += 1 if reached[i, s] < thresholds[s] else 0


@inlined
def _choose_across_levels(w: Floats, n: int, q: Floats, thresholds: Floats, g: Floats, x: Indices) -> None:
    """The same for modes with many levels; vectors run over the levels."""
    r = len(q)
    for s in range(len(thresholds)):
        for i in range(n):
            g[i] = q[0, s] * w[i]
        for a in range(1, r):
            factor = q[a, s]
            row = w[a * n : (a + 1) * n]
            for i in range(n):
                g[i] += factor * row[i]
        for i in range(n):
            g[i] = abs(g[i])
        threshold = thresholds[s] * sum_of(g[:n])
        level = 0
        reached = g[0]
        while reached < threshold and level < n - 1:
            level += 1
            reached += g[level]
        x[s] = level


@inlined
def _advance_across_samples(core: Floats, n: int, q: Floats, x: Indices, u: Floats) -> None:
    """u = q Y[:, :, x], without gathering."""
    r, k = q.shape
    zero = core.dtype.type(0)
    u[:, :] = zero
    for b in range(r):
        for a in range(r):
            at = (a * r + b) * n
            if n == 2:  # bits: one of two factors
                low, high = core[at], core[at + 1]
                for s in range(k):
                    u[b, s] += q[a, s] * (low if x[s] == 0 else high)
            else:  # every level's matrix, masked
                for i in range(n):
                    factor = core[at + i]
                    for s in range(k):
                        u[b, s] += q[a, s] * factor if x[s] == i else zero


@inlined
def _advance(core: Floats, n: int, q: Floats, x: Indices, u: Floats) -> None:
    """u = q Y[:, :, x]."""
    r = len(q)
    zero = core.dtype.type(0)
    for s in range(len(x)):
        for b in range(r):
            value = zero
            for a in range(r):
                value += q[a, s] * core[(a * r + b) * n + x[s]]
            u[b, s] = value


@inlined
def _normalize(u: Floats, q: Floats) -> None:
    """q = u, normalized per sample; a zero vector stays zero."""
    r, k = q.shape
    zero = u.dtype.type(0)
    one = u.dtype.type(1)
    for s in range(k):
        square = zero
        for b in range(r):
            square += u[b, s] * u[b, s]
        inverse = one / np.sqrt(square) if square > zero else one
        for b in range(r):
            q[b, s] = u[b, s] * inverse
