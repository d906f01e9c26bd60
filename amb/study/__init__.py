"""Studies on disk: a manifest, finished runs, and journals of runs under way."""

from pathlib import Path

from amb.errors import StudyError
from amb.study.merge import Merged, merge
from amb.study.published import RUNS, PublishedStudy, publish
from amb.study.study import Study

__all__ = ["Merged", "PublishedStudy", "Study", "merge", "open_study", "publish"]


def open_study(folder: str | Path) -> Study | PublishedStudy:
    """A study that is there, to be read: a folder of runs, or a published one.

    Raises:
        StudyError: there is none.
    """
    home = Path(folder)
    if (home / RUNS).is_file():
        return PublishedStudy(home)
    if not (home / "manifest.json").is_file():
        raise StudyError(f"{folder} is no study (it has no manifest.json); `amb compare --study {folder}` makes one")
    return Study(home)
