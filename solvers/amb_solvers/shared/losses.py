"""Values for packages that minimize."""

import numpy as np

from amb.contracts.space import FloatArray


def losses(values: FloatArray) -> FloatArray | None:
    """Values as a package that minimizes is told them: negated, a failed query the worst of all; None: all failed."""
    there = ~np.isnan(values)
    return -np.where(there, values, values[there].min()) if there.any() else None
