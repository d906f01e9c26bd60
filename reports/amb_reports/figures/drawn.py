"""Figures as reports: drawn for a notebook, or saved in the report's folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from amb.reports.contract import FigureReport, ReportData
from amb.reports.style import own_style
from amb.study.own_files import Form, picture
from amb_reports.figures.palette import save


class Drawn(FigureReport):
    """Saves each figure as `<name>.png` and `.svg`; subclasses draw."""

    name: ClassVar[str]
    """Name of the first file."""
    kinds: ClassVar[Sequence[str]] = ("png", "svg")

    @classmethod
    def own_files(cls) -> Mapping[str, Form]:
        """The first figure."""
        files = [Path(f"{cls.name}.{kind}") for kind in cls.kinds]
        return {file.name: picture(file) for file in files}

    @own_style()
    def write(self, data: ReportData, folder: Path) -> list[Path]:
        """Save what `figures` draws."""
        figures = self.figures(data).items()
        return [path for name, figure in figures for path in save(figure, folder, name, kinds=self.kinds)]
