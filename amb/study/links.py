"""Links in studies and experiments, which third parties may have made: they lead nowhere outside."""

import os
from collections.abc import Iterable
from pathlib import Path

from amb.errors import AmbError, StudyError
from amb.spec import real_path


def refuse_outside(folder: Path, parts: Iterable[str], error: type[AmbError] = StudyError) -> None:
    """Refuse a folder of which a part is a link to the outside: nothing there may be written or deleted.

    Args:
        folder: a study or an experiment.
        parts: the names of its own folders, which need not exist.
        error: what to raise.

    Raises:
        AmbError: `error`, for the first part that is elsewhere.
    """
    inside = real_path(folder, error)
    for part in parts:
        place = real_path(folder / part, error)
        if not place.is_relative_to(inside):
            raise error(f"{folder / part} points outside {folder}, to {place}; replace it with a folder")


def refuse_links(folder: Path, error: type[AmbError] = StudyError) -> None:
    """Refuse a folder that is written into file by file if it is a link, or has one in it or below it.

    Raises:
        AmbError: `error`, for the first link.
        OSError: the folder cannot be read.
    """
    link = str(folder) if folder.is_symlink() else _link_in(folder) if folder.is_dir() else None
    if link is not None:
        raise error(f"{link} is a symbolic link, and nothing is written through links; delete it")


def _link_in(folder: str | Path) -> str | None:
    """A symbolic link in a folder or below it; exports have thousands of files, so only entries are looked at."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                return entry.path
            if entry.is_dir(follow_symlinks=False) and (found := _link_in(entry.path)) is not None:
                return found
    return None
