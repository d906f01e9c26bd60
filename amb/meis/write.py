"""The tables about most exciting inputs as files: CSV to read, Parquet with arrays to compute with."""

import io
from pathlib import Path

import pandas as pd

from amb.errors import StudyError
from amb.meis.measure import Measures
from amb.study.durable import make_folder, write_together
from amb.study.interchange import csv_text

ARRAYS = ("candidate", "probabilities")
"""Columns that hold arrays; the CSV file leaves them out."""


def write_tables(measures: Measures, folder: Path, *, advice: str = "") -> list[Path]:
    """Write every table into a folder, which is created if it is missing; returns the files.

    Where they cannot be written, the tables of an earlier call stay as they are.

    Args:
        measures: what holds the tables.
        folder: where.
        advice: what the user can do if there is no room, for the error's message.

    Raises:
        StudyError: the folder cannot be written.
    """
    files: dict[Path, bytes | str] = {}
    for name, table in measures.tables.items():
        readable = table.drop(columns=[column for column in ARRAYS if column in table])
        files[folder / f"{name}.csv"] = csv_text(readable)
    files[folder / "meis.parquet"] = _parquet(measures.meis)
    try:
        make_folder(folder)
        write_together(files, error=None)
    except OSError as cause:
        if folder.exists() and not folder.is_dir():
            advice = "a file has this name: move it away"
        more = f"; {advice}" if advice else ""
        raise StudyError(f"cannot write {folder}: {cause.strerror or cause}{more}") from cause
    return [*files]


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()
