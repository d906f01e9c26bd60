"""The likelihood's gradient through a mode of two levels, as quantized trains have; see `contraction` for the notation.

Vectors run over the samples, since two levels do not fill one.
"""

import numpy as np

from amb_solvers.tensor_train.compiler import Floats, Indices, inlined


@inlined
def pull_of_bits(w: Floats, weights: Floats, bits: Indices, q: Floats, pull: Floats, dw: Floats, along: Floats) -> None:
    """The derivative with respect to g in one mode of two levels, and hence W and Q; vectors run over the samples.

    Args:
        w: float[r * 2].
        weights: float[k], each sample's share of the loss.
        bits: int32[k], each sample's level.
        q: float[r, k], the left chains.
        pull: out, float[2, k], the derivative with respect to g.
        dw: float[r * 2], updated in place by addition.
        along: out, float[r, k], the derivative with respect to the left chains.
    """
    r, k = q.shape
    zero = w.dtype.type(0)
    one = w.dtype.type(1)
    low, high = pull[0], pull[1]
    low[:] = zero
    high[:] = zero
    for a in range(r):
        w0, w1 = w[2 * a], w[2 * a + 1]
        for s in range(k):
            low[s] += q[a, s] * w0
            high[s] += q[a, s] * w1
    for s in range(k):
        g0, g1 = low[s], high[s]
        total = abs(g0) + abs(g1)
        picked = g0 if bits[s] == 0 else g1
        share = weights[s] / (total if total > zero else one)
        own = weights[s] / picked if picked != zero else zero
        low[s] = (zero if g0 == zero else (-share if g0 > zero else share)) + (own if bits[s] == 0 else zero)
        high[s] = (zero if g1 == zero else (-share if g1 > zero else share)) + (zero if bits[s] == 0 else own)
    for a in range(r):
        w0, w1 = w[2 * a], w[2 * a + 1]
        sum0 = zero
        sum1 = zero
        for s in range(k):
            sum0 += low[s] * q[a, s]
            sum1 += high[s] * q[a, s]
            along[a, s] = low[s] * w0 + high[s] * w1
        dw[2 * a] += sum0
        dw[2 * a + 1] += sum1


@inlined
def advance_bits(core: Floats, bits: Indices, q: Floats, u: Floats, length: Floats) -> None:
    """u = q Y[:, :, bits], normalized per sample; `length` receives its norm, or one where it vanished."""
    r, k = q.shape
    zero = core.dtype.type(0)
    one = core.dtype.type(1)
    u[:, :] = zero
    for b in range(r):
        for a in range(r):
            low, high = core[(a * r + b) * 2], core[(a * r + b) * 2 + 1]
            for s in range(k):
                u[b, s] += q[a, s] * (low if bits[s] == 0 else high)
    length[:] = zero
    for b in range(r):
        for s in range(k):
            length[s] += u[b, s] * u[b, s]
    for s in range(k):
        length[s] = np.sqrt(length[s]) if length[s] > zero else one
    for b in range(r):
        for s in range(k):
            u[b, s] /= length[s]


@inlined
def retreat_bits(core: Floats, bits: Indices, v: Floats, u: Floats) -> None:
    """u += Y[:, :, bits] v."""
    r, k = v.shape
    for a in range(r):
        for b in range(r):
            low, high = core[(a * r + b) * 2], core[(a * r + b) * 2 + 1]
            for s in range(k):
                u[a, s] += v[b, s] * (low if bits[s] == 0 else high)
