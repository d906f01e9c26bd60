"""The tables about most exciting inputs as files: CSV to read, Parquet with arrays to compute with."""

import io
from pathlib import Path

import pandas as pd

from amb.errors import StudyError
from amb.meis.measure import Measures
from amb.study.durable import make_folder, write_whole
from amb.study.interchange import csv_text

ARRAYS = ("candidate", "probabilities")
"""Columns that hold arrays; the CSV file leaves them out."""


def write_tables(measures: Measures, folder: Path) -> list[Path]:
    """Write every table into a folder, which is created if it is missing; returns the files.

    Raises:
        StudyError: the folder cannot be written.
    """
    files = []
    try:
        make_folder(folder)
        for name, table in measures.tables.items():
            readable = table.drop(columns=[column for column in ARRAYS if column in table])
            files.append(folder / f"{name}.csv")
            write_whole(files[-1], csv_text(readable), error=None)
        files.append(folder / "meis.parquet")
        write_whole(files[-1], _parquet(measures.meis), error=None)
    except OSError as cause:
        raise StudyError(
            f"cannot write {folder}: {cause.strerror or cause}; choose another folder with --out"
        ) from cause
    return files


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()
