"""Compiling with numba, with compiled code stored on disk where that is possible."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[F], F]:
    """A decorator like `numba.njit(cache=True, **options)` that does without a cache where none can be written.

    numba refuses to compile if neither the folder of the source nor the user's cache folder can be written (a container
    under a foreign user), and fails if the disk is full.
    """

    def decorate(function: F) -> F:
        from numba import njit

        try:
            dispatcher = njit(cache=True, **options)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            return njit(**options)(function)
        save = dispatcher._cache.save_overload

        def save_if_possible(*overload: Any) -> None:
            with suppress(OSError):
                save(*overload)

        dispatcher._cache.save_overload = save_if_possible
        return dispatcher

    return decorate
