"""Files that stay open for as long as somebody holds the object that reads or writes them."""

import errno
import os
from contextlib import suppress
from io import FileIO
from pathlib import Path


class HeldFile(FileIO):
    """A file without a buffer, which closes when nobody holds it any more; Python warns of other files then.

    A plug-in may close all descriptors of the process, as daemons do when they begin, and open files of its own that
    get their numbers: these are not closed, and `check` keeps them from being read and written.

    Args:
        path: the file; with `new`, it is made or emptied, to be written and read.
    """

    def __init__(self, path: Path | str, *, new: bool = False) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC if new else os.O_RDONLY
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0), 0o666)
        super().__init__(descriptor, "r+b" if new else "rb", closefd=False)
        self._which = which(descriptor)

    def check(self) -> None:
        """Refuse a descriptor that means another file by now.

        Raises:
            OSError: it does, or is closed.
        """
        if which(self.fileno()) != self._which:
            raise OSError(errno.EBADF, "a plug-in has closed it")

    def close(self) -> None:
        """Close the file, if no plug-in has; idempotent."""
        if self.closed:
            return
        descriptor = self.fileno()
        super().close()
        with suppress(OSError):
            if which(descriptor) == self._which:
                os.close(descriptor)

    def __del__(self) -> None:
        self.close()


def which(descriptor: int) -> tuple[int, int]:
    """The file that a descriptor means: its device, and its number there.

    Raises:
        OSError: the descriptor is closed.
    """
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino
