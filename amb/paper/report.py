"""The report on the paper: what the entry-point group `amb.paper_reports` offers."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from amb.catalogue.plugins import find, load_class
from amb.errors import StudyError
from amb.foreign import contained
from amb.paper.claims import claim_table
from amb.paper.studies import PaperData
from amb.paper.verdict import Claim
from amb.study.durable import make_folder, write_whole
from amb.study.interchange import csv_text
from amb.study.own_files import PAGE, refuse_others, table

PAGE_FILE, TABLE_FILE = "paper.html", "claims.csv"


class PaperReport(ABC):
    """Writes a file about the paper's claims; created without arguments, then `write` is called once."""

    plugin_kind: ClassVar[str] = "paper_reports"

    @abstractmethod
    def write(self, data: PaperData, claims: list[Claim], file: Path) -> None:
        """Write `file`, whose folder exists."""


def check_paper(folder: Path) -> None:
    """Refuse a folder in which page or table would replace files of the user's.

    Raises:
        StudyError: it has such a file.
    """
    files = {folder / PAGE_FILE: PAGE, folder / TABLE_FILE: table("section", "claim", "verdict")}
    refuse_others(files, "choose another folder with --study")


def write_paper(data: PaperData, claims: list[Claim], folder: Path, *, report: str = "html") -> list[Path]:
    """Write the page and the table of claims into a folder; returns the files.

    Raises:
        StudyError: the folder cannot be written, or has files of the user's under these names.
        PluginError: the report cannot be loaded.
    """
    check_paper(folder)
    writer = load_class(find("paper_reports", report), PaperReport)
    page, claimed = folder / PAGE_FILE, folder / TABLE_FILE
    try:
        make_folder(folder)
        write_whole(claimed, csv_text(claim_table(claims)), error=None)
        with contained():
            writer().write(data, claims, page)
    except OSError as cause:
        raise StudyError(f"cannot write the report into {folder}: {cause.strerror or cause}") from cause
    return [page, claimed]
