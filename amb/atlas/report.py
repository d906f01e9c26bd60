"""The report on an atlas: what the entry-point group `amb.atlas_reports` offers."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from amb.atlas.make import Atlas
from amb.catalogue.plugins import find, load_class
from amb.errors import StudyError
from amb.foreign import contained
from amb.study.durable import make_folder


class AtlasReport(ABC):
    """Writes a file about an atlas; created without arguments, then `write` is called once."""

    plugin_kind: ClassVar[str] = "atlas_reports"

    @abstractmethod
    def write(self, atlas: Atlas, file: Path) -> list[str]:
        """Write `file`, whose folder exists; returns what a reader must know, in sentences without a full stop."""


def write_page(atlas: Atlas, file: Path, *, report: str = "html") -> list[str]:
    """Write the page of an atlas; returns notes, such as what was left out for its size.

    Raises:
        StudyError: the file cannot be written.
        PluginError: the report cannot be loaded.
    """
    writer = load_class(find("atlas_reports", report), AtlasReport)
    try:
        make_folder(file.parent)
        with contained():
            return writer().write(atlas, file)
    except OSError as cause:
        raise StudyError(f"cannot write {file}: {cause.strerror or cause}; choose another file with --out") from cause
