"""The files of a block: its pictures, and `presentations.csv` with their order."""

import csv
import io
import re
import shutil
from collections.abc import Mapping, Sequence
from errno import ENOENT
from hashlib import sha256
from os import strerror
from pathlib import Path

from amb.errors import LabError
from amb.lab.journal import FILE as JOURNAL
from amb.lab.journal import BlockPlanned, JournalContent
from amb.lab.stimuli import LARGEST, Picture, png
from amb.study.durable import flush_folder, make_folder, rename, write_whole
from amb.study.untrusted import MEBIBYTE, UnfitError, read_bytes, refuse_unreadable

BLOCKS = "blocks"
PRESENTATIONS = "presentations.csv"
CHECKSUM = ".journal"
"""A block's file: the checksum of its line in the journal, which tells whether the two belong together; and the digests
of its pictures, which version 0.1 did not write."""
LARGEST_TABLE = 64 * MEBIBYTE
"""Bytes of a block's tables: `PRESENTATIONS` and `CHECKSUM`."""
COLUMNS = ("trial", "block", "file", "kind", "stimulus")


def block_folder(experiment: Path, number: int) -> Path:
    """The folder of a block of the experiment in a folder."""
    return experiment / BLOCKS / f"block-{number:03d}"


def is_written(folder: Path) -> bool:
    """Whether a block's folder is there: it was whole then, but see `damaged_files`.

    Raises:
        LabError: it is a link, or the system does not say.
    """
    if folder.is_symlink():
        raise LabError(f"{folder} is a symbolic link, and nothing is written through links; delete it")
    try:
        return folder.is_dir()
    except OSError as cause:
        raise LabError(f"cannot read {folder}: {cause.strerror or cause}") from cause


def written_blocks(experiment: Path) -> dict[int, str]:
    """The blocks whose folders are there, and the checksum in each; empty where 0.1 wrote none.

    Raises:
        LabError: a folder cannot be read.
    """
    try:
        folders = {
            int(match[1]): path
            for path in (experiment / BLOCKS).iterdir()
            if (match := re.fullmatch(r"block-([0-9]{3,9})", path.name)) and is_written(path)
        }
        return {number: next(iter(_stated(path)), "") for number, path in folders.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as cause:
        raise LabError(f"cannot read {experiment / BLOCKS}: {getattr(cause, 'strerror', None) or cause}") from cause


def refuse_another_journal(
    experiment: Path, written: Mapping[int, str], journal: JournalContent, *, begun: bool = False
) -> None:
    """Refuse a journal that lacks blocks that were presented, or that planned others.

    An experiment that went on by it would show stimuli of one past and record the responses for another.

    Args:
        experiment: its folder.
        written: `written_blocks`, looked up before the journal was read, since other processes add to both.
        journal: what was read.
        begun: whether it had lines before, so that it cannot be empty now.

    Raises:
        LabError: the journal is not the one by which the blocks were made; where there is none, its cause says so.
    """
    planned = journal.blocks()
    wrong = [n for n, checksum in sorted(written.items()) if n > len(planned) or checksum not in ("", planned[n - 1])]
    if not wrong and (journal.events or not begun):
        return
    path = experiment / JOURNAL
    absent = None if planned or path.exists() else FileNotFoundError(ENOENT, strerror(ENOENT), str(path))
    if absent and not experiment.exists():
        raise LabError(f"the folder {experiment} is gone: it was renamed, or its disk or share is away") from absent
    problem = (
        f"does not hold block {wrong[0]}" if planned and wrong[0] > len(planned)
        else "belongs to another experiment" if planned
        else "is missing" if absent
        else "is empty"
    )  # fmt: skip
    before = f"{block_folder(experiment, wrong[0])} was presented" if wrong else "it had lines before"
    raise LabError(
        f"{path} {problem}, but {before}: restore the file from a backup, or begin a new experiment in another folder"
    ) from absent


def write_block(folder: Path, planned: BlockPlanned, checksum: str, pictures: Mapping[str, Picture]) -> None:
    """Write a block's folder: a neighbour is written, flushed and renamed, so that a rig never sees a part of it.

    Raises:
        LabError: it cannot be written, or the disk takes two of its names for one file's.
    """
    temporary = folder.with_name(f".{folder.name}.tmp")
    try:
        if temporary.is_symlink():
            temporary.unlink()
        shutil.rmtree(temporary, ignore_errors=True)
        make_folder(temporary)
        lines = [checksum]
        for name, picture in pictures.items():  # one at a time is made and kept
            file, content = f"{name}.png", png(picture)
            if (temporary / file).exists():  # an experiment that began on a disk that tells n1 from N1
                raise LabError(
                    f"on this disk, the picture {file} would replace another one, whose name differs in case only; "
                    "go on where the experiment began, or begin a new one with other names"
                )
            write_whole(temporary / file, content, error=None)
            lines.append(f"{sha256(content).hexdigest()}  {file}")
        write_whole(temporary / CHECKSUM, "\n".join(lines) + "\n", error=None)
        write_whole(temporary / PRESENTATIONS, presentations_csv(planned), error=None)
        flush_folder(temporary)
        rename(temporary, folder)
    except OSError as cause:
        raise LabError(f"cannot write {folder}: {cause.strerror or cause}; the same command repeats it") from cause
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def damaged_files(folder: Path, planned: BlockPlanned) -> list[str]:
    """The files of a block that are missing, or not those that were written: a rig must not present them.

    Raises:
        LabError: the folder cannot be read.
    """
    try:
        digests = _digests(folder)
        damaged = [
            file
            for file in dict.fromkeys(f"{shown.stimulus}.png" for shown in planned.order)
            if (content := _content(folder / file, LARGEST)) is None
            or digests.get(file, digest := sha256(content).hexdigest()) != digest
        ]
        whole = _content(folder / PRESENTATIONS, LARGEST_TABLE) == presentations_csv(planned).encode()
    except (OSError, ValueError) as cause:
        raise LabError(f"cannot read {folder}: {getattr(cause, 'strerror', None) or cause}") from cause
    return damaged if whole else [*damaged, PRESENTATIONS]


def read_picture(folder: Path, file: str) -> bytes | None:
    """The content of a picture as it was written; None if the block has none of this name.

    Raises:
        LabError: it cannot be read, or is not as it was written: a rig must not present it.
    """
    path = folder / file
    try:
        names = _digests(folder) or {path.name: "" for path in folder.glob("*.png")}  # 0.1 wrote no digests
        if file not in names:
            return None
        content = read_bytes(path, LARGEST)
    except (OSError, ValueError) as cause:
        why = getattr(cause, "strerror", None) or cause
        raise LabError(f"cannot read {path}: {why}; the next request for the block writes its files again") from cause
    if names[file] not in ("", sha256(content).hexdigest()):
        raise LabError(f"{path} was changed; the next request for the block writes its files again")
    return content


def restore_files(folder: Path, planned: BlockPlanned, files: Sequence[str], pictures: Mapping[str, Picture]) -> None:
    """Write some files of a block again; what else is in its folder stays.

    Raises:
        LabError: they cannot be written.
    """
    for file in files:
        if file == PRESENTATIONS:
            content = presentations_csv(planned).encode()
        else:
            content = png(pictures[file.removesuffix(".png")])
        if (folder / file).is_symlink():  # one to a device would not be replaced
            (folder / file).unlink(missing_ok=True)
        write_whole(folder / file, content, error=LabError)


def _content(file: Path, most: int) -> bytes | None:
    """A file's content; None if there is no regular file of at most `most` bytes, links included.

    Raises:
        OSError: it is there and cannot be read.
    """
    try:
        return read_bytes(file, most)
    except (FileNotFoundError, UnfitError):
        return None


def _stated(folder: Path) -> list[str]:
    """The lines of a block's `CHECKSUM`; none where version 0.1 wrote no such file."""
    return (_content(folder / CHECKSUM, LARGEST_TABLE) or b"").decode().split("\n")


def _digests(folder: Path) -> dict[str, str]:
    """The digest of each of a block's pictures; none where version 0.1 wrote none."""
    lines = (line.partition("  ") for line in _stated(folder)[1:])
    return {file: digest for digest, _, file in lines if file}


def presentations_csv(planned: BlockPlanned) -> str:
    """The presentations of a block in their order, as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, shown in enumerate(planned.order, planned.first):
        writer.writerow((number, planned.block, f"{shown.stimulus}.png", shown.kind, shown.stimulus))
    return text.getvalue()


def presentations(folder: Path, block: int) -> list[tuple[int, Path]]:
    """Trial numbers and pictures of a block, in the order of presentation.

    Raises:
        LabError: the block's table is missing or damaged.
    """
    path = block_folder(folder, block) / PRESENTATIONS
    try:
        table = io.StringIO(read_bytes(path, LARGEST_TABLE).decode(), newline="")
        shown = [(int(row["trial"]), path.parent / row["file"]) for row in csv.DictReader(table, strict=True)]
        if not shown:
            raise ValueError("it has no rows")
        return shown
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as cause:
        refuse_unreadable(path, cause, unless_missing=True)
        raise LabError(f"cannot read {path}: {cause}; `amb lab next` writes a block's files again") from cause
