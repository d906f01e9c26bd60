"""What a problem or a solver class was made of, whose hash is in its runs' names, and whether it still is that."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from amb.errors import AmbError, SpecError
from amb.fingerprint import fingerprint


class Content:
    """Objects that are told by their content, such as the function of a problem.

    What the objects themselves change while they are evaluated, such as a cache, is no change of theirs.

    Args:
        parts: the objects as they are now.

    Attributes:
        fingerprint: of the objects as they were.

    Raises:
        SpecError: see `amb.fingerprint.fingerprint`.
    """

    def __init__(self, parts: Callable[[], tuple[object, ...]]) -> None:
        self._parts = parts
        self.fingerprint = fingerprint(*parts())
        self._last: str | None = self.fingerprint

    def verify(self, what: str, mend: str) -> None:
        """Refuse to go on under the old name.

        Args:
            what: what is made of the objects.
            mend: what to do to have it made of what they are now.

        Raises:
            SpecError: they have changed.
        """
        if self._last is not None and fingerprint(*self._parts()) != self._last:
            raise SpecError(
                f"{what} has changed since it was made, or something that it reads has, so its runs would be stored as "
                f"those of what it was: {mend}, or state a version if what changes is of no consequence"
            )

    def accept(self) -> None:
        """What the objects are now is due to their evaluation."""
        try:
            self._last = fingerprint(*self._parts())
        except AmbError:  # they have opened a file, say, and nothing tells them any more
            self._last = None


@contextmanager
def accepting(contents: Iterable[Content]) -> Iterator[None]:
    """What is evaluated inside may change what it is made of."""
    try:
        yield
    finally:
        for content in contents:
            content.accept()
