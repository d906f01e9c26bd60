"""Compiling with numba, with compiled code stored on disk where that is possible."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from amb.interruption import held

F = TypeVar("F", bound=Callable[..., Any])

_announce: Callable[[str], None] | None = None


def announce_to(say: Callable[[str], None] | None) -> None:
    """From now on, tell `say` when something is compiled, once, since it takes a while; None: tell nobody."""
    global _announce
    _announce = say


def compiled(**options: Any) -> Callable[[F], F]:
    """A decorator like `numba.njit(cache=True, **options)` that does without a cache where none can be written.

    numba refuses to compile if neither the folder of the source nor the user's cache folder can be written (a container
    under a foreign user) or NUMBA_CACHE_LOCATOR_CLASSES names none of its classes, and fails if the disk is full.
    """

    def decorate(function: F) -> F:
        from numba import njit

        try:
            with _compiling():
                dispatcher = njit(cache=True, **options)(function)
        except RuntimeError:
            with _compiling():
                return _uninterrupted(njit(**options)(function))
        save = dispatcher._cache.save_overload

        def save_if_possible(*overload: Any) -> None:
            with suppress(OSError):
                save(*overload)

        load = dispatcher._cache.load_overload

        def load_or_announce(*overload: Any) -> Any:
            loaded = load(*overload)
            if loaded is None:  # it will be compiled
                _say_once()
            return loaded

        dispatcher._cache.save_overload = save_if_possible
        dispatcher._cache.load_overload = load_or_announce
        return _uninterrupted(dispatcher)

    return decorate


def _uninterrupted(dispatcher: Any) -> Any:
    """A dispatcher whose compilation no signal ends: LLVM clears what one raises in its callbacks, and numba fails."""
    compile_one = dispatcher.compile

    def compile_whole(signature: Any) -> Any:
        with held():
            return compile_one(signature)

    dispatcher.compile = compile_whole
    return dispatcher


@contextmanager
def _compiling() -> Iterator[None]:
    """A context in which numba compiles, whatever NUMBA_DISABLE_JIT says.

    That is for finding faults in functions of one's own. Interpreted, ours would take hours, and numpy's integers
    overflow where numba's do not.
    """
    import numba

    config: Any = numba.config  # which fills itself from the environment
    before = config.DISABLE_JIT
    config.DISABLE_JIT = 0
    try:
        yield
    finally:
        config.DISABLE_JIT = before


def _say_once() -> None:
    say = _announce
    announce_to(None)
    if say is None:
        return
    with suppress(Exception):  # the stream may have been closed, which must not keep anything from being compiled
        say("Compiling, which is done once after an installation ...")
