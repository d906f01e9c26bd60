"""Reports that fail, each in its own way."""

from pathlib import Path

from amb import Report, ReportData


class Bad(Report):
    """Divides by zero."""

    name = "bad"

    def write(self, data: ReportData, folder: Path) -> list[Path]:
        1 / 0  # noqa: B018
        return []


class Lost(Report):
    """Reads a file that does not exist."""

    name = "lost"

    def write(self, data: ReportData, folder: Path) -> list[Path]:
        Path("no-such.mplstyle").read_text(encoding="utf-8")
        return []


class Vague(Report):
    """Returns a name instead of a path."""

    name = "vague"

    def write(self, data: ReportData, folder: Path) -> list[Path]:
        return ["figure.png"]  # type: ignore[list-item]
