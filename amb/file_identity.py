"""Whether a file is still the one that was read: what was derived from it is used again only then."""

import os
import time
from pathlib import Path

from msgspec import Struct

# A file that was changed less than this long ago may change again without a difference in its times.
SETTLED_SECONDS = 2.0


class Identity(Struct, frozen=True, array_like=True):
    """What changes when a file is replaced or written to."""

    size: int
    modified: int
    changed: int
    inode: int

    @classmethod
    def of(cls, path: Path, *, links: bool = False) -> "Identity":
        """The identity of the file at `path`; with `links`, of the one that a link there leads to, else of the link.

        Raises:
            OSError: there is none.
        """
        status = os.stat(path) if links else os.lstat(path)
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    @property
    def settled(self) -> bool:
        """Whether every later change of the file will show in its times."""
        return time.time() - max(self.changed, self.modified) / 1e9 > SETTLED_SECONDS
