"""How the loops of tensor trains are compiled: once for all shapes, cached on disk, vectorized."""

from typing import Any

from numpy.typing import NDArray

from amb import compiling

Floats = NDArray[Any]  # float32 or float64, the same in all arguments of one call
Indices = NDArray[Any]  # int32: as wide as a float32, so that both fill one vector

# Sums may be reordered, so that they vectorize; the order is fixed once compiled. NaN and infinity keep their
# meaning.
_FAST = {"reassoc", "contract", "nsz", "arcp"}

compiled = compiling.compiled(fastmath=_FAST, error_model="numpy")
inlined = compiling.compiled(fastmath=_FAST, error_model="numpy", inline="always")
