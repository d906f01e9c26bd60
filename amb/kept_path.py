"""Paths that outlive the call in which they were given, by objects that a user keeps."""

import os
from pathlib import Path

from amb.foreign import current_folder
from amb.spec import user_path


class KeptPath:
    """A path that a user gave: it leads where it led then, wherever the process works later (`os.chdir`, `%cd`).

    Args:
        path: as it was given.

    Attributes:
        given: the same, with `~` expanded.
        absolute: where it leads, for reading and writing: a thread of a plug-in may change the current folder at any
            time. It is `given` in a current folder that has been deleted, where a relative path leads nowhere.

    Raises:
        SpecError: it is no path.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.given = user_path(path)
        self.absolute = Path(current_folder() or "", self.given)

    @property
    def shown(self) -> Path:
        """The path for messages: as given while that leads there, and absolute elsewhere."""
        return self.given if Path(current_folder() or "", self.given) == self.absolute else self.absolute
