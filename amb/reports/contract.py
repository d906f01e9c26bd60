"""The report contract: what the entry-point group `amb.reports` offers."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from amb.stats.question import Question

if TYPE_CHECKING:
    from amb.comparison.result import Comparison
    from amb.study.published import AnyStudy


class Report(ABC):
    """Writes one kind of file about a comparison; made without arguments, then `write` is called once."""

    plugin_kind: ClassVar[str] = "reports"

    @abstractmethod
    def write(self, comparison: "Comparison", folder: Path) -> list[Path]:
        """Write into `folder`, which exists, and return the files written, the most important first."""


class StudyReport(Report):
    """A report that can also be made from whole studies, one or many, as `amb leaderboard` asks for."""

    @abstractmethod
    def write_studies(
        self,
        studies: "Sequence[AnyStudy]",
        file: Path,
        question: Question,
        *,
        title: str = "",
        command: str = "",
    ) -> list[Path]:
        """Write `file` about all finished runs of the studies, a run of several studies once.

        Args:
            studies: where the runs are.
            file: what is written; its folder exists.
            question: the metric, the error rate and what counts as equal.
            title: of the report; by default one that the report chooses.
            command: the command that makes it again, to be shown.

        Raises:
            StudyError: the studies hold no run, or contradict each other.
        """
