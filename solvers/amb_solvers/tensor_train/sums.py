"""Sums over the levels of a mode, in four chains that a processor adds side by side.

A plain sum is one chain, since a compiler keeps the order in which a program adds floating-point numbers.
"""

from typing import Any

from amb_solvers.tensor_train.compiler import Floats, inlined


@inlined
def sum_of(values: Floats) -> Any:
    """The sum of float[n]."""
    n = len(values)
    zero = values.dtype.type(0)
    a = b = c = e = zero
    whole = n - n % 4
    for i in range(0, whole, 4):
        a += values[i]
        b += values[i + 1]
        c += values[i + 2]
        e += values[i + 3]
    for i in range(whole, n):
        a += values[i]
    return (a + b) + (c + e)


@inlined
def dot(left: Floats, right: Floats) -> Any:
    """The sum of products of float[n] and float[n]."""
    n = len(left)
    zero = left.dtype.type(0)
    a = b = c = e = zero
    whole = n - n % 4
    for i in range(0, whole, 4):
        a += left[i] * right[i]
        b += left[i + 1] * right[i + 1]
        c += left[i + 2] * right[i + 2]
        e += left[i + 3] * right[i + 3]
    for i in range(whole, n):
        a += left[i] * right[i]
    return (a + b) + (c + e)
