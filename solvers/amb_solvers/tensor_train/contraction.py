"""How a tensor train is stored, the notation, and the contraction that sampling and fitting share.

Batsheva, Chertkov, Ryzhakov & Oseledets 2023 (NeurIPS), in closed form and compiled once for all shapes.

A train of `d` modes is one flat array. Mode `j` owns the block `[offsets[j], offsets[j + 1])`, which is a
core ``Y[a, b, i]`` with ranks `a`, `b` < r and the levels `i` contiguous. First and last cores are stored
like all others: the chains start at the unit vector e_0, so that only row 0 of the first and column 0 of the
last core count, and the gradient of the rest is exactly zero.

    right interface    Z[d-1] = e_0,   Z[j-1] = normalize(sum_i W[j][:, i]),   W[j][:, i] = Y[j][:, :, i] Z[j]
    left chain         Q[0] = e_0,     Q[j+1] = normalize(Q[j] Y[j][:, :, x[j]])
    density            p(x) = prod_j  |g[x[j]]| / sum_i |g[i]|,                g[i] = Q[j] . W[j][:, i]

The contraction `W` is computed once per batch and serves sampling and gradient alike. Every `g` is homogeneous
in Q and in Z, so the derivatives along Q and Z are orthogonal to them and normalizing needs no projection.
"""

import numpy as np

from amb.contracts.space import IntArray
from amb_solvers.tensor_train.compiler import Floats, compiled
from amb_solvers.tensor_train.sums import sum_of


@compiled
def sweep(cores: Floats, offsets: IntArray, r: int, w: Floats, z: Floats, norms: Floats) -> None:
    """Contract all cores with their right interfaces.

    Args:
        cores: float[offsets[-1]].
        offsets: int[d + 1], multiples of r * r.
        r: rank.
        w: out, float[offsets[-1] / r]; the block of mode j is ``W[a, i]``.
        z: out, float[d, r], the right interface of each core.
        norms: out, float[d]; norms[j] is the length of sum_i W[j] before it became Z[j - 1].
    """
    one = cores.dtype.type(1)
    zero = cores.dtype.type(0)
    d = len(offsets) - 1
    z[d - 1, :] = zero
    z[d - 1, 0] = one
    for j in range(d - 1, -1, -1):
        start = offsets[j]
        n = (offsets[j + 1] - start) // (r * r)
        at = start // r
        square = zero
        for a in range(r):
            row = w[at + a * n : at + (a + 1) * n]
            if n == 2:  # bits: two accumulators instead of a loop of two steps
                w0 = zero
                w1 = zero
                for b in range(r):
                    at_bit = start + (a * r + b) * 2
                    w0 += cores[at_bit] * z[j, b]
                    w1 += cores[at_bit + 1] * z[j, b]
                row[0] = w0
                row[1] = w1
                total = w0 + w1
            else:
                row[:] = zero
                for b in range(r):
                    core = cores[start + (a * r + b) * n : start + (a * r + b + 1) * n]
                    factor = z[j, b]
                    for i in range(n):
                        row[i] += core[i] * factor
                total = sum_of(row)
            if j > 0:
                z[j - 1, a] = total
                square += total * total
        if j > 0:
            norms[j] = np.sqrt(square)
            if norms[j] == zero:  # a train that vanishes everywhere: keep a finite direction
                norms[j] = one
            for a in range(r):
                z[j - 1, a] /= norms[j]
