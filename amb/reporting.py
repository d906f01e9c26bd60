"""Writing a comparison's reports through the plug-ins of the group `amb.reports`."""

from collections.abc import Sequence
from pathlib import Path

from amb.comparison import Comparison
from amb.contracts.report import Report
from amb.errors import PluginError, StudyError
from amb.plugins import find, plugins


def write_reports(comparison: Comparison, names: Sequence[str] | None = None) -> list[Path]:
    """Write reports into the study's `report/` folder.

    Args:
        comparison: what is reported.
        names: which reports; by default all that are installed.

    Returns:
        The files written.

    Raises:
        SpecError: an unknown report.
        PluginError: a report that cannot be loaded.
        StudyError: the folder cannot be written.
    """
    folder = comparison.study.folder / "report"
    written: list[Path] = []
    for name in plugins("reports") if names is None else names:
        plugin = find("reports", name)
        loaded = plugin.load()
        if not (isinstance(loaded, type) and issubclass(loaded, Report)):
            raise PluginError(f"report {name!r} of {plugin.origin} is not a subclass of amb.Report")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            written += loaded().write(comparison, folder)
        except OSError as cause:
            raise StudyError(f"cannot write the report into {folder}: {cause.strerror or cause}") from cause
    return written
