"""The report contract: what the entry-point group `amb.reports` offers, and the data that a report receives."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import pandas as pd

from amb.catalogue.problems import problem as find_problem
from amb.contracts.problem import Problem
from amb.stats import Analysis, Question, competing
from amb.stats.equal import compared
from amb.stats.gap import ranges
from amb.stats.metrics import Cell, Traces
from amb.stats.trials import trials_needed
from amb.study.own_files import Form
from amb.study.published import AnyStudy
from amb.study.runs import RunRecord, Trace

if TYPE_CHECKING:  # contracts are imported without a plotting library
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class ReportData:
    """What a report is made from: the runs of several solvers on several problems, and their statistics.

    Attributes:
        runs: one row per run (docs/notes/statistics.md lists the columns).
        traces: float64[queries] of every run: its values without noise, in query order, NaN where a query failed.
        analysis: every table of the statistics, the verdict, and the question that was asked.
        settings: everything needed to repeat the comparison.
        meis: the most exciting inputs, rendered when called: problem, solver, seed, activation (noise-free) and image
            (uint8[h, w, c]), one row per problem and solver; empty where no run recommended anything.
        dimensions: the number of dimensions of a problem's space.
        load: record and whole trace of a run; None if no study holds it.
        studies: the studies whose manifests describe the runs.
        problem: a problem of the comparison by its id.
        warnings: what a reader of the tables must know, in sentences without a full stop.
    """

    runs: pd.DataFrame
    traces: Traces
    analysis: Analysis
    settings: Mapping[str, object]
    meis: Callable[[], pd.DataFrame]
    dimensions: Callable[[str], int]
    load: Callable[[Cell], tuple[RunRecord, Trace] | None]
    studies: tuple[AnyStudy, ...] = ()
    warnings: tuple[str, ...] = ()
    problem: Callable[[str], Problem] = find_problem

    @cached_property
    def competing(self) -> pd.DataFrame:
        """The runs of the leading class, on all problems and with all seeds."""
        return competing(self.runs)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """Queries that every solver, of any class, needs to thresholds, against the best ranked (`trials_needed`)."""
        return trials_needed(self.runs, self.traces, str(self.analysis.ranking["solver"].iloc[0]))

    @cached_property
    def common(self) -> pd.DataFrame:
        """The runs of `competing` that the ranking is about (`amb.stats.equal.compared`): all that figures compare."""
        return compared(self.runs)

    @cached_property
    def bounds(self) -> pd.DataFrame:
        """The range of each problem (`amb.stats.gap.ranges`) that scales scores and thresholds of the ranking."""
        return ranges(self.competing, self.traces)


class Report(ABC):
    """Writes one kind of file about a comparison; created without arguments, then `write` is called once.

    Attributes:
        replaces: folders in the report's that it writes anew as a whole, so that old files need not be kept for it;
            each with a function that tells whether a file in it is one of its own. Only amb's reports have such.
    """

    plugin_kind: ClassVar[str] = "reports"
    replaces: ClassVar[Mapping[str, Callable[[Path], bool]]] = MappingProxyType({})

    @classmethod
    def own_files(cls) -> Mapping[str, Form]:
        """Names of files that it writes, each with the form that tells its own from a user's, which are not replaced.

        Only amb's reports are asked; others answer for their files themselves.
        """
        return {}

    @classmethod
    def is_outdated(cls, file: Path) -> bool:
        """Whether a file in the report's folder, which was not written this time, is of an earlier comparison.

        Such files are deleted. Only amb's reports are asked.
        """
        return file.name in cls.own_files()

    @abstractmethod
    def write(self, data: ReportData, folder: Path) -> list[Path]:
        """Write into `folder`, which exists, and return the files written, the most important first.

        `amb.study.durable.write_whole` writes a file whole or not at all, whatever happens.
        """


class FigureReport(Report):
    """A report that draws figures, which `result.plot` also shows in a notebook."""

    @abstractmethod
    def figures(self, data: ReportData) -> "Mapping[str, Figure]":
        """Figures by the names of their files without suffix, in order; empty if there is nothing to draw."""


class StudyReport(Report):
    """A report that can also be made from whole studies, one or many, as `amb leaderboard` asks for."""

    @abstractmethod
    def write_studies(
        self,
        studies: Sequence[AnyStudy],
        file: Path,
        question: Question,
        *,
        title: str = "",
        command: str = "",
        budget: int | None = None,
    ) -> list[Path]:
        """Write `file` about all finished runs of the studies, each run once, even if several studies hold it.

        Args:
            studies: where the runs are.
            file: what is written; its folder exists.
            question: the metric, the error rate and what counts as equal.
            title: title of the report; by default the report chooses one.
            command: the command that repeats the report, which the report may show.
            budget: queries per run at which solvers are compared first; by default the report chooses.

        Raises:
            StudyError: the studies hold no run, or none that tells about `budget`, or contradict each other.
        """
