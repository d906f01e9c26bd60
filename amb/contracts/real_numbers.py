"""Which values are real numbers: numpy turns texts, dates, masked and complex values into some, which nobody meant."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def as_numbers(values: ArrayLike) -> NDArray[np.float64]:
    """Real numbers as float64, a copy; NaN is one, None is not.

    Raises:
        ValueError: some are no real numbers (numpy would read "1_0" as 10, and dates as nanoseconds), are masked, or
            are too large for float64.
    """
    if is_masked(values):
        raise ValueError("expected real numbers, got masked ones; write NaN for a missing value")
    try:
        given = np.asarray(values)
        others = given.dtype.kind == "O" and any(isinstance(one, str | bytes | None) for one in given.flat)
        if given.dtype.kind in "fiubO" and not others:
            return given.astype(np.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # ragged rows, or objects that are no numbers
        pass
    raise ValueError(f"expected real numbers, got {values!r:.80}")


def is_masked(values: object) -> bool:
    """Whether values are a masked array, or hold one: numpy reads the data behind the mask, which are no values."""
    inner = values if isinstance(values, list | tuple) else ()
    return np.ma.isMaskedArray(values) or any(np.ma.isMaskedArray(one) for one in inner)
