"""Writing reports through the plug-ins of the group `amb.reports`."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from amb.catalogue.plugins import find, load_class, plugins
from amb.comparison.result import Comparison
from amb.errors import StudyError
from amb.reports.contract import Report, ReportData, StudyReport
from amb.stats.question import DEFAULT, Question
from amb.study.published import open_study


def write_reports(comparison: Comparison, names: Sequence[str] | None = None) -> list[Path]:
    """Write reports into the study's `report/` folder.

    Args:
        comparison: what to report on.
        names: names of the reports; by default all that are installed.

    Returns:
        The files written.

    Raises:
        SpecError: an unknown report.
        PluginError: a report that cannot be loaded.
        StudyError: the folder cannot be written.
    """
    data = report_data(comparison)
    folder = comparison.study.folder / "report"
    written: list[Path] = []
    for name in plugins("reports") if names is None else names:
        report = load_class(find("reports", name), Report)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _refuse_links(folder)
            written += report().write(data, folder)
        except OSError as cause:
            raise StudyError(f"cannot write the report into {folder}: {cause.strerror or cause}") from cause
    return written


def report_data(comparison: Comparison) -> ReportData:
    """The data of a comparison, as reports receive it."""
    return ReportData(
        comparison.runs,
        comparison.traces,
        comparison.analysis,
        comparison.settings,
        comparison.meis,
        comparison.dimensions,
        comparison.load,
        (comparison.study,),
        comparison.warnings,
    )


def write_leaderboard(
    studies: Sequence[str | Path],
    file: Path,
    question: Question = DEFAULT,
    *,
    title: str = "",
    report: str = "html",
) -> list[Path]:
    """Write one page about all finished runs of several studies.

    Args:
        studies: their folders, including published ones.
        file: the page.
        question, title: see `amb.reports.contract.StudyReport`.
        report: the plug-in that writes the page.

    Raises:
        StudyError: a folder is not a study, the studies hold no run or contradict each other, or the file cannot be
            written.
        PluginError: the report cannot be loaded, or can only report on comparisons.
    """
    writer = load_class(find("reports", report), StudyReport)
    opened = [open_study(folder) for folder in studies]
    words = ["amb", "leaderboard", *(str(folder) for folder in studies), "--out", str(file)]
    words += ["--title", title] * bool(title) + question.to_options()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return writer().write_studies(opened, file, question, title=title, command=shlex.join(words))
    except OSError as cause:
        raise StudyError(f"cannot write {file}: {cause.strerror or cause}; choose another file with --out") from cause


def _refuse_links(folder: Path) -> None:
    """Refuse a report folder with links: a third party's study must not cause writes outside it."""
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            raise StudyError(f"{path} is a symbolic link, and reports are not written through links; delete it")
