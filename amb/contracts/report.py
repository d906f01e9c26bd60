"""The report contract: what the entry-point group `amb.reports` offers."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amb.comparison import Comparison


class Report(ABC):
    """Writes one kind of file about a comparison; made without arguments, then `write` is called once."""

    @abstractmethod
    def write(self, comparison: "Comparison", folder: Path) -> list[Path]:
        """Write into `folder`, which exists, and return the files written, the most important first."""
