"""A comparison that shows itself: in a notebook, as figures, as files."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from amb.api.html import comparison_html
from amb.catalogue.plugins import load_class, plugins
from amb.comparison.result import Comparison
from amb.errors import SpecError, unknown
from amb.foreign import contained
from amb.reports.contract import FigureReport, Report, ReportData
from amb.reports.write import is_own, report_data, write_reports
from amb.spec import as_text, listed, user_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = "figure-"
"""What the names of plug-ins for figures begin with."""


@dataclass(frozen=True, repr=False)
class Result(Comparison):
    """A `Comparison` with figures, files and a face in a notebook. `amb.compare` and `amb.open` return it.

    Attributes: those of `Comparison`.
    """

    @classmethod
    def of(cls, comparison: Comparison) -> "Result":
        """The same comparison."""
        return cls(**{field.name: getattr(comparison, field.name) for field in fields(Comparison)})

    def _repr_html_(self) -> str:
        return comparison_html(self)

    def plot(self, kind: str = "convergence") -> "Figure":
        """A figure of the comparison.

        Args:
            kind: "convergence", "ranks", "heatmap", "gallery", "profile", "runtime", "ert", or another figure that is
                installed: names of plug-ins in the group `amb.reports`, with or without `figure-`.

        Returns:
            A `matplotlib.figure.Figure`: a notebook shows it, and `savefig` writes it.

        Raises:
            SpecError: there is no such figure, or there is nothing to draw.
        """
        known = {name.removeprefix(FIGURE): plugin for name, plugin in plugins("reports").items()}
        drawn = {name: plugin for name, plugin in known.items() if plugin.name.startswith(FIGURE)}
        name = str(kind).removeprefix(FIGURE)
        if name not in drawn:
            raise unknown("figure", kind, drawn)
        report = load_class(drawn[name], Report)()
        if not isinstance(report, FigureReport):
            raise SpecError(f"{drawn[name]} can only be written to files: it is not an amb.FigureReport")
        with contained():
            figures = list(report.figures(self._data if is_own(drawn[name]) else report_data(self)).values())
        if not figures:
            raise SpecError(f"there is nothing to draw in {kind}: this comparison lacks what the figure shows")
        return _with_a_face(figures[0])

    def save(self, folder: str | Path, reports: Sequence[str] | None = None) -> list[Path]:
        """Write reports into a folder: tables, figures, the page.

        Args:
            folder: where; created if need be.
            reports: names of the reports; by default all that are installed.

        Returns:
            The files written.

        Raises:
            SpecError: an unknown report.
            StudyError: the folder cannot be written, or a report failed.
        """
        from amb.errors import StudyError

        if isinstance(reports, str):
            reports = [reports]
        what = "names of reports, such as ['csv', 'html'],"
        names = None if reports is None else [as_text(one, f"each of the {what}") for one in listed(reports, what)]
        written = write_reports(self, names, folder=user_path(folder))
        if written.failures:
            raise StudyError("; ".join(written.failures))
        return list(written.files)

    @cached_property
    def _data(self) -> ReportData:
        return report_data(self)


def _with_a_face(figure: "Figure") -> "Figure":
    """The figure, as a notebook shows it: notebooks know by themselves only figures that pyplot made."""

    def png() -> bytes:
        stream = BytesIO()
        figure.savefig(stream, format="png", bbox_inches="tight")
        return stream.getvalue()

    vars(figure)["_repr_png_"] = png
    return figure
