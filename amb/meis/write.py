"""The tables about most exciting inputs as files: CSV to read, Parquet with arrays to compute with."""

import io
from pathlib import Path

import pandas as pd

from amb.errors import StudyError
from amb.meis.measure import Measures
from amb.study.durable import make_folder, write_together
from amb.study.interchange import csv_text
from amb.study.own_files import refuse_others, table

ARRAYS_FILE = "meis.parquet"
ARRAYS = ("candidate", "probabilities")
"""Columns that hold arrays; the CSV file leaves them out."""


_FORMS = {
    "meis": table("problem", "solver", "seed", "activation"),
    "distances": table("problem", "first", "second", "between"),
    "yardsticks": table("generator", "pairs", "similarity"),
    "layers": table("generator", "target", "layer", "units"),
    "ratios": table("first", "second", "layer", "ratio"),
}
"""How the tables are told from others of these names."""
_ELSEWHERE = "move it away, or choose another folder"


def check_tables(folder: Path) -> None:
    """Refuse a folder in which the tables would replace files of the user's, before they are measured.

    Raises:
        StudyError: it has such a file, or is a file itself.
    """
    if folder.exists() and not folder.is_dir():
        raise StudyError(f"cannot write {folder}: a file has this name; {_ELSEWHERE}")
    files = {folder / f"{name}.csv": form for name, form in _FORMS.items()}
    refuse_others({**files, folder / ARRAYS_FILE: _FORMS["meis"]}, _ELSEWHERE)


def write_tables(measures: Measures, folder: Path, *, advice: str = "") -> list[Path]:
    """Write every table into a folder, which is created if it is missing; returns the files.

    Where they cannot be written, the tables of an earlier call stay as they are.

    Args:
        measures: what holds the tables.
        folder: where.
        advice: what the user can do if there is no room, for the error's message.

    Raises:
        StudyError: the folder cannot be written, or has files of the user's under these names.
    """
    check_tables(folder)
    files: dict[Path, bytes | str] = {}
    for name, content in measures.tables.items():
        readable = content.drop(columns=[column for column in ARRAYS if column in content])
        files[folder / f"{name}.csv"] = csv_text(readable)
    files[folder / ARRAYS_FILE] = _parquet(measures.meis)
    try:
        make_folder(folder)
        write_together(files, error=None)
    except OSError as cause:
        more = f"; {advice}" if advice else ""
        raise StudyError(f"cannot write {folder}: {cause.strerror or cause}{more}") from cause
    return [*files]


def _parquet(content: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    content.to_parquet(buffer, index=False)
    return buffer.getvalue()
