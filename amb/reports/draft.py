"""Replacing a folder that reports are written into as a whole, so that readers never see half of one."""

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from amb.spec import real_path
from amb.study.durable import exchange, flush_file, flush_folder, make_folder, rename
from amb.study.lock import Claim, enter, hold, is_abandoned, unlocked
from amb.study.own_files import stays

Stamps = dict[Path, tuple[int, int]]

_CANNOT_MOVE = {errno.EXDEV, errno.EBUSY}
"""What the system answers of a folder that is part of a container's image, or where a disk is mounted."""

_open_drafts: set[Path] = set()
"""The drafts that this process is writing."""


@contextmanager
def draft_of(
    folder: Path,
    *,
    empty: bool = False,
    replaced: Collection[str] = (),
    ours: Callable[[Path], bool] = lambda file: False,
) -> Iterator[Path]:
    """A copy of a folder, which takes the folder's place when the block ends without an error.

    If the process is killed, or the disk is full, the folder stays as it was, and the next draft deletes what is left.
    Several processes may do this at once: a file that another one has written in the meantime is kept, unless this one
    has written it, too. What other programs write into the folder stays theirs: such files move into the new folder as
    they are, so that one that is open, such as a command's redirected output, may grow on. The folder itself stays the
    same one (`_put_back`), so that a shell or a server of files that is in it stays there.

    Where the folder cannot be moved, since it is part of a container's image or a disk is mounted there, its files are
    replaced one by one (`_fill`).

    Hidden files, file managers' own (`stays`) and empty folders stay in any case.

    A draft within a draft, as of an export in a report, is flushed once, with the outer one.

    Args:
        folder: made if missing.
        empty: begin with an empty folder, so that nothing else of the old one is kept.
        replaced: folders in it that will be written anew and are not copied; where that fails, the old one is kept.
        ours: asked in the end whether a file in it is this process's to decide about: one that it has not written goes,
            also if another process has written it in the meantime.

    Raises:
        OSError: the folder, or the one above it, cannot be written.
    """
    make_folder(folder.parent)
    folder = real_path(folder.parent) / folder.name  # this process may be in the folder, and ".." lead there
    with _turn(folder):
        _delete_leftovers(folder)
        draft, claim = _new_draft(folder)
    with claim:
        _open_drafts.add(draft)
        try:
            seen: Stamps = {}
            if not empty:
                with _turn(folder):
                    seen = _copy(folder, draft, replaced)
            yield draft
            with _turn(folder):
                theirs = _of_others(folder, draft, seen, replaced, ours, empty=empty)
                shared = _take_over(folder, draft, seen, theirs)
                if _open_drafts.isdisjoint(folder.parents):
                    _flush(draft, shared)
                try:
                    old = _replace(folder, draft)
                except OSError as cause:
                    if cause.errno not in _CANNOT_MOVE or not folder.is_dir():
                        raise
                    _fill(folder, draft, theirs)
                else:
                    if old is not None:
                        _carry_over(old, folder, theirs)
                        shutil.rmtree(_put_back(old, folder, theirs), ignore_errors=True)
        finally:
            _open_drafts.discard(draft)
            shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def filling(
    folder: Path, *, replaced: Collection[str] = (), ours: Callable[[Path], bool] = lambda file: False
) -> Iterator[Path]:
    """An empty folder whose files move into another one, of the user's, when the block ends without an error.

    What else is in that one, which may be much, is neither copied nor moved. If the process is killed, or the disk is
    full, before all files are written, it stays as it was, and the next call deletes what is left. Only a kill while
    the files move leaves new ones beside old ones; to write them again mends that.

    Args:
        folder: made if missing.
        replaced: folders in it that are replaced as a whole.
        ours: asked in the end whether a file in it that was not written is to be deleted.

    Raises:
        OSError: the folder cannot be written.
    """
    make_folder(folder)
    folder = real_path(folder)
    with _turn(folder / "amb"):
        _delete_leftovers(folder / "amb")
        draft, claim = _new_draft(folder / "amb")
    with claim:
        try:
            yield draft
            _flush(draft, ())
            names = set(os.listdir(draft))
            for name in names.intersection(replaced):
                with draft_of(folder / name, empty=True) as whole:
                    for entry in os.listdir(draft / name):
                        os.replace(draft / name / entry, whole / entry)
            files = [*_stamps(draft)]
            parents = {folder, *((folder / file).parent for file in files)}
            for parent in parents:
                make_folder(parent)
            for file in files:
                os.replace(draft / file, folder / file)
            for file in [file for file in folder.iterdir() if file.name not in names and ours(file)]:
                file.unlink()
            for parent in parents:
                flush_folder(parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _turn(folder: Path) -> Claim:
    """Keep other processes from looking at the folder and from replacing it, for a moment."""
    return hold(folder.with_name(f".{folder.name}.lock"), wait=True) or unlocked()


def _new_draft(folder: Path) -> tuple[Path, Claim]:
    draft = _new_name(folder)
    draft.mkdir()
    return draft, enter(draft, alone=True) or unlocked()


def _new_name(folder: Path) -> Path:
    # Never used before: when a draft has become the folder, its process still deletes the old one by this name.
    return folder.with_name(f".{folder.name}-draft-{secrets.token_hex(8)}")


def _copy(folder: Path, draft: Path, replaced: Collection[str]) -> Stamps:
    """Copy the folder, if there is one; returns what its files were."""

    def left_out(place: str, names: list[str]) -> list[str]:
        anew = replaced if Path(place) == folder else ()
        return [name for name in names if name in anew or _is_special(os.lstat(os.path.join(place, name)))]

    failed: list[OSError] = []

    def copy(source: str, target: str) -> None:
        if failed:  # what one file met, such as a full disk, thousands of others would
            raise failed[0]
        try:
            shutil.copy2(source, target)
        except OSError as cause:
            failed.append(cause)
            raise

    if folder.is_dir():
        try:
            shutil.copytree(folder, draft, dirs_exist_ok=True, ignore=left_out, copy_function=copy)
        except shutil.Error as causes:  # a list of tuples, one for each file
            raise failed[0] if failed else OSError(causes.args[0][0][2]) from causes
    return _stamps(draft)


def _is_special(state: os.stat_result) -> bool:
    """Pipes, sockets and devices, which cannot be copied."""
    return not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode) or stat.S_ISLNK(state.st_mode))


def _stamps(folder: Path) -> Stamps:
    """Time and size of every file but links, which a copy keeps and a writer changes."""
    found: Stamps = {}
    for place, _, names in os.walk(folder):
        within = Path(place).relative_to(folder)
        for name in names:
            state = os.lstat(os.path.join(place, name))
            if not stat.S_ISLNK(state.st_mode):
                found[within / name] = (state.st_mtime_ns, state.st_size)
    return found


def _of_others(
    folder: Path, draft: Path, seen: Stamps, replaced: Collection[str], ours: Callable[[Path], bool], *, empty: bool
) -> Callable[[Path], bool]:
    """Which files of the folder others have written: those that this process neither changed nor wrote anew."""
    here = _stamps(draft)
    done = {name for name in replaced if (draft / name).exists()}

    @cache  # the folder has other files later
    def of_others(file: Path) -> bool:
        anew = empty or file.parts[0] in done
        decided = len(file.parts) == 1 and ours(folder / file)
        return here.get(file) == seen.get(file) and not decided and (not anew or stays(file))

    return of_others


def _take_over(folder: Path, draft: Path, seen: Stamps, theirs: Callable[[Path], bool]) -> set[Path]:
    """Put others' files and empty folders into the draft as they are; returns files that are the same, and no copy."""
    shared = set()
    for file, stamp in _stamps(folder).items():
        if not theirs(file):
            continue
        (draft / file).parent.mkdir(parents=True, exist_ok=True)
        try:
            _link(folder / file, draft / file)
        except OSError:  # a file system without links, or somebody else's file
            if seen.get(file) != stamp and not _is_special(os.lstat(folder / file)):
                shutil.copy2(folder / file, draft / file)
        else:
            shared.add(file)
    for place, folders, names in os.walk(folder):
        if not (folders or names):  # those of reports have files
            with suppress(FileExistsError, NotADirectoryError):  # the report has a file of its name
                (draft / Path(place).relative_to(folder)).mkdir(parents=True, exist_ok=True)
    return shared


def _link(file: Path, name: Path) -> None:
    """Give a file another name, which may be another file's until now."""
    beside = name.with_name(f".{secrets.token_hex(8)}")
    os.link(file, beside)
    os.replace(beside, name)


def _carry_over(old: Path, folder: Path, theirs: Callable[[Path], bool]) -> None:
    """Move others' files that came into the old folder until it was replaced, and those that had to be copied."""
    moved = set()
    for file in filter(theirs, _stamps(old)):
        place = folder / file
        if not (place.exists() and place.samefile(old / file)):
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(old / file, place)
            moved.add(place.parent)
    for parent in moved:
        flush_folder(parent)


def _put_back(old: Path, folder: Path, theirs: Callable[[Path], bool]) -> Path:
    """Give the old folder the files of the new one, and put it back in its place; returns where the other is now.

    A process whose current folder is the old one, or that serves or watches it, would be in a deleted folder. Where
    files cannot have two names, the new folder stays.
    """
    try:
        for place, _, names in os.walk(folder):
            within = old / Path(place).relative_to(folder)
            within.mkdir(exist_ok=True)
            for name in names:
                if not ((within / name).exists() and (within / name).samefile(Path(place, name))):
                    _link(Path(place, name), within / name)
        for place, _, names in os.walk(old, topdown=False):
            within = Path(place).relative_to(old)
            for name in names:
                if not (theirs(within / name) or (folder / within / name).exists()):
                    Path(place, name).unlink()
            if (folder / within).is_dir():
                flush_folder(Path(place))
            else:
                with suppress(OSError):  # a file has come into it
                    Path(place).rmdir()
    except OSError:
        return old
    new = _replace(folder, old)
    assert new is not None
    _carry_over(new, folder, theirs)
    return new


def _replace(folder: Path, draft: Path) -> Path | None:
    """Returns where the old folder is now, if there was one."""
    if not folder.exists():
        rename(draft, folder)
        return None
    if exchange(draft, folder):
        return draft
    old = folder.with_name(f".{folder.name}-old")
    if draft == old:
        draft = _new_name(folder)
        os.replace(old, draft)
    os.replace(folder, old)
    rename(draft, folder)
    return old


def _fill(folder: Path, draft: Path, theirs: Callable[[Path], bool]) -> None:
    """Move all files of a draft into a folder that cannot be moved, once the disk has them, and delete its other ones.

    A kill while they move leaves new ones beside old ones; to write them again mends that.
    """
    files = [file for file in _stamps(draft) if not theirs(file)]
    with filling(folder) as copy:
        for file in files:
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(draft / file, copy / file)
    for file in set(_stamps(folder)).difference(files):
        if not theirs(file):
            (folder / file).unlink()
    for place, _, _ in os.walk(folder, topdown=False):
        if not (draft / Path(place).relative_to(folder)).is_dir():
            with suppress(OSError):  # a file has come into it
                Path(place).rmdir()
    flush_folder(folder)


def _flush(folder: Path, shared: Collection[Path]) -> None:
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            if Path(place, name).relative_to(folder) not in shared:
                flush_file(Path(place, name))
        flush_folder(Path(place))


def _delete_leftovers(folder: Path) -> None:
    old = folder.with_name(f".{folder.name}-old")
    if old.is_dir() and not old.is_symlink() and not folder.exists():  # its process died between the two renames
        with suppress(OSError):
            os.replace(old, folder)
    left = [
        path
        for path in folder.parent.glob(f".{folder.name}-*")
        if path.is_dir() and not path.is_symlink()
        if path == old or (path.name.startswith(f".{folder.name}-draft-") and is_abandoned(path))
    ]
    if left:  # one may be the folder that was replaced, and the disk may still have it in its place
        flush_folder(folder.parent)
    for path in left:
        shutil.rmtree(path, ignore_errors=True)
