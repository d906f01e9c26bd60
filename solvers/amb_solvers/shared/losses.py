"""Values for packages that minimize."""

import numpy as np

from amb.contracts.space import FloatArray


def losses(values: FloatArray) -> FloatArray | None:
    """Negated values, in which failed queries count as the worst of the others; None if all queries failed."""
    valid = ~np.isnan(values)
    return -np.where(valid, values, values[valid].min()) if valid.any() else None
