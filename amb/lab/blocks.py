"""The files of a block: its pictures, and `presentations.csv` with their order."""

import csv
import io
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from amb.errors import LabError
from amb.lab.journal import FILE as JOURNAL
from amb.lab.journal import BlockPlanned, JournalContent
from amb.lab.stimuli import Picture, png
from amb.study.durable import flush_folder, make_folder, rename, write_whole

BLOCKS = "blocks"
PRESENTATIONS = "presentations.csv"
CHECKSUM = ".journal"
"""A block's file with the checksum of its line in the journal: tells whether the two belong together."""
COLUMNS = ("trial", "block", "file", "kind", "stimulus")


def block_folder(experiment: Path, number: int) -> Path:
    """The folder of a block of the experiment in a folder."""
    return experiment / BLOCKS / f"block-{number:03d}"


def is_written(folder: Path) -> bool:
    """Whether a block's folder is there, which is then whole."""
    return (folder / PRESENTATIONS).is_file()


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
        return {
            n: (p / CHECKSUM).read_text("ascii").strip() if (p / CHECKSUM).is_file() else "" for n, p in folders.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as cause:
        raise LabError(f"cannot read {experiment / BLOCKS}: {getattr(cause, 'strerror', None) or cause}") from cause


def refuse_another_journal(experiment: Path, written: Mapping[int, str], journal: JournalContent) -> None:
    """Refuse a journal that lacks blocks that were presented, or that planned others.

    An experiment that went on by it would show stimuli of one past and record the responses for another.

    Args:
        experiment: its folder.
        written: `written_blocks`, looked up before the journal was read, since other processes add to both.
        journal: what was read.

    Raises:
        LabError: the journal is not the one by which the blocks were made.
    """
    planned = journal.blocks()
    wrong = [n for n, checksum in sorted(written.items()) if n > len(planned) or checksum not in ("", planned[n - 1])]
    if not wrong:
        return
    path = experiment / JOURNAL
    problem = (
        f"does not hold block {wrong[0]}" if planned and wrong[0] > len(planned)
        else "belongs to another experiment" if planned
        else "is empty" if path.exists()
        else "is missing"
    )  # fmt: skip
    raise LabError(
        f"{path} {problem}, but {block_folder(experiment, wrong[0])} was presented: restore the file from a backup, or "
        "begin a new experiment in another folder"
    )


def write_block(folder: Path, planned: BlockPlanned, checksum: str, pictures: Mapping[str, Picture]) -> None:
    """Write a block's folder: a neighbour is written, flushed and renamed, so that a rig never sees a part of it.

    Raises:
        LabError: it cannot be written.
    """
    temporary = folder.with_name(f".{folder.name}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        make_folder(temporary)
        for name, picture in pictures.items():
            write_whole(temporary / f"{name}.png", png(picture), error=None)
        write_whole(temporary / CHECKSUM, checksum + "\n", error=None)
        write_whole(temporary / PRESENTATIONS, presentations_csv(planned), error=None)
        flush_folder(temporary)
        shutil.rmtree(folder, ignore_errors=True)
        rename(temporary, folder)
    except OSError as cause:
        with suppress(OSError):
            shutil.rmtree(temporary)
        raise LabError(f"cannot write {folder}: {cause.strerror or cause}; the same command repeats it") from cause


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
        with path.open(newline="", encoding="utf-8") as file:
            return [(int(row["trial"]), path.parent / row["file"]) for row in csv.DictReader(file)]
    except (OSError, ValueError, KeyError) as cause:
        raise LabError(f"cannot read {path}: {cause}; `amb lab next` writes a block's files again") from cause
