"""The report on the paper: what the entry-point group `amb.paper_reports` offers."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from amb.catalogue.plugins import find, load_class
from amb.errors import StudyError
from amb.paper.claims import claim_table
from amb.paper.studies import PaperData
from amb.paper.verdict import Claim
from amb.study.durable import make_folder, write_whole
from amb.study.interchange import csv_text


class PaperReport(ABC):
    """Writes a file about the paper's claims; created without arguments, then `write` is called once."""

    plugin_kind: ClassVar[str] = "paper_reports"

    @abstractmethod
    def write(self, data: PaperData, claims: list[Claim], file: Path) -> None:
        """Write `file`, whose folder exists."""


def write_paper(data: PaperData, claims: list[Claim], folder: Path, *, report: str = "html") -> list[Path]:
    """Write the page and the table of claims into a folder; returns the files.

    Raises:
        StudyError: the folder cannot be written.
        PluginError: the report cannot be loaded.
    """
    writer = load_class(find("paper_reports", report), PaperReport)
    page, table = folder / "paper.html", folder / "claims.csv"
    try:
        make_folder(folder)
        write_whole(table, csv_text(claim_table(claims)), error=None)
        writer().write(data, claims, page)
    except OSError as cause:
        raise StudyError(f"cannot write the report into {folder}: {cause.strerror or cause}") from cause
    return [page, table]
