"""The gradient of the likelihood, and Adam's step; see `contraction` for the notation and how a train is stored."""

import numpy as np

from amb.contracts.space import IntArray
from amb_solvers.tensor_train.bits import advance_bits, pull_of_bits, retreat_bits
from amb_solvers.tensor_train.compiler import Floats, compiled
from amb_solvers.tensor_train.sums import dot, sum_of

_FEW = 2  # samples for which vectors do not pay off


@compiled
def gradient_to_the_left(
    cores: Floats, offsets: IntArray, r: int, w: Floats, elite: IntArray, dw: Floats, q: Floats, du: Floats
) -> None:
    """The part of the gradient that flows through the left chains.

    The loss is the mean over the elite of -log p.

    Args:
        cores, offsets, r, w: as left by `sweep`.
        elite: int64[m, d], the samples whose likelihood should increase.
        dw: out, float[offsets[-1] / r], derivative of the loss with respect to `W` (through this mode's own g).
        q: out, float[d, m, r], the left chains.
        du: out, float[d, m, r], derivative with respect to the chains before they are normalized, Q[j] Y[j][:, :,
            x[j]].
    """
    one = cores.dtype.type(1)
    zero = cores.dtype.type(0)
    m, d = elite.shape
    weight = -one / cores.dtype.type(m)
    norms = np.empty((d, m), cores.dtype)
    longest = 0
    for j in range(d):
        longest = max(longest, (offsets[j + 1] - offsets[j]) // (r * r))
    g = np.empty(longest, cores.dtype)
    sizes = np.empty(longest, cores.dtype)
    few = m <= _FEW
    k = (m + 7) // 8 * 8  # whole vectors of samples; the surplus has weight zero
    weights = np.zeros(k, cores.dtype)
    weights[:m] = weight
    bits = np.zeros(k, np.int32)
    chain = np.zeros((r, k), cores.dtype)
    along = np.zeros((r, k), cores.dtype)
    pull = np.zeros((2, k), cores.dtype)
    length = np.ones(k, cores.dtype)
    q[0, :, :] = zero
    q[0, :, 0] = one
    for j in range(d):
        start = offsets[j]
        n = (offsets[j + 1] - start) // (r * r)
        at = start // r
        dw[at : at + r * n] = zero
        if n == 2 and not few:
            for s in range(m):
                bits[s] = elite[s, j]
                for a in range(r):
                    chain[a, s] = q[j, s, a]
            pull_of_bits(w[at : at + r * n], weights, bits, chain, pull, dw[at : at + r * n], along)
            if j > 0:
                for s in range(m):
                    for a in range(r):
                        du[j - 1, s, a] = along[a, s]
            if j < d - 1:
                advance_bits(cores[start : start + r * r * n], bits, chain, along, length)
                for s in range(m):
                    norms[j, s] = length[s]
                    for b in range(r):
                        q[j + 1, s, b] = along[b, s]
            continue
        for s in range(m):
            x = elite[s, j]
            for i in range(n):
                g[i] = zero
            for a in range(r):
                factor = q[j, s, a]
                row = w[at + a * n : at + (a + 1) * n]
                for i in range(n):
                    g[i] += factor * row[i]
            for i in range(n):
                sizes[i] = abs(g[i])
            total = sum_of(sizes[:n])
            picked = g[x]
            share = weight / total if total > zero else zero
            for i in range(n):  # g becomes the derivative of the loss with respect to g
                g[i] = -share if g[i] > zero else (share if g[i] < zero else zero)
            if picked != zero:
                g[x] += weight / picked
            for a in range(r):
                factor = q[j, s, a]
                row = w[at + a * n : at + (a + 1) * n]
                out = dw[at + a * n : at + (a + 1) * n]
                for i in range(n):
                    out[i] += g[i] * factor
                direct = dot(g[:n], row)
                # This mode's derivative with respect to Q[j] is stored in the place of that of U[j - 1].
                if j > 0:
                    du[j - 1, s, a] = direct
            if j < d - 1:
                square = zero
                for b in range(r):
                    value = zero
                    for a in range(r):
                        value += q[j, s, a] * cores[start + (a * r + b) * n + x]
                    q[j + 1, s, b] = value
                    square += value * value
                norm = np.sqrt(square)
                if norm == zero:
                    norm = one
                norms[j, s] = norm
                for b in range(r):
                    q[j + 1, s, b] /= norm
    du[d - 1, :, :] = zero
    for j in range(d - 1, 0, -1):
        start = offsets[j]
        n = (offsets[j + 1] - start) // (r * r)
        if n == 2 and not few:
            for s in range(m):
                bits[s] = elite[s, j]
                length[s] = norms[j - 1, s]
                for a in range(r):
                    chain[a, s] = du[j, s, a]
                    along[a, s] = du[j - 1, s, a]
            retreat_bits(cores[start : start + r * r * n], bits, chain, along)
            for s in range(m):
                for a in range(r):
                    du[j - 1, s, a] = along[a, s] / length[s]
            continue
        for s in range(m):
            x = elite[s, j]
            for a in range(r):
                value = du[j - 1, s, a]
                for b in range(r):
                    value += cores[start + (a * r + b) * n + x] * du[j, s, b]
                du[j - 1, s, a] = value / norms[j - 1, s]


@compiled
def ascend(
    cores: Floats,
    first: Floats,
    second: Floats,
    offsets: IntArray,
    r: int,
    z: Floats,
    norms: Floats,
    elite: IntArray,
    dw: Floats,
    q: Floats,
    du: Floats,
    adam: Floats,
) -> None:
    """Finish the gradient, from the first mode to the last, and take Adam's step in the same pass.

    Args:
        cores: float[offsets[-1]], changed in place.
        first, second: Adam's moments, like cores; changed in place.
        offsets, r, z, norms: as for `sweep`.
        elite, dw, q, du: as for `gradient_to_the_left`; dw is completed in place.
        adam: float[6]: learning rate, beta1, beta2, eps, 1 - beta1**t, 1 - beta2**t; t counts from 1.
            A learning rate of zero, beta1 = beta2 = 0, leaves the gradient itself in `first`.
    """
    one = cores.dtype.type(1)
    zero = cores.dtype.type(0)
    m, d = elite.shape
    rate, beta1, beta2, eps, debias1, debias2 = adam
    step = rate / debias1
    per_debias2 = one / debias2
    longest = 0
    for j in range(d):
        longest = max(longest, (offsets[j + 1] - offsets[j]) // (r * r))
    gradient = np.empty(longest * r * r, cores.dtype)
    dz = np.zeros(r, cores.dtype)  # derivative with respect to Z[j - 1], of the previous mode
    next_dz = np.zeros(r, cores.dtype)
    for j in range(d):
        start = offsets[j]
        stop = offsets[j + 1]
        n = (stop - start) // (r * r)
        at = start // r
        next_dz[:] = zero
        for a in range(r):
            row = dw[at + a * n : at + (a + 1) * n]
            if j > 0:
                through = dz[a] / norms[j]
                for i in range(n):
                    row[i] += through
            if n == 2:  # bits: no slices and no loops of two steps
                row0 = row[0]
                row1 = row[1]
                for b in range(r):
                    lo = (a * r + b) * 2
                    next_dz[b] += row0 * cores[start + lo] + row1 * cores[start + lo + 1]
                    gradient[lo] = row0 * z[j, b]
                    gradient[lo + 1] = row1 * z[j, b]
            else:
                for b in range(r):
                    core = cores[start + (a * r + b) * n : start + (a * r + b + 1) * n]
                    out = gradient[(a * r + b) * n : (a * r + b + 1) * n]
                    factor = z[j, b]
                    for i in range(n):
                        out[i] = row[i] * factor
                    next_dz[b] += dot(row, core)
        for s in range(m):
            x = elite[s, j]
            for a in range(r):
                for b in range(r):
                    gradient[(a * r + b) * n + x] += q[j, s, a] * du[j, s, b]
        dz, next_dz = next_dz, dz
        core = cores[start:stop]
        mean = first[start:stop]
        variance = second[start:stop]
        for i in range(stop - start):
            mean[i] = beta1 * mean[i] + (one - beta1) * gradient[i]
            variance[i] = beta2 * variance[i] + (one - beta2) * gradient[i] * gradient[i]
            core[i] -= step * mean[i] / (np.sqrt(per_debias2 * variance[i]) + eps)
