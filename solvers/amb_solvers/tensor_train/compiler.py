"""How the loops of tensor trains are compiled: once for all shapes, cached on disk, vectorized.

Without fast-math, so that every sum has the order in which it is written, and no product is fused with a sum: a draw is
the same on every processor.
"""

from typing import Any

from numpy.typing import NDArray

from amb import compiling

Floats = NDArray[Any]  # float32 or float64, the same in all arguments of one call
Indices = NDArray[Any]  # int32: as wide as a float32, so that both fill one vector

compiled = compiling.compiled(error_model="numpy")
inlined = compiling.compiled(error_model="numpy", inline="always")
