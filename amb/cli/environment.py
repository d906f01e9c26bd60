"""Environment variables whose values would end a command within a package that it imports."""

import os
import re
import time
from contextlib import suppress

from amb.foreign import text_of

NARROWEST = 20
"""Columns of the narrowest terminal in which tables are laid out."""


def leave_out_what_ends_imports() -> None:
    """Take from this process, and from those that it starts, what a package could not use; the rest stays."""
    if _is_no_width(os.environ.get("COLUMNS", "")):
        del os.environ["COLUMNS"]
    if not _is_a_time(os.environ.get("SOURCE_DATE_EPOCH", "0")):  # numpy's f2py, which scipy imports, raises
        del os.environ["SOURCE_DATE_EPOCH"]
    if not _is_a_number_of_threads(os.environ.get("NUMBA_NUM_THREADS", "1")):  # numba raises
        del os.environ["NUMBA_NUM_THREADS"]
    if not _are_features(os.environ.get("NUMBA_CPU_FEATURES", "")):  # LLVM aborts the process
        del os.environ["NUMBA_CPU_FEATURES"]
    os.environ["MPLBACKEND"] = "agg"  # figures go to files; a window's, or one that is not installed, would end reports


def named_variable(error: BaseException) -> str | None:
    """The variable that an error of a package complains of, if it is one of those that packages read and is set."""
    return next(
        (
            name
            for name in re.findall(r"\b(?:NPY|NUMBA|SCIPY|TORCH|PYTORCH|ARROW|MPL)_[A-Z_]+", text_of(error))
            if name in os.environ
        ),
        None,
    )


def _is_no_width(columns: str) -> bool:
    """Whether COLUMNS states a width in which nothing can be read; terminals that know no size export 0."""
    return columns.isdecimal() and len(columns) < 4 and int(columns) < NARROWEST


def _is_a_time(seconds: str) -> bool:
    with suppress(ValueError, OverflowError, OSError):
        return seconds.isdecimal() and bool(time.gmtime(int(seconds)))
    return False


def _is_a_number_of_threads(number: str) -> bool:
    with suppress(ValueError):
        return int(number) > 0
    return False


def _are_features(features: str) -> bool:
    """Whether each is switched on or off, as in ``+avx2,-avx512f``."""
    return all(feature.startswith(("+", "-")) for feature in features.split(",") if feature)
