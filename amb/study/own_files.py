"""Files that amb may replace: those that it wrote itself, in this version or an earlier one.

Under a name that amb chooses, such as `trials.csv`, or that `--out` states by mistake, users may have their own files.
What is amb's shows by its form: a page is in HTML, a table has the columns that every version wrote. Commands check
before the hours of work, and writers once more before they write.
"""

import csv
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from amb.errors import AmbError, StudyError

PUBLISHED_RUNS = "runs.parquet"
"""What a published study has in place of a folder of runs (`amb.study.published`)."""

# Bytes of a text that are looked at.
_START = 1 << 16
_PICTURES = {
    ".png": (b"\x89PNG",),
    ".jpg": (b"\xff\xd8",),
    ".jpeg": (b"\xff\xd8",),
    ".gif": (b"GIF8",),
    ".webp": (b"RIFF",),
    ".bmp": (b"BM",),
    ".pdf": (b"%PDF",),
    ".svg": (b"<?xml", b"<svg"),
}
"""What pictures begin with; those of other names count as such."""
_OF_FILE_MANAGERS = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
"""Names of Windows' and macOS's own files that are not hidden by their name."""


@dataclass(frozen=True)
class Form:
    """How files that amb writes under a name are told from others.

    Attributes:
        what: such a file in words, as in "is not a page in HTML".
        fits: whether a file, which is not empty, is one.
    """

    what: str
    fits: Callable[[Path], bool]


def table(*columns: str) -> Form:
    """Tables as CSV or Parquet, by columns that those of every version have; a damaged Parquet file may be one."""
    what = f"a table of amb's, which has the columns {', '.join(columns)}"
    return Form(what, lambda file: (_in_parquet if file.suffix == ".parquet" else _in_csv)(file, {*columns}))


def text(what: str, *words: str) -> Form:
    """Texts, by words that stand near the beginning of those of every version."""
    return Form(what, lambda file: all(word.encode() in _start(file) for word in words))


def picture(file: Path) -> Form:
    """Pictures in the format that a file's name says."""
    suffix = file.suffix.lower()
    return Form(f"a picture ({suffix})", lambda file: _start(file).startswith(_PICTURES.get(suffix, (b"",))))


PAGE = Form("a page in HTML", lambda file: _start(file).lstrip().lower().startswith((b"<!doctype html", b"<html")))


def refuse_others(files: Mapping[Path, Form], advice: str, error: type[AmbError] = StudyError) -> None:
    """Refuse to replace what amb did not write; files that are missing or empty are nobody's.

    Args:
        files: what is to be written, each with its form.
        advice: what the user can do, such as "choose another folder with --out".
        error: what to raise.

    Raises:
        AmbError: `error`, for the first file that has another form, cannot be read, is no regular file, or would
            be among the runs of a study, or make a study look like a published one.
    """
    for file, form in files.items():
        refuse_part_of_a_study(file.parent, error)
        try:
            if file.name == PUBLISHED_RUNS and not file.exists() and (file.parent / "manifest.json").is_file():
                raise error(
                    f"{file.parent} is a study, and {file.name} would make it look like a published one; choose "
                    "another folder, such as one in it"
                )
            if not file.exists():
                continue
            if not file.is_file():  # reading from a pipe would wait
                kind = "a folder" if file.is_dir() else "not a regular file"
                raise error(f"cannot write {file}: it is {kind}; {advice}")
            if file.stat().st_size and not form.fits(file):
                raise error(f"{file} exists and is not {form.what}; {advice}")
        except OSError as cause:
            raise error(f"cannot read {file}: {cause.strerror or cause}; {advice}") from cause


def refuse_part_of_a_study(folder: Path, error: type[AmbError] = StudyError) -> None:
    """Refuse a place among a study's own files, which its readers would take for damaged runs.

    Raises:
        AmbError: `error`, if it is `runs/`, `journal/` or `damaged/` of a study.
    """
    study = folder.parent
    if folder.name in ("runs", "journal", "damaged") and (study / "manifest.json").is_file():
        raise error(f"{folder} belongs to the study {study}; choose another folder")


def refuse_others_in(
    folder: Path, is_own: Callable[[Path], bool], advice: str, error: type[AmbError] = StudyError
) -> None:
    """Refuse to replace a folder as a whole if it has a file that amb did not write, but for those that stay in it.

    Args:
        folder: what is to be written anew; nothing happens if it is missing.
        is_own: whether amb wrote a file in it.
        advice: what the user can do.
        error: what to raise.

    Raises:
        AmbError: `error`, for the first such file, or if it is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise error(f"{folder} exists and is not a folder; {advice}")
    try:
        for place, _, names in os.walk(folder):
            for file in (Path(place, name) for name in sorted(names)):
                if not (stays(file.relative_to(folder)) or is_own(file)):
                    raise error(f"amb did not write {file}, and {folder} is replaced as a whole; {advice}")
    except OSError as cause:
        raise error(f"cannot read {folder}: {cause.strerror or cause}; {advice}") from cause


def stays(file: Path) -> bool:
    """Whether a file stays in a folder that is replaced as a whole: hidden ones, and file managers' own.

    amb writes none of these there, and programs that read what it writes skip them. A file manager makes its own again
    whenever the folder is looked at, so that a refusal would not end.

    Args:
        file: relative to the folder.
    """
    return any(part.startswith(".") for part in file.parts) or file.name.casefold() in _OF_FILE_MANAGERS


def _start(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(_START)


def _in_csv(file: Path, columns: set[str]) -> bool:
    lines = _start(file).decode("utf-8-sig", errors="replace").splitlines()
    try:
        found = {*next(csv.reader(lines), [])} - {""}
    except csv.Error:
        return False
    return columns <= found or (not found and len(lines) < 2)  # a table without rows may have no columns


def _in_parquet(file: Path, columns: set[str]) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return columns <= {*pq.read_schema(file).names}
    except (pa.ArrowException, OSError, ValueError):
        return _start(file).startswith(b"PAR1")
